#include "bench/request.h"

#include <stdlib.h>

namespace davit::bench {
namespace {

constexpr size_t kLongestWord = 1 << 20;
constexpr long kMost = 1 << 20;

bool read_word(FILE* in, std::string* word) {
  word->clear();
  for (int c; (c = getc(in)) != EOF;) {
    if (c == 0) return true;
    if (word->size() > kLongestWord) return false;
    word->push_back(static_cast<char>(c));
  }
  return false;
}

bool read_step(FILE* in, Step* step) {
  std::string kind, number;
  if (!read_word(in, &kind) || !read_word(in, &number)) return false;
  for (char letter : kind) {
    if (letter == 'x')
      step->wait_exit = true;
    else if (letter == 'r')
      step->wait_ready = true;
    else if (letter == 'k')
      step->end_kept = true;
    else
      return false;
  }
  const long words = strtol(number.c_str(), nullptr, 10);
  if (words < 0 || words > kMost || (words == 0) != step->end_kept) return false;
  step->words.resize(static_cast<size_t>(words));
  for (std::string& word : step->words)
    if (!read_word(in, &word)) return false;
  return true;
}

void replace_all(std::string* text, const char* token, long value) {
  const std::string digits = std::to_string(value);
  for (size_t at = 0; (at = text->find(token, at)) != std::string::npos; at += digits.size())
    text->replace(at, 3, digits);
}

}  // namespace

bool read_request(FILE* in, Request* request) {
  int keep = 0;
  long steps = 0, variables = 0;
  if (fscanf(in, "RUN %ld %ld %ld %ld %d %ld %ld", &request->first, &request->count, &request->concurrency,
             &request->limit_ms, &keep, &steps, &variables) != 7 ||
      getc(in) != '\n')
    return false;
  for (long number : {request->count, request->concurrency, steps})
    if (number < 1 || number > kMost) return false;
  if (variables < 0 || variables > kMost) return false;
  request->keep_output = keep != 0;
  request->steps.resize(static_cast<size_t>(steps));
  for (Step& step : request->steps)
    if (!read_step(in, &step)) return false;
  request->environment.resize(static_cast<size_t>(variables));
  for (std::string& variable : request->environment)
    if (!read_word(in, &variable)) return false;
  return true;
}

std::vector<std::string> filled(const std::vector<std::string>& words, long job, long slot) {
  std::vector<std::string> result = words;
  for (std::string& word : result) {
    replace_all(&word, "@N@", job);
    replace_all(&word, "@S@", slot);
  }
  return result;
}

}  // namespace davit::bench
