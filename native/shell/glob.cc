// Pathname expansion, POSIX 2.13.3.
#include <string.h>

#include <algorithm>

#include "shell/expand.h"
#include "shell/pattern.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

// A piece of the pattern between slashes, and the slashes behind it.
struct Component {
  const Pattern* pattern;  // nullptr: plain text
  std::string_view text;
  size_t slashes;
};

class Walk {
 public:
  Walk(Shell& shell, const Pile<Component>& components, Fields& found)
      : shell_(shell), components_(components), found_(found) {}

  // Everything beneath `path` (empty, or ending in a slash) that the components from `index` on match.
  void run(std::string_view path, size_t index) {
    shell_.enter();
    while (index < components_.size() && !components_[index].pattern) path = join(path, components_[index++], {});
    if (index == components_.size()) {
      shell_.charge(Shell::kFileCost);
      struct stat st;
      Answer exists = shell_.files.stat(path, false, &st);
      if (exists == Answer::Unknown) unknown();
      if (exists == Answer::Yes) found_.add(path);
    } else {
      scan(path, index);
    }
    shell_.leave();
  }

 private:
  void scan(std::string_view path, size_t index) {
    const Component& component = components_[index];
    std::string_view names;
    shell_.charge(Shell::kFileCost);
    Answer listed = shell_.files.list(path.empty() ? std::string_view(".") : path, shell_.memory, &names);
    if (listed == Answer::Unknown) unknown();
    bool dots = component.pattern->starts_with_dot();
    // Some shells let .* match these two.
    if (dots && (component.pattern->match(".") || component.pattern->match(".."))) {
      shell_.unsupported("a pattern that matches . or ..");
    }
    while (!names.empty()) {
      std::string_view name = names.substr(0, names.find('\0'));
      names.remove_prefix(name.size() + 1);
      shell_.charge(name.size());
      if ((name[0] == '.' && !dots) || !component.pattern->match(name)) continue;
      std::string_view next = join(path, component, name);
      if (index + 1 == components_.size()) {
        found_.add(next);
      } else {
        run(next, index + 1);
      }
    }
  }

  std::string_view join(std::string_view path, const Component& component, std::string_view name) {
    Bytes text(shell_.memory);
    text.add(path);
    text.add(component.pattern ? name : component.text);
    for (size_t i = 0; i < component.slashes; i++) text.add('/');
    return text.view();
  }

  [[noreturn]] void unknown() { shell_.unsupported("a pattern over a directory that cannot be read"); }

  Shell& shell_;
  const Pile<Component>& components_;
  Fields& found_;
};

}  // namespace

bool match_files(Shell& shell, const Cell* begin, const Cell* end, Fields& fields) {
  bool candidate = false;
  for (const Cell* cell = begin; cell < end && !candidate; cell++) {
    char c = byte_of(*cell);
    candidate = !(*cell & kQuoted) && (c == '*' || c == '?' || c == '[');
  }
  if (!candidate) return false;
  Pile<Component> components(shell.memory);
  bool magic = false;
  for (const Cell* cell = begin;;) {
    const Cell* slash = cell;
    while (slash < end && byte_of(*slash) != '/') slash++;
    const Cell* after = slash;
    while (after < end && byte_of(*after) == '/') after++;
    const Pattern* pattern = new (shell.memory.push(sizeof(Pattern))) Pattern(shell, cell, slash);
    if (!pattern->magic()) pattern = nullptr;
    magic |= pattern != nullptr;
    components.add({pattern, text_of(shell, cell, slash), static_cast<size_t>(after - slash)});
    // "dir*/": the empty component behind the last slash asks whether that is a directory.
    if (slash == end) break;
    cell = after;
  }
  if (!magic) return false;
  Fields found(shell.memory);
  Walk(shell, components, found).run({}, 0);
  if (found.empty()) return false;
  std::sort(found.begin(), found.end());
  for (std::string_view path : found) fields.add(path);
  return true;
}

}  // namespace davit::shell
