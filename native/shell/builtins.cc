#include "shell/builtins.h"

namespace davit::shell {
namespace {

int run_true(Shell&, Arguments) { return 0; }
int run_false(Shell&, Arguments) { return 1; }

// The operand of exit and return, $? without one.
int status_operand(Shell& shell, Arguments arguments) {
  if (arguments.size() == 1) return shell.status;
  int status = 0;
  if (arguments.size() > 2 || !parse_count(arguments[1], &status))
    shell.unsupported("an odd operand of exit or return");
  return status;
}

int run_exit(Shell& shell, Arguments arguments) { shell.stop.exit(status_operand(shell, arguments)); }

int run_return(Shell& shell, Arguments arguments) {
  if (!shell.returnable) shell.unsupported("return outside a function or a sourced file");
  int status = status_operand(shell, arguments);
  if (status > 255) shell.unsupported("return with more than 255");
  shell.skip = Skip::Return;
  return status;
}

int leave_loops(Shell& shell, Arguments arguments, Skip skip) {
  int count = 1;
  if (arguments.size() > 2 || (arguments.size() == 2 && !parse_count(arguments[1], &count)) || count == 0) {
    shell.unsupported("an odd operand of break or continue");
  }
  if (!shell.loops) shell.unsupported("break or continue outside a loop");
  shell.skip = skip;
  shell.skip_loops = static_cast<unsigned>(count) < shell.loops ? static_cast<unsigned>(count) : shell.loops;
  return 0;
}

int run_break(Shell& shell, Arguments arguments) { return leave_loops(shell, arguments, Skip::Break); }
int run_continue(Shell& shell, Arguments arguments) { return leave_loops(shell, arguments, Skip::Continue); }

constexpr Builtin kBuiltins[] = {
    {"[", run_test, false, false},        {"echo", run_echo, false, false},
    {"export", run_export, true, true},   {"test", run_test, false, false},
    {".", run_dot, true, false},          {"unset", run_unset, true, false},
    {"set", run_set, true, false},        {"eval", run_eval, true, false},
    {"shift", run_shift, true, false},    {":", run_true, true, false},
    {"true", run_true, false, false},     {"false", run_false, false, false},
    {"exit", run_exit, true, false},      {"return", run_return, true, false},
    {"break", run_break, true, false},    {"local", run_local, false, true},
    {"printf", run_printf, false, false}, {"continue", run_continue, true, false},
    {"source", run_dot, true, false},     {"readonly", run_readonly, true, true},
};

// Builtins of dash, bash, busybox and ksh that a script could mean, and words that only some of them reserve.
constexpr std::string_view kForeign[] = {
    "[[",       "alias",   "bg",      "bind",    "builtin",   "caller",  "cd",     "chdir",   "command", "compgen",
    "complete", "compopt", "coproc",  "declare", "dirs",      "disown",  "enable", "fc",      "fg",      "function",
    "getopts",  "hash",    "help",    "history", "jobs",      "kill",    "let",    "logout",  "mapfile", "popd",
    "print",    "pushd",   "pwd",     "read",    "readarray", "select",  "shopt",  "suspend", "time",    "times",
    "trap",     "type",    "typeset", "ulimit",  "umask",     "unalias", "wait",   "whence",
};

}  // namespace

const Builtin* find_builtin(std::string_view name) {
  for (const Builtin& builtin : kBuiltins) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

bool is_foreign_builtin(std::string_view name) {
  for (std::string_view foreign : kForeign) {
    if (foreign == name) return true;
  }
  return false;
}

bool parse_count(std::string_view text, int* value) {
  if (text.empty() || text.size() > 9) return false;
  int result = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    result = result * 10 + (c - '0');
  }
  *value = result;
  return true;
}

}  // namespace davit::shell
