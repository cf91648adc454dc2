// `.` and eval.
#include <limits.h>
#include <unistd.h>

#include "shell/builtins.h"
#include "shell/eval.h"

namespace davit::shell {
namespace {

// A name without a slash is looked for in PATH, and nowhere else (POSIX "dot").
std::string_view find_in_path(Shell& shell, std::string_view name) {
  const Variable* variable = shell.variables.find("PATH");
  if (!variable || !variable->set) shell.unsupported("a sourced file without a slash, and no PATH");
  std::string_view path = variable->text();
  for (bool more = true; more;) {
    size_t colon = path.find(':');
    std::string_view directory = path.substr(0, colon);
    more = colon != std::string_view::npos;
    if (more) path.remove_prefix(colon + 1);
    Bytes candidate(shell.memory);
    candidate.add(directory.empty() ? "." : directory);
    candidate.add('/');
    candidate.add(name);
    shell.charge(Shell::kFileCost);
    struct stat st;
    Answer answer = shell.files.stat(candidate.view(), true, &st);
    if (answer == Answer::Unknown) shell.unsupported("a directory in PATH that cannot be examined");
    if (answer == Answer::Yes && S_ISREG(st.st_mode)) {
      if (shell.files.access(candidate.view(), R_OK) != Answer::Yes)
        shell.unsupported("a sourced file that cannot be read");
      return candidate.view();
    }
  }
  shell.unsupported("a sourced file that is not in PATH");
}

// Some shells make these the positional parameters while the file is executed, dash ignores them: only where they are
// the positional parameters already is that the same.
void check_arguments(Shell& shell, Arguments extra) {
  if (extra.empty()) return;
  bool same = extra.size() == shell.positional.count;
  for (size_t i = 0; same && i < extra.size(); i++) same = extra[i] == shell.positional.items[i];
  if (!same) shell.unsupported("a sourced file with arguments of its own");
}

}  // namespace

int run_dot(Shell& shell, Arguments arguments) {
  if (arguments.size() < 2 || arguments[1].empty() || arguments[1].starts_with('-')) {
    shell.unsupported("`.` without a file name, or with an option");
  }
  check_arguments(shell, arguments.subspan(2));
  std::string_view path = arguments[1];
  if (path.find('/') == std::string_view::npos) path = find_in_path(shell, path);
  // dash forgets within a sourced file that its status is tested, other shells do not.
  Position position = shell.builtin_position;
  if (position.tested && shell.options.errexit) shell.unsupported("`.` in a condition under set -e");
  std::string_view text;
  if (const char* problem = shell.files.read(path, shell.memory, &text)) shell.unsupported(problem);
  shell.charge(Shell::kFileCost + text.size());
  std::string_view outer_command = shell.message_command;
  unsigned outer_loops = shell.loops;
  shell.message_command = path;
  shell.loops = 0;
  shell.returnable++;
  int status = run_text(shell, text, path, 1, position);
  if (shell.skip == Skip::Return) shell.skip = Skip::None;
  shell.returnable--;
  shell.loops = outer_loops;
  shell.message_command = outer_command;
  return status;
}

int run_eval(Shell& shell, Arguments arguments) {
  Position position = shell.builtin_position;
  Bytes text(shell.memory);
  for (std::string_view argument : arguments.subspan(1)) {
    if (&argument != &arguments[1] && text.size()) text.add(' ');
    text.add(argument);
  }
  std::string_view outer_command = shell.message_command;
  shell.message_command = arguments[0];
  int status = run_text(shell, text.view(), shell.stop.place.file, 1, position);
  shell.message_command = outer_command;
  return status;
}

}  // namespace davit::shell
