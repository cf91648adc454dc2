// Written from the description of the stream in the kernel's Documentation/staging/lzo.rst.
//
// The stream is a row of instructions. Each copies a match (bytes that were written before, `distance` back) and then
// 0 to 3 literals, whose number stands in its last two bits; a run of more literals is an instruction of its own. What
// the low codes mean depends on how many literals the instruction before them copied.
#include "image/lzo1x.h"

#include <string.h>

namespace davit::image {
namespace {

constexpr unsigned after_literal_run = 4;

class Decoder {
 public:
  Decoder(const uint8_t* in, size_t in_size, uint8_t* out, size_t out_size)
      : in_(in), in_end_(in + in_size), out_(out), out_begin_(out), out_end_(out + out_size) {}

  ptrdiff_t run() {
    if (in_ == in_end_) return -1;
    if (*in_ > 17) first_literals(*in_++ - 17U);
    while (!failed_ && !ended_) instruction();
    return failed_ ? -1 : out_ - out_begin_;
  }

 private:
  void first_literals(unsigned count) {
    literals(count);
    state_ = count < 4 ? count : after_literal_run;
  }

  void instruction() {
    unsigned code = byte();
    if (failed_) return;
    if (code >= 64) {
      short_match(code);
    } else if (code >= 32) {
      size_t length = 2 + long_length(code & 31, 31);
      unsigned tail = two_bytes();
      match((tail >> 2) + 1, length, tail & 3);
    } else if (code >= 16) {
      far_match(code);
    } else if (state_ == 0) {
      literals(3 + long_length(code & 15, 15));
      state_ = after_literal_run;
    } else {
      size_t distance = (static_cast<size_t>(byte()) << 2) + (code >> 2);
      bool after_run = state_ == after_literal_run;
      match(distance + (after_run ? 2049 : 1), after_run ? 3 : 2, code & 3);
    }
  }

  // 01LDDDSS and 1LLDDDSS: 3 to 8 bytes from the last 2 KiB.
  void short_match(unsigned code) {
    size_t length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
    size_t distance = (static_cast<size_t>(byte()) << 3) + ((code >> 2) & 7) + 1;
    match(distance, length, code & 3);
  }

  // 0001HLLL: from 16 to 48 KiB back; the nearest of these distances ends the stream.
  void far_match(unsigned code) {
    size_t length = 2 + long_length(code & 7, 7);
    unsigned tail = two_bytes();
    size_t distance = 16384 + (static_cast<size_t>(code & 8) << 11) + (tail >> 2);
    if (distance == 16384) {
      ended_ = true;
    } else {
      match(distance, length, tail & 3);
    }
  }

  unsigned byte() {
    if (in_ == in_end_) {
      failed_ = true;
      return 0;
    }
    return *in_++;
  }

  unsigned two_bytes() {
    unsigned low = byte();
    return low | byte() << 8;
  }

  // A length that does not fit its bits is 0 there and follows: 255 for every zero byte, then the rest.
  size_t long_length(unsigned bits, size_t most) {
    if (bits != 0) return bits;
    size_t length = most;
    unsigned next;
    while ((next = byte()) == 0 && !failed_) length += 255;
    return length + next;
  }

  void literals(size_t count) {
    if (failed_ || count > static_cast<size_t>(in_end_ - in_) || count > static_cast<size_t>(out_end_ - out_)) {
      failed_ = true;
      return;
    }
    memcpy(out_, in_, count);
    in_ += count;
    out_ += count;
  }

  void match(size_t distance, size_t length, unsigned literal_count) {
    if (failed_ || distance > static_cast<size_t>(out_ - out_begin_) || length > static_cast<size_t>(out_end_ - out_)) {
      failed_ = true;
      return;
    }
    // Byte by byte: a match may overlap what it writes, which repeats a pattern.
    const uint8_t* from = out_ - distance;
    for (size_t i = 0; i < length; i++) out_[i] = from[i];
    out_ += length;
    literals(literal_count);
    state_ = literal_count;
  }

  const uint8_t* in_;
  const uint8_t* in_end_;
  uint8_t* out_;
  uint8_t* out_begin_;
  uint8_t* out_end_;
  unsigned state_ = 0;  // literals copied last: 0 to 3, or after_literal_run
  bool failed_ = false;
  bool ended_ = false;
};

}  // namespace

ptrdiff_t lzo1x_decode(const uint8_t* in, size_t in_size, uint8_t* out, size_t out_size) {
  return Decoder(in, in_size, out, out_size).run();
}

}  // namespace davit::image
