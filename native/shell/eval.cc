#include "shell/eval.h"

#include "shell/builtins.h"
#include "shell/expand.h"
#include "shell/pattern.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

int evaluate_sequence(Shell& shell, const Sequence& sequence, Position position) {
  int status = 0;
  for (const Node* node = sequence.first; node; node = node->next) {
    status = evaluate(shell, node, {position.tested, position.tail && !node->next});
    if (shell.skip != Skip::None) break;
  }
  return status;
}

int evaluate_and_or(Shell& shell, const Binary& binary, Position position) {
  int status = evaluate(shell, binary.left, {true, false});
  if (shell.skip != Skip::None || (status == 0) != (binary.kind == NodeKind::And)) return status;
  return evaluate(shell, binary.right, position);
}

int evaluate_if(Shell& shell, const If& clause, Position position) {
  int status = evaluate(shell, clause.condition, {true, false});
  if (shell.skip != Skip::None) return status;
  const Node* chosen = status == 0 ? clause.then_part : clause.else_part;
  return chosen ? evaluate(shell, chosen, position) : 0;
}

// After a part of a loop: whether the loop must be left.
bool leaves_loop(Shell& shell) {
  if (shell.skip == Skip::None) return false;
  if (shell.skip == Skip::Return) return true;
  bool here = shell.skip_loops == 1;
  bool goes_on = here && shell.skip == Skip::Continue;
  if (here) {
    shell.skip = Skip::None;
  } else {
    shell.skip_loops--;
  }
  return !goes_on;
}

int evaluate_while(Shell& shell, const Loop& loop, Position position) {
  int status = 0;
  shell.loops++;
  for (;;) {
    int condition = evaluate(shell, loop.condition, {true, false});
    if (shell.skip != Skip::None) {
      if (shell.skip == Skip::Return) status = condition;
      if (leaves_loop(shell)) break;
      continue;
    }
    if ((condition == 0) != (loop.kind == NodeKind::While)) break;
    status = evaluate(shell, loop.body, {position.tested, false});
    if (leaves_loop(shell)) break;
  }
  shell.loops--;
  return status;
}

int evaluate_for(Shell& shell, const For& loop, Position position) {
  shell.stop.place.line = loop.line;
  Memory::Mark mark = shell.memory.mark();
  Fields values(shell.memory);
  if (loop.has_words) {
    for (const Word* word = loop.words; word; word = word->next) expand_fields(shell, word, values);
  } else {
    for (size_t i = 0; i < shell.positional.count; i++) {
      shell.charge(shell.positional.items[i].size() + 1);
      values.add(shell.memory.copy(shell.positional.items[i]));
    }
  }
  int status = 0;
  shell.loops++;
  Variable* variable = shell.variables.obtain(loop.name);
  for (std::string_view value : values) {
    shell.variables.assign(variable, value);
    status = evaluate(shell, loop.body, {position.tested, false});
    if (leaves_loop(shell)) break;
  }
  shell.loops--;
  shell.memory.release(mark);
  return status;
}

bool matches(Shell& shell, std::string_view subject, const Word* pattern) {
  if (pattern->plain) return subject == pattern->text();
  Memory::Mark mark = shell.memory.mark();
  Cells cells(shell.memory);
  expand_cells(shell, pattern, cells);
  bool result = Pattern(shell, cells.begin(), cells.end()).match(subject);
  shell.memory.release(mark);
  return result;
}

int evaluate_case(Shell& shell, const Case& clause, Position position) {
  shell.stop.place.line = clause.line;
  Memory::Mark mark = shell.memory.mark();
  // A copy, as the expansion of a pattern may assign to the variable that the subject is.
  std::string_view subject = shell.memory.copy(expand_string(shell, clause.subject, Purpose::String));
  const CaseItem* chosen = nullptr;
  for (const CaseItem* item = clause.items; item && !chosen; item = item->next) {
    for (const Word* pattern = item->patterns; pattern && !chosen; pattern = pattern->next) {
      if (matches(shell, subject, pattern)) chosen = item;
    }
  }
  shell.memory.release(mark);
  return chosen && chosen->body ? evaluate(shell, chosen->body, position) : 0;
}

int define_function(Shell& shell, const Function& function) {
  const Builtin* builtin = find_builtin(function.name);
  if (builtin && builtin->special) shell.unsupported("a function with the name of a special builtin");
  Definition* definition = shell.find_function(function.name);
  if (!definition) {
    definition = static_cast<Definition*>(shell.memory.keep(sizeof(Definition), alignof(Definition)));
    *definition = {shell.functions, {}, nullptr, {}};
    shell.functions = definition;
  }
  definition->name = function.name;
  definition->body = function.body;
  definition->file = shell.stop.place.file;
  shell.memory.pin();
  return 0;
}

int evaluate_redirected(Shell& shell, const Redirected& node, Position position) {
  shell.stop.place.line = node.line;
  SavedTargets saved = redirect(shell, node.redirects);
  int status = evaluate(shell, node.command, {position.tested, false});
  restore_targets(shell, saved);
  return status;
}

int dispatch(Shell& shell, const Node* node, Position position) {
  switch (node->kind) {
    case NodeKind::Simple: return evaluate_simple(shell, *static_cast<const Simple*>(node), position);
    case NodeKind::Sequence: return evaluate_sequence(shell, *static_cast<const Sequence*>(node), position);
    case NodeKind::And:
    case NodeKind::Or: return evaluate_and_or(shell, *static_cast<const Binary*>(node), position);
    case NodeKind::Not: {
      int status = evaluate(shell, static_cast<const Binary*>(node)->left, {true, false});
      return shell.skip == Skip::None ? !status : status;
    }
    case NodeKind::If: return evaluate_if(shell, *static_cast<const If*>(node), position);
    case NodeKind::While:
    case NodeKind::Until: return evaluate_while(shell, *static_cast<const Loop*>(node), position);
    case NodeKind::For: return evaluate_for(shell, *static_cast<const For*>(node), position);
    case NodeKind::Case: return evaluate_case(shell, *static_cast<const Case*>(node), position);
    case NodeKind::Function: return define_function(shell, *static_cast<const Function*>(node));
    case NodeKind::Redirected: return evaluate_redirected(shell, *static_cast<const Redirected*>(node), position);
    case NodeKind::Unsupported: break;
  }
  shell.stop.unsupported(static_cast<const Unsupported*>(node)->what, {shell.stop.place.file, node->line});
}

}  // namespace

int evaluate(Shell& shell, const Node* node, Position position) {
  shell.enter();
  shell.charge(Shell::kCommandCost);
  int status = dispatch(shell, node, position);
  shell.leave();
  shell.status = status;
  return status;
}

int run_text(Shell& shell, std::string_view text, std::string_view file, unsigned line, Position position) {
  shell.enter();
  Parser parser(shell, text, file, line);
  Source source{&parser, shell.source};
  std::string_view outer_file = shell.stop.place.file;
  shell.source = &source;
  shell.stop.place.file = file;
  int status = 0;
  for (;;) {
    Memory::Mark mark = shell.memory.mark();
    const Node* command = parser.next_command();
    if (!command) break;
    status = evaluate(shell, command, position);
    shell.memory.release(mark);
    if (shell.skip != Skip::None) break;
  }
  shell.source = source.outer;
  shell.stop.place.file = outer_file;
  shell.leave();
  return status;
}

}  // namespace davit::shell
