#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr int kEndWaitMs = 5000;  // SIGKILL needs no time but where the kernel itself waits

// A number of /proc/PID/stat, counted as in proc(5); 0 for a process that has ended.
uint64_t stat_field(pid_t pid, int wanted) {
  Text<40> path;
  path.add("/proc/").add_number(pid).add("/stat");
  Fd fd(retry([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!fd.valid()) return 0;
  char buffer[1024];
  ssize_t n = retry([&] { return read(fd.get(), buffer, sizeof buffer - 1); });
  if (n <= 0) return 0;
  buffer[n] = 0;
  // proc(5): the command name is in parentheses and may itself hold any character; the state follows the last ")".
  const char* at = strrchr(buffer, ')');
  if (!at || at[1] != ' ') return 0;
  at += 2;
  if (*at == 'Z' || *at == 'X') return 0;
  for (int field = 3; field < wanted; field++) {
    at = strchr(at, ' ');
    if (!at) return 0;
    at++;
  }
  return strtoull(at, nullptr, 10);
}

}  // namespace

uint64_t process_start_time(pid_t pid) { return stat_field(pid, 22); }

bool process_is_ending(pid_t pid) {
  constexpr uint64_t kExiting = 4;  // PF_EXITING of the kernel's include/linux/sched.h
  return stat_field(pid, 9) & kExiting;
}

Fd open_process(pid_t pid, uint64_t start_time) {
  Fd fd(sys::pidfd_open(pid, 0));
  if (fd.valid() && process_start_time(pid) == start_time) return fd;
  errno = ESRCH;
  return Fd();
}

pid_t first_child(pid_t pid) {
  Text<60> path;
  path.add("/proc/").add_number(pid).add("/task/").add_number(pid).add("/children");
  Fd fd(retry([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  char buffer[32] = "";
  if (!fd.valid() || retry([&] { return read(fd.get(), buffer, sizeof buffer - 1); }) <= 0) return 0;
  return static_cast<pid_t>(strtol(buffer, nullptr, 10));
}

Text<40> boot_id() {
  Text<40> text;
  Fd fd(retry([&] { return open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); }));
  char buffer[40];
  ssize_t n = fd.valid() ? retry([&] { return read(fd.get(), buffer, sizeof buffer); }) : 0;
  if (n >= 36) text.add(std::string_view(buffer, 36));
  return text;
}

int64_t now_ms() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

void end_child(pid_t pid, int pidfd) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  struct pollfd ended = {pidfd, POLLIN, 0};
  // Without a pidfd (a filter of system calls refuses them) poll is a mere pause.
  int step_ms = pidfd >= 0 ? kEndWaitMs : 5;
  for (int waited = 0; waited < kEndWaitMs && waitpid(pid, nullptr, WNOHANG) == 0; waited += step_ms)
    retry([&] { return poll(&ended, 1, step_ms); });
  waitpid(pid, nullptr, WNOHANG);
}

void hand_down_page_tables() {
  // Constants lie in the mapping of the text: the executable is linked with -z noseparate-code.
  static const char own = 1;
  Fd memory(open("/proc/self/mem", O_WRONLY | O_CLOEXEC));
  if (memory.valid()) (void)!pwrite(memory.get(), &own, 1, static_cast<off_t>(reinterpret_cast<uintptr_t>(&own)));
}

}  // namespace davit
