// How a script ends. Every end (exec, exit, an unsupported construct, memory or steps used up) is one longjmp to
// run_shell: nothing has side effects to undo, memory is the arena's, and no frame in between owns anything with a
// destructor. Code that holds a descriptor therefore never calls what may stop; see files.h.
#pragma once
#include <setjmp.h>

#include <string_view>

#include "shell/shell.h"

namespace davit::shell {

struct Place {
  std::string_view file;
  unsigned line = 0;
};

struct Stop {
  jmp_buf landing;
  Place place;  // of the command being executed
  ShellResult result;

  [[noreturn]] void unsupported(const char* what) { unsupported(what, place); }

  [[noreturn]] void unsupported(const char* what, const Place& where) {
    result.outcome = ShellOutcome::Unsupported;
    result.unsupported = what;
    result.where_file = where.file;
    result.where_line = where.line;
    longjmp(landing, 1);
  }

  // wait(2) hands eight bits of a status to the parent.
  [[noreturn]] void exit(int status) {
    result.outcome = ShellOutcome::Exit;
    result.status = status & 0xff;
    longjmp(landing, 1);
  }

  [[noreturn]] void exec(const char* const* argv, const char* const* envp) {
    result.outcome = ShellOutcome::Exec;
    result.argv = argv;
    result.envp = envp;
    longjmp(landing, 1);
  }
};

}  // namespace davit::shell
