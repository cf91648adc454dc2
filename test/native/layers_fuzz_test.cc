// Damaged and invented layers: each is refused or becomes an image that can be read, in bounded time. The tars of
// test/native/layer_corpus are tried as they are, then mutations of them and of tars made here.
#include <chrono>
#include <random>

#include "check.h"
#include "tar_fixture.h"

using fixture::Tar;

namespace {

constexpr int rounds = 1500;

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  all.push_back(Tar().directory("d/").add("d/a", "1").symlink("l", "d").link("h", "d/a").add("d/.wh.b").end());
  all.push_back(Tar().add("l/x", "2").add(".wh.h").add("d/.wh..wh..opq").add("d/c", std::string(3000, 'c')).end());
  all.push_back(Tar()
                    .add("n", "x", {.pax = {{"path", "a/long/name"}, {"SCHILY.xattr.user.a", "v"}, {"mtime", "-1.5"}}})
                    .add("GNUSparseFile.0/s", "1\n100\n3\n" + std::string(504, '\0') + "abc",
                         {.pax = {{"GNU.sparse.major", "1"},
                                  {"GNU.sparse.minor", "0"},
                                  {"GNU.sparse.name", "s"},
                                  {"GNU.sparse.realsize", "200"}}})
                    .add("null", "", {.type = '3', .major_number = 1, .minor_number = 3})
                    .end());
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator("test/native/layer_corpus", none))
    all.push_back(fixture::read_file(entry.path()));
  return all;
}

void mend_checksum(std::string* tar, size_t block) {
  if (block + 512 > tar->size()) return;
  unsigned sum = 8 * ' ';
  for (size_t i = 0; i < 512; i++)
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>((*tar)[block + i]);
  char text[9];
  snprintf(text, sizeof text, "%06o", sum);
  memcpy(tar->data() + block + 148, text, 7);
  (*tar)[block + 155] = ' ';
}

std::string mutated(std::string tar, std::mt19937* random) {
  static const char* words[] = {"..", "/", ".wh.", ".wh..wh..opq", "d/a", "l/l/l", "\xff\x80", "99999999999", "-1"};
  auto pick = [&](size_t below) { return (*random)() % below; };
  for (size_t n = 1 + pick(5); n > 0 && tar.size() >= 512; n--) {
    size_t block = pick(tar.size() / 512) * 512;
    static constexpr size_t fields[] = {0, 0, 0, 100, 108, 124, 136, 156, 157, 157, 257, 329, 345};
    size_t at = block + (pick(4) ? fields[pick(std::size(fields))] : pick(512));
    switch (pick(6)) {
      case 0: tar[at] = static_cast<char>(pick(256)); break;
      case 1: tar[block + 156] = "0123456789xgLKSDMNV"[pick(19)]; break;
      case 2: {
        const char* word = words[pick(std::size(words))];
        tar.replace(at, std::min(strlen(word), tar.size() - at), word, 0, std::min(strlen(word), tar.size() - at));
        break;
      }
      case 3: tar.insert(block, tar.substr(pick(tar.size() / 512) * 512, 512)); break;
      case 4: tar.erase(block, 512 * (1 + pick(2))); break;
      default:
        if (pick(6) == 0) tar.resize(pick(tar.size()));
    }
    if (pick(8)) mend_checksum(&tar, block);
  }
  return tar;
}

bool try_layers(const std::vector<std::string>& layers) {
  davit::image::ConvertOptions options;
  options.max_entries = 1000;
  options.max_bytes = 4 << 20;
  fixture::Image image = fixture::convert(layers, options);
  CHECK(!image.failure || image.failure->err != 0 || !image.failure->detail.empty());
  // What was written as an image can be read as one.
  CHECK(!image.failure || image.result.squashfs.size == 0);
  for (auto& [path, description] : image.files) {
    CHECK(description.find("unreadable") == std::string::npos);
    CHECK(path.find("..") == std::string::npos || path.find("/../") == std::string::npos);
  }
  return !image.failure;
}

}  // namespace

int main() {
  std::mt19937 random(20260801);
  std::vector<std::string> all = seeds(), sound;
  for (const std::string& seed : all)
    if (try_layers({seed})) sound.push_back(seed);
  int fine = 0;
  auto slowest = std::chrono::steady_clock::duration::zero();
  for (int i = 0; i < rounds; i++) {
    std::vector<std::string> layers;
    for (size_t n = 1 + random() % 3; n > 0; n--) {
      const std::vector<std::string>& some = random() % 2 ? sound : all;  // most of the corpus is damaged to begin with
      std::string layer = some[random() % some.size()];
      layers.push_back(random() % 4 ? mutated(layer, &random) : layer);
    }
    auto start = std::chrono::steady_clock::now();
    if (try_layers(layers)) fine++;
    slowest = std::max(slowest, std::chrono::steady_clock::now() - start);
  }
  auto slowest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count();
  printf("%d of %d images were made, the slowest took %ld ms\n", fine, rounds, static_cast<long>(slowest_ms));
  CHECK(fine > rounds / 20 && fine < rounds);
  CHECK(slowest_ms < 20000);
  return check::finish();
}
