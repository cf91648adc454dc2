// --timing and --trace FILE among the words of a command line (docs/timing.md). The front door knows no other option,
// so it cannot tell an option from another's value, or from the payload's words: it finds what may be one, and the
// remembered plan knows where an option may stand.
#pragma once
#include <stddef.h>

#include "state/plan_cache.h"

namespace davit {

struct TimingOption {
  size_t at;          // index of its word
  size_t word_count;  // 2 where the file is a word of its own
  const char* trace;  // the file; null for --timing
};

class TimingOptions {
 public:
  static constexpr size_t kMost = 8;
  // The first few, in order, up to "--".
  TimingOptions(const char* const* words, size_t count);
  size_t count() const { return count_; }
  const TimingOption& operator[](size_t i) const { return options_[i]; }
  // Whether `word` is one, by itself or with its value.
  static bool is_one(const char* word);

 private:
  TimingOption options_[kMost];
  size_t count_ = 0;
};

// `line` without the first `count` of its timing options. `words` and `removed` have room for as many as there are.
CommandLine without_options(const CommandLine& line, const TimingOptions& options, size_t count, const char** words,
                            size_t* removed);

}  // namespace davit
