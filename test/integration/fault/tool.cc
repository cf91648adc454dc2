#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace {

struct Call {
  const char* name;
  unsigned number;
  unsigned request = 0;  // of ioctl: this one alone
};

constexpr Call kCalls[] = {{"memfd_create", SYS_memfd_create},
                           {"pidfd_open", SYS_pidfd_open},
                           {"clone3", SYS_clone3},
                           {"openat2", SYS_openat2},
                           {"fsopen", SYS_fsopen},
                           {"socketpair", SYS_socketpair},
                           {"pivot_root", SYS_pivot_root},
                           {"pipe2", SYS_pipe2},
                           {"flock", SYS_flock},
                           {"LOOP_CTL_GET_FREE", SYS_ioctl, LOOP_CTL_GET_FREE}};

int fail(const char* what) {
  fprintf(stderr, "fault tool: %s: %s\n", what, strerror(errno));
  return 2;
}

int become(char** argv) {
  execvp(argv[0], argv);
  return fail(argv[0]);
}

bool write_file(const char* path, const std::string& text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool done = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  return done;
}

// limit RESOURCE N COMMAND...: the launcher, and not Node before it, gets N as soft and hard limit of the resource.
int limit(int argc, char** argv) {
  if (argc < 3) return 2;
  struct rlimit wanted = {strtoull(argv[1], nullptr, 10), strtoull(argv[1], nullptr, 10)};
  int go[2];
  if (pipe(go) != 0) return fail("pipe");
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(go[1]);
    if (read(go[0], &byte, 1) != 1) _exit(127);
    close(go[0]);
    _exit(become(argv + 2));
  }
  if (ptrace(PTRACE_SEIZE, child, nullptr, reinterpret_cast<void*>(PTRACE_O_TRACEEXEC)) != 0) return fail("seize");
  if (write(go[1], "g", 1) != 1) return fail("write");
  int status, executions = 0;
  while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status)) {
    // The front door, Node, the launcher.
    bool launcher = status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8)) && ++executions == 3;
    if (launcher && prlimit(child, static_cast<__rlimit_resource>(atoi(argv[0])), &wanted, nullptr) != 0)
      fail("prlimit");
    int signal = status >> 16 ? 0 : WSTOPSIG(status);
    ptrace(launcher ? PTRACE_DETACH : PTRACE_CONT, child, nullptr,
           reinterpret_cast<void*>(static_cast<intptr_t>(signal)));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// refuse CALL ERRNO COMMAND...: the command and all its children get that errno from that system call, or from that
// request of ioctl.
int refuse(int argc, char** argv) {
  if (argc < 3) return 2;
  for (const Call& call : kCalls) {
    if (strcmp(call.name, argv[0]) != 0) continue;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | (call.request ? BPF_JEQ : BPF_JGE) | BPF_K, call.request, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (static_cast<unsigned>(atoi(argv[1])) & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return fail("seccomp");
    return become(argv + 2);
  }
  fprintf(stderr, "fault tool: no system call \"%s\" in the table\n", argv[0]);
  return 2;
}

// hang DIRECTORY COMMAND...: in a mount namespace of the command's own, DIRECTORY is a file system whose server never
// answers, as a dead network file system does.
int hang(int argc, char** argv) {
  if (argc < 2) return 2;
  uid_t uid = getuid();
  gid_t gid = getgid();
  if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) != 0) return fail("unshare");
  if (uid) {
    write_file("/proc/self/setgroups", "deny");
    if (!write_file("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1"))
      return fail("uid_map");
    if (!write_file("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1"))
      return fail("gid_map");
  }
  if (mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return fail("make / private");
  int channel = open("/dev/fuse", O_RDWR);
  if (channel < 0) return fail("/dev/fuse");
  std::string options = "fd=" + std::to_string(channel) + ",rootmode=40000,user_id=" + std::to_string(uid) +
                        ",group_id=" + std::to_string(gid);
  if (mount("hang", argv[0], "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) return fail("mount");
  // The channel stays open with a process that never reads it; it ends with the command (its parent).
  pid_t parent = getpid();
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (int fd = 0; fd < 3; fd++) close(fd);
    while (getppid() == parent) pause();
    _exit(0);
  }
  close(channel);
  return become(argv + 1);
}

}  // namespace

int main(int argc, char** argv) {
  std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "kill" || verb == "suspend") return kill_at(argc - 2, argv + 2, verb == "suspend");
  if (verb == "limit") return limit(argc - 2, argv + 2);
  if (verb == "refuse") return refuse(argc - 2, argv + 2);
  if (verb == "hang") return hang(argc - 2, argv + 2);
  fprintf(stderr, "usage: tool kill|suspend|limit|refuse|hang ...\n");
  return 2;
}
