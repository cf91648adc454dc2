// Runs commands one after the other and says what each cost: the measuring core of bench/.
//
//   timer [--cgroup2] [--user UID:GID] [--dir DIRECTORY]
//
// Reads requests from stdin, answers on stdout, ends with stdin:
//   request  "ARGS VARIABLES OUTPUT\n", then ARGS words and VARIABLES strings NAME=VALUE, each ended by a NUL.
//            OUTPUT 1 hands standard output back, 0 sends it to /dev/null.
//   answer   "WALL_NS CPU_US STATUS RSS_KIB OUT_BYTES ERR_BYTES\n", then the bytes. STATUS as a shell counts it.
//
// The time runs from before posix_spawnp (vfork and exec: this program is small, a Node process is not) to the return
// of wait4. CPU_US is the user and system time of the command and of the children it has waited for, no other.
//
// It is a child subreaper and reaps at once, as an init does: where process 1 reaps late, whoever waits for a process
// to vanish would otherwise be measured wrong. --cgroup2 gives the commands a pure cgroup2 view at /sys/fs/cgroup, in a
// mount namespace of their own: some versions of crun refuse machines that have both hierarchies mounted.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

constexpr long kCgroup2Magic = 0x63677270;  // linux/magic.h
constexpr int kReapMs = 10;
constexpr int kLongestWord = 1 << 20;

[[noreturn]] void die(const char* what) {
  fprintf(stderr, "timer: %s: %s\n", what, strerror(errno));
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

void reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

int memory_file(const char* name) {
  int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) die("memfd_create");
  return fd;
}

// The rest of a memory file is read back and it is emptied.
std::string take(int fd) {
  off_t size = lseek(fd, 0, SEEK_END);
  std::string bytes(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  if (size > 0 && pread(fd, bytes.data(), bytes.size(), 0) != size) die("read an output back");
  if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET)) die("empty an output");
  return bytes;
}

std::string read_word(FILE* in) {
  std::string word;
  for (int c; (c = getc(in)) > 0;) {
    if (word.size() > kLongestWord) die("a word of the request is too long");
    word.push_back(static_cast<char>(c));
  }
  return word;
}

std::vector<char*> pointers(std::vector<std::string>* words) {
  std::vector<char*> list;
  for (std::string& word : *words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

uint64_t now_ns() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t micros(const struct timeval& t) {
  return static_cast<uint64_t>(t.tv_sec) * 1000000u + static_cast<uint64_t>(t.tv_usec);
}

struct Outputs {
  int null_fd, out_fd, err_fd;
};

void run_one(FILE* in, int words, int variables, bool keep_output, const Outputs& outputs) {
  std::vector<std::string> arguments, environment;
  for (int i = 0; i < words; i++) arguments.push_back(read_word(in));
  for (int i = 0; i < variables; i++) environment.push_back(read_word(in));
  std::vector<char*> argv = pointers(&arguments), envp = pointers(&environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, outputs.null_fd, 0);
  posix_spawn_file_actions_adddup2(&actions, keep_output ? outputs.out_fd : outputs.null_fd, 1);
  posix_spawn_file_actions_adddup2(&actions, outputs.err_fd, 2);

  int status = 0;
  struct rusage usage = {};
  pid_t pid = 0;
  const uint64_t start = now_ns();
  int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), envp.data());
  for (pid_t ended = 0; !failed && ended != pid;) {
    ended = wait4(-1, &status, 0, &usage);
    if (ended < 0 && errno != EINTR) die("wait4");
  }
  const uint64_t wall = now_ns() - start;
  posix_spawn_file_actions_destroy(&actions);

  std::string out = take(outputs.out_fd);
  std::string err = failed ? std::string(argv[0]) + ": " + strerror(failed) + "\n" : take(outputs.err_fd);
  int code = failed ? 127 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  printf("%lu %lu %d %ld %zu %zu\n", wall, micros(usage.ru_utime) + micros(usage.ru_stime), code, usage.ru_maxrss,
         out.size(), err.size());
  fwrite(out.data(), 1, out.size(), stdout);
  fwrite(err.data(), 1, err.size(), stdout);
  fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--cgroup2"))
      use_cgroup2_view();
    else if (!strcmp(argv[i], "--user") && i + 1 < argc)
      become(argv[++i]);
    else if (!strcmp(argv[i], "--dir") && i + 1 < argc && chdir(argv[++i]))
      die("chdir");
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_DFL);
  Outputs outputs = {open("/dev/null", O_RDWR | O_CLOEXEC), memory_file("out"), memory_file("err")};
  if (outputs.null_fd < 0) die("open /dev/null");
  // Requests are read through stdio but waited for by poll, so that orphans are reaped meanwhile: one request at a
  // time.
  setvbuf(stdin, nullptr, _IOFBF, 1 << 16);
  for (;;) {
    struct pollfd waiting = {0, POLLIN, 0};
    while (poll(&waiting, 1, kReapMs) <= 0) reap();
    int words = 0, variables = 0, keep_output = 0;
    if (scanf("%d %d %d", &words, &variables, &keep_output) != 3 || getchar() != '\n' || words < 1) return 0;
    run_one(stdin, words, variables, keep_output != 0, outputs);
  }
}
