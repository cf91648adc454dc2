// Tokens. A backslash before a newline vanishes everywhere but in single quotes and comments (POSIX 2.2.1).
#include <string.h>

#include "shell/parser.h"
#include "shell/state.h"

namespace davit::shell {

bool is_name(std::string_view text) {
  if (text.empty() || !is_name_start(text[0])) return false;
  for (char c : text) {
    if (!is_name_char(c)) return false;
  }
  return true;
}

Parser::Parser(Shell& shell, std::string_view text, std::string_view file, unsigned line)
    : shell_(shell),
      memory_(shell.memory),
      position_(text.data()),
      end_(text.data() + text.size()),
      file_(file),
      line_(line) {
  if (text.find('\0') != std::string_view::npos) error("a NUL byte in a script");
}

void Parser::error(const char* what) { shell_.stop.unsupported(what, {file_, line_}); }

void Parser::skip_continuations() {
  while (end_ - position_ >= 2 && position_[0] == '\\' && position_[1] == '\n') {
    position_ += 2;
    line_++;
  }
}

bool Parser::accept(char c) {
  if (current() != static_cast<unsigned char>(c)) return false;
  position_++;
  return true;
}

// Blanks, then a comment up to its newline.
void Parser::skip_blanks() {
  int c;
  while ((c = current()) == ' ' || c == '\t') position_++;
  if (c != '#') return;
  const void* newline = memchr(position_, '\n', static_cast<size_t>(end_ - position_));
  position_ = newline ? static_cast<const char*>(newline) : end_;
}

Parser::Token Parser::take() {
  Token token = peek();
  has_token_ = false;
  return token;
}

Parser::Token Parser::read_token() {
  skip_blanks();
  int c = current();
  if (c < 0) {
    if (here_documents_) error("here-document without an end");
    return {};
  }
  // A single digit right before < or > names a descriptor; no continuation may stand between.
  if (c >= '0' && c <= '9' && end_ - position_ >= 2 && (position_[1] == '<' || position_[1] == '>')) {
    position_++;
    return read_redirect(c - '0');
  }
  switch (c) {
    case '\n':
      position_++;
      line_++;
      read_here_documents();
      return {TokenKind::Newline};
    case ';': position_++; return {accept(';') ? TokenKind::DoubleSemicolon : TokenKind::Semicolon};
    case '&': position_++; return {accept('&') ? TokenKind::AndAnd : TokenKind::Ampersand};
    case '|': position_++; return {accept('|') ? TokenKind::OrOr : TokenKind::Pipe};
    case '(': position_++; return {TokenKind::Open};
    case ')': position_++; return {TokenKind::Close};
    case '<':
    case '>': return read_redirect(c == '<' ? 0 : 1);
    default: return {TokenKind::Word, read_word()};
  }
}

Parser::Token Parser::read_redirect(int fd) {
  Redirect* redirect = memory_.make<Redirect>();
  redirect->fd = fd;
  bool here = false, strip_tabs = false;
  if (accept('<')) {
    redirect->bad = "input redirection";
    if (accept('<')) {
      here = true;
      redirect->bad = "here-document";
      strip_tabs = accept('-');
      if (current() == '<') error("here-string");
    } else if (!accept('&')) {
      accept('>');
    }
  } else {
    position_++;  // >
    redirect->kind = Redirect::Kind::Write;
    if (accept('>'))
      redirect->kind = Redirect::Kind::Append;
    else if (accept('&'))
      redirect->kind = Redirect::Kind::Duplicate;
    else
      accept('|');
  }
  skip_blanks();
  Token target = read_token();
  if (target.kind != TokenKind::Word) error("syntax error: redirection without a target");
  redirect->target = target.word;
  if (here) here_document(*redirect, strip_tabs);
  return {TokenKind::Redirect, nullptr, redirect};
}

void Parser::here_document(const Redirect& redirect, bool strip_tabs) {
  HereDocument* document = memory_.make<HereDocument>();
  Bytes delimiter(memory_);
  for (const Part* part = redirect.target->parts; part; part = part->next) {
    if (part->quoted || part->kind == PartKind::QuoteMark) document->quoted = true;
    if (part->kind == PartKind::QuoteMark) continue;
    if (part->kind != PartKind::Literal) error("here-document delimiter with an expansion");
    delimiter.add(part->text);
  }
  document->delimiter = delimiter.view();
  document->strip_tabs = strip_tabs;
  HereDocument** last = &here_documents_;
  while (*last) last = &(*last)->next;
  *last = document;
}

// Here-documents are not implemented, but those in commands that are never run must be stepped over.
void Parser::read_here_documents() {
  while (here_documents_) {
    const HereDocument& document = *here_documents_;
    for (;;) {
      if (position_ >= end_) error("here-document without an end");
      size_t left = static_cast<size_t>(end_ - position_);
      const void* newline = memchr(position_, '\n', left);
      size_t size = newline ? static_cast<size_t>(static_cast<const char*>(newline) - position_) : left;
      std::string_view line(position_, size);
      position_ += newline ? size + 1 : size;
      line_++;
      if (document.strip_tabs) {
        while (!line.empty() && line.front() == '\t') line.remove_prefix(1);
      }
      if (line == document.delimiter) break;
      // Where a substitution or a continuation may run across lines, the end is not where it seems.
      if (!document.quoted && line.find_first_of("`\\") != std::string_view::npos) error("here-document");
      if (!document.quoted &&
          (line.find("$(") != std::string_view::npos || line.find("${") != std::string_view::npos)) {
        error("here-document");
      }
    }
    here_documents_ = document.next;
  }
}

}  // namespace davit::shell
