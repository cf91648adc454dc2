// Damaged squashfs images: each is refused or unpacked, in bounded time, and nothing is written outside the target.
// First whole images with changed bytes, then the parts of test/native/squashfs_corpus, as they are and damaged where
// no change of bytes would get: behind the compressors. scripts/fuzz.mjs does the latter for as long as one likes.
#include <chrono>
#include <random>

#include "check.h"
#include "squashfs_mutate.h"
#include "squashfs_trial.h"

// Sizes in a damaged image may ask for any amount of memory; malloc says no and the image is refused.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1:max_allocation_size_mb=256"; }

using namespace davit::image;

namespace {

constexpr int rounds = 1000;  // for each image; a few seconds with sanitizers

std::string mutated(const std::string& original, std::mt19937* random) {
  std::string bytes = original;
  auto pick = [&](size_t below) { return (*random)() % below; };
  for (size_t n = 1 + pick(4); n > 0; n--) {
    // The superblock, the tables at the end, or anywhere.
    size_t where = pick(3);
    size_t at = where == 0   ? pick(96)
                : where == 1 ? bytes.size() - 1 - pick(std::min<size_t>(bytes.size(), 1500))
                             : pick(bytes.size());
    switch (pick(4)) {
      case 0: bytes[at] = static_cast<char>(pick(256)); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(8))); break;
      case 2:
        for (size_t i = at; i < std::min(at + 8, bytes.size()); i++) bytes[i] = static_cast<char>(pick(2) ? 0xff : 0);
        break;
      default:
        if (pick(8) == 0) bytes.resize(std::max<size_t>(1, at));
    }
  }
  return bytes;
}

