// The state of one run of the shell, and the few things that all of its parts need.
#pragma once
#include "shell/ast.h"
#include "shell/eval.h"
#include "shell/files.h"
#include "shell/memory.h"
#include "shell/output.h"
#include "shell/parser.h"
#include "shell/variables.h"

namespace davit::shell {

struct Positional {
  const std::string_view* items = nullptr;  // $1 first
  size_t count = 0;
  char* block = nullptr;  // what they lie in, when `set` made it
  uint32_t capacity = 0;
};

struct Definition {  // of a function
  Definition* next;
  std::string_view name;
  const Node* body;
  std::string_view file;
};

// A text being executed: the script, a sourced file, an argument of eval.
struct Source {
  Parser* parser;
  Source* outer;
};

struct Options {
  bool errexit = false, nounset = false, noglob = false;
};

// What is being left: set by break, continue and return, and seen by every list and loop on the way.
enum class Skip : uint8_t { None, Break, Continue, Return };

struct Shell {
  explicit Shell(const ShellInput& shell_input)
      : input(shell_input),
        memory(*shell_input.arena, stop),
        variables(memory, stop),
        files(shell_input.root_fd),
        output(memory),
        arg0(shell_input.arg0 ? shell_input.arg0 : "sh") {}

  const ShellInput& input;
  Stop stop;
  Memory memory;
  Variables variables;
  Files files;
  OutputList output;
  std::string_view arg0;
  Options options;
  Positional positional;
  Definition* functions = nullptr;
  Source* source = nullptr;
  SavedVariable** locals = nullptr;  // of the function being executed
  std::string_view message_command;  // eval or a sourced file, while it is executed; for messages
  int status = 0;                    // $?
  Position builtin_position;         // of the builtin being run, for `.` and eval
  Skip skip = Skip::None;
  unsigned skip_loops = 0;  // how many loops break or continue still has to leave
  unsigned loops = 0;       // around the command, within its function or sourced file
  unsigned returnable = 0;  // functions and sourced files around the command

  // Bounds recursion: syntax, execution and expansion alike. A level is under 1 KiB of stack.
  static constexpr unsigned kDepth = 320;
  // Bounds time, to about half a second: one for a byte expanded or compared, more for a command or a system call.
  static constexpr int64_t kWork = 50'000'000;
  static constexpr unsigned kCommandCost = 20;
  static constexpr unsigned kFileCost = 200;

  void enter() { enter(stop.place); }
  void enter(const Place& place) {
    if (++depth_ > kDepth) stop.unsupported("nested too deeply", place);
  }
  void leave() { depth_--; }
  void charge(size_t work) {
    work_ -= static_cast<int64_t>(work);
    if (work_ < 0) stop.unsupported("more steps than the embedded shell takes");
  }
  [[noreturn]] void unsupported(const char* what) { stop.unsupported(what); }

  Definition* find_function(std::string_view name) const {
    for (Definition* f = functions; f; f = f->next) {
      if (f->name == name) return f;
    }
    return nullptr;
  }

 private:
  unsigned depth_ = 0;
  int64_t work_ = kWork;
};

}  // namespace davit::shell
