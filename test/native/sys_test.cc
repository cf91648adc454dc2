// Descriptors, processes, small files and the environment of a process.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "sys/descriptors.h"
#include "sys/fd_passing.h"
#include "sys/process.h"
#include "sys/process_title.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// Runs `body` in a child, whose failed checks are counted here.
template <typename Body>
void in_child(Body body) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    check::failed = 0;
    body();
    fflush(stdout);
    _exit(check::failed ? 1 : 0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

void descriptors() {
  in_child([] {
    for (int fd : {5, 6, 7, 40, 41, 200}) CHECK(dup2(0, fd) == fd);
    davit::close_all_but({41, -1, 6, 0, 6, 5});
    CHECK(is_open(0) && is_open(1) && is_open(2) && is_open(5) && is_open(6) && is_open(41));
    CHECK(!is_open(3) && !is_open(7) && !is_open(40) && !is_open(200));
    davit::close_all_but({});
    CHECK(is_open(2) && !is_open(5) && !is_open(6) && !is_open(41));
  });
  in_child([] {
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    rlim_t hard = files.rlim_max;
    files.rlim_cur = 50;
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    unsigned long before = 0;
    CHECK(davit::raise_file_limit(&before) && before == 50);
    CHECK(!davit::raise_file_limit(&before));  // there already
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == hard);
    davit::lower_file_limit(50);
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == 50 && files.rlim_max == hard);
  });
}

void passing() {
  int pair[2], pipes[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && pipe(pipes) == 0);
  CHECK(davit::send_fd(pair[0], pipes[1]) == 0);
  int received = davit::receive_fd(pair[1]);
  CHECK(received >= 0 && received != pipes[1] && (fcntl(received, F_GETFD) & FD_CLOEXEC));
  CHECK(write(received, "x", 1) == 1);
  char byte = 0;
  CHECK(read(pipes[0], &byte, 1) == 1 && byte == 'x');
  CHECK(write(pair[0], "n", 1) == 1 && davit::receive_fd(pair[1]) == -1);  // a byte without a descriptor
  CHECK(davit::send_fd(pair[0], 9999) == EBADF);
  // A descriptor that nobody received is closed with the socket.
  CHECK(davit::send_fd(pair[0], received) == 0);
  for (int fd : {pair[0], pair[1], received, pipes[1]}) close(fd);
  CHECK(read(pipes[0], &byte, 1) == 0);
  close(pipes[0]);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  close(pair[0]);
  errno = EINVAL;
  CHECK(davit::receive_fd(pair[1]) == -1 && errno == 0);
  CHECK(davit::send_fd(pair[1], 0) == EPIPE);  // and no SIGPIPE
  close(pair[1]);
}

void messages() {
  int pair[2], pipes[2], fds[davit::kMaxPassedFds];
  size_t count = 9;
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 && pipe(pipes) == 0);
  uint64_t sent = 42, received = 0;
  CHECK(davit::send_message(pair[0], &sent, sizeof sent, pipes, 2) == 0);
  CHECK(davit::receive_message(pair[1], &received, sizeof received, fds, &count) && received == 42 && count == 2);
  CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC && write(fds[1], "x", 1) == 1 && read(pipes[0], &received, 1) == 1);
  close(fds[0]);
  close(fds[1]);
  CHECK(davit::send_message(pair[0], &sent, sizeof sent, nullptr, 0) == 0);
  CHECK(davit::receive_message(pair[1], &received, sizeof received, fds, &count) && count == 0);
  // Of another size it is nothing of ours, and its descriptors are closed: then nobody can write to the pipe any more.
  CHECK(davit::send_message(pair[0], &sent, 4, &pipes[1], 1) == 0);
  close(pipes[1]);
  CHECK(!davit::receive_message(pair[1], &received, sizeof received, fds, &count) && count == 0);
  CHECK(read(pipes[0], &received, 1) == 0);
  CHECK(davit::send_message(pair[0], &sent, sizeof sent, fds, davit::kMaxPassedFds + 1) == E2BIG);
  close(pair[0]);
  CHECK(!davit::receive_message(pair[1], &received, sizeof received, fds, &count));
  CHECK(davit::send_message(pair[1], &sent, sizeof sent, nullptr, 0) == EPIPE);
  close(pair[1]);
  close(pipes[0]);
}

void processes() {
  CHECK(davit::boot_id().size() == 36);
  CHECK(davit::now_ms() > 1600000000000);
  CHECK(davit::process_start_time(0) == 0 && davit::process_start_time(-5) == 0);
  int ready[2];
  CHECK(pipe(ready) == 0);
  pid_t child = fork();
  if (child == 0) {
    // A name that looks like the rest of the line must not be taken for it.
    prctl(PR_SET_NAME, ") Z 1 1 (x", 0, 0, 0);
    pid_t inner = fork();
    if (inner == 0) pause();
    (void)!write(ready[1], &inner, sizeof inner);
    pause();
  }
  pid_t inner = 0;
  CHECK(read(ready[0], &inner, sizeof inner) == static_cast<ssize_t>(sizeof inner));
  uint64_t start = davit::process_start_time(child);
  CHECK(start > 0 && davit::open_process(child, start).valid());
  pid_t first = davit::first_child(child);
  CHECK(first == inner || first == 0);  // 0 without CONFIG_PROC_CHILDREN
  kill(inner, SIGKILL);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(!davit::open_process(child, start).valid() && errno == ESRCH);
  CHECK(davit::first_child(child) == 0);
}

