// `davit instance stats`: what an instance uses, every second until SIGINT, once, or as JSON. The front door finds the
// instance itself where everything is plain; otherwise Node does, and leaves the rest to this in mode STATS.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/plain.h"
#include "launcher/table.h"
#include "sys/process.h"
#include "timing/report.h"
#include "usage/format.h"
#include "usage/usage.h"

namespace davit {
namespace {

using usage::Usage;

constexpr struct timespec kInterval = {1, 0};
constexpr size_t kMaxImage = 1500;  // of a message's line
// The whole screen, then its first character (ECMA-48: ED 2, CUP).
constexpr std::string_view kClear = "\x1b[2J\x1b[1;1H";

class Watch {
 public:
  Watch(const Stats& stats, const Output& output, Arena& arena) : stats_(stats), output_(output), arena_(arena) {
    subject_.init = static_cast<pid_t>(stats.pid);
    subject_.keeper = static_cast<pid_t>(stats.keeper_pid);
    subject_.init_start_time = stats.pid_start_time;
    subject_.foreign = stats.foreign;
    subject_.foreign_uid = stats.uid;
  }

  // Returns the exit status.
  int run() {
    signal(SIGPIPE, SIG_IGN);
    bool good = stats_.form == StatsForm::Json ? show_json() : show_tables();
    timing::report(!good);
    return good ? 0 : kFatalStatus;
  }

 private:
  bool fail(std::string_view text) {
    say(output_, kFatal, text);
    return false;
  }

  bool show(std::string_view text) {
    Printed printed = print(output_, text);
    unread_ = printed == Printed::Unread;
    return printed != Printed::Lost;
  }

  bool look(Arena& arena, Usage* now) {
    uid_t owner = 0;
    Text<400> line;
    switch (usage::read_usage(subject_, arena, now, &owner)) {
      case usage::Found::Whole: return true;
      case usage::Found::Ended: line.add("instance ").add(stats_.name).add(" has ended"); break;
      case usage::Found::NotTheirs:
        line.add("record of instance ").add(stats_.name).add(": PID ").add_number(stats_.pid);
        line.add(" is a process of uid ").add_number(owner);
        break;
      case usage::Found::NoMemory: line.add("look at instance ").add(stats_.name).add(": no memory"); break;
    }
    return fail(line.view());
  }

  bool show_json() {
    Usage now;
    if (!look(arena_, &now)) return false;
    std::string_view text = usage::format_json(stats_.name, subject_.init, now, arena_);
    return text.empty() ? fail("no memory") : show(text);
  }

  bool show_table(const Usage& earlier, const Usage& later, bool clear) {
    const char* cells[2][usage::kColumns];
    memcpy(cells[0], usage::kHeadings, sizeof cells[0]);
    std::string_view table;
    if (!usage::format_row(stats_.name, later, usage::cpu_percent(earlier, later), arena_, &cells[1]) ||
        !format_table(cells[0], 2, usage::kColumns, arena_, &table))
      return fail("no memory");
    return (!clear || show(kClear)) && show(table);
  }

  // One for every second that passes, until SIGINT or until nobody reads any more.
  bool show_tables() {
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    signal(SIGINT, SIG_DFL);  // what is ignored cannot be waited for
    sigprocmask(SIG_BLOCK, &interrupt, nullptr);
    bool once = stats_.form == StatsForm::Table, clear = !once && isatty(1);
    Usage earlier, later;
    if (!look(arena_, &earlier)) return false;
    for (;;) {
      if (wait(interrupt)) return true;
      size_t mark = arena_.used();
      if (!look(arena_, &later) || !show_table(earlier, later, clear)) return false;
      if (once || unread_) return true;
      earlier = later;  // only its numbers are looked at again
      arena_.rewind(mark);
    }
  }

  // True when SIGINT has come before the interval was over.
  static bool wait(const sigset_t& interrupt) {
    return retry([&] { return sigtimedwait(&interrupt, nullptr, &kInterval); }) == SIGINT;
  }

  const Stats& stats_;
  const Output& output_;
  Arena& arena_;
  usage::Subject subject_;
  bool unread_ = false;
};

int watch(const Stats& stats, const Output& output) {
  void* memory = plain_memory();
  if (!memory) {
    say(output, kFatal, "no memory");
    return kFatalStatus;
  }
  Arena arena(memory, kPlainRoom);
  return Watch(stats, output, arena).run();
}

// `instance stats [-j|--json|--no-stream] NAME` and nothing else; the name may be a plain pattern.
bool read_options(const CommandLine& line, StatsForm* form, bool* once, const char** pattern) {
  if (line.count < 3 || strcmp(line.words[0], "instance") || strcmp(line.words[1], "stats")) return false;
  bool json = false;
  for (size_t i = 2; i + 1 < line.count; i++) {
    if (!strcmp(line.words[i], "-j") || !strcmp(line.words[i], "--json"))
      json = true;
    else if (!strcmp(line.words[i], "--no-stream"))
      *once = true;
    else
      return false;
  }
  *form = json ? StatsForm::Json : *once ? StatsForm::Table : StatsForm::Tables;
  *pattern = line.words[line.count - 1];
  return **pattern && **pattern != '-' && plain_pattern(*pattern);
}

// The only instance that matches; false where there is none, where there are several, and where one is not plain.
bool find_one(const char* pattern, Arena& arena, PlainRecord* one) {
  Fd state;
  List<const char*> names;
  if (open_plain_state(&state) != Look::Alive) return false;
  if (plain_names(state.get(), pattern, arena, &names) != Look::Alive) return false;
  size_t alive = 0;
  for (const char* name : names) {
    PlainRecord record;
    Look look = look_at(state.get(), name, arena, &record);
    if (look == Look::Doubtful) return false;
    if (look == Look::Alive && alive++ == 0) *one = record;
  }
  return alive == 1 && one->boot_id == boot_id().view() && strlen(one->image) <= kMaxImage;
}

void introduce(const PlainRecord& one, StatsForm form, bool once, const Output& output) {
  Text<PATH_MAX + 300> line;
  if (form == StatsForm::Json) {
    if (!once) say(output, kWarning, "JSON output is only available for a single timepoint (--no-stream)");
    return;
  }
  line.add("Stats for ").add(one.name).add(" instance of ").add(one.image);
  line.add(" (PID=").add_number(one.pid).add(")");
  say(output, kInfo, line.view());
}

}  // namespace

void show_stats(const CommandLine& line, const TimingOptions& options) {
  StatsForm form;
  bool once = false;
  const char* pattern;
  if (options.count() || !read_options(line, &form, &once, &pattern)) return;
  // A terminal has colours.
  if (!(form == StatsForm::Json && once) && isatty(2)) return;
  void* memory = plain_caller() ? plain_memory() : nullptr;
  if (!memory) return;
  Arena arena(memory, kPlainRoom);
  PlainRecord one;
  if (!find_one(pattern, arena, &one)) return;
  Output output{kInfo, false, -1, ""};
  introduce(one, form, once, output);
  Stats stats{one.name, one.pid, one.pid_start_time, one.keeper_pid, false, 0, form};
  exit(watch(stats, output));
}

int run_stats(Context& ctx) { return watch(ctx.plan.stats, ctx.plan.output); }

}  // namespace davit
