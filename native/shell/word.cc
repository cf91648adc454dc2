// Words: runs of literal text, quotes and expansions.
#include <string.h>

#include "shell/parser.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

// What interrupts a run of literal text, for each Parser::Context.
struct Specials {
  bool table[5][256] = {};
  constexpr Specials() {
    const char* sets[5] = {" \t\n;&|<>()'\"\\$`", "\"\\$`\n", "}'\"\\$`\n", "}\"\\$`\n", "()'\"\\$`\n"};
    for (int context = 0; context < 5; context++) {
      for (const char* c = sets[context]; *c; c++) table[context][static_cast<unsigned char>(*c)] = true;
    }
  }
};
constexpr Specials kSpecials;

// Characters that may make a literal expand: patterns, tildes, and the braces of other shells.
struct Expanding {
  bool table[256] = {};
  constexpr Expanding() {
    for (char c : {'*', '?', '[', '~', '{'}) table[static_cast<unsigned char>(c)] = true;
  }
};
constexpr Expanding kExpanding;

// A word of at most five bytes as one number.
constexpr uint64_t packed(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

Reserved reserved_word(std::string_view text) {
  if (text.size() > 5) return Reserved::None;
  switch (packed(text)) {
    case packed("!"): return Reserved::Not;
    case packed("{"): return Reserved::Open;
    case packed("}"): return Reserved::Close;
    case packed("if"): return Reserved::If;
    case packed("fi"): return Reserved::Fi;
    case packed("in"): return Reserved::In;
    case packed("do"): return Reserved::Do;
    case packed("for"): return Reserved::For;
    case packed("then"): return Reserved::Then;
    case packed("else"): return Reserved::Else;
    case packed("elif"): return Reserved::Elif;
    case packed("case"): return Reserved::Case;
    case packed("esac"): return Reserved::Esac;
    case packed("done"): return Reserved::Done;
    case packed("while"): return Reserved::While;
    case packed("until"): return Reserved::Until;
    default: return Reserved::None;
  }
}

bool is_plain(std::string_view text) {
  for (char c : text) {
    if (kExpanding.table[static_cast<unsigned char>(c)]) return text == "[" || text == "{";
  }
  return true;
}

}  // namespace

Part* Parser::part(Parts& parts, PartKind kind, bool quoted) {
  Part* part = memory_.make<Part>();
  part->kind = kind;
  part->quoted = quoted;
  parts.add(part);
  return part;
}

// Unquoted text that follows unquoted text (behind a line continuation) joins it: together they may be a reserved word,
// an assignment, or a pattern.
void Parser::literal(Parts& parts, std::string_view text, bool quoted) {
  if (text.empty()) return;
  Part* before = parts.newest;
  if (quoted || !before || before->quoted || before->kind != PartKind::Literal) {
    part(parts, PartKind::Literal, quoted)->text = text;
  } else if (before->text.data() + before->text.size() == text.data()) {
    before->text = {before->text.data(), before->text.size() + text.size()};
  } else {
    Bytes joined(memory_);
    joined.add(before->text);
    joined.add(text);
    before->text = joined.view();
  }
}

Word* Parser::read_word() {
  Parts parts;
  read_parts(parts, Context::Bare);
  Word* word = memory_.make<Word>();
  word->parts = parts.first;
  finish_word(word);
  return word;
}

// Sets what the parser and the expansion want to know at a glance, and finds brace expansion, which dash lacks and bash
// has: `{a,b}` and `{1..3}` mean different things to them.
void Parser::finish_word(Word* word) {
  const Part* first = word->parts;
  word->literal = first && !first->next && first->kind == PartKind::Literal && !first->quoted;
  if (word->literal) {
    word->plain = is_plain(first->text);
    if (word->plain) word->reserved = reserved_word(first->text);
  }
  if (word->plain) return;
  bool open = false, list = false;
  char before = 0;
  for (const Part* part = first; part; part = part->next) {
    if (part->quoted || part->kind != PartKind::Literal) {
      before = 0;
      continue;
    }
    for (char c : part->text) {
      if (c == '{') open = true;
      if (open && (c == ',' || (c == '.' && before == '.'))) list = true;
      if (list && c == '}') {
        Part* bad = memory_.make<Part>();
        bad->kind = PartKind::Bad;
        bad->bad = "brace expansion";
        bad->next = word->parts;
        word->parts = bad;
        return;
      }
      before = c;
    }
  }
}

