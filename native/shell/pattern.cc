#include "shell/pattern.h"

#include <string.h>

#include "shell/state.h"

namespace davit::shell {
namespace {

struct CharacterClass {
  std::string_view name;
  bool (*contains)(unsigned char);
};

bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(unsigned char c) { return is_upper(c) || is_lower(c); }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
bool is_alnum(unsigned char c) { return is_alpha(c) || is_digit(c); }
bool is_graph(unsigned char c) { return c > ' ' && c < 0x7f; }

// The classes of the C locale.
constexpr CharacterClass kClasses[] = {
    {"alpha", is_alpha},
    {"digit", is_digit},
    {"alnum", is_alnum},
    {"upper", is_upper},
    {"lower", is_lower},
    {"graph", is_graph},
    {"space", [](unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }},
    {"blank", [](unsigned char c) { return c == ' ' || c == '\t'; }},
    {"print", [](unsigned char c) { return c == ' ' || is_graph(c); }},
    {"cntrl", [](unsigned char c) { return c < ' ' || c == 0x7f; }},
    {"punct", [](unsigned char c) { return is_graph(c) && !is_alnum(c); }},
    {"xdigit", [](unsigned char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }},
};

bool is(const Cell* at, const Cell* end, char c) {
  return at < end && !(*at & (kQuoted | kNoByte)) && byte_of(*at) == c;
}

}  // namespace

struct Pattern::Set {
  uint64_t* bits;
  void add(unsigned char c) { bits[c >> 6] |= uint64_t{1} << (c & 63); }
};

Pattern::Pattern(Shell& shell, const Cell* begin, const Cell* end)
    : shell_(shell), elements_(shell.memory.array<Element>(static_cast<size_t>(end - begin))) {
  for (const Cell* cell = begin; cell < end;) {
    if (*cell & kNoByte) {
      cell++;
      continue;
    }
    Element element{Kind::Byte, static_cast<unsigned char>(byte_of(*cell)), nullptr};
    if (is(cell, end, '\\')) shell.unsupported("a backslash in an unquoted expansion used as a pattern");
    if (is(cell, end, '*')) element.kind = Kind::Star;
    if (is(cell, end, '?')) element.kind = Kind::Any;
    if (is(cell, end, '[')) {
      if (const Cell* after = compile_set(cell, end)) {
        cell = after;
        continue;
      }
    }
    cell++;
    bool repeated = element.kind == Kind::Star && size_ && elements_[size_ - 1].kind == Kind::Star;
    if (!repeated) elements_[size_++] = element;
    magic_ |= element.kind != Kind::Byte;
    by_character_ |= element.kind == Kind::Any;
  }
}

// A bracket expression at `open`. Returns what follows it, or nullptr when it is not closed and [ stands for itself.
const Cell* Pattern::compile_set(const Cell* open, const Cell* end) {
  const Cell* at = open + 1;
  bool negated = is(at, end, '!');
  if (is(at, end, '^')) shell_.unsupported("[^...] in a pattern");
  if (negated) at++;
  Set set{shell_.memory.array<uint64_t>(4)};
  memset(set.bits, 0, 4 * sizeof(uint64_t));
  for (const Cell* first = at; at < end && (at == first || !is(at, end, ']'));) {
    if (*at & kNoByte) {
      first += at == first;
      at++;
      continue;
    }
    if (is(at, end, '[') && at + 1 < end) {
      if (is(at + 1, end, '.') || is(at + 1, end, '=')) shell_.unsupported("[. .] or [= =] in a pattern");
      if (const Cell* after = is(at + 1, end, ':') ? add_class(set, at + 2, end) : nullptr) {
        at = after;
        continue;
      }
    }
    if (is(at, end, '\\')) shell_.unsupported("a backslash in an unquoted expansion used as a pattern");
    unsigned char low = static_cast<unsigned char>(byte_of(*at++));
    unsigned char high = low;
    if (is(at, end, '-') && at + 1 < end && !is(at + 1, end, ']')) {
      if ((at[1] & kNoByte) || is(at + 1, end, '[') || is(at + 1, end, '\\')) {
        shell_.unsupported("a bracket expression with a doubtful range");
      }
      high = static_cast<unsigned char>(byte_of(at[1]));
      at += 2;
    }
    if (low > high || high >= 0x80) shell_.unsupported("a bracket expression that is not ASCII, or a reversed range");
    for (unsigned c = low; c <= high; c++) set.add(static_cast<unsigned char>(c));
  }
  if (at >= end) return nullptr;
  if (negated) {
    for (int i = 0; i < 4; i++) set.bits[i] = ~set.bits[i];
  }
  elements_[size_++] = {Kind::Set, 0, set.bits};
  magic_ = by_character_ = true;
  return at + 1;
}

// After "[:". Returns what follows ":]", or nullptr when there is none.
const Cell* Pattern::add_class(Set& set, const Cell* at, const Cell* end) {
  char name[8];
  size_t size = 0;
  while (at < end && size < sizeof name && is_lower(static_cast<unsigned char>(byte_of(*at)))) {
    name[size++] = byte_of(*at++);
  }
  if (!is(at, end, ':') || !is(at + 1, end, ']')) return nullptr;
  for (const CharacterClass& known : kClasses) {
    if (known.name != std::string_view(name, size)) continue;
    for (unsigned c = 0; c < 0x80; c++) {
      if (known.contains(static_cast<unsigned char>(c))) set.add(static_cast<unsigned char>(c));
    }
    return at + 2;
  }
  shell_.unsupported("an unknown character class in a pattern");
}

// Without magic the elements are the text itself.
bool Pattern::match_bytes(std::string_view text) const {
  for (size_t i = 0; i < size_; i++) {
    if (elements_[i].byte != static_cast<unsigned char>(text[i])) return false;
  }
  return true;
}

void Pattern::check_text(std::string_view text) const {
  if (!by_character_) return;
  for (char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) shell_.unsupported("a pattern against text that is not ASCII");
  }
}

