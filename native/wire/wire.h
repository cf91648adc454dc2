// The protobuf wire format (protobuf.dev/programming-guides/encoding), as much of it as our messages use: varints,
// doubles and length-delimited fields. Reading allocates nothing; strings are views into the message.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <string_view>

namespace davit::wire {

enum Type : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  unsigned number = 0;
  unsigned type = 0;
  uint64_t value = 0;      // varint, fixed64, fixed32
  std::string_view bytes;  // length-delimited
  double as_double() const {
    double d;
    memcpy(&d, &value, sizeof d);
    return d;
  }
};

// Walks the fields of one message. After `next` returned false, `failed` tells a malformed message from its end.
class Reader {
 public:
  explicit Reader(std::string_view message) : at_(message.data()), end_(message.data() + message.size()) {}

  bool next(Field* field) {
    if (at_ == end_ || failed_) return false;
    uint64_t tag;
    if (!varint(&tag) || (tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return fail();
    field->number = static_cast<unsigned>(tag >> 3);
    field->type = tag & 7;
    field->bytes = {};
    field->value = 0;
    switch (field->type) {
      case kVarint: return varint(&field->value) || fail();
      case kFixed64: return fixed(8, &field->value) || fail();
      case kFixed32: return fixed(4, &field->value) || fail();
      case kBytes: {
        uint64_t size;
        if (!varint(&size) || size > static_cast<uint64_t>(end_ - at_)) return fail();
        field->bytes = {at_, static_cast<size_t>(size)};
        at_ += size;
        return true;
      }
      default: return fail();
    }
  }
  bool failed() const { return failed_; }

 private:
  bool fail() {
    failed_ = true;
    return false;
  }
  bool varint(uint64_t* out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) return false;
      unsigned char byte = static_cast<unsigned char>(*at_++);
      if (shift == 63 && byte > 1) return false;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) {
        *out = value;
        return true;
      }
    }
    return false;
  }
  bool fixed(size_t size, uint64_t* out) {
    if (static_cast<size_t>(end_ - at_) < size) return false;
    *out = 0;
    memcpy(out, at_, size);  // little-endian, as the host is
    at_ += size;
    return true;
  }

  const char* at_;
  const char* end_;
  bool failed_ = false;
};

// Appends fields to a fixed buffer; `overflowed` when it was too small.
class Writer {
 public:
  Writer(char* buffer, size_t size) : buffer_(buffer), size_(size) {}
  void number(unsigned field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3 | kVarint);
    varint(value);
  }
  void text(unsigned field, std::string_view value) {
    varint(static_cast<uint64_t>(field) << 3 | kBytes);
    varint(value.size());
    raw(value);
  }
  // Already encoded fields: messages of one type may be concatenated.
  void raw(std::string_view bytes) {
    if (bytes.size() > size_ - used_) {
      overflowed_ = true;
      return;
    }
    if (!bytes.empty()) memcpy(buffer_ + used_, bytes.data(), bytes.size());
    used_ += bytes.size();
  }
  std::string_view view() const { return {buffer_, used_}; }
  bool overflowed() const { return overflowed_; }

 private:
  void varint(uint64_t value) {
    char bytes[10];
    size_t n = 0;
    do {
      bytes[n++] = static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
      value >>= 7;
    } while (value);
    raw({bytes, n});
  }
  char* buffer_;
  size_t size_;
  size_t used_ = 0;
  bool overflowed_ = false;
};

}  // namespace davit::wire
