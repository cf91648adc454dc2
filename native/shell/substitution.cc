// What a dollar sign or a backquote starts: parameters, arithmetic, and command substitutions, which are only parsed.
#include "shell/parser.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

bool is_digit(int c) { return c >= '0' && c <= '9'; }
bool is_special_parameter(int c) {
  return c == '@' || c == '*' || c == '#' || c == '?' || c == '-' || c == '$' || c == '!';
}

// Parameters that are syntax but whose value this shell does not have.
const char* unknown_parameter(std::string_view name) {
  if (name == "$") return "$$";
  if (name == "!") return "$!";
  if (name == "-") return "$-";
  return nullptr;
}

}  // namespace

// At a '$'.
void Parser::read_dollar(Parts& parts, Context context) {
  bool quoted = context != Context::Bare && context != Context::Braced;
  const char* dollar = position_++;
  int c = current();
  if (c == '(') {
    position_++;
    if (accept('(')) return read_arithmetic(parts, context);
    skip_command_substitution();
    part(parts, PartKind::Bad, quoted)->bad = "command substitution";
  } else if (c == '{') {
    position_++;
    read_braces(parts, context);
  } else if (is_name_start(c) || is_digit(c) || is_special_parameter(c)) {
    std::string_view name;
    if (is_name_start(c)) {
      name = read_while(is_name_char);
    } else {
      name = {position_++, 1};
    }
    Part* parameter = part(parts, PartKind::Parameter, quoted);
    parameter->text = name;
    parameter->bad = unknown_parameter(name);
    if (parameter->bad) parameter->kind = PartKind::Bad;
  } else if (!quoted && (c == '\'' || c == '"')) {
    part(parts, PartKind::Bad, quoted)->bad = "$'...' or $\"...\"";
  } else {
    literal(parts, {dollar, 1}, quoted);
  }
}

// The characters that belong to a name or a number; a line continuation among them costs a copy.
std::string_view Parser::read_while(bool (*belongs)(int)) {
  const char* start = position_;
  while (position_ < end_ && belongs(static_cast<unsigned char>(*position_))) position_++;
  std::string_view text(start, static_cast<size_t>(position_ - start));
  if (!belongs(current())) return text;
  Bytes joined(memory_);
  joined.add(text);
  for (int c; belongs(c = current()); position_++) joined.add(static_cast<char>(c));
  return joined.view();
}

// After "${". What follows a parameter and is not in POSIX is read up to its brace, as dash does, and is Bad.
void Parser::read_braces(Parts& parts, Context context) {
  bool quoted = context != Context::Bare && context != Context::Braced;
  Part* parameter = part(parts, PartKind::Parameter, quoted);
  int c = current();
  bool length = false;
  if (c == '#') {
    position_++;
    c = current();
    length = c != '}';
    if (!length) parameter->text = {position_ - 1, 1};
  }
  if (is_name_start(c)) {
    parameter->text = read_while(is_name_char);
  } else if (is_digit(c)) {
    parameter->text = read_while(is_digit);
  } else if (is_special_parameter(c) && !length) {
    parameter->text = {position_++, 1};
    parameter->bad = unknown_parameter(parameter->text);
  } else if (c != '}' || parameter->text.empty()) {
    parameter->bad = "bad substitution";
  }
  if (length) {
    parameter->op = ParameterOp::Length;
    if (current() != '}') parameter->bad = "bad substitution";
  }
  read_operator(parameter, quoted);
  bool all = parameter->text == "@" || parameter->text == "*";
  if (all && parameter->op != ParameterOp::None) parameter->bad = "an operator on $@ or $*";
  if (parameter->bad) parameter->kind = PartKind::Bad;
}

