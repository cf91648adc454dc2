// davit-bench-runner: starts commands and times them; the measuring core of `davit bench` and of bench/.
//
//   davit-bench-runner [--cgroup2] [--user UID:GID] [--dir DIRECTORY] [--slots N] [--fifo PREFIX]
//                      [--step-limit SECONDS]
//
// Says "RUNNER PID\n", then reads requests (request.h) from standard input and answers (batch.h) on standard output,
// one at a time, until its input ends. A Node process would add milliseconds of its own to every command; this one is
// small, has one thread, and starts commands by posix_spawn, which is a vfork.
//
// It is a child subreaper: what the commands leave behind is its descendant, can be found as such (whose memory it is),
// and is reaped at once, as a good init does it: where process 1 reaps late, whoever waits for a process to vanish
// would be measured wrong. When its input ends, it ends whatever is left of its descendants, also when its caller was
// killed.
//
// --cgroup2 gives the commands a pure cgroup2 view at /sys/fs/cgroup, in a mount namespace of their own: some versions
// of crun refuse machines that have both hierarchies mounted. --fifo: FIFOs PREFIX0, PREFIX1, ... are made, one a slot.
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/batch.h"

namespace {

using davit::bench::Batch;
using davit::bench::KeptCommands;
using davit::bench::Request;
using davit::bench::Slot;

constexpr long kCgroup2Magic = 0x63677270;  // linux/magic.h
constexpr long kMostSlots = 1024;
constexpr int kPatienceMs = 5000;
constexpr long kStepLimitSeconds = 120;

[[noreturn]] void die(const char* what) {
  fprintf(stderr, "davit-bench-runner: %s: %s\n", what, strerror(errno));
  exit(2);
}

void use_cgroup2_view() {
  if (unshare(CLONE_NEWNS)) die("unshare(CLONE_NEWNS)");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr)) die("make / private");
  struct statfs fs;
  if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == kCgroup2Magic) return;
  umount2("/sys/fs/cgroup", MNT_DETACH);  // the tmpfs with the version 1 hierarchies, where there is one
  if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, nullptr)) die("mount cgroup2");
}

void become(const char* user) {
  gid_t gid = 0;
  uid_t uid = 0;
  if (sscanf(user, "%u:%u", &uid, &gid) != 2) die("--user UID:GID");
  if (setgroups(1, &gid) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) die("become the user");
  prctl(PR_SET_DUMPABLE, 1);  // cleared by setuid; without it /proc/PID of the children belongs to root
}

// The direct children, to which orphans below are added as their parents end.
void kill_children() {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  FILE* children = fopen(path, "re");
  if (!children) return;
  for (int pid; fscanf(children, "%d", &pid) == 1;) kill(pid, SIGKILL);
  fclose(children);
}

void end_descendants() {
  for (int waited = 0; waited < kPatienceMs; waited += 1) {
    kill_children();
    for (;;) {
      const pid_t ended = waitpid(-1, nullptr, WNOHANG);
      if (ended < 0 && errno == ECHILD) return;
      if (ended <= 0) break;
    }
    usleep(1000);
  }
}

int watch_children() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Orphans are reaped while nothing is asked for. False at the end of the input.
bool await_request(int signal_fd, KeptCommands* kept) {
  for (;;) {
    struct pollfd waiting[] = {{0, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return false;
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) > 0) {
    }
    for (pid_t ended; (ended = waitpid(-1, nullptr, WNOHANG)) > 0;)
      std::erase_if(*kept, [&](const auto& entry) { return entry.second == ended; });
    if (waiting[0].revents) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  long slot_count = 1, limit_seconds = kStepLimitSeconds;
  std::string fifo_prefix;
  for (int i = 1; i < argc; i++) {
    const bool has_value = i + 1 < argc;
    if (!strcmp(argv[i], "--cgroup2"))
      use_cgroup2_view();
    else if (!strcmp(argv[i], "--user") && has_value)
      become(argv[++i]);
    else if (!strcmp(argv[i], "--dir") && has_value && chdir(argv[++i]))
      die("chdir");
    else if (!strcmp(argv[i], "--slots") && has_value)
      slot_count = strtol(argv[++i], nullptr, 10);
    else if (!strcmp(argv[i], "--fifo") && has_value)
      fifo_prefix = argv[++i];
    else if (!strcmp(argv[i], "--step-limit") && has_value)
      limit_seconds = strtol(argv[++i], nullptr, 10);
  }
  if (slot_count < 1 || slot_count > kMostSlots) die("--slots");
  if (limit_seconds < 1) die("--step-limit");
  const uint64_t limit_ns = static_cast<uint64_t>(limit_seconds) * 1000 * davit::bench::kNanosPerMilli;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);  // a caller that was killed reads no answers; what runs is to be ended all the same
  const int signal_fd = watch_children();
  if (signal_fd < 0) die("signalfd");
  std::vector<Slot> slots(static_cast<size_t>(slot_count));
  for (size_t i = 0; i < slots.size(); i++)
    if (!slots[i].open(fifo_prefix, static_cast<long>(i), limit_ns)) die("open a slot");

  printf("RUNNER %d\n", getpid());
  fflush(stdout);
  // Requests come whole and one at a time, so that nothing is left in the buffer while poll waits.
  KeptCommands kept;
  Batch batch(&slots, &kept, signal_fd, 0);
  while (await_request(signal_fd, &kept)) {
    Request request;
    if (!davit::bench::read_request(stdin, &request) || request.concurrency > slot_count || !batch.run(request, stdout))
      break;
  }
  end_descendants();
  return 0;
}
