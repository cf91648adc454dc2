// Text to syntax trees, one complete command at a time, as a shell reads: what follows an `exit` is never looked at.
// A syntax error is Unsupported: the real shell then words it.
#pragma once
#include "shell/ast.h"
#include "shell/memory.h"

namespace davit::shell {

struct Shell;

class Parser {
 public:
  Parser(Shell& shell, std::string_view text, std::string_view file, unsigned line);
  // The next command line, nullptr at the end of the text.
  Node* next_command();
  // Nothing but blanks and comments follows. Asked only right after a command.
  bool at_end();

 private:
  enum class TokenKind : uint8_t {
    End,
    Word,
    Newline,
    Semicolon,
    DoubleSemicolon,
    Ampersand,
    AndAnd,
    Pipe,
    OrOr,
    Open,
    Close,
    Redirect,
  };
  struct Token {
    TokenKind kind = TokenKind::End;
    Word* word = nullptr;
    Redirect* redirect = nullptr;
  };
  struct HereDocument {
    std::string_view delimiter;
    bool quoted = false, strip_tabs = false;
    HereDocument* next = nullptr;
  };
  // What ends the run of parts being read, and what its characters mean.
  enum class Context : uint8_t {
    Bare,          // an ordinary word
    Quoted,        // "..."
    Braced,        // operand of an unquoted ${x op ...}: ends at }
    QuotedBraced,  // operand of "${x op ...}": ends at }, inner double quotes are only skipped
    Arithmetic,    // $((...)): ends at ))
  };
  struct Parts {
    Part* first = nullptr;
    Part* newest = nullptr;
    void add(Part* part) {
      (newest ? newest->next : first) = part;
      newest = part;
    }
  };

  // lexer.cc
  // The character at the position, after line continuations; -1 at the end.
  int current() {
    if (position_ < end_ && *position_ == '\\') skip_continuations();
    return position_ < end_ ? static_cast<unsigned char>(*position_) : -1;
  }
  void skip_continuations();
  bool accept(char c);
  void skip_blanks();
  const Token& peek() {
    if (!has_token_) {
      token_ = read_token();
      has_token_ = true;
    }
    return token_;
  }
  Token take();
  Token read_token();
  Token read_redirect(int fd);
  void read_here_documents();
  void here_document(const Redirect& redirect, bool strip_tabs);
  [[noreturn]] void error(const char* what);

  // word.cc
  Word* read_word();
  void read_parts(Parts& parts, Context context);
  bool read_special(Parts& parts, Context context, int c);
  void read_run(Parts& parts, Context context);
  void read_single_quotes(Parts& parts);
  void read_double_quotes(Parts& parts);
  void read_escape(Parts& parts, Context context);
  Part* part(Parts& parts, PartKind kind, bool quoted);
  void literal(Parts& parts, std::string_view text, bool quoted);
  void finish_word(Word* word);

  // substitution.cc
  void read_dollar(Parts& parts, Context context);
  void read_braces(Parts& parts, Context context);
  void read_operator(Part* parameter, bool quoted);
  const Word* read_operand(bool quoted);
  void skip_bad_operand(bool quoted);
  std::string_view read_while(bool (*belongs)(int));
  void read_arithmetic(Parts& parts, Context context);
  void skip_command_substitution();
  void skip_backquotes(bool quoted);

  // parser.cc
  template <typename T>
  T* node(NodeKind kind);
  Node* unsupported(const char* what, unsigned line);
  bool at(Reserved word);
  bool at_terminator();
  void expect(Reserved word, const char* missing);
  void skip_newlines();
  Node* list(bool top);
  Node* and_or();
  Node* pipeline();
  Node* command();
  Node* compound();
  Node* with_redirects(Node* command);
  Node* simple_command();
  Node* function(const Word* name);
  Node* if_clause();
  Node* loop_clause(NodeKind kind);
  Node* for_clause();
  Node* case_clause();
  CaseItem* case_item();
  Redirect* redirect();

  Shell& shell_;
  Memory& memory_;
  const char* position_;
  const char* end_;
  std::string_view file_;
  unsigned line_;
  unsigned brace_depth_ = 0;
  bool has_token_ = false;
  Token token_;
  HereDocument* here_documents_ = nullptr;
};

bool is_name(std::string_view text);
inline bool is_name_start(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
inline bool is_name_char(int c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

}  // namespace davit::shell
