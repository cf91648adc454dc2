#include "bench/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace davit::bench {
namespace {

// Whoever starts a service may return before the payload has got a processor.
constexpr uint64_t kReadyAfterExitNs = 5000 * kNanosPerMilli;
constexpr int kNotExecuted = 127;
constexpr int kDeepest = 8;

std::vector<char*> pointers(std::vector<std::string>* words) {
  std::vector<char*> list;
  for (std::string& word : *words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

uint64_t micros(const struct timeval& t) {
  return static_cast<uint64_t>(t.tv_sec) * 1000000u + static_cast<uint64_t>(t.tv_usec);
}

// The last of the first children: the payload below those who wait for it. Itself where the kernel does not tell
// (CONFIG_PROC_CHILDREN).
pid_t deepest(pid_t pid) {
  for (int depth = 0; depth < kDeepest; depth++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE* children = fopen(path, "re");
    int child = 0;
    const bool found = children && fscanf(children, "%d", &child) == 1;
    if (children) fclose(children);
    if (!found) return pid;
    pid = child;
  }
  return pid;
}

void empty(int fd) {
  if (ftruncate(fd, 0) == 0) lseek(fd, 0, SEEK_SET);
}

// The rest of a memory file is read back and it is emptied.
std::string take(int fd) {
  const off_t size = lseek(fd, 0, SEEK_END);
  std::string bytes(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  const ssize_t got = size > 0 ? pread(fd, bytes.data(), bytes.size(), 0) : 0;
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  empty(fd);
  return bytes;
}

}  // namespace

uint64_t now_ns() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

bool Slot::open(const std::string& fifo_prefix, long number, uint64_t limit_ns) {
  limit_ns_ = limit_ns;
  number_ = number;
  null_.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
  out_.reset(memfd_create("out", MFD_CLOEXEC));
  err_.reset(memfd_create("err", MFD_CLOEXEC));
  if (!null_.valid() || !out_.valid() || !err_.valid()) return false;
  if (fifo_prefix.empty()) return true;
  const std::string path = fifo_prefix + std::to_string(number);
  if (mkfifo(path.c_str(), 0600) && errno != EEXIST) return false;
  // Open for writing too: the end of one payload must not look like the end of the file.
  fifo_.reset(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  return fifo_.valid();
}

void Slot::begin(const Request& request, long job, KeptCommands* kept) {
  request_ = &request;
  kept_ = kept;
  job_ = job;
  status_ = 0;
  finished_ = false;
  outcomes_.clear();
  empty(out_.get());
  for (uint64_t stale; fifo_.valid() && read(fifo_.get(), &stale, sizeof stale) > 0;) {
  }
  begin_step();
}

void Slot::begin_step() {
  outcomes_.emplace_back();
  has_exited_ = false;
  command_ = 0;
  empty(err_.get());
  if (step().end_kept)
    end_kept();
  else
    spawn(step());
}

void Slot::spawn(const Step& step) {
  std::vector<std::string> words = filled(step.words, job_, number_);
  std::vector<std::string> variables = request_->environment;
  std::vector<char*> argv = pointers(&words), envp = pointers(&variables);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, null_.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, request_->keep_output ? out_.get() : null_.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err_.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t ignored;
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  Outcome& outcome = outcomes_.back();
  outcome.begin = now_ns();
  deadline_ = outcome.begin + limit_ns_;
  const int failed = posix_spawn(&command_, argv[0], &actions, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == 0) return;
  command_ = 0;
  dprintf(err_.get(), "%s: %s\n", argv[0], strerror(failed));
  fail(kNotExecuted);
}

void Slot::end_kept() {
  auto found = kept_->find(job_);
  const pid_t target = found == kept_->end() ? 0 : deepest(found->second);
  Outcome& outcome = outcomes_.back();
  outcome.begin = now_ns();
  deadline_ = outcome.begin + limit_ns_;
  if (target == 0) return fail(kEndedEarly);
  command_ = found->second;
  kept_->erase(found);
  kill(target, SIGTERM);
}

void Slot::on_ready() {
  uint64_t when = 0;
  if (read(fifo_.get(), &when, sizeof when) != sizeof when || !busy() || finished_) return;
  Outcome& outcome = outcomes_.back();
  if (!step().wait_ready || outcome.ready != 0) return;
  outcome.ready = when;
  if (when < outcome.begin || when > now_ns()) return fail(kWrongClock);
  check_step();
}

void Slot::on_exit(int status, const struct rusage& usage, uint64_t when) {
  command_ = 0;
  has_exited_ = true;
  Outcome& outcome = outcomes_.back();
  outcome.end = when;
  outcome.cpu_us = micros(usage.ru_utime) + micros(usage.ru_stime);
  // Whoever was told to end by a signal has done so, whatever its status.
  if (step().end_kept) return check_step();
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  if (code != 0) return fail(code);
  if (!step().wait_exit) return fail(kEndedEarly);
  deadline_ = when + kReadyAfterExitNs;
  check_step();
}

void Slot::on_time(uint64_t now) {
  if (busy() && !finished_ && now >= deadline_) fail(has_exited_ ? kNotReady : kTimedOut);
}

void Slot::check_step() {
  const Step& current = step();
  Outcome& outcome = outcomes_.back();
  if (current.wait_ready && outcome.ready == 0) return;
  if ((current.wait_exit || current.end_kept) && !has_exited_) return;
  if (!current.wait_exit && !current.end_kept) (*kept_)[job_] = command_;
  // A service may be ready after the command that has started it has returned; `end` is the command's own.
  if (outcome.end == 0) outcome.end = outcome.ready;
  if (outcomes_.size() == request_->steps.size())
    finished_ = true;
  else
    begin_step();
}

void Slot::fail(int status) {
  if (command_ > 0) kill(command_, SIGKILL);
  if (outcomes_.back().end == 0) outcomes_.back().end = now_ns();
  status_ = status;
  finished_ = true;
}

std::string Slot::take_output() { return take(out_.get()); }
std::string Slot::take_errors() { return take(err_.get()); }

void Slot::release() {
  job_ = -1;
  finished_ = false;
  request_ = nullptr;
  command_ = 0;
}

}  // namespace davit::bench
