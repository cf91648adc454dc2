// `davit instance stop` of instances that are whole: what src/cli/commands/instance/stop.ts and
// src/runtime/instance/lifecycle.ts do, without Node. Other options, ranges in brackets and whatever is not plain are
// Node's, before anything was done; and so are the colours of a terminal.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "launcher/plain.h"
#include "launcher/stop_options.h"
#include "state/instance_dir.h"
#include "sys/process.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr int kChildrenPollMs = 20;  // between two looks at whether anything is left inside
constexpr int kKillWaitMs = 5000;
constexpr rlim_t kOtherFiles = 64;  // beside a descriptor for each instance

int64_t clock_ms() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

// True when it cannot be known.
bool has_children(uint32_t pid) {
  Text<60> path;
  path.add("/proc/").add_number(pid).add("/task/").add_number(pid).add("/children");
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char byte;
  return !fd.valid() || retry([&] { return read(fd.get(), &byte, 1); }) != 0;
}

bool is_stopped(uint32_t pid) {
  Text<40> path;
  path.add("/proc/").add_number(pid).add("/stat");
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  ssize_t n = fd.valid() ? retry([&] { return read(fd.get(), text, sizeof text - 1); }) : 0;
  text[n > 0 ? n : 0] = 0;
  // proc(5): the command name is in parentheses and may itself hold any character.
  const char* end = strrchr(text, ')');
  return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

// The process has ended, or never was that one, where this finds none.
void send(uint32_t pid, uint64_t start_time, int signal) {
  Fd process = open_process(static_cast<pid_t>(pid), start_time);
  if (process.valid()) sys::pidfd_send_signal(process.get(), signal);
}

// A signal to each init, one deadline for all, then SIGKILL; who is left is known by the keepers.
class Stop {
 public:
  Stop(const List<PlainRecord>& records, struct pollfd* keepers, const StopOptions& options)
      : records_(records), keepers_(keepers), options_(options) {}

  // False where some are still there after SIGKILL.
  bool run() {
    for (const PlainRecord& record : records_) {
      announce("Stopping", record, "");
      send_init(record, options_.signal);
      wake(record);
    }
    for (size_t i = 0; i < records_.size; i++) {
      const PlainRecord& record = records_.data[i];
      keepers_[i] = {open_process(static_cast<pid_t>(record.keeper_pid), record.keeper_start_time).release(), POLLIN,
                     0};
    }
    return by_signal() || by_force();
  }

  void refuse() const {
    write_all(2, "FATAL:   stop ");
    const char* separator = "";
    each_left([&](const PlainRecord& record) {
      Text<200> one;
      one.add(separator).add(record.name).add(" (PID=").add_number(record.pid).add(")");
      write_all(2, one.view());
      separator = ", ";
    });
    write_all(
        2,
        ": still running after SIGKILL\n         hint: a process that hangs in the kernel, as on a dead network file "
        "system, ends only with that\n");
  }

 private:
  static void announce(std::string_view verb, const PlainRecord& record, std::string_view end) {
    Text<PATH_MAX + 400> line;
    line.add("INFO:    ").add(verb).add(" ").add(record.name).add(" instance of ").add(record.image);
    line.add(" (PID=").add_number(record.pid).add(")").add(end).add("\n");
    write_all(2, line.view());
  }
  static void send_init(const PlainRecord& record, int signal) { send(record.pid, record.pid_start_time, signal); }
  // A stopped init handles no signal, and a stopped keeper does not notice the end of its init.
  static void wake(const PlainRecord& record) {
    if (is_stopped(record.pid)) send_init(record, SIGCONT);
    if (is_stopped(record.keeper_pid)) send(record.keeper_pid, record.keeper_start_time, SIGCONT);
  }

  template <typename Visit>
  void each_left(Visit visit) const {
    for (size_t i = 0; i < records_.size; i++)
      if (keepers_[i].fd >= 0) visit(records_.data[i]);
  }

  // True once all the keepers have ended; false when the time is over.
  bool ended(int64_t timeout_ms) {
    int64_t deadline = clock_ms() + timeout_ms;
    for (;;) {
      bool left = false;
      for (size_t i = 0; i < records_.size; i++) left = left || keepers_[i].fd >= 0;
      if (!left) return true;
      int64_t rest = std::max<int64_t>(0, deadline - clock_ms());
      int count = poll(keepers_, records_.size, static_cast<int>(rest));
      for (size_t i = 0; count > 0 && i < records_.size; i++)
        if (keepers_[i].fd >= 0 && keepers_[i].revents) Fd(std::exchange(keepers_[i].fd, -1));
      if (count == 0 && rest == 0) return false;
    }
  }

  bool by_signal() {
    int64_t deadline = clock_ms() + options_.timeout_ms;
    for (;;) {
      int64_t rest = std::max<int64_t>(0, deadline - clock_ms());
      if (ended(std::min<int64_t>(rest, kChildrenPollMs))) return true;
      if (rest == 0) return false;
      each_left([](const PlainRecord& record) {
        wake(record);  // it may have been on its way to a stop
        if (!has_children(record.pid)) send_init(record, SIGKILL);
      });
    }
  }

  // After SIGKILL to the init the keeper ends by itself, and is made to if it does not.
  bool by_force() {
    each_left([](const PlainRecord& record) {
      announce("Killing", record, " (Timeout)");
      send_init(record, SIGKILL);
    });
    if (ended(kKillWaitMs)) return true;
    each_left([](const PlainRecord& record) { send(record.keeper_pid, record.keeper_start_time, SIGKILL); });
    return ended(kKillWaitMs);
  }

  const List<PlainRecord>& records_;
  struct pollfd* keepers_;
  const StopOptions& options_;
};

// False where something is not plain, or nothing is there.
bool collect(int state, std::string_view pattern, Arena& arena, List<PlainRecord>* records) {
  List<const char*> names;
  Text<40> boot = boot_id();
  if (plain_names(state, pattern, arena, &names) != Look::Alive) return false;
  records->data = arena.array<PlainRecord>(names.size);
  if (!records->data) return false;
  for (const char* name : names) {
    PlainRecord* record = &records->data[records->size];
    Look look = look_at(state, name, arena, record);
    if (look == Look::Doubtful || (look == Look::Alive && record->boot_id != boot.view())) return false;
    if (look == Look::Alive) records->size++;
  }
  return records->size > 0;
}

// A descriptor for each instance has to be possible.
bool raise_file_limit(size_t count) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max < count + kOtherFiles) return false;
  files.rlim_cur = std::max<rlim_t>(files.rlim_cur, count + kOtherFiles);
  return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

}  // namespace

void stop_instances(const CommandLine& line) {
  StopOptions options;
  if (!read_stop_options(line, &options) || isatty(2) || !plain_caller()) return;
  void* memory = plain_memory();
  if (!memory) return;
  Arena arena(memory, kPlainRoom);
  Fd state;
  List<PlainRecord> records;
  if (open_plain_state(&state) != Look::Alive || !collect(state.get(), options.pattern, arena, &records)) return;
  struct pollfd* keepers = arena.array<struct pollfd>(records.size);
  if (!keepers || !raise_file_limit(records.size)) return;
  signal(SIGPIPE, SIG_IGN);
  Stop stop(records, keepers, options);
  if (!stop.run()) {
    stop.refuse();
    exit(kFatalStatus);
  }
  for (const PlainRecord& record : records) remove_dead_instance(state.get(), record.name);
  exit(0);
}

}  // namespace davit
