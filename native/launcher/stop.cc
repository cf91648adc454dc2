// `davit instance stop NAME`, as it stands: what src/cli/commands/instance/stop.ts and
// src/runtime/instance/lifecycle.ts do for one instance that is whole, without Node. Options, patterns and whatever is
// not plain are Node's, and so are the colours of a terminal.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/messages.h"
#include "launcher/plain.h"
#include "state/instance_dir.h"
#include "sys/process.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr int64_t kTimeoutMs = 10000;  // --timeout
constexpr int kChildrenPollMs = 20;    // between two looks at whether anything is left inside
constexpr int kKillWaitMs = 5000;

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

struct Stop {
  const PlainRecord& record;
  Fd init, keeper;  // invalid: it has ended

  void say(std::string_view verb, std::string_view end) const {
    Text<5000> line;
    line.add("INFO:    ").add(verb).add(" ").add(record.name).add(" instance of ").add(record.image);
    line.add(" (PID=").add_number(record.pid).add(")").add(end).add("\n");
    write_all(2, line.view());
  }
  static void send(const Fd& process, int signal) {
    if (process.valid()) sys::pidfd_send_signal(process.get(), signal);
  }
  // The keeper has ended within the time.
  bool ended(int64_t timeout_ms) const {
    struct pollfd wait = {keeper.get(), POLLIN, 0};
    return !keeper.valid() || retry([&] { return poll(&wait, 1, static_cast<int>(timeout_ms)); }) > 0;
  }

  bool by_signal() const {
    send(init, SIGINT);
    // A stopped init handles no signal, and a stopped keeper does not notice the end of its init.
    if (is_stopped(record.pid)) send(init, SIGCONT);
    if (is_stopped(record.keeper_pid)) send(keeper, SIGCONT);
    int64_t deadline = clock_ms() + kTimeoutMs;
    for (;;) {
      int64_t rest = deadline - clock_ms();
      if (ended(rest < 0 ? 0 : rest < kChildrenPollMs ? rest : kChildrenPollMs)) return true;
      if (rest <= 0) return false;
      if (!has_children(record.pid)) send(init, SIGKILL);
    }
  }
  // After SIGKILL to the init the keeper ends by itself, and is made to if it does not.
  bool by_force() const {
    say("Killing", " (Timeout)");
    send(init, SIGKILL);
    if (ended(kKillWaitMs)) return true;
    send(keeper, SIGKILL);
    return ended(kKillWaitMs);
  }
};

int refuse(const PlainRecord& record) {
  Text<500> line;
  line.add("FATAL:   stop ").add(record.name).add(" (PID=").add_number(record.pid);
  line.add("): still running after SIGKILL\n         hint: a process that hangs in the kernel, as on a dead network ");
  line.add("file system, ends only with that\n");
  write_all(2, line.view());
  return kFatalStatus;
}

}  // namespace

void stop_instance(const CommandLine& line) {
  if (line.count != 3 || strcmp(line.words[0], "instance") || strcmp(line.words[1], "stop")) return;
  const char* name = line.words[2];
  if (*name == '-' || !valid_instance_name(name) || isatty(2) || !plain_caller()) return;
  void* memory = plain_memory();
  if (!memory) return;
  Arena arena(memory, kPlainRoom);
  Fd state;
  PlainRecord record;
  if (open_plain_state(&state) != Look::Alive || look_at(state.get(), name, arena, &record) != Look::Alive) return;
  if (boot_id().view() != record.boot_id) return;
  Stop stop{record, open_process(static_cast<pid_t>(record.pid), record.pid_start_time),
            open_process(static_cast<pid_t>(record.keeper_pid), record.keeper_start_time)};
  signal(SIGPIPE, SIG_IGN);
  stop.say("Stopping", "");
  if (!stop.by_signal() && !stop.by_force()) exit(refuse(record));
  remove_dead_instance(state.get(), name);
  exit(0);
}

}  // namespace davit
