// Shell patterns, POSIX 2.13: * ? [...], matched bytewise as in the C locale. Where that and another locale could
// differ (a ? or a bracket expression against text that is not ASCII), the script is unsupported.
#pragma once
#include "shell/expand.h"

namespace davit::shell {

class Pattern {
 public:
  // Compiles cells, where quoted ones stand for themselves, onto the shell's stack.
  Pattern(Shell& shell, const Cell* begin, const Cell* end);

  static constexpr size_t kNoMatch = SIZE_MAX;
  bool match(std::string_view text) const;
  // The size of the shortest or longest piece at the start or end of `text` that matches, or kNoMatch. Uses the stack.
  size_t match_prefix(std::string_view text, bool longest) const;
  size_t match_suffix(std::string_view text, bool longest) const;

  bool magic() const { return magic_; }  // matches more than one text
  bool starts_with_dot() const { return size_ && elements_[0].kind == Kind::Byte && elements_[0].byte == '.'; }

 private:
  enum class Kind : uint8_t { Byte, Any, Star, Set };
  struct Element {
    Kind kind;
    unsigned char byte;
    const uint64_t* set;  // 256 bits
    bool accepts(unsigned char c) const {
      return kind == Kind::Byte ? c == byte : kind == Kind::Any || (set[c >> 6] >> (c & 63) & 1);
    }
  };
  struct Set;

  const Cell* compile_set(const Cell* open, const Cell* end);
  const Cell* add_class(Set& set, const Cell* at, const Cell* end);
  bool match_bytes(std::string_view text) const;
  void check_text(std::string_view text) const;
  size_t simulate(std::string_view text, bool backward, bool longest) const;

  Shell& shell_;
  Element* elements_;
  size_t size_ = 0;
  bool magic_ = false;
  bool by_character_ = false;  // has ? or a bracket expression
};

}  // namespace davit::shell
