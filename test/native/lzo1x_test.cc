// The LZO1X decoder: streams written by hand from the format's description, and streams that are damaged.
#include "image/lzo1x.h"

#include <stdint.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "check.h"

namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t end[] = {0x11, 0, 0};

Bytes stream(std::initializer_list<int> codes, bool with_end = true) {
  Bytes bytes;
  for (int code : codes) bytes.push_back(static_cast<uint8_t>(code));
  if (with_end) bytes.insert(bytes.end(), std::begin(end), std::end(end));
  return bytes;
}

// Buffers of the exact size on the heap, so that a sanitizer sees every byte too many.
std::string decode(const Bytes& in, size_t room, bool* ok) {
  std::unique_ptr<uint8_t[]> copy(new uint8_t[in.size()]);
  std::copy(in.begin(), in.end(), copy.get());
  std::unique_ptr<uint8_t[]> out(new uint8_t[room]);
  ptrdiff_t size = davit::image::lzo1x_decode(copy.get(), in.size(), out.get(), room);
  *ok = size >= 0 && static_cast<size_t>(size) <= room;
  return *ok ? std::string(reinterpret_cast<char*>(out.get()), static_cast<size_t>(size)) : "";
}

void gives(const Bytes& in, const std::string& expected) {
  bool ok = false;
  CHECK(decode(in, expected.size(), &ok) == expected);
  CHECK(ok);
  if (expected.empty()) return;
  decode(in, expected.size() - 1, &ok);
  CHECK(!ok);  // one byte of room too few
  for (size_t cut = 0; cut < in.size(); cut++) {
    decode(Bytes(in.begin(), in.begin() + static_cast<ptrdiff_t>(cut)), expected.size(), &ok);
    CHECK(!ok);  // every beginning is incomplete
  }
}

void hand_written() {
  gives(stream({17 + 3, 'a', 'b', 'c'}), "abc");
  // 01LDDDSS: 3 bytes from 4 back, then one literal.
  gives(stream({17 + 4, 'a', 'b', 'c', 'd', 64 + (3 << 2) + 1, 0, 'x'}), "abcdabcx");
  // 1LLDDDSS: 8 bytes from 1 back repeat it.
  gives(stream({17 + 4, 'a', 'b', 'c', 'd', 128 + (3 << 5), 0}), "abcddddddddd");
  // 001LLLLL with a length of 2 + 31 + 255 + 5 and distance 2.
  std::string repeated = "abcd";
  for (int i = 0; i < 293; i++) repeated += i % 2 ? 'd' : 'c';
  gives(stream({17 + 4, 'a', 'b', 'c', 'd', 32, 0, 5, (2 - 1) << 2, 0}), repeated);
  // After three literals, 0000DDSS copies 2 bytes; after a long run it copies 3 from beyond 2 KiB.
  gives(stream({17 + 3, 'a', 'b', 'c', 2 << 2, 0}), "abcab" + std::string());
  // A literal run of 3 + 15 + 2 after a match without literals.
  Bytes run = stream({17 + 4, 'a', 'b', 'c', 'd', 64, 0, 0, 2}, false);
  std::string text(20, 'L');
  run.insert(run.end(), text.begin(), text.end());
  run.insert(run.end(), std::begin(end), std::end(end));
  gives(run, "abcdddd" + text);
}

void far_matches() {
  // 20000 bytes of literals, then 0001HLLL: 4 bytes from 16384 + 1000 back.
  std::string text;
  for (int i = 0; i < 20000; i++) text += static_cast<char>('a' + i % 23);
  Bytes in = {0};
  size_t rest = text.size() - 3 - 15;
  for (; rest > 255; rest -= 255) in.push_back(0);
  in.push_back(static_cast<uint8_t>(rest));
  in.insert(in.end(), text.begin(), text.end());
  Bytes with_near = in;
  unsigned tail = 1000 << 2;
  in.insert(in.end(), {16 + 2, static_cast<uint8_t>(tail), static_cast<uint8_t>(tail >> 8)});
  in.insert(in.end(), std::begin(end), std::end(end));
  bool ok = false;
  std::string expected = text + text.substr(text.size() - 17384, 4);
  CHECK(decode(in, expected.size(), &ok) == expected);
  // Directly behind a literal run, 0000DDSS means 3 bytes from 2049 + D + 4 * H back.
  with_near.insert(with_near.end(), {1 << 2, 3});
  with_near.insert(with_near.end(), std::begin(end), std::end(end));
  expected = text + text.substr(text.size() - (2049 + 1 + 12), 3);
  CHECK(decode(with_near, expected.size(), &ok) == expected);
}

void damaged() {
  bool ok = true;
  decode({}, 10, &ok);
  CHECK(!ok);
  decode(stream({64, 0}), 10, &ok);  // a match before there is anything
  CHECK(!ok);
  decode(stream({17 + 4, 'a', 'b', 'c', 'd', 64, 1}), 100, &ok);  // from before the beginning
  CHECK(!ok);
  decode(Bytes(100000, 0), 10, &ok);  // a length that never ends
  CHECK(!ok);
}

void random_streams() {
  std::mt19937 random(7);
  unsigned accepted = 0;
  for (int i = 0; i < 60000; i++) {
    Bytes in(random() % 64);
    for (uint8_t& byte : in) byte = static_cast<uint8_t>(random() % 4 ? random() % 80 : random());
    if (random() % 2) in.insert(in.end(), std::begin(end), std::end(end));
    bool ok = false;
    decode(in, random() % 300, &ok);
    accepted += ok;
  }
  CHECK(accepted > 100);  // the cases reach the end of the decoder, too
}

}  // namespace

int main() {
  hand_written();
  far_matches();
  damaged();
  random_streams();
  return check::finish();
}
