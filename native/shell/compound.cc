// The compound commands of the grammar: if, while, until, for, case.
#include "shell/parser.h"
#include "shell/state.h"

namespace davit::shell {

// At "if" or "elif".
Node* Parser::if_clause() {
  shell_.enter({file_, line_});
  If* result = memory_.make<If>();
  result->kind = NodeKind::If;
  result->line = line_;
  take();
  skip_newlines();
  result->condition = list(false);
  expect(Reserved::Then, "syntax error: if without then");
  skip_newlines();
  result->then_part = list(false);
  if (at(Reserved::Elif)) {
    result->else_part = if_clause();
    shell_.leave();
    return result;
  }
  if (at(Reserved::Else)) {
    take();
    skip_newlines();
    result->else_part = list(false);
  }
  expect(Reserved::Fi, "syntax error: if without fi");
  shell_.leave();
  return result;
}

Node* Parser::loop_clause(NodeKind kind) {
  Loop* result = memory_.make<Loop>();
  result->kind = kind;
  result->line = line_;
  take();
  skip_newlines();
  result->condition = list(false);
  expect(Reserved::Do, "syntax error: a loop without do");
  skip_newlines();
  result->body = list(false);
  expect(Reserved::Done, "syntax error: a loop without done");
  return result;
}

Node* Parser::for_clause() {
  For* result = memory_.make<For>();
  result->kind = NodeKind::For;
  result->line = line_;
  take();
  Token name = take();
  if (name.kind != TokenKind::Word || !name.word->literal || !is_name(name.word->text())) {
    error("syntax error: for without a variable");
  }
  result->name = name.word->text();
  if (peek().kind == TokenKind::Semicolon) {
    take();
    skip_newlines();
  } else {
    skip_newlines();
    if (at(Reserved::In)) {
      take();
      result->has_words = true;
      Word** last = &result->words;
      while (peek().kind == TokenKind::Word) {
        *last = take().word;
        last = &(*last)->next;
      }
      TokenKind separator = take().kind;
      if (separator != TokenKind::Semicolon && separator != TokenKind::Newline) error("syntax error: for without do");
      skip_newlines();
    }
  }
  expect(Reserved::Do, "syntax error: for without do");
  skip_newlines();
  result->body = list(false);
  expect(Reserved::Done, "syntax error: for without done");
  return result;
}

Node* Parser::case_clause() {
  Case* result = memory_.make<Case>();
  result->kind = NodeKind::Case;
  result->line = line_;
  take();
  Token subject = take();
  if (subject.kind != TokenKind::Word) error("syntax error: case without a word");
  result->subject = subject.word;
  skip_newlines();
  expect(Reserved::In, "syntax error: case without in");
  skip_newlines();
  CaseItem** last = &result->items;
  while (!at(Reserved::Esac)) {
    *last = case_item();
    last = &(*last)->next;
    if (at(Reserved::Esac)) break;
    if (take().kind != TokenKind::DoubleSemicolon) error("syntax error: case without esac");
    skip_newlines();
  }
  take();
  return result;
}

CaseItem* Parser::case_item() {
  CaseItem* item = memory_.make<CaseItem>();
  if (peek().kind == TokenKind::Open) take();
  Word** last = &item->patterns;
  for (;;) {
    Token pattern = take();
    if (pattern.kind != TokenKind::Word) error("syntax error: case without a pattern");
    *last = pattern.word;
    last = &(*last)->next;
    TokenKind kind = take().kind;
    if (kind == TokenKind::Close) break;
    if (kind != TokenKind::Pipe) error("syntax error: a case pattern without )");
  }
  skip_newlines();
  if (!at_terminator()) {
    item->body = list(false);
  } else if (peek().kind != TokenKind::DoubleSemicolon && !at(Reserved::Esac)) {
    error("syntax error: case without esac");
  }
  return item;
}

}  // namespace davit::shell
