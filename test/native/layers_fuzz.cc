// libFuzzer: any bytes as one or two layers (the first byte says where they part). scripts/fuzz.mjs builds and runs it.
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
