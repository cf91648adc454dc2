#include "binding/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sys/fd.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "sys/text.h"
#include "timing/clock.h"

extern char** environ;

namespace davit {
namespace {

constexpr size_t kStackSize = 64 << 10;
constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL of linux/memfd.h

// The launcher writes the titles of keeper and init over its arguments.
constexpr const char* kTitleRoom =
    "                                                                                                                ";

struct Child {
  const SpawnRequest* request;
  sigset_t mask;
  int error;  // written by the child, read by the parent: they share memory until execve
};

// Runs on the parent's memory while the calling thread waits: raw system calls only (signal-safety(7)).
int run_child(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  const SpawnRequest& request = *child.request;
  // Node's handlers must not run on this stack; a fresh process has defaults.
  for (int number = 1; number < 65; number++) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  auto fail = [&] {
    child.error = errno;
    _exit(127);
  };
  // Everything to high numbers first, so that no dup2 hits a descriptor that is still needed.
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int high[5];
  for (int i = 0; i < 5; i++) {
    int from = i < 3 ? (request.stdio[i] < 0 ? null : request.stdio[i]) : i == 3 ? request.plan_fd : request.report_fd;
    high[i] = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 10);
    if (from >= 0 && high[i] < 0) fail();
  }
  for (int i = 0; i < 5; i++)
    if (high[i] >= 0 && dup2(high[i], i) < 0) fail();
  sys::close_range(request.report_fd >= 0 ? 5 : 4, ~0U, 0);
  if (request.cwd && chdir(request.cwd) != 0) fail();
  if (request.parent_death_signal) prctl(PR_SET_PDEATHSIG, request.parent_death_signal);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const char* argv[] = {"davit", "--plan", "3", kTitleRoom, nullptr};
  execve(request.launcher, const_cast<char* const*>(argv), const_cast<char* const*>(request.env));
  fail();
  return 127;
}

}  // namespace

int make_memory_file(const char* name) {
  // Linux 6.3: where vm.memfd_noexec is 2, a file that does not give up being executed is refused; older kernels do not
  // know the flag.
  int fd = memfd_create(name, MFD_CLOEXEC | kNoExecSeal);
  return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd;
}

int make_plan_fd(std::string_view plan) {
  Fd fd(make_memory_file("davit-plan"));
  if (!fd.valid()) return -1;
  if (int error = write_all(fd.get(), plan)) {
    errno = error;
    return -1;
  }
  return fd.release();
}

int exec_launcher(const char* launcher, int plan_fd) {
  // Node makes every descriptor close-on-exec when it starts, 0, 1 and 2 included (uv_disable_stdio_inheritance); those
  // and the plan go along. Whatever else is open keeps its number: after a failure Node goes on with it.
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) >= 0) fcntl(fd, F_SETFD, 0);
  if (fcntl(plan_fd, F_SETFD, 0) != 0) return errno;
  Text<32> number;
  number.add_number(plan_fd);
  if (timing::on()) number.add(",").add_number(timing::descriptor());
  const char* argv[] = {"davit", "--plan", number.c_str(), kTitleRoom, nullptr};
  timing::keep_across_exec(true);
  execve(launcher, const_cast<char* const*>(argv), environ);
  int error = errno;
  timing::keep_across_exec(false);
  return error;
}

pid_t spawn_launcher(const SpawnRequest& request, int* pidfd) {
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -1;
  Child child{&request, {}, 0};
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &child.mask);
  // clone(2) of glibc runs a function on the given stack, which clone3 alone does not.
  pid_t pid = clone(run_child, static_cast<char*>(stack) + kStackSize, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                    &child, pidfd);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &child.mask, nullptr);
  munmap(stack, kStackSize);
  if (pid > 0 && child.error) {
    retry([&] { return waitpid(pid, nullptr, 0); });
    close(*pidfd);
    *pidfd = -1;
    error = child.error;
    pid = -1;
  }
  errno = error;
  return pid;
}

}  // namespace davit
