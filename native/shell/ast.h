// The syntax tree. All of it lies on the stack of Memory and points into the text it was parsed from.
#pragma once
#include <stdint.h>

#include <string_view>

namespace davit::shell {

struct Word;

enum class PartKind : uint8_t {
  Literal,     // text
  QuoteMark,   // a quoted string begins: the word yields a field even if it comes out empty
  Parameter,   // $text, ${text op word}
  Arithmetic,  // $((word))
  Bad,         // understood as syntax but not implemented: unsupported once it would be expanded
};

enum class ParameterOp : uint8_t {
  None,
  Default,
  Assign,
  Error,
  Alternate,
  Length,
  TrimPrefix,
  TrimLongPrefix,
  TrimSuffix,
  TrimLongSuffix,
};

struct Part {
  PartKind kind = PartKind::Literal;
  bool quoted = false;
  ParameterOp op = ParameterOp::None;
  bool colon = false;  // ":-" and its kin: empty counts as unset
  std::string_view text;
  const Word* word = nullptr;
  const char* bad = nullptr;
  Part* next = nullptr;
};

enum class Reserved : uint8_t {
  None,
  Not,
  If,
  While,
  Until,
  For,
  Case,
  Open,  // may begin a command
  Then,
  Else,
  Elif,
  Fi,
  Do,
  Done,
  Esac,
  In,
  Close,  // may not
};

struct Word {
  Part* parts = nullptr;
  Word* next = nullptr;
  bool literal = false;                // one unquoted Literal
  bool plain = false;                  // literal, and without anything that expands
  Reserved reserved = Reserved::None;  // what it is where a reserved word may stand
  std::string_view text() const { return parts ? parts->text : std::string_view(); }
};

enum class NodeKind : uint8_t {
  Simple,
  Sequence,
  And,
  Or,
  Not,
  If,
  While,
  Until,
  For,
  Case,
  Function,
  Redirected,
  Unsupported,
};

struct Redirect {
  enum class Kind : uint8_t { Write, Append, Duplicate, Other } kind = Kind::Other;
  int fd = 1;
  const Word* target = nullptr;
  const char* bad = nullptr;  // for Other
  Redirect* next = nullptr;
};

struct Node {
  NodeKind kind;
  unsigned line = 0;
  Node* next = nullptr;  // in a Sequence
};

struct Simple : Node {
  Word* assignments = nullptr;
  Word* words = nullptr;
  Redirect* redirects = nullptr;
};

struct Sequence : Node {
  Node* first = nullptr;
};

struct Binary : Node {  // And, Or; Not has only `left`
  Node* left = nullptr;
  Node* right = nullptr;
};

struct If : Node {
  Node* condition = nullptr;
  Node* then_part = nullptr;
  Node* else_part = nullptr;
};

struct Loop : Node {  // While, Until
  Node* condition = nullptr;
  Node* body = nullptr;
};

struct For : Node {
  std::string_view name;
  bool has_words = false;  // `for x` alone means "$@"
  Word* words = nullptr;
  Node* body = nullptr;
};

struct CaseItem {
  Word* patterns = nullptr;
  Node* body = nullptr;
  CaseItem* next = nullptr;
};

struct Case : Node {
  Word* subject = nullptr;
  CaseItem* items = nullptr;
};

struct Function : Node {
  std::string_view name;
  Node* body = nullptr;
};

struct Redirected : Node {
  Node* command = nullptr;
  Redirect* redirects = nullptr;
};

struct Unsupported : Node {
  const char* what = nullptr;
};

}  // namespace davit::shell