// True when the image was unpacked completely.
bool try_unpack(const fixture::TempDir& dir, const std::string& bytes) {
  fixture::write_file(dir / "image", bytes);
  mkdir((dir / "out").c_str(), 0700);
  bool ok = false;
  {
    Source source;
    Outcome bad = source.open_squashfs((dir / "image").c_str(), 0, bytes.size(), true, "image");
    davit::Fd directory(open((dir / "out").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!bad) bad = unpack_tree(source.tree, source.squashfs, directory.get(), {.faithful = false}, &source.notes);
    ok = !bad;
    CHECK(!bad || bad->err != 0 || !bad->detail.empty());
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir / "out", ignored);
  unlink((dir / "image").c_str());
  CHECK(std::filesystem::is_empty(dir.path(), ignored));
  return ok;
}

void fuzz(const std::string& image, const char* what) {
  fixture::TempDir dir;
  std::mt19937 random(20260731);
  int fine = 0;
  auto slowest = std::chrono::steady_clock::duration::zero();
  CHECK(try_unpack(dir, image));
  for (int i = 0; i < rounds; i++) {
    auto start = std::chrono::steady_clock::now();
    if (try_unpack(dir, mutated(image, &random))) fine++;
    slowest = std::max(slowest, std::chrono::steady_clock::now() - start);
  }
  auto slowest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count();
  printf("%s: %d of %d damaged images were unpacked, the slowest took %ld ms\n", what, fine, rounds,
         static_cast<long>(slowest_ms));
  CHECK(fine < rounds);
  CHECK(slowest_ms < 20000);
}

// Each file of the corpus, then mutations of them.
void fuzz_parts() {
  constexpr int part_rounds = 1200;
  fixture::TempDir dir;
  std::vector<fixture::Parts> corpus;
  int sound = 0;
  for (auto& entry : std::filesystem::directory_iterator("test/native/squashfs_corpus")) {
    corpus.push_back(fixture::from_bytes(fixture::read_file(entry.path())));
    std::string image = fixture::to_image(corpus.back());
    bool fine = !fixture::try_image(image, true);
    CHECK(fine || !try_unpack(dir, image));
    if (fine) sound++;
  }
  printf("%d of %zu images of the corpus are sound\n", sound, corpus.size());
  CHECK(sound >= 10 && sound < static_cast<int>(corpus.size()));
  fixture::Mutator mutator(20261123);
  int fine = 0;
  auto slowest = std::chrono::steady_clock::duration::zero();
  for (int i = 0; i < part_rounds; i++) {
    fixture::Parts parts = corpus[static_cast<size_t>(i) % corpus.size()];
    mutator.mutate(&parts);
    std::string image = fixture::to_image(parts);
    auto start = std::chrono::steady_clock::now();
    if (!fixture::try_image(image, i % 8 == 0)) fine++;
    slowest = std::max(slowest, std::chrono::steady_clock::now() - start);
  }
  auto slowest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count();
  printf("parts: %d of %d damaged images were read, the slowest took %ld ms\n", fine, part_rounds,
         static_cast<long>(slowest_ms));
  CHECK(fine > part_rounds / 20 && fine < part_rounds);
  CHECK(slowest_ms < 20000);
}

// Every file may have the largest value there is, at the cost of a reference: together that is refused.
void share_a_value() {
  constexpr unsigned count = 4300;
  fixture::Parts parts =
      fixture::from_bytes(fixture::read_file("test/native/squashfs_corpus/directory-with-attributes"));
  std::string& values = parts.tables[fixture::t_xattrs];
  values.clear();
  fixture::append_value(&values, uint32_t{max_xattr_value});
  values.append(max_xattr_value, 'v');
  uint64_t first = values.size();
  for (unsigned i = 0; i < count; i++) {
    fixture::append_value(&values, uint16_t{0x100});  // "user.", and the value lies elsewhere
    fixture::append_value(&values, uint16_t{4});
    values += std::to_string(1000 + i);
    fixture::append_value(&values, uint32_t{8});
    fixture::append_value(&values, uint64_t{0});
  }
  std::string& ids = parts.tables[fixture::t_xattr_ids];
  ids.clear();
  // Blocks are stored as they are, 8192 bytes behind a header of two.
  fixture::append_value(&ids, (first / 8192 * 8194) << 16 | first % 8192);
  fixture::append_value(&ids, count);
  fixture::append_value(&ids, uint32_t{0});
  auto bad = fixture::try_image(fixture::to_image(parts), false);
  CHECK(bad && bad->detail.find("extended attributes beyond all measure") == 0);
  ids.replace(8, 4, std::string("\x03\0\0\0", 4));
  CHECK(!fixture::try_image(fixture::to_image(parts), true));
}

void make_small_tree(const std::string& root) {
  fixture::make_tree(root);
  fixture::write_file(root + "/blocks", std::string(20000, 'b') + "tail");
  if (truncate((root + "/deep/er/sparse").c_str(), 50000) != 0) abort();
}

}  // namespace

int main() {
  fixture::TempDir dir;
  make_small_tree(dir / "tree");
  WriteResult written;
  CHECK(!fixture::pack(dir / "tree", dir / "ours", 0, 6, &written));
  fuzz(fixture::read_file(dir / "ours").substr(0, written.bytes_used), "zstd");
  // Without compression the mutations reach the tables themselves.
  std::vector<const char*> plain = {"-noI", "-noD", "-noF", "-noX", "-noId"};
  std::vector<const char*> lzo = {"-comp", "lzo"};
  for (auto& options : {plain, lzo}) {
    std::string image = dir / "theirs", tree = dir / "tree";
    std::vector<const char*> argv = {"mksquashfs", tree.c_str(), image.c_str(), "-noappend", "-nopad", "-b", "4096"};
    argv.insert(argv.end(), options.begin(), options.end());
    if (!fixture::run(argv)) {
      printf("not done: no mksquashfs that knows %s\n", options.back());
      continue;
    }
    fuzz(fixture::read_file(image), options.back());
  }
  fuzz_parts();
  share_a_value();
  return check::finish();
}