// The operator, its operand and the closing brace.
void Parser::read_operator(Part* parameter, bool quoted) {
  if (accept('}')) return;
  if (parameter->bad) return skip_bad_operand(quoted);
  parameter->colon = accept(':');
  int c = current();
  if (c >= 0) position_++;
  switch (c) {
    case '-': parameter->op = ParameterOp::Default; break;
    case '=': parameter->op = ParameterOp::Assign; break;
    case '?': parameter->op = ParameterOp::Error; break;
    case '+': parameter->op = ParameterOp::Alternate; break;
    case '#': parameter->op = accept('#') ? ParameterOp::TrimLongPrefix : ParameterOp::TrimPrefix; break;
    case '%': parameter->op = accept('%') ? ParameterOp::TrimLongSuffix : ParameterOp::TrimSuffix; break;
    default:
      parameter->bad = "bad substitution";
      if (c >= 0) position_--;
      return skip_bad_operand(quoted);
  }
  bool trim = parameter->op >= ParameterOp::TrimPrefix;
  if (trim && parameter->colon) parameter->bad = "bad substitution";
  // POSIX 2.6.2: the pattern of # and % is not quoted by the quotes around the whole.
  const char* start = position_;
  parameter->word = read_operand(quoted && !trim);
  // dash mixes the fields of such an operand with those of the words around it.
  std::string_view operand(start, static_cast<size_t>(position_ - start));
  bool all = operand.find("$@") != std::string_view::npos || operand.find("${@") != std::string_view::npos;
  if (all && parameter->op == ParameterOp::Assign) parameter->bad = "$@ in the operand of ${x=}";
  // dash loses its way here, even where the operand is not used.
  const Part* first = parameter->word->parts;
  bool tilde = first && first->next && first->kind == PartKind::Literal && !first->quoted && first->text[0] == '~';
  if (tilde && first->text.find('/') == std::string_view::npos) error("a tilde right before an expansion");
}

// The rest of what is no POSIX substitution. Where it ends is certain only without quotes and expansions in it.
void Parser::skip_bad_operand(bool quoted) {
  const char* start = position_;
  read_operand(quoted);
  std::string_view text(start, static_cast<size_t>(position_ - start));
  if (text.find_first_of("'\"\\$`{\n") != std::string_view::npos) error("bad substitution");
}

const Word* Parser::read_operand(bool quoted) {
  Parts parts;
  brace_depth_++;
  read_parts(parts, quoted ? Context::QuotedBraced : Context::Braced);
  brace_depth_--;
  Word* word = memory_.make<Word>();
  word->parts = parts.first;
  return word;
}

// After "$((", up to the two parentheses that balance them.
void Parser::read_arithmetic(Parts& parts, Context context) {
  Part* arithmetic = part(parts, PartKind::Arithmetic, context != Context::Bare && context != Context::Braced);
  Parts expression;
  unsigned open = 0;
  for (;;) {
    read_parts(expression, Context::Arithmetic);
    bool opens = *position_ == '(';
    literal(expression, {position_++, 1}, true);
    if (opens) {
      open++;
    } else if (open) {
      open--;
    } else {
      break;
    }
  }
  if (!accept(')')) error("$(( without ))");
  // The last parenthesis read was the first of the two that close.
  Part** link = &expression.first;
  while ((*link)->next) link = &(*link)->next;
  *link = nullptr;
  Word* word = memory_.make<Word>();
  word->parts = expression.first;
  arithmetic->word = word;
}

// After "$(". The commands are parsed, as only that finds the parenthesis which closes them.
void Parser::skip_command_substitution() {
  shell_.enter({file_, line_});
  unsigned braces = brace_depth_;
  brace_depth_ = 0;
  has_token_ = false;
  skip_newlines();
  if (peek().kind != TokenKind::Close) list(false);
  if (take().kind != TokenKind::Close) error("syntax error: $( is not closed");
  brace_depth_ = braces;
  shell_.leave();
}

// At a backquote. What is inside has lost one level of backslashes before it is parsed (POSIX 2.6.3).
void Parser::skip_backquotes(bool quoted) {
  shell_.enter({file_, line_});
  unsigned line = line_;
  position_++;
  Bytes text(memory_);
  for (;;) {
    if (position_ >= end_) error("syntax error: a backquote is not closed");
    char c = *position_++;
    if (c == '`') break;
    if (c == '\n') line_++;
    if (c == '\\' && position_ < end_) {
      char next = *position_;
      if (next == '$' || next == '`' || next == '\\' || (next == '"' && quoted)) c = *position_++;
    }
    text.add(c);
  }
  Parser inner(shell_, text.view(), file_, line);
  while (inner.next_command()) {
  }
  shell_.leave();
}

}  // namespace davit::shell
