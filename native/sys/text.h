// Text built in a fixed buffer: no allocation, cut at the end instead of overflowing.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string_view>

namespace davit {

// The errno's symbolic name ("EPERM"), or "errno N" for one that has none here.
const char* errno_name(int err);
// What it means in words ("Operation not permitted"); no locale, no allocation.
const char* errno_text(int err);

template <size_t N>
class Text {
 public:
  Text() { buffer_[0] = 0; }
  Text& add(std::string_view s) {
    size_t room = N - 1 - length_;
    size_t n = s.size() < room ? s.size() : room;
    for (size_t i = 0; i < n; i++) buffer_[length_ + i] = s[i];
    length_ += n;
    buffer_[length_] = 0;
    return *this;
  }
  Text& add(const char* s) { return add(std::string_view(s ? s : "")); }
  Text& add_char(char c) { return add(std::string_view(&c, 1)); }
  Text& add_number(int64_t value) {
    char digits[24];
    size_t n = 0;
    uint64_t v = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    do {
      digits[n++] = static_cast<char>('0' + v % 10);
      v /= 10;
    } while (v);
    if (value < 0) digits[n++] = '-';
    while (n) add_char(digits[--n]);
    return *this;
  }
  void clear() {
    length_ = 0;
    buffer_[0] = 0;
  }
  const char* c_str() const { return buffer_; }
  std::string_view view() const { return {buffer_, length_}; }
  size_t size() const { return length_; }
  bool full() const { return length_ == N - 1; }
  // For a text that came as raw bytes from another process: its length may be anything.
  void repair() {
    if (length_ > N - 1) length_ = N - 1;
    buffer_[length_] = 0;
  }

 private:
  char buffer_[N];
  size_t length_ = 0;
};

// "/proc/self/fd/N", for calls that take paths only.
class FdPath {
 public:
  explicit FdPath(int fd) { text_.add("/proc/self/fd/").add_number(fd); }
  const char* c_str() const { return text_.c_str(); }

 private:
  Text<40> text_;
};

}  // namespace davit
