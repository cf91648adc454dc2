// Parameter expansion, POSIX 2.6.2.
#include <string.h>

#include "shell/expand.h"
#include "shell/pattern.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

struct Value {
  bool set = false;
  std::string_view text;
};

// Variables that some shell keeps up to date by itself; dash does not, and whoever reads them expects it.
bool is_kept_by_shells(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "LINENO",   "PPID",   "UID",      "EUID",     "GID",   "GROUPS", "RANDOM",   "SECONDS",      "SRANDOM",
      "HOSTNAME", "OSTYPE", "HOSTTYPE", "MACHTYPE", "SHLVL", "_",      "DIRSTACK", "EPOCHSECONDS", "PIPESTATUS"};
  for (std::string_view known : kNames) {
    if (known == name) return true;
  }
  return false;
}

Value positional(Shell& shell, std::string_view digits) {
  size_t n = 0;
  for (char c : digits) n = n > 1'000'000 ? n : n * 10 + static_cast<size_t>(c - '0');
  if (n == 0) return {true, shell.arg0};
  if (n > shell.positional.count) return {};
  return {true, shell.positional.items[n - 1]};
}

Value look_up(Shell& shell, const Part& part) {
  std::string_view name = part.text;
  char c = name[0];
  if (c == '#') return {true, decimal(shell, static_cast<int64_t>(shell.positional.count))};
  if (c == '?') return {true, decimal(shell, shell.status)};
  if (c >= '0' && c <= '9') return positional(shell, name);
  const Variable* variable = shell.variables.find(name);
  if (variable && variable->disputed) shell.unsupported("a variable that every shell sets differently");
  if (variable && variable->set) return {true, variable->text()};
  // The caller's own script may ask whether they are set: it restores the host's SHLVL and the like where nobody has.
  bool asks = part.op == ParameterOp::Default || part.op == ParameterOp::Alternate;
  bool own_script = asks && shell.stop.place.file == shell.input.script_name;
  if (!own_script && is_kept_by_shells(name)) shell.unsupported("a variable that only some shells set");
  return {};
}

// A message of the shell's own, worded as dash does, and the end: POSIX 2.8.1 lets an expansion error exit the shell.
[[noreturn]] void expansion_error(Shell& shell, std::string_view name, std::string_view message) {
  Bytes text(shell.memory);
  text.add(shell.arg0);
  text.add(": ");
  text.add(decimal(shell, shell.stop.place.line));
  text.add(": ");
  if (!shell.message_command.empty()) {
    text.add(shell.message_command);
    text.add(": ");
  }
  text.add(name);
  text.add(": ");
  text.add(message);
  text.add("\n");
  shell.output.write(2, text.view());
  shell.stop.exit(2);
}

// $@ and $*. Where nothing splits, shells agree on what joins the parameters only for "$*" and for a blank; where they
// are split further, only on blanks.
void expand_all(const Expansion& to, const Part& part) {
  Shell& shell = to.shell;
  const Positional& all = shell.positional;
  Cell flags = part.quoted ? kQuoted : kSplit;
  std::string_view separators = shell.variables.separators();
  bool breaks = to.purpose == Purpose::Field && (part.text == "@" || !part.quoted);
  if (!breaks && part.text == "@" && all.count > 1 && (separators.empty() || separators[0] != ' ')) {
    shell.unsupported("$@ joined under an IFS that does not begin with a blank");
  }
  if (breaks && part.quoted) to.cells.add(kAll);
  bool separated = breaks && !part.quoted && separators.find_first_not_of(" \t\n") != std::string_view::npos;
  for (size_t i = 0; i < all.count; i++) {
    if (separated && (all.items[i].empty() || all.items[i].find_first_of(separators) != std::string_view::npos)) {
      shell.unsupported("an unquoted $@ or $* with separators of IFS in the parameters");
    }
    if (i && breaks) to.cells.add(kBreak);
    if (i && !breaks && !separators.empty()) add_text(to.cells, separators.substr(0, 1), flags);
    if (part.quoted && breaks) to.cells.add(kMark);
    add_text(to.cells, all.items[i], flags);
  }
}

std::string_view trim(Shell& shell, std::string_view value, const Part& part) {
  Cells cells(shell.memory);
  expand_cells(shell, part.word, cells);
  Pattern pattern(shell, cells.begin(), cells.end());
  bool suffix = part.op == ParameterOp::TrimSuffix || part.op == ParameterOp::TrimLongSuffix;
  bool longest = part.op == ParameterOp::TrimLongPrefix || part.op == ParameterOp::TrimLongSuffix;
  size_t size = suffix ? pattern.match_suffix(value, longest) : pattern.match_prefix(value, longest);
  if (size == Pattern::kNoMatch) return value;
  return suffix ? value.substr(0, value.size() - size) : value.substr(size);
}

size_t length_of(Shell& shell, std::string_view text) {
  shell.charge(text.size());
  for (char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) shell.unsupported("the length of text that is not ASCII");
  }
  return text.size();
}

std::string_view assign_default(Shell& shell, const Part& part) {
  if (!is_name(part.text)) shell.unsupported("an assignment to a positional or special parameter");
  std::string_view value = expand_string(shell, part.word, Purpose::String);
  Variable* variable = shell.variables.obtain(part.text);
  shell.variables.assign(variable, value);
  return variable->text();
}

}  // namespace

void expand_parameter(const Expansion& to, const Part& part) {
  Shell& shell = to.shell;
  if (part.text == "@" || part.text == "*") return expand_all(to, part);
  Cell flags = part.quoted ? kQuoted : kSplit;
  Value value = look_up(shell, part);
  bool present = value.set && !(part.colon && value.text.empty());
  Expansion operand{shell, to.cells, to.purpose, true};
  switch (part.op) {
    case ParameterOp::Default:
      if (!present) return expand_parts(operand, part.word->parts, !part.quoted);
      break;
    case ParameterOp::Alternate:
      if (present) expand_parts(operand, part.word->parts, !part.quoted);
      return;
    case ParameterOp::Assign:
      if (!present) value.text = assign_default(shell, part);
      break;
    case ParameterOp::Error:
      if (!present) {
        std::string_view message = expand_string(shell, part.word, Purpose::String);
        if (!part.word->parts) message = part.colon ? "parameter not set or null" : "parameter not set";
        expansion_error(shell, part.text, message);
      }
      break;
    default:
      if (!value.set && shell.options.nounset) expansion_error(shell, part.text, "parameter not set");
  }
  if (part.op == ParameterOp::Length) value.text = decimal(shell, static_cast<int64_t>(length_of(shell, value.text)));
  // The pattern of an unset parameter is not even expanded.
  if (part.op >= ParameterOp::TrimPrefix && value.set) value.text = trim(shell, value.text, part);
  add_text(to.cells, value.text, flags);
}

}  // namespace davit::shell
