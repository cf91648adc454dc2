#include "shell/expand.h"

#include "shell/state.h"

namespace davit::shell {
namespace {

// A tilde at `at` in unquoted literal text: adds $HOME and returns 1, or returns 0 when it stays a tilde.
// `next`: what follows the text in its word. A prefix must be followed by the word's end, a slash, or in an assignment
// a colon, none of them quoted.
size_t expand_tilde(const Expansion& to, std::string_view text, size_t at, const Part* next) {
  size_t end = at + 1;
  bool colon_ends = to.purpose == Purpose::Assignment;
  while (end < text.size() && text[end] != '/' && !(colon_ends && text[end] == ':')) end++;
  if (end == text.size() && next) {
    if (next->kind > PartKind::QuoteMark) to.shell.unsupported("a tilde right before an expansion");
    return 0;
  }
  if (end != at + 1) to.shell.unsupported("~user");
  const Variable* home = to.shell.variables.find("HOME");
  if (!home || !home->set) return 0;
  bool slash = end < text.size() && text[end] == '/';
  if (slash && home->size && home->value[home->size - 1] == '/') to.shell.unsupported("~/ with a HOME that ends in /");
  if (!home->size && !slash && to.purpose == Purpose::Field) to.shell.unsupported("a tilde and an empty HOME");
  add_text(to.cells, home->text(), kQuoted);
  return 1;
}

void expand_literal(const Expansion& to, const Part& part, bool tilde) {
  if (part.quoted) return add_text(to.cells, part.text, kQuoted);
  Cell flags = to.operand ? kSplit : 0;
  if (part.text.find('~') == std::string_view::npos) return add_text(to.cells, part.text, flags);
  size_t from = 0;
  for (size_t i = 0; i < part.text.size(); i++) {
    if (part.text[i] != '~') continue;
    bool after_colon = to.purpose == Purpose::Assignment && i && part.text[i - 1] == ':';
    if (!(tilde && i == 0) && !after_colon) continue;
    if (to.operand && after_colon) to.shell.unsupported("a tilde after a colon within ${}");
    add_text(to.cells, part.text.substr(from, i - from), flags);
    from = i + expand_tilde(to, part.text, i, part.next);
  }
  add_text(to.cells, part.text.substr(from), flags);
}

// A word that is one quoted or unquoted parameter without an operator has a value that needs no copy.
const Part* lone_variable(const Word* word) {
  const Part* part = word->parts;
  if (part && part->kind == PartKind::QuoteMark) part = part->next;
  bool lone = part && !part->next && part->kind == PartKind::Parameter && part->op == ParameterOp::None;
  return lone && is_name_start(static_cast<unsigned char>(part->text[0])) ? part : nullptr;
}

}  // namespace

void add_text(Cells& cells, std::string_view text, Cell flags) {
  if (text.empty()) return;
  Cell* to = cells.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) to[i] = static_cast<Cell>(static_cast<unsigned char>(text[i]) | flags);
  if (flags & kSplit) to[0] |= kRegion;
  cells.grown(text.size());
}

std::string_view text_of(Shell& shell, const Cell* begin, const Cell* end) {
  char* text = static_cast<char*>(shell.memory.push(static_cast<size_t>(end - begin), 1));
  size_t size = 0;
  for (const Cell* cell = begin; cell < end; cell++) {
    if (!(*cell & kNoByte)) text[size++] = byte_of(*cell);
  }
  return {text, size};
}

// `tilde`: a tilde at the start of the first part may be expanded.
void expand_parts(const Expansion& to, const Part* parts, bool tilde) {
  to.shell.enter();
  size_t before = to.cells.size();
  for (const Part* part = parts; part; part = part->next) {
    switch (part->kind) {
      case PartKind::Literal: expand_literal(to, *part, tilde && part == parts); break;
      case PartKind::QuoteMark: to.cells.add(kMark); break;
      case PartKind::Parameter: expand_parameter(to, *part); break;
      case PartKind::Arithmetic: {
        std::string_view expression = expand_string(to.shell, part->word, Purpose::String);
        std::string_view value = decimal(to.shell, evaluate_arithmetic(to.shell, expression));
        add_text(to.cells, value, part->quoted ? kQuoted : kSplit);
        break;
      }
      case PartKind::Bad: to.shell.unsupported(part->bad);
    }
  }
  to.shell.charge(to.cells.size() - before + 1);
  to.shell.leave();
}

void expand_fields(Shell& shell, const Word* word, Fields& fields) {
  if (word->plain) return fields.add(word->text());
  const Part* part = word->parts->kind == PartKind::QuoteMark ? lone_variable(word) : nullptr;
  if (part && part->quoted) {
    const Variable* variable = shell.variables.find(part->text);
    if (variable && variable->set && !variable->disputed) {
      shell.charge(variable->size);
      return fields.add(shell.memory.copy(variable->text()));
    }
  }
  Cells cells(shell.memory);
  expand_parts({shell, cells, Purpose::Field}, word->parts, true);
  split_fields(shell, cells, word->parts && !word->parts->next, fields);
}

std::string_view expand_string(Shell& shell, const Word* word, Purpose purpose) {
  if (word->plain || !word->parts) return word->text();
  if (const Part* part = lone_variable(word)) {
    const Variable* variable = shell.variables.find(part->text);
    if (variable && variable->set && !variable->disputed) {
      shell.charge(variable->size);
      return variable->text();
    }
  }
  Cells cells(shell.memory);
  expand_parts({shell, cells, purpose}, word->parts, true);
  return text_of(shell, cells.begin(), cells.end());
}

void expand_cells(Shell& shell, const Word* word, Cells& cells) {
  expand_parts({shell, cells, Purpose::String}, word->parts, true);
}

std::string_view expand_assignment(Shell& shell, const Word* word, std::string_view* name) {
  std::string_view text = word->parts->text;
  size_t equals = text.find('=');
  *name = text.substr(0, equals);
  Part first = *word->parts;
  first.text = text.substr(equals + 1);
  Word value;
  value.parts = first.text.empty() ? first.next : &first;
  if (!value.parts) return {};
  value.plain = !first.next && text.find('~') == std::string_view::npos;
  // A tilde counts at the start of the value only if it is unquoted literal text there.
  return expand_string(shell, &value, Purpose::Assignment);
}

}  // namespace davit::shell
