// The service of the demonstration: a static HTTP server small enough to be an image all by itself.
//   httpd serve [SCRIPT] PORT    answers GET on 127.0.0.1:PORT until SIGTERM or SIGINT
//   httpd get PORT               fetches that page and prints its body
// The image has no shell: its startscript is a text file whose interpreter is this program, `#!/bin/httpd serve`, and
// the kernel passes the name of the script before the arguments: execve(2), "Interpreter scripts".
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t kRequestLimit = 4096;
constexpr long kPatienceSeconds = 2;  // for a client that does not finish its request

volatile sig_atomic_t ended = 0;

void end(int) { ended = 1; }

const char* variable(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

int fail(const char* what) {
  fprintf(stderr, "httpd: %s: %s\n", what, strerror(errno));
  return 1;
}

sockaddr_in loopback(unsigned port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

bool send_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

// Reads up to the empty line that ends the head of a request; false for a client that is slow, mute or too long.
bool read_head(int fd, char (&buffer)[kRequestLimit]) {
  size_t used = 0;
  while (used < sizeof buffer - 1) {
    const ssize_t got = recv(fd, buffer + used, sizeof buffer - 1 - used, 0);
    if (got < 0 && errno == EINTR && !ended) continue;
    if (got <= 0) return false;
    used += static_cast<size_t>(got);
    buffer[used] = '\0';
    if (strstr(buffer, "\r\n\r\n")) return true;
  }
  return false;
}

void answer(int fd, unsigned long hits) {
  char request[kRequestLimit];
  if (!read_head(fd, request)) return;
  const bool get = strncmp(request, "GET ", 4) == 0;
  char body[1024];
  char head[256];
  int size = 0;
  if (get) {
    size = snprintf(body, sizeof body, "%s from instance %s\nhits: %lu\n", variable("DEMO_GREETING", "hello"),
                    variable("APPTAINER_INSTANCE", variable("SINGULARITY_INSTANCE", "(none)")), hits);
    if (size >= static_cast<int>(sizeof body)) size = sizeof body - 1;
  }
  const int head_size = snprintf(head, sizeof head,
                                 "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
                                 "Connection: close\r\n\r\n",
                                 get ? "200 OK" : "405 Method Not Allowed", size);
  if (send_all(fd, head, static_cast<size_t>(head_size))) send_all(fd, body, static_cast<size_t>(size));
}

int serve(unsigned port) {
  // The two signals are let in only while ppoll waits: none can fall between the question and the wait.
  struct sigaction action = {};
  action.sa_handler = end;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  sigset_t held, waiting;
  sigemptyset(&held);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGINT);
  sigprocmask(SIG_BLOCK, &held, &waiting);
  sigdelset(&waiting, SIGTERM);
  sigdelset(&waiting, SIGINT);

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return fail("socket");
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail("bind");
  if (listen(listener, 16) != 0) return fail("listen");
  printf("listening on 127.0.0.1:%u\n", port);
  fflush(stdout);

  unsigned long hits = 0;
  while (!ended) {
    pollfd event = {listener, POLLIN, 0};
    if (ppoll(&event, 1, nullptr, &waiting) <= 0) continue;
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const timeval patience = {kPatienceSeconds, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    answer(client, ++hits);
    close(client);
  }
  printf("ended after %lu hits\n", hits);
  return 0;
}

int get(unsigned port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail("socket");
  const sockaddr_in address = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail("connect");
  const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (!send_all(fd, request, sizeof request - 1)) return fail("send");

  char text[kRequestLimit];
  size_t used = 0;
  while (used < sizeof text - 1) {
    const ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail("receive");
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  text[used] = '\0';
  const char* body = strstr(text, "\r\n\r\n");
  fputs(body ? body + 4 : text, stdout);
  return strncmp(text, "HTTP/1.1 200 ", 13) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const char* port_text = argc > 2 ? argv[argc - 1] : "";
  char* rest = nullptr;
  const unsigned long port = strtoul(port_text, &rest, 10);
  const bool valid = *port_text && !*rest && port > 0 && port < 65536;
  if (valid && strcmp(argv[1], "serve") == 0) return serve(static_cast<unsigned>(port));
  if (valid && strcmp(argv[1], "get") == 0) return get(static_cast<unsigned>(port));
  fputs("usage: httpd serve PORT | httpd get PORT\n", stderr);
  return 2;
}
