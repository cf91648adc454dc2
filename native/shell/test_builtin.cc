// test and [, POSIX "test". What has several readings (an operand that looks like an operator, parentheses) is
// unsupported, as is every error.
#include <unistd.h>

#include "shell/builtins.h"

namespace davit::shell {
namespace {

bool is_unary(std::string_view word) {
  return word.size() == 2 && word[0] == '-' &&
         std::string_view("abcdefghknoprstuvwxzGLNORS").find(word[1]) != std::string_view::npos && word != "-a" &&
         word != "-o";
}

bool is_binary(std::string_view word) {
  static constexpr std::string_view kKnown[] = {"=",  "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge",
                                                "==", "<",  ">",   "-nt", "-ot", "-ef", "=~"};
  for (std::string_view known : kKnown) {
    if (known == word) return true;
  }
  return false;
}

bool is_junction(std::string_view word) { return word == "-a" || word == "-o"; }

class Test {
 public:
  Test(Shell& shell, Arguments words) : shell_(shell), words_(words) {}

  // The number of arguments decides what each is, up to four.
  bool run() {
    for (std::string_view word : words_) {
      if (word == "(" || word == ")") bad();
    }
    bool negated = false;
    if (words_.size() == 4 && words_[0] == "!") negate(negated);
    if (words_.size() == 3 && words_[0] == "!" && !is_binary(words_[1])) {
      if (is_junction(words_[1])) bad();
      negate(negated);
    }
    if (words_.size() == 2 && words_[0] == "!") negate(negated);
    return negated != plain();
  }

 private:
  [[noreturn]] void bad() { shell_.unsupported("an expression of test that is an error or not implemented"); }

  void negate(bool& negated) {
    negated = !negated;
    words_ = words_.subspan(1);
  }

  bool plain() {
    switch (words_.size()) {
      case 0: return false;
      case 1: return !words_[0].empty();
      case 2:
        if (!is_unary(words_[0])) bad();
        return unary(words_[0], words_[1]);
      case 3:
        if (is_binary(words_[1])) return binary(words_[1], words_[0], words_[2]);
        if (words_[0] == "!") bad();
        [[fallthrough]];
      default: return any();
    }
  }

  // primary { -a primary } { -o ... }, -a binding tighter. All of it is evaluated, as some shells do.
  bool any() {
    bool result = all();
    while (take("-o")) result |= all();
    if (at_ != words_.size()) bad();
    return result;
  }

  bool all() {
    bool result = term();
    while (take("-a")) result &= term();
    return result;
  }

  bool term() {
    bool negated = false;
    while (take("!")) negated = !negated;
    size_t left = words_.size() - at_;
    if (left == 0) bad();
    if (is_unary(words_[at_])) {
      // "-n -a ..." and "-n = ..." have two readings.
      if (left < 2) bad();
      std::string_view op = words_[at_];
      std::string_view operand = operand_at(at_ + 1);
      at_ += 2;
      return negated != unary(op, operand);
    }
    std::string_view first = operand_at(at_);
    if (left >= 3 && is_binary(words_[at_ + 1])) {
      std::string_view op = words_[at_ + 1];
      std::string_view second = operand_at(at_ + 2);
      at_ += 3;
      return negated != binary(op, first, second);
    }
    at_++;
    return negated != !first.empty();
  }

  bool take(std::string_view word) {
    if (at_ >= words_.size() || words_[at_] != word) return false;
    at_++;
    return true;
  }

  std::string_view operand_at(size_t index) {
    std::string_view word = words_[index];
    if (word == "!" || is_unary(word) || is_binary(word) || is_junction(word)) bad();
    return word;
  }

  bool unary(std::string_view op, std::string_view operand) {
    switch (op[1]) {
      case 'n': return !operand.empty();
      case 'z': return operand.empty();
      case 't': return terminal(operand);
      case 'r': return known(shell_.files.access(operand, R_OK));
      case 'w': return known(shell_.files.access(operand, W_OK));
      case 'x': return known(shell_.files.access(operand, X_OK));
      default: return file(op[1], operand);
    }
  }

  bool known(Answer answer) {
    shell_.charge(Shell::kFileCost);
    if (answer == Answer::Unknown) shell_.unsupported("a test of a file that cannot be examined");
    return answer == Answer::Yes;
  }

  bool file(char op, std::string_view path) {
    struct stat st;
    bool link = op == 'h' || op == 'L';
    if (std::string_view("edfpsSbchL").find(op) == std::string_view::npos) bad();
    if (!known(shell_.files.stat(path, !link, &st))) return false;
    switch (op) {
      case 'd': return S_ISDIR(st.st_mode);
      case 'f': return S_ISREG(st.st_mode);
      case 'p': return S_ISFIFO(st.st_mode);
      case 's': return st.st_size > 0;
      case 'S': return S_ISSOCK(st.st_mode);
      case 'b': return S_ISBLK(st.st_mode);
      case 'c': return S_ISCHR(st.st_mode);
      case 'h':
      case 'L': return S_ISLNK(st.st_mode);
      default: return true;  // -e
    }
  }

  bool terminal(std::string_view operand) {
    int fd = 0;
    if (!parse_count(operand, &fd)) bad();
    if (fd == 1 || fd == 2) fd = shell_.output.targets.fd[fd];
    bool nowhere = fd == OutputList::kNowhere && operand != "0";
    return !nowhere && shell_.files.is_terminal(fd);
  }

  bool binary(std::string_view op, std::string_view left, std::string_view right) {
    if (op == "=") return left == right;
    if (op == "!=") return left != right;
    if (op.size() != 3 || op == "-nt" || op == "-ot" || op == "-ef") bad();
    int64_t a = integer(left), b = integer(right);
    if (op == "-eq") return a == b;
    if (op == "-ne") return a != b;
    if (op == "-lt") return a < b;
    if (op == "-le") return a <= b;
    if (op == "-gt") return a > b;
    return a >= b;
  }

  int64_t integer(std::string_view text) {
    bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    if (text.empty() || text.size() > 18) bad();
    int64_t value = 0;
    for (char c : text) {
      if (c < '0' || c > '9') bad();
      value = value * 10 + (c - '0');
    }
    return negative ? -value : value;
  }

  Shell& shell_;
  Arguments words_;
  size_t at_ = 0;
};

}  // namespace

int run_test(Shell& shell, Arguments arguments) {
  Arguments words = arguments.subspan(1);
  if (arguments[0] == "[") {
    if (words.empty() || words.back() != "]") shell.unsupported("[ without ]");
    words = words.first(words.size() - 1);
  }
  return Test(shell, words).run() ? 0 : 1;
}

}  // namespace davit::shell
