// Arithmetic expansion, POSIX 2.6.4: signed 64-bit integers with C's operators, except assignments. What would
// overflow, divide by zero or be an error is unsupported.
#include "shell/expand.h"
#include "shell/state.h"

namespace davit::shell {
namespace {

struct Operator {
  std::string_view text;
  unsigned precedence;  // larger binds tighter
};

// Longer ones first. The assignments and the comma are here to be recognized, with precedence 0.
constexpr Operator kOperators[] = {
    {"<<=", 0}, {">>=", 0}, {"**", 0}, {"++", 0}, {"--", 0}, {"+=", 0}, {"-=", 0}, {"*=", 0}, {"/=", 0},
    {"%=", 0},  {"&=", 0},  {"|=", 0}, {"^=", 0}, {"||", 1}, {"&&", 2}, {"==", 6}, {"!=", 6}, {"<=", 7},
    {">=", 7},  {"<<", 8},  {">>", 8}, {"=", 0},  {",", 0},  {"|", 3},  {"^", 4},  {"&", 5},  {"<", 7},
    {">", 7},   {"+", 9},   {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10},
};

class Evaluator {
 public:
  Evaluator(Shell& shell, std::string_view text) : shell_(shell), text_(text) {}

  int64_t run() {
    int64_t value = conditional(true);
    skip_blanks();
    if (at_ != text_.size()) bad();
    return value;
  }

 private:
  [[noreturn]] void bad() { shell_.unsupported("an arithmetic expression that is an error or not implemented"); }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) at_++;
  }

  bool accept(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    at_++;
    return true;
  }

  const Operator* peek_operator() {
    skip_blanks();
    for (const Operator& known : kOperators) {
      if (text_.substr(at_).starts_with(known.text)) return &known;
    }
    return nullptr;
  }

  // `live`: its value is used; else it is only parsed, and may divide by zero.
  int64_t conditional(bool live) {
    shell_.enter();
    int64_t condition = binary(1, live);
    if (accept('?')) {
      int64_t yes = conditional(live && condition);
      if (!accept(':')) bad();
      int64_t no = conditional(live && !condition);
      condition = condition ? yes : no;
    }
    shell_.leave();
    return condition;
  }

  int64_t binary(unsigned precedence, bool live) {
    int64_t left = unary(live);
    while (const Operator* op = peek_operator()) {
      if (op->precedence == 0) bad();
      if (op->precedence < precedence) break;
      at_ += op->text.size();
      bool is_or = op->text == "||", is_and = op->text == "&&";
      bool right_live = live && !(is_or && left) && !(is_and && !left);
      int64_t right = binary(op->precedence + 1, right_live);
      if (is_or) {
        left = left || right;
      } else if (is_and) {
        left = left && right;
      } else if (live) {
        left = apply(op->text, left, right);
      }
    }
    return left;
  }

  int64_t apply(std::string_view op, int64_t a, int64_t b) {
    int64_t result = 0;
    bool overflow = false;
    switch (op[0]) {
      case '+': overflow = __builtin_add_overflow(a, b, &result); break;
      case '-': overflow = __builtin_sub_overflow(a, b, &result); break;
      case '*': overflow = __builtin_mul_overflow(a, b, &result); break;
      case '/':
      case '%':
        if (b == 0 || (a == INT64_MIN && b == -1)) bad();
        return op[0] == '/' ? a / b : a % b;
      case '|': return a | b;
      case '^': return a ^ b;
      case '&': return a & b;
      case '=': return a == b;
      case '!': return a != b;
      default: return order_or_shift(op, a, b);
    }
    if (overflow) bad();
    return result;
  }

  int64_t order_or_shift(std::string_view op, int64_t a, int64_t b) {
    if (op == "<") return a < b;
    if (op == ">") return a > b;
    if (op == "<=") return a <= b;
    if (op == ">=") return a >= b;
    if (b < 0 || b > 62 || a < 0) bad();
    if (op == ">>") return a >> b;
    if (a > (INT64_MAX >> b)) bad();
    return a << b;
  }

  int64_t unary(bool live) {
    shell_.enter();
    skip_blanks();
    char c = at_ < text_.size() ? text_[at_] : '\0';
    char after = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    int64_t value = 0;
    if (c == '+' || c == '-' || c == '!' || c == '~') {
      if (after == c && (c == '+' || c == '-')) bad();
      at_++;
      value = unary(live);
      if (c == '-' && value == INT64_MIN) bad();
      if (c == '-') value = -value;
      if (c == '!') value = !value;
      if (c == '~') value = ~value;
    } else if (c == '(') {
      at_++;
      value = conditional(live);
      if (!accept(')')) bad();
    } else {
      value = primary(live);
    }
    shell_.leave();
    return value;
  }

  int64_t primary(bool live) {
    size_t start = at_;
    while (at_ < text_.size() && is_name_char(static_cast<unsigned char>(text_[at_]))) at_++;
    std::string_view word = text_.substr(start, at_ - start);
    if (word.empty() || (at_ < text_.size() && text_[at_] == '#')) bad();
    return is_name(word) ? (live ? variable(word) : 0) : number(word);
  }

  int64_t variable(std::string_view name) {
    const Variable* variable = shell_.variables.find(name);
    if (!variable || !variable->set || variable->disputed) {
      if (shell_.options.nounset || (variable && variable->disputed)) bad();
      return 0;
    }
    std::string_view text = variable->text();
    bool negative = !text.empty() && text[0] == '-';
    if (negative) text.remove_prefix(1);
    int64_t value = number(text);
    return negative ? -value : value;
  }

  // C's notation: 0x hexadecimal, 0 octal, else decimal.
  int64_t number(std::string_view text) {
    int64_t base = 10;
    if (text.size() > 1 && text[0] == '0') {
      base = text[1] == 'x' || text[1] == 'X' ? 16 : 8;
      text.remove_prefix(base == 16 ? 2 : 1);
    }
    if (text.empty()) bad();
    int64_t value = 0;
    for (char c : text) {
      int64_t digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : 99;
      if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
          __builtin_add_overflow(value, digit, &value)) {
        bad();
      }
    }
    return value;
  }

  Shell& shell_;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

int64_t evaluate_arithmetic(Shell& shell, std::string_view text) { return Evaluator(shell, text).run(); }

std::string_view decimal(Shell& shell, int64_t value) {
  char digits[24];
  size_t n = sizeof digits;
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  do {
    digits[--n] = static_cast<char>('0' + magnitude % 10);
    magnitude /= 10;
  } while (magnitude);
  if (value < 0) digits[--n] = '-';
  return shell.memory.copy({digits + n, sizeof digits - n});
}

}  // namespace davit::shell