// Reads up to what ends the context; the end itself is consumed, except for Bare.
void Parser::read_parts(Parts& parts, Context context) {
  shell_.enter({file_, line_});
  for (;;) {
    int c = current();
    if (c < 0) {
      if (context == Context::Bare) break;
      error("syntax error: a quote or a brace is not closed");
    }
    if (!kSpecials.table[static_cast<int>(context)][c]) {
      read_run(parts, context);
    } else if (!read_special(parts, context, c)) {
      break;
    }
  }
  shell_.leave();
}

void Parser::read_run(Parts& parts, Context context) {
  const bool* special = kSpecials.table[static_cast<int>(context)];
  const char* start = position_;
  while (position_ < end_ && !special[static_cast<unsigned char>(*position_)]) position_++;
  literal(parts, {start, static_cast<size_t>(position_ - start)},
          context != Context::Bare && context != Context::Braced);
}

// One interrupting character; false when it ended the context.
bool Parser::read_special(Parts& parts, Context context, int c) {
  bool quoted = context != Context::Bare && context != Context::Braced;
  switch (c) {
    case '$': read_dollar(parts, context); return true;
    case '`':
      skip_backquotes(quoted);
      part(parts, PartKind::Bad, quoted)->bad = "command substitution";
      return true;
    case '\\': read_escape(parts, context); return true;
    case '\'':
      if (context == Context::Arithmetic) error("quotes in an arithmetic expansion");
      read_single_quotes(parts);
      return true;
    case '"':
      if (context == Context::Arithmetic) error("quotes in an arithmetic expansion");
      if (context == Context::QuotedBraced) {
        // Within "${x:-...}" all is quoted already; only } loses its meaning between inner quotes.
        position_++;
        read_parts(parts, Context::Quoted);
        return true;
      }
      if (context == Context::Quoted) {
        position_++;
        return false;
      }
      read_double_quotes(parts);
      return true;
    case '\n':
      if (context == Context::Bare) return false;
      line_++;
      literal(parts, {position_++, 1}, quoted);
      return true;
    case '}': position_++; return false;
    default: return false;  // Bare: an operator. Arithmetic: parentheses, seen to by read_arithmetic.
  }
}

void Parser::read_single_quotes(Parts& parts) {
  const char* start = ++position_;
  const void* close = memchr(start, '\'', static_cast<size_t>(end_ - start));
  if (!close) error("syntax error: a single quote is not closed");
  position_ = static_cast<const char*>(close);
  for (const char* c = start; c < position_; c++) line_ += *c == '\n';
  if (position_ == start) part(parts, PartKind::QuoteMark, true);
  literal(parts, {start, static_cast<size_t>(position_ - start)}, true);
  position_++;
}

// "$@" alone must yield no field at all when there are no parameters; every other quoted string yields one at least.
void Parser::read_double_quotes(Parts& parts) {
  position_++;
  Part* mark = part(parts, PartKind::QuoteMark, true);
  Parts inner;
  read_parts(inner, Context::Quoted);
  const Part* only = inner.first;
  if (only && !only->next && only->kind == PartKind::Parameter && only->text == "@") {
    *mark = *only;
    return;
  }
  for (Part* next = inner.first; next;) {
    Part* following = next->next;
    next->next = nullptr;
    parts.add(next);
    next = following;
  }
}

// A backslash that is not a continuation (current() has removed those).
void Parser::read_escape(Parts& parts, Context context) {
  const char* start = position_++;
  if (position_ >= end_) error("a backslash at the end of a script");
  char c = *position_;
  if (context == Context::Bare || context == Context::Braced) {
    literal(parts, {position_++, 1}, true);
    return;
  }
  bool special = c == '$' || c == '`' || c == '"' || c == '\\' || (c == '}' && context == Context::QuotedBraced);
  if (context == Context::Arithmetic) error("a backslash in an arithmetic expansion");
  // Shells disagree whether "${x:-"\}"}" has a backslash.
  if (context == Context::Quoted && brace_depth_ && c == '}') error("a backslash before } in quotes within ${}");
  if (special) {
    literal(parts, {position_++, 1}, true);
  } else {
    literal(parts, {start, 1}, true);  // the character itself is read next, as it may start a continuation
  }
}

}  // namespace davit::shell
