#include "image/layer_hash.h"

#include <string.h>
#include <sys/random.h>

#include <bit>

namespace davit::image {
namespace {

struct Key {
  uint64_t parts[2] = {};
  Key() {
    if (getrandom(parts, sizeof parts, 0) != sizeof parts) parts[0] = reinterpret_cast<uintptr_t>(this);
  }
};

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1, v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0, v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1, v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2, v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void add(uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
};

}  // namespace

// Aumasson and Bernstein, "SipHash: a fast short-input PRF", with one round for each word and three at the end.
uint64_t keyed_hash(std::string_view bytes, uint64_t seed) {
  static const Key key;
  const uint64_t k0 = key.parts[0], k1 = key.parts[1];
  State state = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  state.add(seed);
  size_t left = bytes.size();
  const char* at = bytes.data();
  for (uint64_t word; left >= sizeof word; left -= sizeof word, at += sizeof word) {
    memcpy(&word, at, sizeof word);
    state.add(word);
  }
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = 0; i < left; i++) last |= static_cast<uint64_t>(static_cast<uint8_t>(at[i])) << (8 * i);
  state.add(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 3; i++) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace davit::image
