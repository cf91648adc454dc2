// Word expansion, POSIX 2.6: tilde, parameters, arithmetic; then field splitting, pathname expansion, quote removal.
#pragma once
#include "shell/ast.h"
#include "shell/memory.h"

namespace davit::shell {

struct Shell;

// An expanded byte with what the later stages must know of it.
using Cell = uint16_t;
constexpr Cell kQuoted = 0x100;   // quoted: neither splits nor matches
constexpr Cell kSplit = 0x200;    // came from an unquoted expansion: may split
constexpr Cell kBreak = 0x400;    // not a byte: a field ends ("$@")
constexpr Cell kMark = 0x800;     // not a byte: the field exists though it may be empty
constexpr Cell kRegion = 0x1000;  // first byte of an expansion
constexpr Cell kAll = 0x2000;     // not a byte: "$@" is here
constexpr Cell kNoByte = kBreak | kMark | kAll;
inline char byte_of(Cell cell) { return static_cast<char>(cell & 0xff); }

using Cells = Pile<Cell>;
using Fields = Pile<std::string_view>;

enum class Purpose : uint8_t {
  Field,       // an argument: splits, matches files
  String,      // one string, where nothing splits
  Assignment,  // String, with tildes after colons
};

// Appends the fields a word expands to.
void expand_fields(Shell& shell, const Word* word, Fields& fields);
// The word as one string. It may be a variable's own value: use it before any assignment.
std::string_view expand_string(Shell& shell, const Word* word, Purpose purpose);
// The word with its quoting known, for use as a pattern.
void expand_cells(Shell& shell, const Word* word, Cells& cells);
// The value of NAME=..., a word that is_assignment() holds for; *name receives the name.
std::string_view expand_assignment(Shell& shell, const Word* word, std::string_view* name);

// For the parts of expansion among themselves.
struct Expansion {
  Shell& shell;
  Cells& cells;
  Purpose purpose;
  bool operand = false;  // within ${x op ...}: literal text splits, too
};
void expand_parts(const Expansion& to, const Part* parts, bool tilde);
void expand_parameter(const Expansion& to, const Part& part);
void add_text(Cells& cells, std::string_view text, Cell flags);
std::string_view text_of(Shell& shell, const Cell* begin, const Cell* end);
// `lone`: the word they come from has one part only.
void split_fields(Shell& shell, const Cells& cells, bool lone, Fields& fields);
// glob.cc: adds the matching files and returns true, or returns false when none matches or it is not a pattern.
bool match_files(Shell& shell, const Cell* begin, const Cell* end, Fields& fields);
// arithmetic.cc
int64_t evaluate_arithmetic(Shell& shell, std::string_view text);
std::string_view decimal(Shell& shell, int64_t value);

}  // namespace davit::shell
