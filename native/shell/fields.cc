// Field splitting, POSIX 2.6.5, with the fields then matched against files.
#include "shell/expand.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

enum Separator : uint8_t { kNone, kBlank, kOther };

class Splitter {
 public:
  Splitter(Shell& shell, Fields& fields, bool lone) : shell_(shell), fields_(fields), lone_(lone) {
    for (char c : shell.variables.separators()) {
      unsigned char u = static_cast<unsigned char>(c);
      if (u >= 0x80) shell.unsupported("an IFS that is not ASCII");
      kind_[u] = c == ' ' || c == '\t' || c == '\n' ? kBlank : kOther;
    }
  }

  void run(const Cell* begin, const Cell* end) {
    start_ = begin;
    const Cell* cell = begin;
    while (cell < end) {
      if (*cell & kBreak) {
        finish(cell++);
        start_ = cell;
        continue;
      }
      if (*cell & kAll) {
        all_ = true;
        cell++;
        continue;
      }
      Separator kind = kind_of(*cell);
      if (kind == kNone) {
        exists_ = true;
        cell++;
      } else {
        cell = separate(cell, end, kind);
      }
    }
    // dash drops some of these.
    bool lost = exists_ && all_ && !lone_ && text_of(shell_, start_, end).empty();
    if (lost) shell_.unsupported("a word with \"$@\" and more that ends in an empty field");
    finish(end);
  }

 private:
  Separator kind_of(Cell cell) const { return (cell & (kSplit | kNoByte)) == kSplit ? kind_[cell & 0xff] : kNone; }

  // At a separator: ends the field and steps over what belongs to the same separation: blanks, and one other
  // separator among them.
  const Cell* separate(const Cell* cell, const Cell* end, Separator kind) {
    // dash then takes every blank for a separation of its own.
    if (all_) shell_.unsupported("a word with \"$@\" and another expansion that splits");
    if (kind == kBlank && !exists_) return start_ = cell + 1;
    emit(cell);
    bool other = kind == kOther;
    bool crossed = false;
    for (cell++; cell < end; cell++) {
      Separator next = kind_of(*cell);
      if (next == kNone || (next == kOther && other)) break;
      crossed |= (*cell & kRegion) != 0;
      if (next == kBlank) continue;
      // One separation or two, when the blank came from one expansion and this from the next? Shells disagree.
      if (crossed) shell_.unsupported("an IFS separation split over two expansions");
      other = true;
    }
    start_ = cell;
    return cell;
  }

  void finish(const Cell* end) {
    if (exists_) emit(end);
  }

  void emit(const Cell* end) {
    if (shell_.options.noglob || !match_files(shell_, start_, end, fields_)) {
      fields_.add(text_of(shell_, start_, end));
    }
    exists_ = false;
  }

  Shell& shell_;
  Fields& fields_;
  const Cell* start_ = nullptr;
  bool exists_ = false;
  bool all_ = false;  // "$@" is in the word
  const bool lone_;   // the word is one parameter and nothing else
  Separator kind_[256] = {};
};

}  // namespace

void split_fields(Shell& shell, const Cells& cells, bool lone, Fields& fields) {
  if (cells.empty()) return;
  Cell any = 0, every = kQuoted;
  for (Cell cell : cells) {
    any |= cell;
    if (!(cell & kNoByte)) every &= cell;
  }
  if (any & (kSplit | kBreak | kAll)) {
    Splitter(shell, fields, lone).run(cells.begin(), cells.end());
  } else if ((every & kQuoted) || shell.options.noglob || !match_files(shell, cells.begin(), cells.end(), fields)) {
    fields.add(text_of(shell, cells.begin(), cells.end()));
  }
}

}  // namespace davit::shell