// Byte by byte; on a mismatch the newest star takes one byte more. Older stars need not be tried again, so the time is
// bounded by text times pattern.
bool Pattern::match(std::string_view text) const {
  if (!magic_) return text.size() == size_ && match_bytes(text);
  check_text(text);
  shell_.charge(text.size());
  constexpr size_t kNone = SIZE_MAX;
  size_t at = 0, element = 0, star = kNone, star_end = 0;
  while (at < text.size()) {
    if (element < size_ && elements_[element].kind == Kind::Star) {
      star = element++;
      star_end = at;
    } else if (element < size_ && elements_[element].accepts(static_cast<unsigned char>(text[at]))) {
      element++;
      at++;
    } else if (star != kNone) {
      shell_.charge(at - star_end + 1);
      element = star + 1;
      at = ++star_end;
    } else {
      return false;
    }
  }
  while (element < size_ && elements_[element].kind == Kind::Star) element++;
  return element == size_;
}

size_t Pattern::match_prefix(std::string_view text, bool longest) const {
  if (!magic_) return text.size() >= size_ && match_bytes(text) ? size_ : kNoMatch;
  return simulate(text, false, longest);
}

size_t Pattern::match_suffix(std::string_view text, bool longest) const {
  if (!magic_) {
    return text.size() >= size_ && match_bytes(text.substr(text.size() - size_)) ? size_ : kNoMatch;
  }
  return simulate(text, true, longest);
}

// The set of states of a nondeterministic automaton, advanced byte by byte: state n has matched n elements. It sees
// every size at which the pattern matches in one pass. Backward, text and pattern are read from their ends.
size_t Pattern::simulate(std::string_view text, bool backward, bool longest) const {
  check_text(text);
  if (text.size() >= UINT32_MAX - 1) shell_.unsupported("a pattern against more than 4 GiB");
  uint32_t* current = shell_.memory.array<uint32_t>(3 * (size_ + 1));
  uint32_t* next = current + size_ + 1;
  uint32_t* seen = next + size_ + 1;  // seen[s] == step + 1: s is in the list being made
  memset(seen, 0, (size_ + 1) * sizeof *seen);
  size_t count = 0;
  size_t best = kNoMatch;
  auto element = [&](uint32_t s) -> const Element& { return elements_[backward ? size_ - 1 - s : s]; };
  // A star may also match nothing: being at it is being behind it, too.
  auto add = [&](uint32_t* list, size_t& size, uint32_t s, uint32_t stamp) {
    for (; seen[s] != stamp; s++) {
      seen[s] = stamp;
      list[size++] = s;
      if (s == size_ || element(s).kind != Kind::Star) break;
    }
  };
  add(current, count, 0, 1);
  for (size_t step = 0;; step++) {
    if (seen[size_] == step + 1) best = step;
    if (step == text.size() || !count || (!longest && best != kNoMatch)) return best;
    unsigned char c = static_cast<unsigned char>(text[backward ? text.size() - 1 - step : step]);
    size_t next_count = 0;
    for (size_t i = 0; i < count; i++) {
      uint32_t s = current[i];
      if (s == size_) continue;
      if (element(s).kind == Kind::Star) {
        add(next, next_count, s, static_cast<uint32_t>(step + 2));
      } else if (element(s).accepts(c)) {
        add(next, next_count, s + 1, static_cast<uint32_t>(step + 2));
      }
    }
    shell_.charge(count);
    uint32_t* swap = current;
    current = next;
    next = swap;
    count = next_count;
  }
}

}  // namespace davit::shell
