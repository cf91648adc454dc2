// gzip by zlib and by ISA-L: the same bytes out of the same streams, and the same streams refused.
#include <random>

#include "check.h"
#include "image/inflate.h"
#include "tar_fixture.h"

using namespace davit::image;
using fixture::Pieces;

namespace {

constexpr int rounds = 4000;
constexpr size_t most = 4 << 20;  // then it is a bomb, and both have shown the same so far

struct Read {
  std::string bytes;
  std::string failure;
};

Read read(Inflater inflater, const std::string& stream, size_t piece, size_t buffer) {
  Pieces source(stream, piece);
  auto decompressor = open_gzip(Input(&source, "test"), inflater);
  Read all;
  std::string out(buffer, '\0');
  for (size_t got = buffer; got == buffer && all.bytes.size() < most;) {
    if (auto bad = decompressor->read(reinterpret_cast<uint8_t*>(out.data()), buffer, &got)) {
      all.failure = bad->detail;
      return all;
    }
    all.bytes.append(out, 0, got);
  }
  return all;
}

std::string text(size_t size, std::mt19937* random) {
  std::string made;
  while (made.size() < size) {
    if (!made.empty() && (*random)() % 3) {
      size_t from = (*random)() % made.size();
      made += made.substr(from, (*random)() % 400);
    } else {
      made += static_cast<char>((*random)());
    }
  }
  return made;
}

void members_in_pieces() {
  std::mt19937 random(1);
  std::string one = text(100000, &random), two = text(3000, &random);
  std::string stream = fixture::gzip(one) + fixture::gzip("") + fixture::gzip(two) + fixture::gzip("x");
  for (Inflater inflater : {Inflater::fastest, Inflater::zlib})
    for (size_t piece : {1, 2, 3, 7, 8, 9, 700, 1000000})
      for (size_t buffer : {1, 5, 4096, 1000000}) {
        if (piece * buffer < 7) continue;  // slow, and nothing new
        CHECK(read(inflater, stream, piece, buffer).bytes == one + two + "x");
        CHECK(read(inflater, stream + std::string(3, '\0'), piece, buffer).failure.empty());
        CHECK(read(inflater, stream + "y", piece, buffer).failure.find("after the end") != std::string::npos);
      }
}

void cut_off_everywhere() {
  std::mt19937 random(2);
  std::string stream = fixture::gzip(text(3000, &random));
  for (Inflater inflater : {Inflater::fastest, Inflater::zlib})
    for (size_t size = 1; size < stream.size(); size++)
      CHECK(read(inflater, stream.substr(0, size), 100, 700).failure.find("cut off") != std::string::npos);
}

void optional_fields() {
  std::string plain = fixture::gzip("content");
  std::string extra("\x1f\x8b\x08\x1c\0\0\0\0\0\x03\x04\0abcdname\0remark\0", 28);
  for (Inflater inflater : {Inflater::fastest, Inflater::zlib})
    for (size_t piece : {1, 5, 1000}) CHECK(read(inflater, extra + plain.substr(10), piece, 100).bytes == "content");
}

// What one takes the other takes; up to a failure both give the same.
void damaged_alike() {
  std::mt19937 random(3);
  auto pick = [&](size_t below) { return random() % below; };
  int fine = 0;
  for (int i = 0; i < rounds; i++) {
    std::string stream = fixture::gzip(text(pick(5000), &random));
    if (pick(3) == 0) stream += fixture::gzip(text(pick(500), &random));
    for (size_t n = pick(3); n > 0; n--) {
      size_t at = pick(2) ? pick(stream.size()) : pick(std::min<size_t>(stream.size(), 30));
      stream[at] = static_cast<char>(pick(2) ? random() : stream[at] ^ (1 << pick(8)));
    }
    if (pick(10) == 0) stream.resize(pick(stream.size()));
    size_t piece = 1 + pick(3000), buffer = 1 + pick(9000);
    Read fast = read(Inflater::fastest, stream, piece, buffer), slow = read(Inflater::zlib, stream, piece, buffer);
    if (slow.failure.find("header") != std::string::npos) continue;  // ISA-L takes no offence at unknown flags
    CHECK(fast.failure.empty() == slow.failure.empty());
    size_t common = std::min(fast.bytes.size(), slow.bytes.size());
    CHECK(fast.bytes.compare(0, common, slow.bytes, 0, common) == 0);
    if (fast.failure.empty() && slow.failure.empty()) CHECK(fast.bytes == slow.bytes), fine++;
  }
  CHECK(fine > rounds / 10 && fine < rounds);
}

}  // namespace

int main() {
  if (!has_isal()) printf("not compared: no libisal.so.2 here\n");
  members_in_pieces();
  cut_off_everywhere();
  optional_fields();
  damaged_alike();
  return check::finish();
}
