#include "shell/shell.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "shell/eval.h"
#include "shell/state.h"

namespace davit {
namespace {

using shell::Shell;
using shell::Variable;

// As dash and POSIX "sh" have it: PWD is kept if it names the working directory, else set; exported either way. With a
// root that this process is not in, the working directory is not known by name.
void set_working_directory(Shell& sh) {
  if (sh.files.has_root()) return;
  Variable* pwd = sh.variables.obtain("PWD");
  struct stat named, actual;
  bool valid = pwd->set && pwd->size && pwd->value[0] == '/' &&
               sh.files.stat(pwd->text(), true, &named) == shell::Answer::Yes &&
               sh.files.stat(".", true, &actual) == shell::Answer::Yes && named.st_dev == actual.st_dev &&
               named.st_ino == actual.st_ino;
  if (valid) return;
  char path[PATH_MAX];
  if (!getcwd(path, sizeof path) || path[0] != '/') return;
  sh.variables.assign(pwd, path);
  pwd->exported = true;
}

void set_parameters(Shell& sh) {
  std::string_view* items =
      static_cast<std::string_view*>(sh.memory.keep((sh.input.args.size() + 1) * sizeof(std::string_view)));
  for (size_t i = 0; i < sh.input.args.size(); i++) new (&items[i]) std::string_view(sh.input.args[i]);
  sh.positional = {items, sh.input.args.size()};
}

[[noreturn]] void interpret(Shell& sh) {
  sh.stop.place = {sh.input.script_name, 0};
  sh.variables.import(sh.input.env);
  set_working_directory(sh);
  set_parameters(sh);
  sh.stop.exit(shell::run_text(sh, sh.input.script, sh.input.script_name, 1, {false, true}));
}

}  // namespace

ShellResult run_shell(const ShellInput& input) {
  // In the arena, not in this frame: what changes between setjmp and longjmp must not live in registers.
  void* room = input.arena->alloc(sizeof(Shell), alignof(Shell));
  if (!room) {
    ShellResult result;
    result.unsupported = "the memory set aside for the embedded shell is used up";
    result.where_file = input.script_name;
    return result;
  }
  Shell* sh = new (room) Shell(input);
  if (setjmp(sh->stop.landing) == 0) interpret(*sh);
  // Collecting the output may find the arena full: that is a landing of its own.
  if (sh->stop.result.outcome != ShellOutcome::Unsupported && setjmp(sh->stop.landing) == 0) {
    sh->stop.result.outputs = sh->output.result(&sh->stop.result.output_count);
  }
  sh->memory.hand_back();
  return sh->stop.result;
}

}  // namespace davit
