// The utilities that are part of the shell.
#pragma once
#include <span>

#include "shell/eval.h"
#include "shell/state.h"

namespace davit::shell {

// The command's words, its name first.
using Arguments = std::span<const std::string_view>;

struct Builtin {
  std::string_view name;
  int (*run)(Shell& shell, Arguments arguments);
  bool special;  // POSIX 2.14: found before functions, and assignments before it last
  bool assigns;  // its NAME=VALUE arguments are expanded like assignments
};

const Builtin* find_builtin(std::string_view name);
// A name that is a builtin or a reserved word of some shell, but not one of ours.
bool is_foreign_builtin(std::string_view name);

// variable_builtins.cc
int run_export(Shell& shell, Arguments arguments);
int run_readonly(Shell& shell, Arguments arguments);
int run_local(Shell& shell, Arguments arguments);
int run_unset(Shell& shell, Arguments arguments);
int run_set(Shell& shell, Arguments arguments);
int run_shift(Shell& shell, Arguments arguments);
// print_builtins.cc
int run_echo(Shell& shell, Arguments arguments);
int run_printf(Shell& shell, Arguments arguments);
// test_builtin.cc
int run_test(Shell& shell, Arguments arguments);
// source_builtins.cc
int run_dot(Shell& shell, Arguments arguments);
int run_eval(Shell& shell, Arguments arguments);

// A number without a sign, of at most 9 digits; false otherwise.
bool parse_count(std::string_view text, int* value);

}  // namespace davit::shell
