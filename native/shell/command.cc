// Simple commands, POSIX 2.9.1: expansion, redirection, assignment, then a builtin, a function, or the end of it all.
#include <string.h>

#include "shell/builtins.h"
#include "shell/eval.h"
#include "shell/expand.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

// The argument of a declaration builtin: NAME=VALUE is not split, and tildes count as in an assignment.
void expand_declaration(Shell& shell, const Word* word, Fields& words) {
  const Part* first = word->parts;
  bool literal = !word->plain && first && first->kind == PartKind::Literal && !first->quoted;
  size_t equals = literal ? first->text.find('=') : std::string_view::npos;
  if (equals == std::string_view::npos || !is_name(first->text.substr(0, equals))) {
    return expand_fields(shell, word, words);
  }
  std::string_view name;
  std::string_view value = expand_assignment(shell, word, &name);
  Bytes text(shell.memory);
  text.add(name);
  text.add('=');
  text.add(value);
  words.add(text.view());
}

void expand_words(Shell& shell, const Simple& command, Fields& words) {
  bool declares = false;
  for (const Word* word = command.words; word; word = word->next) {
    if (declares) {
      expand_declaration(shell, word, words);
      continue;
    }
    bool first = words.empty();
    expand_fields(shell, word, words);
    if (!first || words.empty()) continue;
    const Builtin* builtin = find_builtin(words[0]);
    declares = builtin && builtin->assigns && !shell.find_function(words[0]);
    // `$cmd x=$y` with such a builtin in $cmd: shells disagree on whether that is an assignment.
    for (const Part* part = word->parts; part && declares; part = part->next) {
      if (part->kind > PartKind::QuoteMark) shell.unsupported("a declaration builtin from an expansion");
    }
  }
}

void assign_all(Shell& shell, const Simple& command, bool exported) {
  for (const Word* word = command.assignments; word; word = word->next) {
    std::string_view name;
    std::string_view value = expand_assignment(shell, word, &name);
    Variable* variable = shell.variables.obtain(name);
    shell.variables.assign(variable, value);
    if (exported) variable->exported = true;
  }
}

// Ends the run: hands the words and the environment to the caller.
[[noreturn]] void execute(Shell& shell, Arguments words) {
  if (words[0].empty() || words[0].starts_with('-')) shell.unsupported("exec with an option or an empty name");
  if (!(shell.output.targets == OutputList::Targets())) shell.unsupported("exec with a redirection");
  const char** argv = static_cast<const char**>(shell.memory.keep((words.size() + 1) * sizeof(char*)));
  for (size_t i = 0; i < words.size(); i++) {
    char* text = static_cast<char*>(shell.memory.keep(words[i].size() + 1, 1));
    if (!words[i].empty()) memcpy(text, words[i].data(), words[i].size());
    text[words[i].size()] = 0;
    argv[i] = text;
  }
  argv[words.size()] = nullptr;
  shell.stop.exec(argv, shell.variables.environment());
}

// A program that is neither `exec`ed nor in last position would have to be forked.
[[noreturn]] void run_external(Shell& shell, const Simple& command, Arguments words, Position position) {
  if (is_foreign_builtin(words[0])) shell.unsupported("a builtin that is not implemented");
  if (words[0].find('=') != std::string_view::npos) shell.unsupported("a command name with an equals sign");
  if (!shell.input.tail_exec) shell.unsupported("a program that is run without exec");
  bool last = position.tail && !position.tested;
  for (const Source* source = shell.source; source && last; source = source->outer) last = source->parser->at_end();
  if (!last) shell.unsupported("a program that is not the last command");
  if (command.redirects) shell.unsupported("a program with a redirection");
  assign_all(shell, command, true);
  execute(shell, words);
}

int call_function(Shell& shell, const Definition& function, Arguments words, Position position) {
  Positional outer_positional = shell.positional;
  SavedVariable** outer_locals = shell.locals;
  SavedVariable* locals = nullptr;
  std::string_view outer_file = shell.stop.place.file;
  unsigned outer_loops = shell.loops;
  shell.positional = {words.data() + 1, words.size() - 1};
  shell.locals = &locals;
  shell.loops = 0;
  shell.returnable++;
  shell.stop.place.file = function.file;
  int status = evaluate(shell, function.body, position);
  if (shell.skip == Skip::Return) shell.skip = Skip::None;
  shell.stop.place.file = outer_file;
  shell.returnable--;
  shell.loops = outer_loops;
  shell.locals = outer_locals;
  shell.variables.restore(&locals);
  shell.memory.give(shell.positional.block, shell.positional.capacity);
  shell.positional = outer_positional;
  return status;
}

