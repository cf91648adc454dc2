// echo and printf, as dash has them: echo always interprets backslashes.
#include "shell/builtins.h"

namespace davit::shell {
namespace {

int octal_digit(char c) { return c >= '0' && c <= '7' ? c - '0' : -1; }

// The value of a backslash followed by one of abfnrtv or a backslash; -1 for others.
int simple_escape(char c) {
  switch (c) {
    case '\\': return '\\';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return -1;
  }
}

// Up to `limit` octal digits at `at`, which moves behind them.
char octal(std::string_view text, size_t& at, int limit) {
  int value = 0;
  for (int n = 0; n < limit && at < text.size() && octal_digit(text[at]) >= 0; n++) {
    value = value * 8 + octal_digit(text[at++]);
  }
  return static_cast<char>(value);
}

// The escapes of echo and of %b. False after \c, which ends all output.
bool add_escaped(Shell& shell, Bytes& out, std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    char c = text[i++];
    if (c != '\\' || i == text.size()) {
      out.add(c);
      continue;
    }
    c = text[i];
    if (c == 'c') return false;
    if (c == '0') {
      i++;
      out.add(octal(text, i, 3));
    } else if (octal_digit(c) >= 0 || c == 'e') {
      shell.unsupported("an escape that only some shells know");
    } else if (int value = simple_escape(c); value >= 0) {
      out.add(static_cast<char>(value));
      i++;
    } else {
      out.add('\\');
    }
  }
  return true;
}

// One conversion specification: %[-0][width][.precision]letter.
struct Conversion {
  bool left = false, zero = false;
  size_t width = 0;
  bool has_precision = false;
  size_t precision = 0;
  char letter = 0;
};

class Printer {
 public:
  Printer(Shell& shell, Arguments operands) : shell_(shell), operands_(operands), out(shell.memory) {}

  // Goes through the format once; false when \c in a %b ended all.
  bool once(std::string_view format) {
    for (size_t i = 0; i < format.size();) {
      char c = format[i++];
      if (c == '\\') {
        if (i == format.size()) shell_.unsupported("a backslash at the end of a printf format");
        if (octal_digit(format[i]) >= 0) {
          out.add(octal(format, i, 3));
          continue;
        }
        int value = simple_escape(format[i++]);
        if (value < 0) shell_.unsupported("an escape in a printf format");
        out.add(static_cast<char>(value));
      } else if (c != '%') {
        out.add(c);
      } else if (i < format.size() && format[i] == '%') {
        out.add(format[i++]);
      } else if (!convert(read_conversion(format, i))) {
        return false;
      }
    }
    return true;
  }

  bool consumed_any() const { return next_ > 0; }
  bool left_over() const { return next_ < operands_.size(); }

 private:
  size_t read_number(std::string_view format, size_t& i) {
    size_t value = 0;
    while (i < format.size() && format[i] >= '0' && format[i] <= '9') {
      value = value * 10 + static_cast<size_t>(format[i++] - '0');
      if (value > 65536) shell_.unsupported("a width in a printf format");
    }
    return value;
  }

  Conversion read_conversion(std::string_view format, size_t& i) {
    Conversion conversion;
    for (; i < format.size() && (format[i] == '-' || format[i] == '0'); i++) {
      (format[i] == '-' ? conversion.left : conversion.zero) = true;
    }
    conversion.width = read_number(format, i);
    if (i < format.size() && format[i] == '.') {
      i++;
      conversion.has_precision = true;
      conversion.precision = read_number(format, i);
    }
    if (i < format.size()) conversion.letter = format[i++];
    return conversion;
  }

  bool convert(const Conversion& conversion) {
    std::string_view operand = next_ < operands_.size() ? operands_[next_] : std::string_view();
    next_++;
    switch (conversion.letter) {
      case 's': pad(conversion, cut(conversion, operand)); return true;
      case 'b': {
        if (conversion.width || conversion.has_precision) shell_.unsupported("a width of %b");
        return add_escaped(shell_, out, operand);
      }
      case 'd':
      case 'i': {
        if (conversion.has_precision) shell_.unsupported("a precision of %d");
        number(conversion, operand);
        return true;
      }
      default: shell_.unsupported("a conversion of printf");
    }
  }

  // Only plain decimal numbers: what else is one, and what is said of errors, differs between shells.
  void number(const Conversion& conversion, std::string_view operand) {
    std::string_view digits = operand.starts_with('-') ? operand.substr(1) : operand;
    int value = 0;
    if (operand.empty()) digits = operand = "0";
    if (!parse_count(digits, &value) || (digits.size() > 1 && digits[0] == '0') || operand == "-0") {
      shell_.unsupported("an operand of %d");
    }
    bool zeros = conversion.zero && !conversion.left && operand.size() < conversion.width;
    if (!zeros) return pad(conversion, operand);
    if (value != 0 && operand[0] == '-') out.add('-');
    for (size_t i = operand.size(); i < conversion.width; i++) out.add('0');
    out.add(digits);
  }

  std::string_view cut(const Conversion& conversion, std::string_view text) {
    if (conversion.zero) shell_.unsupported("%0s");
    if (conversion.width || conversion.has_precision) {
      for (char c : text) {
        if (static_cast<unsigned char>(c) >= 0x80) shell_.unsupported("a width of text that is not ASCII");
      }
    }
    return conversion.has_precision ? text.substr(0, conversion.precision) : text;
  }

  void pad(const Conversion& conversion, std::string_view text) {
    if (conversion.left) out.add(text);
    for (size_t i = text.size(); i < conversion.width; i++) out.add(' ');
    if (!conversion.left) out.add(text);
  }

  Shell& shell_;
  Arguments operands_;
  size_t next_ = 0;

 public:
  Bytes out;
};

}  // namespace

int run_echo(Shell& shell, Arguments arguments) {
  Bytes out(shell.memory);
  size_t at = 1;
  bool newline = true;
  if (arguments.size() > 1 && arguments[1] == "-n") {
    newline = false;
    at = 2;
  }
  bool ended = false;
  for (size_t i = at; i < arguments.size() && !ended; i++) {
    if (i > at) out.add(' ');
    shell.charge(arguments[i].size());
    ended = !add_escaped(shell, out, arguments[i]);
  }
  if (newline && !ended) out.add('\n');
  shell.output.write(1, out.view());
  return 0;
}

// The format is used again while operands are left over (POSIX printf, EXTENDED DESCRIPTION 9).
int run_printf(Shell& shell, Arguments arguments) {
  size_t at = arguments.size() > 1 && arguments[1] == "--" ? 2 : 1;
  if (at >= arguments.size() || (at == 1 && arguments[1].starts_with('-'))) shell.unsupported("usage of printf");
  Printer printer(shell, arguments.subspan(at + 1));
  while (printer.once(arguments[at]) && printer.consumed_any() && printer.left_over()) {
    shell.charge(Shell::kCommandCost);
  }
  shell.output.write(1, printer.out.view());
  return 0;
}

}  // namespace davit::shell