// Process 1 of a PID namespace waits, at its end, for what a parent outside has not reaped.
void an_end_that_takes_long() {
  in_child([] {
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return;  // this machine allows none
    int held[2];
    CHECK(pipe(held) == 0);
    pid_t init = fork();
    if (init == 0) {
      char byte;
      close(held[1]);
      _exit(read(held[0], &byte, 1) == 0 ? 0 : 1);
    }
    pid_t other = fork();  // in there as well, and a child of ours
    if (other == 0) pause();
    CHECK(init > 0 && other > 0 && !davit::process_is_ending(init) && !davit::process_is_ending(getpid()));
    kill(other, SIGKILL);
    siginfo_t info;
    CHECK(waitid(P_PID, static_cast<id_t>(other), &info, WEXITED | WNOWAIT) == 0);
    close(held[1]);
    for (int i = 0; i < 2000 && !davit::process_is_ending(init); i++) usleep(10000);
    CHECK(davit::process_is_ending(init) && davit::process_start_time(init) != 0);
    CHECK(waitpid(other, nullptr, 0) == other && waitpid(init, nullptr, 0) == init);
    CHECK(!davit::process_is_ending(init));
  });
}

void clones() {
  int pidfd = -1;
  pid_t child = davit::sys::clone3_fork(0, &pidfd, SIGCHLD);
  if (child == 0) _exit(7);
  int status = 0;
  CHECK(child > 0 && pidfd >= 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
  close(pidfd);
}

void small_files() {
  char directory[] = "/tmp/davit-sys-test-XXXXXX";
  if (!mkdtemp(directory)) return;
  int dir = open(directory, O_RDONLY | O_DIRECTORY);
  CHECK(davit::replace_file(dir, "record", "one", 0600) == 0 && davit::replace_file(dir, "record", "two!", 0600) == 0);
  static char memory[1 << 16];
  davit::Arena arena(memory, sizeof memory);
  std::string_view bytes;
  CHECK(davit::read_file(dir, "record", false, 4, arena, &bytes) == 0 && bytes == "two!");
  CHECK(davit::read_file(dir, "record", false, 3, arena, &bytes) == EFBIG);
  size_t mark = arena.used();
  CHECK(davit::read_file(dir, "record", false, 4, arena, &bytes) == 0 && arena.used() > mark);
  arena.rewind(mark);
  CHECK(arena.used() == mark);
  CHECK(symlinkat("record", dir, "link") == 0 && davit::read_file(dir, "link", false, 9, arena, &bytes) == ELOOP);
  CHECK(mkdirat(dir, "taken", 0700) == 0 && davit::replace_file(dir, "taken", "x", 0600) == EISDIR);
  CHECK(davit::replace_file(dir, std::string(290, 'n').c_str(), "x", 0600) == ENAMETOOLONG);
  // Nothing but what was meant is left, after failures too.
  for (const char* left : {"record", "link"}) CHECK(unlinkat(dir, left, 0) == 0);
  CHECK(unlinkat(dir, "taken", AT_REMOVEDIR) == 0 && rmdir(directory) == 0);
  close(dir);
}

// A program of its own: what execve(2) has laid out is what has to be forgotten.
int forget() {
  davit::forget_environment();
  if (*environ) return 1;
  static char memory[1 << 20];
  davit::Arena arena(memory, sizeof memory);
  std::string_view bytes;
  if (davit::read_file(AT_FDCWD, "/proc/self/environ", true, sizeof memory / 4, arena, &bytes) != 0) return 2;
  return bytes.find("secret") == std::string_view::npos ? 0 : 3;
}

// Somebody else may have made a pipe that we inherit non-blocking: what does not fit waits for its reader.
void writes_wait_for_the_reader() {
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  int room = fcntl(ends[1], F_SETPIPE_SZ, 4096);
  CHECK(room > 0);
  std::string all(static_cast<size_t>(room) * 5 + 1, 'x');
  pid_t writer = fork();
  if (writer == 0) {
    close(ends[0]);
    _exit(davit::write_all(ends[1], all));
  }
  close(ends[1]);
  size_t got = 0;
  char buffer[1000];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) != 0;) {
    if (n > 0) got += static_cast<size_t>(n);
    usleep(n > 0 ? 100 : 1000);
  }
  int status = -1;
  waitpid(writer, &status, 0);
  CHECK(status == 0);
  CHECK(got == all.size());

  // And one that has no reader any more is an error, not a wait.
  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  CHECK(davit::write_all(ends[1], "x") == EPIPE);
  signal(SIGPIPE, SIG_DFL);
  close(ends[1]);
}

void environment_is_forgotten(const char* self) {
  for (size_t size : {10u, 5000u, 100000u}) {
    std::string value = "TOKEN=secret" + std::string(size, 's') + "secret";
    pid_t child = fork();
    if (child == 0) {
      const char* argv[] = {self, "forget", nullptr};
      const char* envp[] = {"A=1", value.c_str(), "Z=secret", "ASAN_OPTIONS=detect_leaks=0", nullptr};
      execve("/proc/self/exe", const_cast<char* const*>(argv), const_cast<char* const*>(envp));
      _exit(99);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return forget();
  descriptors();
  passing();
  messages();
  processes();
  an_end_that_takes_long();
  clones();
  small_files();
  writes_wait_for_the_reader();
  environment_is_forgotten(argv[0]);
  return check::finish();
}
