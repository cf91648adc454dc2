// Files of /proc and of control groups: small texts of lines, which may be gone at any time.
#pragma once
#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include <string_view>

#include "sys/arena.h"
#include "sys/text.h"

namespace davit::usage {

// A path, put together of texts and numbers. One that is too long names nothing.
class Path {
 public:
  template <typename... Parts>
  explicit Path(const Parts&... parts) {
    (add(parts), ...);
  }
  const char* c_str() const { return text_.full() ? "" : text_.c_str(); }

 private:
  void add(std::string_view text) { text_.add(text); }
  void add(pid_t number) { text_.add_number(number); }

  Text<PATH_MAX> text_;
};

// All of a file, in the arena. False when it is gone, or may not be read.
bool read_text(const char* path, Arena& arena, std::string_view* text);

// The decimal number that a text begins with, behind blanks; one that is too large is the largest. False for another
// text, such as "max".
bool parse_number(std::string_view text, uint64_t* number);
// The number behind `NAME:` at the beginning of a line.
bool number_behind(std::string_view text, std::string_view name, uint64_t* number);
// Cuts the first line off a text, without its end.
std::string_view take_line(std::string_view* text);
// Cuts off what stands in front of the next `separator`, and that.
std::string_view take_word(std::string_view* text, char separator);

// What is of use of proc_pid_stat(5). Times are ticks.
struct ProcessStat {
  bool ending = false;  // it has ended, or is about to
  pid_t parent = 0;
  // With those of the children that it has reaped: the kernel adds the times of a child to its parent's (cutime,
  // cstime) when the parent reaps it, with those of all that the child has reaped. A child that has ended is in its own
  // file until then, and never in both.
  uint64_t user = 0, system = 0;
  uint64_t tasks = 0, start_time = 0;
};

// False when there is no such process in this directory of processes.
bool read_stat(const char* proc, pid_t pid, Arena& arena, ProcessStat* stat);

// Gives back what was read in the meantime.
class Scratch {
 public:
  explicit Scratch(Arena& arena) : arena_(arena), mark_(arena.used()) {}
  ~Scratch() { arena_.rewind(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  Arena& arena_;
  size_t mark_;
};

}  // namespace davit::usage
