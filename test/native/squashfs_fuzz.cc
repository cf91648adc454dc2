// libFuzzer: the parts of a squashfs (squashfs_parts.h), damaged by squashfs_mutate.h. `scripts/fuzz.mjs squashfs`
// builds and runs it; `squashfs_fuzz --make DIR IMAGE...` takes images apart into files for the corpus, `--tell
// FILE...` says what is wrong with them.
#include <stdio.h>

#include "squashfs_mutate.h"
#include "squashfs_trial.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed);
extern "C" const char* __asan_default_options();

// Sizes in a damaged image may ask for any amount of memory; malloc says no and the image is refused.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "allocator_may_return_null=1:max_allocation_size_mb=256";
}

namespace {

void make_parts(const char* directory, const char* path) {
  std::string image = fixture::read_file(path);
  std::string out = directory + ("/" + std::filesystem::path(path).filename().string());
  fixture::write_file(out, fixture::to_bytes(fixture::Dismantler(image).parts()));
}

void tell(const char* path) {
  auto bad = fixture::try_image(fixture::to_image(fixture::from_bytes(fixture::read_file(path))), true);
  if (!bad)
    printf("%s: sound\n", path);
  else
    printf("%s: %s %s: %s\n", path, bad->step.c_str(), bad->object.c_str(),
           bad->err ? strerror(bad->err) : bad->detail.c_str());
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  std::string first = *argc > 1 ? (*argv)[1] : "";
  if (first != "--make" && first != "--tell") return 0;
  for (int i = first == "--make" ? 3 : 2; i < *argc; i++) {
    if (first == "--make")
      make_parts((*argv)[2], (*argv)[i]);
    else
      tell((*argv)[i]);
  }
  exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  std::string image = fixture::to_image(fixture::from_bytes(bytes));
  fixture::try_image(image, std::hash<std::string>()(bytes) % 8 == 0);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  fixture::Parts parts = fixture::from_bytes(std::string(reinterpret_cast<const char*>(data), size));
  if (seed % 16 == 0) {  // what libFuzzer has learnt about comparisons
    std::string& table = parts.tables[seed / 16 % fixture::t_count];
    size_t room = table.size() + 64, old = table.size();
    table.resize(room);
    table.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(table.data()), old, room));
  } else {
    fixture::Mutator(seed).mutate(&parts);
  }
  std::string bytes = fixture::to_bytes(parts);
  if (bytes.size() > max_size) return size;
  memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
