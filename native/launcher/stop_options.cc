#include "launcher/stop_options.h"

#include <string.h>

#include "launcher/plain.h"

namespace davit {
namespace {

constexpr int kLastSignal = 64, kLastNamedSignal = 31;
constexpr size_t kMostDigits = 6, kMostLetters = 12;

// A number without sign; -1 for anything else.
int64_t whole_number(std::string_view text) {
  int64_t value = 0;
  if (text.empty() || text.size() > kMostDigits) return -1;
  for (char digit : text) {
    if (digit < '0' || digit > '9') return -1;
    value = value * 10 + (digit - '0');
  }
  return value;
}

// By number, or by name as signal(7) has it, with or without SIG. 0 for what Node is to look at.
int signal_of(const char* text) {
  int64_t number = whole_number(text);
  if (number >= 0) return number <= kLastSignal ? static_cast<int>(number) : 0;
  char name[kMostLetters + 1] = {};
  for (size_t i = 0; text[i]; i++) {
    if (i == kMostLetters) return 0;
    name[i] = text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 'a' + 'A') : text[i];
  }
  const char* without_sig = strncmp(name, "SIG", 3) ? name : name + 3;
  for (int signal = 1; signal <= kLastNamedSignal; signal++) {
    const char* known = sigabbrev_np(signal);
    if (known && !strcmp(known, without_sig)) return signal;
  }
  return 0;
}

// The value of an option that is `word`, in the same word or in the next one, which is then taken; nullptr for another
// option, and where there is none.
const char* value_of(const CommandLine& line, size_t* at, char short_name, const char* long_name) {
  const char* word = line.words[*at];
  size_t length = strlen(long_name);
  if (!strncmp(word, long_name, length) && word[length] == '=') return word + length + 1;
  if (word[1] == short_name && word[2]) return word[2] == '=' ? word + 3 : word + 2;
  if (word[1] != short_name && strcmp(word, long_name)) return nullptr;
  return *at + 1 < line.count ? line.words[++*at] : nullptr;
}

bool is(const char* word, const char* short_name, const char* long_name) {
  return !strcmp(word, short_name) || !strcmp(word, long_name);
}

}  // namespace

bool read_stop_options(const CommandLine& line, StopOptions* options) {
  if (line.count < 3 || strcmp(line.words[0], "instance") || strcmp(line.words[1], "stop")) return false;
  bool all = false, force = false;
  size_t at = 2;
  // Options end at the first word that is none.
  for (; at < line.count && line.words[at][0] == '-'; at++) {
    const char* word = line.words[at];
    if (is(word, "-a", "--all")) {
      all = true;
    } else if (is(word, "-F", "--force")) {
      force = true;
    } else if (const char* seconds = value_of(line, &at, 't', "--timeout")) {
      options->timeout_ms = whole_number(seconds) * 1000;
      if (options->timeout_ms < 0) return false;
    } else if (const char* signal = value_of(line, &at, 's', "--signal")) {
      options->signal = signal_of(signal);
      if (!options->signal) return false;
    } else {
      return false;
    }
  }
  if (force) options->signal = SIGKILL;
  if (line.count - at > 1 || (line.count == at && !all)) return false;
  options->pattern = all ? "*" : line.words[at];
  return plain_pattern(options->pattern);
}

}  // namespace davit
