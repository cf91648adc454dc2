#include "usage/files.h"

#include <fcntl.h>

#include "sys/small_file.h"

namespace davit::usage {
namespace {

constexpr size_t kMaxFile = 64 << 20;  // a list of processes, or of mounts
constexpr uint64_t kExiting = 0x4;     // PF_EXITING of the kernel's include/linux/sched.h

}  // namespace

bool read_text(const char* path, Arena& arena, std::string_view* text) {
  return read_file(AT_FDCWD, path, true, kMaxFile, arena, text) == 0;
}

bool parse_number(std::string_view text, uint64_t* number) {
  size_t at = text.find_first_not_of(" \t");
  if (at == std::string_view::npos || text[at] < '0' || text[at] > '9') return false;
  *number = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; at++) {
    uint64_t digit = static_cast<uint64_t>(text[at] - '0');
    if (__builtin_mul_overflow(*number, uint64_t{10}, number) || __builtin_add_overflow(*number, digit, number)) {
      *number = UINT64_MAX;
      return true;
    }
  }
  return true;
}

std::string_view take_word(std::string_view* text, char separator) {
  size_t end = text->find(separator);
  std::string_view word = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return word;
}

std::string_view take_line(std::string_view* text) { return take_word(text, '\n'); }

bool number_behind(std::string_view text, std::string_view name, uint64_t* number) {
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    if (line.size() > name.size() && line.substr(0, name.size()) == name && line[name.size()] == ':')
      return parse_number(line.substr(name.size() + 1), number);
  }
  return false;
}

bool read_stat(const char* proc, pid_t pid, Arena& arena, ProcessStat* stat) {
  Scratch scratch(arena);
  std::string_view text;
  if (!read_text(Path(proc, "/", pid, "/stat").c_str(), arena, &text)) return false;
  // The name stands in parentheses and may hold any character; what follows is numbered from 3 on.
  size_t end = text.rfind(')');
  if (end == std::string_view::npos || text.size() < end + 3) return false;
  text.remove_prefix(end + 2);
  constexpr size_t kState = 3, kMost = 22;
  uint64_t fields[kMost + 1] = {};
  char state = text[0];
  for (size_t field = kState; field <= kMost; field++) parse_number(take_word(&text, ' '), &fields[field]);
  stat->ending = (fields[9] & kExiting) || state == 'Z' || state == 'X';
  stat->parent = static_cast<pid_t>(fields[4]);
  stat->user = fields[14] + fields[16];
  stat->system = fields[15] + fields[17];
  stat->tasks = fields[20];
  stat->start_time = fields[22];
  return true;
}

}  // namespace davit::usage
