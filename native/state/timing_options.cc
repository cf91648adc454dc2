#include "state/timing_options.h"

#include <string.h>

namespace davit {
namespace {

constexpr const char* kTiming = "--timing";
constexpr const char* kTrace = "--trace";
constexpr const char* kTraceIs = "--trace=";

}  // namespace

bool TimingOptions::is_one(const char* word) {
  return !strcmp(word, kTiming) || !strcmp(word, kTrace) || !strncmp(word, kTraceIs, strlen(kTraceIs));
}

TimingOptions::TimingOptions(const char* const* words, size_t count) {
  for (size_t i = 0; i < count && count_ < kMost && strcmp(words[i], "--") != 0; i++) {
    if (!is_one(words[i])) continue;
    if (!strcmp(words[i], kTiming)) {
      options_[count_++] = {i, 1, nullptr};
    } else if (strcmp(words[i], kTrace) != 0) {
      options_[count_++] = {i, 1, words[i] + strlen(kTraceIs)};
    } else if (i + 1 < count) {
      options_[count_++] = {i, 2, words[i + 1]};
      i++;
    }
  }
}

CommandLine without_options(const CommandLine& line, const TimingOptions& options, size_t count, const char** words,
                            size_t* removed) {
  CommandLine left = line;
  left.words = words;
  left.count = 0;
  left.removed = removed;
  left.removed_count = count;
  size_t next = 0;
  for (size_t i = 0; i < line.count;) {
    if (next < count && options[next].at == i) {
      removed[next] = left.count;
      i += options[next++].word_count;
    } else {
      words[left.count++] = line.words[i++];
    }
  }
  return left;
}

}  // namespace davit
