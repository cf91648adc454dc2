// Runs a command on a terminal of its own: terminal ROWS COLUMNS COMMAND [ARGUMENTS]. What arrives on descriptor 0 is
// typed; what the terminal shows goes to 1; lines "ROWS COLUMNS" on 3 change the size. Ends with the command's status,
// 128 + N for a signal. End of file on 0 is not typed: the command ends when it likes.
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

void write_all(int fd, const char* data, ssize_t size) {
  while (size > 0) {
    ssize_t n = write(fd, data, static_cast<size_t>(size));
    if (n < 0 && errno != EINTR) return;
    if (n > 0) data += n, size -= n;
  }
}

void resize(int terminal, const char* line) {
  struct winsize size = {};
  if (sscanf(line, "%hu %hu", &size.ws_row, &size.ws_col) == 2) ioctl(terminal, TIOCSWINSZ, &size);
}

// Copies until the terminal hangs up. What is typed behind a change of the size comes behind it.
void serve(int terminal) {
  struct pollfd fds[] = {{terminal, POLLIN, 0}, {3, POLLIN, 0}, {0, POLLIN, 0}};
  char buffer[4096];
  for (;;) {
    if (poll(fds, 3, -1) < 0 && errno != EINTR) return;
    if (fds[0].revents) {
      ssize_t n = read(terminal, buffer, sizeof buffer);
      if (n <= 0) return;
      write_all(1, buffer, n);
    }
    for (int i = 1; i <= 2; i++) {
      if (!fds[i].revents) continue;
      ssize_t n = read(fds[i].fd, buffer, sizeof buffer - 1);
      if (n <= 0) {
        fds[i].fd = -1;
      } else if (i == 1) {
        buffer[n] = 0;
        resize(terminal, buffer);
      } else {
        write_all(terminal, buffer, n);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  struct winsize size = {};
  size.ws_row = static_cast<unsigned short>(atoi(argv[1]));
  size.ws_col = static_cast<unsigned short>(atoi(argv[2]));
  int terminal = -1;
  pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child < 0) return perror("forkpty"), 2;
  if (child == 0) {
    close(3);
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  serve(terminal);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