int run_builtin(Shell& shell, const Builtin& builtin, const Simple& command, Arguments words) {
  if (!command.assignments) return builtin.run(shell, words);
  if (builtin.special) {
    assign_all(shell, command, false);
    return builtin.run(shell, words);
  }
  if (builtin.assigns) shell.unsupported("an assignment before local");
  // Before a utility that is not special, assignments last as long as it runs.
  SavedVariable* saved = nullptr;
  for (const Word* word = command.assignments; word; word = word->next) {
    std::string_view name;
    // A copy: saving takes the value away that it may be.
    std::string_view value = shell.memory.copy(expand_assignment(shell, word, &name));
    Variable* variable = shell.variables.obtain(name);
    if (variable->readonly) shell.unsupported("an assignment to a read-only variable");
    shell.variables.save(variable, &saved);
    shell.variables.assign(variable, value);
  }
  int status = builtin.run(shell, words);
  shell.variables.restore(&saved);
  return status;
}

int run_exec(Shell& shell, const Simple& command, Arguments words) {
  if (command.redirects) shell.unsupported("exec with a redirection");
  if (words.size() == 1) {
    if (command.assignments) shell.unsupported("an assignment before exec without a command");
    return 0;
  }
  assign_all(shell, command, true);
  execute(shell, words.subspan(1));
}

int run_command(Shell& shell, const Simple& command, Arguments words, Position position) {
  if (words.empty()) {
    assign_all(shell, command, false);
    return 0;
  }
  if (words[0] == "exec") return run_exec(shell, command, words);
  const Builtin* builtin = find_builtin(words[0]);
  const Definition* function = builtin && builtin->special ? nullptr : shell.find_function(words[0]);
  if (function) {
    if (command.assignments) shell.unsupported("an assignment before a function");
    return call_function(shell, *function, words, position);
  }
  if (!builtin) run_external(shell, command, words, position);
  shell.builtin_position = position;
  return run_builtin(shell, *builtin, command, words);
}

}  // namespace

SavedTargets redirect(Shell& shell, const Redirect* redirects) {
  SavedTargets saved;
  memcpy(saved.fd, shell.output.targets.fd, sizeof saved.fd);
  for (const Redirect* r = redirects; r; r = r->next) {
    if (r->kind == Redirect::Kind::Other) shell.unsupported(r->bad);
    if (r->fd != 1 && r->fd != 2) shell.unsupported("a redirection of another descriptor than 1 and 2");
    std::string_view target = expand_string(shell, r->target, Purpose::String);
    if (r->kind == Redirect::Kind::Duplicate) {
      if (target != "1" && target != "2") shell.unsupported("a redirection other than to 1, 2 and /dev/null");
      shell.output.targets.fd[r->fd] = shell.output.targets.fd[target[0] - '0'];
    } else {
      if (target != "/dev/null") shell.unsupported("a redirection other than to 1, 2 and /dev/null");
      if (!shell.files.is_null_device(target)) shell.unsupported("a /dev/null that is not the null device");
      shell.output.targets.fd[r->fd] = OutputList::kNowhere;
    }
  }
  return saved;
}

void restore_targets(Shell& shell, const SavedTargets& saved) {
  memcpy(shell.output.targets.fd, saved.fd, sizeof saved.fd);
}

int evaluate_simple(Shell& shell, const Simple& command, Position position) {
  shell.stop.place.line = command.line;
  Memory::Mark mark = shell.memory.mark();
  Fields words(shell.memory);
  expand_words(shell, command, words);
  Arguments arguments(words.begin(), words.size());
  Position inner = position;
  if (command.redirects) inner.tail = false;
  SavedTargets saved = redirect(shell, command.redirects);
  int status = run_command(shell, command, arguments, inner);
  restore_targets(shell, saved);
  shell.memory.release(mark);
  if (status != 0 && shell.options.errexit && !position.tested) shell.stop.exit(status);
  return status;
}

}  // namespace davit::shell
