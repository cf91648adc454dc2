// The grammar of POSIX 2.10, by recursive descent. Constructs that are not implemented still become a node, so that a
// script may contain them in branches it does not take.
#include "shell/parser.h"

#include "shell/state.h"

namespace davit::shell {
namespace {

// NAME=..., with all up to the equals sign unquoted.
bool is_assignment(const Word* word) {
  const Part* first = word->parts;
  if (!first || first->quoted || first->kind != PartKind::Literal) return false;
  size_t equals = first->text.find('=');
  return equals != std::string_view::npos && is_name(first->text.substr(0, equals));
}

}  // namespace

template <typename T>
T* Parser::node(NodeKind kind) {
  T* node = memory_.make<T>();
  node->kind = kind;
  node->line = line_;
  return node;
}

Node* Parser::unsupported(const char* what, unsigned line) {
  Unsupported* result = node<Unsupported>(NodeKind::Unsupported);
  result->line = line;
  result->what = what;
  return result;
}

Node* Parser::next_command() {
  for (;;) {
    skip_blanks();
    int c = current();
    if (c < 0) return nullptr;
    if (c != '\n') break;
    position_++;
    line_++;
  }
  return list(true);
}

bool Parser::at_end() {
  for (;;) {
    skip_blanks();
    int c = current();
    if (c < 0) return true;
    if (c != '\n') return false;
    position_++;
    line_++;
  }
}

bool Parser::at(Reserved word) {
  const Token& token = peek();
  return token.kind == TokenKind::Word && token.word->reserved == word;
}

// A token that cannot begin a command.
bool Parser::at_terminator() {
  const Token& token = peek();
  if (token.kind == TokenKind::Word) return token.word->reserved >= Reserved::Then;
  return token.kind != TokenKind::Redirect && token.kind != TokenKind::Open;
}

void Parser::expect(Reserved word, const char* missing) {
  if (!at(word)) error(missing);
  take();
}

void Parser::skip_newlines() {
  while (peek().kind == TokenKind::Newline) take();
}

// Commands separated by ; and newlines. At the top a newline ends it, and nothing behind that newline is looked at.
Node* Parser::list(bool top) {
  Sequence* sequence = nullptr;
  Node* first = nullptr;
  Node** last = &first;
  for (;;) {
    unsigned line = line_;
    Node* command = and_or();
    TokenKind separator = peek().kind;
    if (separator == TokenKind::Ampersand) {
      command = unsupported("a command in the background", line);
    }
    if (first && !sequence) sequence = node<Sequence>(NodeKind::Sequence);
    *last = command;
    last = &command->next;
    bool separated = separator == TokenKind::Ampersand || separator == TokenKind::Semicolon;
    if (separated) take();
    if (top) {
      if (peek().kind == TokenKind::Newline) {
        take();
        break;
      }
      if (peek().kind == TokenKind::End) break;
      if (!separated) error("syntax error");
      continue;
    }
    if (!separated && separator != TokenKind::Newline) break;
    skip_newlines();
    if (at_terminator()) break;
  }
  if (!sequence) return first;
  sequence->first = first;
  return sequence;
}

Node* Parser::and_or() {
  Node* left = pipeline();
  for (;;) {
    TokenKind kind = peek().kind;
    if (kind != TokenKind::AndAnd && kind != TokenKind::OrOr) return left;
    take();
    skip_newlines();
    Binary* binary = node<Binary>(kind == TokenKind::AndAnd ? NodeKind::And : NodeKind::Or);
    binary->left = left;
    binary->right = pipeline();
    left = binary;
  }
}

Node* Parser::pipeline() {
  bool negated = at(Reserved::Not);
  unsigned line = line_;
  if (negated) take();
  Node* result = command();
  while (peek().kind == TokenKind::Pipe) {
    take();
    skip_newlines();
    command();
    result = unsupported("a pipe", line);
  }
  if (!negated) return result;
  Binary* inverted = node<Binary>(NodeKind::Not);
  inverted->left = result;
  return inverted;
}

Node* Parser::command() {
  shell_.enter({file_, line_});
  const Token& token = peek();
  Node* result = nullptr;
  if (token.kind == TokenKind::Word && token.word->reserved != Reserved::None) {
    result = compound();
  } else if (token.kind == TokenKind::Open) {
    unsigned line = line_;
    take();
    skip_newlines();
    list(false);
    if (take().kind != TokenKind::Close) error("syntax error: ( is not closed");
    result = with_redirects(unsupported("a subshell", line));
  } else if (token.kind != TokenKind::Word && token.kind != TokenKind::Redirect) {
    error("syntax error: a command is missing");
  }
  if (!result) result = simple_command();
  shell_.leave();
  return result;
}

// A command that begins with a reserved word, with the redirections behind it.
Node* Parser::compound() {
  switch (peek().word->reserved) {
    case Reserved::If: return with_redirects(if_clause());
    case Reserved::While: return with_redirects(loop_clause(NodeKind::While));
    case Reserved::Until: return with_redirects(loop_clause(NodeKind::Until));
    case Reserved::For: return with_redirects(for_clause());
    case Reserved::Case: return with_redirects(case_clause());
    case Reserved::Open: {
      take();
      skip_newlines();
      Node* result = list(false);
      expect(Reserved::Close, "syntax error: { without }");
      return with_redirects(result);
    }
    default: error("syntax error: a reserved word out of place");
  }
}

Redirect* Parser::redirect() { return take().redirect; }

Node* Parser::with_redirects(Node* command) {
  if (peek().kind != TokenKind::Redirect) return command;
  Redirected* result = node<Redirected>(NodeKind::Redirected);
  result->command = command;
  Redirect** last = &result->redirects;
  while (peek().kind == TokenKind::Redirect) {
    *last = redirect();
    last = &(*last)->next;
  }
  return result;
}

Node* Parser::simple_command() {
  peek();
  Simple* simple = node<Simple>(NodeKind::Simple);
  Word** last_assignment = &simple->assignments;
  Word** last_word = &simple->words;
  Redirect** last_redirect = &simple->redirects;
  for (;;) {
    TokenKind kind = peek().kind;
    if (kind == TokenKind::Redirect) {
      *last_redirect = redirect();
      last_redirect = &(*last_redirect)->next;
    } else if (kind == TokenKind::Word) {
      Word* word = take().word;
      Word**& last = !simple->words && is_assignment(word) ? last_assignment : last_word;
      *last = word;
      last = &word->next;
    } else if (kind == TokenKind::Open) {
      const Word* name = simple->words;
      if (!name || name->next || simple->assignments || simple->redirects) error("syntax error: ( out of place");
      return function(name);
    } else {
      return simple;
    }
  }
}

Node* Parser::function(const Word* name) {
  if (!name->literal || !is_name(name->text())) error("syntax error: ( out of place");
  take();
  if (take().kind != TokenKind::Close) error("syntax error: ( out of place");
  Function* definition = node<Function>(NodeKind::Function);
  definition->name = name->text();
  skip_newlines();
  const Token& body = peek();
  bool simple = body.kind == TokenKind::Word ? body.word->reserved == Reserved::None : body.kind != TokenKind::Open;
  if (simple) error("a function whose body is a simple command");
  definition->body = command();
  return definition;
}

}  // namespace davit::shell
