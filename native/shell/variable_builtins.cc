// Builtins that change variables, options and positional parameters.
#include <string.h>

#include "shell/builtins.h"

namespace davit::shell {
namespace {

struct Declaration {
  std::string_view name;
  bool has_value = false;
  std::string_view value;
};

// NAME or NAME=VALUE. Options and errors are not ours.
Declaration declaration(Shell& shell, std::string_view argument) {
  Declaration result;
  size_t equals = argument.find('=');
  result.name = argument.substr(0, equals);
  result.has_value = equals != std::string_view::npos;
  if (result.has_value) result.value = argument.substr(equals + 1);
  if (!is_name(result.name)) shell.unsupported("an option or a bad name in export, readonly, local or unset");
  return result;
}

Variable* declare(Shell& shell, std::string_view argument) {
  Declaration wanted = declaration(shell, argument);
  Variable* variable = shell.variables.obtain(wanted.name);
  if (wanted.has_value) shell.variables.assign(variable, wanted.value);
  return variable;
}

// One cluster of single-letter options; false when it has one that is not implemented.
bool set_letters(Shell& shell, std::string_view letters, bool on) {
  for (char letter : letters) {
    switch (letter) {
      case 'e': shell.options.errexit = on; break;
      case 'u': shell.options.nounset = on; break;
      case 'f': shell.options.noglob = on; break;
      case 'a': shell.variables.allexport = on; break;
      default: return false;
    }
  }
  return true;
}

bool set_long(Shell& shell, std::string_view name, bool on) {
  if (name == "errexit") return set_letters(shell, "e", on);
  if (name == "nounset") return set_letters(shell, "u", on);
  if (name == "noglob") return set_letters(shell, "f", on);
  if (name == "allexport") return set_letters(shell, "a", on);
  return false;
}

// The new parameters may point into the old ones.
void set_positional(Shell& shell, Arguments parameters) {
  Positional& positional = shell.positional;
  size_t table = parameters.size() * sizeof(std::string_view);
  size_t size = table;
  for (std::string_view parameter : parameters) size += parameter.size();
  uint32_t capacity = 0;
  char* block = shell.memory.take(size, &capacity);
  std::string_view* items = reinterpret_cast<std::string_view*>(block);
  char* text = block + table;
  for (std::string_view parameter : parameters) {
    if (!parameter.empty()) memcpy(text, parameter.data(), parameter.size());
    *items++ = {text, parameter.size()};
    text += parameter.size();
  }
  shell.memory.give(positional.block, positional.capacity);
  positional = {reinterpret_cast<std::string_view*>(block), parameters.size(), block, capacity};
}

}  // namespace

int run_export(Shell& shell, Arguments arguments) {
  if (arguments.size() == 1) shell.unsupported("export without a name");
  for (std::string_view argument : arguments.subspan(1)) declare(shell, argument)->exported = true;
  return 0;
}

int run_readonly(Shell& shell, Arguments arguments) {
  if (arguments.size() == 1) shell.unsupported("readonly without a name");
  for (std::string_view argument : arguments.subspan(1)) declare(shell, argument)->readonly = true;
  return 0;
}

// dash lets a local variable without a value keep the outer one, bash does not: only an unset one is the same to both.
int run_local(Shell& shell, Arguments arguments) {
  if (!shell.locals) shell.unsupported("local outside a function");
  for (std::string_view argument : arguments.subspan(1)) {
    Declaration wanted = declaration(shell, argument);
    Variable* variable = shell.variables.obtain(wanted.name);
    if (!wanted.has_value && variable->set) shell.unsupported("local NAME for a variable that is set");
    if (variable->readonly) shell.unsupported("local for a read-only variable");
    shell.variables.save(variable, shell.locals);
    if (wanted.has_value) shell.variables.assign(variable, wanted.value);
  }
  return 0;
}

int run_unset(Shell& shell, Arguments arguments) {
  size_t first = 1;
  bool functions = false;
  if (arguments.size() > 1 && (arguments[1] == "-f" || arguments[1] == "-v")) {
    functions = arguments[1] == "-f";
    first = 2;
  }
  for (std::string_view name : arguments.subspan(first)) {
    if (!is_name(name)) shell.unsupported("an option or a bad name in export, readonly, local or unset");
    if (functions) {
      for (Definition** f = &shell.functions; *f; f = &(*f)->next) {
        if ((*f)->name != name) continue;
        *f = (*f)->next;
        break;
      }
      continue;
    }
    Variable* variable = shell.variables.find(name);
    if (variable && variable->set) {
      shell.variables.unset(variable);
    } else if (variable) {
      if (variable->readonly) shell.unsupported("unset of a read-only variable");
      variable->exported = false;
    } else if (shell.find_function(name)) {
      shell.unsupported("unset NAME of a function");  // bash: removes the function, too
    }
  }
  return 0;
}

int run_set(Shell& shell, Arguments arguments) {
  if (arguments.size() == 1) shell.unsupported("set without arguments");
  size_t at = 1;
  for (; at < arguments.size(); at++) {
    std::string_view argument = arguments[at];
    if (argument == "--") {
      set_positional(shell, arguments.subspan(at + 1));
      return 0;
    }
    if (argument.empty() || (argument[0] != '-' && argument[0] != '+')) break;
    bool on = argument[0] == '-';
    bool known;
    if (argument == "-o" || argument == "+o") {
      known = at + 1 < arguments.size() && set_long(shell, arguments[++at], on);
    } else {
      known = argument.size() > 1 && set_letters(shell, argument.substr(1), on);
    }
    if (!known) shell.unsupported("an option of set");
  }
  if (at < arguments.size()) set_positional(shell, arguments.subspan(at));
  return 0;
}

int run_shift(Shell& shell, Arguments arguments) {
  int count = 1;
  if (arguments.size() > 2 || (arguments.size() == 2 && !parse_count(arguments[1], &count))) {
    shell.unsupported("an odd operand of shift");
  }
  if (static_cast<size_t>(count) > shell.positional.count) shell.unsupported("shift of more parameters than there are");
  shell.positional.items += count;
  shell.positional.count -= static_cast<size_t>(count);
  return 0;
}

}  // namespace davit::shell
