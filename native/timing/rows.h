// The records of a launch in the order in which they are told.
#pragma once
#include <stddef.h>

#include "timing/clock.h"

namespace davit::timing {

struct Row {
  uint64_t start_ns, end_ns;  // since the beginning of the launch
  const Record* record;
};

class Rows {
 public:
  // What other processes have written is taken with care: a record that is incomplete is left out, a span that was not
  // ended ends with its phase.
  explicit Rows(const Shared& noted);
  const Row* begin() const { return rows_; }
  const Row* end() const { return rows_ + count_; }
  uint64_t first_ns() const { return first_ns_; }
  uint64_t total_ns() const { return total_ns_; }
  // Records that had no room.
  uint32_t lost() const { return lost_; }

 private:
  Row rows_[kMaxRecords];
  size_t count_ = 0;
  uint64_t first_ns_ = 0, total_ns_ = 0;
  uint32_t lost_ = 0;
};

// Text to a descriptor, through a buffer. Errors are kept until the end.
class Stream {
 public:
  explicit Stream(int fd) : fd_(fd) {}
  Stream& add(std::string_view text);
  Stream& add_number(uint64_t value);
  // A time in units of 1,000 ns or 1,000,000 ns with three decimals, right-aligned in `width` columns.
  Stream& add_micros(uint64_t ns, size_t width = 0) { return add_decimal(ns, width); }
  Stream& add_millis(uint64_t ns, size_t width = 0) { return add_decimal((ns + 500) / 1000, width); }
  // Characters that a terminal takes for commands become "?".
  Stream& add_visible(std::string_view text);
  // As the inside of a JSON string; what is not UTF-8 becomes U+FFFD.
  Stream& add_json(std::string_view text);
  // Writes what is left. 0 or the first errno.
  int flush();

 private:
  Stream& add_decimal(uint64_t thousandths, size_t width);
  int fd_;
  int error_ = 0;
  size_t used_ = 0;
  char buffer_[16384];
};

}  // namespace davit::timing
