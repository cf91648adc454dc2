#include "timing/rows.h"

#include <string.h>

#include <algorithm>

#include "sys/small_file.h"
#include "sys/text.h"

namespace davit::timing {
namespace {

// Length of the UTF-8 sequence at the head of `text` (RFC 3629); 0 when it is none.
size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned first = byte(0);
  size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
  if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || length > text.size()) return 0;
  for (size_t i = 1; i < length; i++)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
  if (first == 0xed && byte(1) > 0x9f) return 0;  // surrogates
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

}  // namespace

Rows::Rows(const Shared& noted) {
  uint32_t used = noted.used.load(std::memory_order_relaxed);
  lost_ = used > kMaxRecords ? used - kMaxRecords : 0;
  uint64_t last = 0;
  for (uint32_t i = 0; i < std::min(used, kMaxRecords); i++) {
    const Record& record = noted.records[i];
    if (!record.start_ns) continue;
    rows_[count_++] = {record.start_ns, std::max(record.end_ns, record.start_ns), &record};
    if (!record.depth) last = std::max(last, record.end_ns);
    if (!first_ns_ || record.start_ns < first_ns_) first_ns_ = record.start_ns;
  }
  // What began first comes first; of two that began together, the one that lasts longer, or encloses the other.
  std::stable_sort(rows_, rows_ + count_, [](const Row& a, const Row& b) {
    return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.record->depth < b.record->depth;
  });
  uint64_t phase_end = last;
  for (Row* row = rows_; row != rows_ + count_; row++) {
    if (!row->record->depth) phase_end = row->end_ns;
    if (row->record->depth && !row->record->end_ns) row->end_ns = std::max(phase_end, row->start_ns);
    row->start_ns -= first_ns_;
    row->end_ns -= first_ns_;
  }
  total_ns_ = last > first_ns_ ? last - first_ns_ : 0;
}

Stream& Stream::add(std::string_view text) {
  while (!text.empty()) {
    if (used_ == sizeof buffer_) flush();
    size_t n = std::min(text.size(), sizeof buffer_ - used_);
    memcpy(buffer_ + used_, text.data(), n);
    used_ += n;
    text.remove_prefix(n);
  }
  return *this;
}

Stream& Stream::add_number(uint64_t value) {
  Text<24> text;
  return add(text.add_number(static_cast<int64_t>(value)).view());
}

Stream& Stream::add_decimal(uint64_t thousandths, size_t width) {
  Text<32> text;
  text.add_number(static_cast<int64_t>(thousandths / 1000)).add(".");
  for (uint64_t digit : {thousandths / 100 % 10, thousandths / 10 % 10, thousandths % 10})
    text.add_char(static_cast<char>('0' + digit));
  for (size_t n = text.size(); n < width; n++) add(" ");
  return add(text.view());
}

Stream& Stream::add_visible(std::string_view text) {
  for (char c : text) {
    char shown = static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
    add({&shown, 1});
  }
  return *this;
}

Stream& Stream::add_json(std::string_view text) {
  while (!text.empty()) {
    size_t length = utf8_length(text);
    unsigned char c = static_cast<unsigned char>(text[0]);
    if (!length) {
      add("\xef\xbf\xbd");
    } else if (c == '"' || c == '\\') {
      add("\\").add(text.substr(0, 1));
    } else if (c < ' ') {
      char hex[2] = {"0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
      add("\\u00").add({hex, 2});
    } else {
      add(text.substr(0, length));
    }
    text.remove_prefix(length ? length : 1);
  }
  return *this;
}

int Stream::flush() {
  int error = used_ && !error_ ? write_all(fd_, {buffer_, used_}) : 0;
  if (error) error_ = error;
  used_ = 0;
  return error_;
}

}  // namespace davit::timing
