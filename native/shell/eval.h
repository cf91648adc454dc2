// Execution of syntax trees.
#pragma once
#include "shell/ast.h"

namespace davit::shell {

struct Shell;

// Where a command stands.
struct Position {
  bool tested = false;  // its status is looked at, so set -e does not apply (POSIX "set", -e)
  bool tail = false;    // nothing is executed after it, unless its texts go on
};

// Runs one command; returns its status, and leaves it in shell.status.
int evaluate(Shell& shell, const Node* node, Position position);
int evaluate_simple(Shell& shell, const Simple& command, Position position);
// Commands of a text, one after the other: the script, a sourced file, an argument of eval.
int run_text(Shell& shell, std::string_view text, std::string_view file, unsigned line, Position position);
// Sets where 1 and 2 lead; stops the shell for other redirections. Returns what to put back.
struct SavedTargets {
  uint8_t fd[3];
};
SavedTargets redirect(Shell& shell, const Redirect* redirects);
void restore_targets(Shell& shell, const SavedTargets& saved);

}  // namespace davit::shell
