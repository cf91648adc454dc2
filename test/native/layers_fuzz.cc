// libFuzzer: any bytes as one or two layers (the first byte says where they part). Build and run from the root of the
// project, with the libraries of cmake/image.cmake:
//   clang++-14 -std=c++20 -g -O1 -fno-rtti -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
//     -D_GNU_SOURCE -Inative -Itest/native test/native/layers_fuzz.cc $(ls native/image/*.cc | grep -v binding) \
//     native/sys/errno_name.cc -lsquashfs -larchive -lzstd -llz4 -llzma -lz -lcrypto -lpthread -o layers_fuzz
//   ./layers_fuzz -max_total_time=180 -timeout=60 -rss_limit_mb=1024 CORPUS test/native/layer_corpus
#include "tar_fixture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  size_t cut = std::min<size_t>(bytes.size(), data[0] * size_t{512});
  davit::image::ConvertOptions options;
  options.max_entries = 1000;
  options.max_bytes = 4 << 20;
  fixture::Image image = fixture::convert({bytes.substr(0, cut), bytes.substr(cut)}, options);
  if (image.failure && image.failure->err == 0 && image.failure->detail.empty()) abort();
  if (image.failure && image.result.squashfs.size > 0) abort();  // written, but not readable
  return 0;
}
