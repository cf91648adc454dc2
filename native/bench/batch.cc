#include "bench/batch.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace davit::bench {
namespace {

constexpr int kLongestWaitMs = 1000;

void print(FILE* answers, const Slot& slot, const std::string& out, const std::string& err) {
  fprintf(answers, "JOB %ld %ld %d %zu %zu %zu", slot.job(), slot.number(), slot.status(), slot.outcomes().size(),
          out.size(), err.size());
  for (const Outcome& outcome : slot.outcomes())
    fprintf(answers, " %lu %lu %lu %lu", outcome.begin, outcome.ready, outcome.end, outcome.cpu_us);
  fputc('\n', answers);
  fwrite(out.data(), 1, out.size(), answers);
  fwrite(err.data(), 1, err.size(), answers);
}

}  // namespace

bool Batch::run(const Request& request, FILE* answers) {
  started_ = now_ns();
  next_ = 0;
  uint64_t last = started_;
  for (;;) {
    begin_jobs(request, now_ns());
    if (std::none_of(slots_->begin(), slots_->end(), [](const Slot& slot) { return slot.busy(); })) break;
    if (std::none_of(slots_->begin(), slots_->end(), [](const Slot& slot) { return slot.finished(); }) && !wait())
      return false;
    for (const Slot& slot : *slots_)
      if (slot.finished() && !slot.outcomes().empty()) last = std::max(last, slot.outcomes().back().end);
    answer_finished(answers);
  }
  fprintf(answers, "END %lu\n", last - started_);
  return fflush(answers) == 0;
}

void Batch::begin_jobs(const Request& request, uint64_t now) {
  const uint64_t limit = static_cast<uint64_t>(request.limit_ms) * kNanosPerMilli;
  for (Slot& slot : *slots_) {
    if (slot.number() >= request.concurrency) break;
    const bool late = limit > 0 && now - started_ >= limit;
    if (slot.busy() || late || next_ >= request.count) continue;
    slot.begin(request, request.first + next_++, kept_);
  }
}

bool Batch::wait() {
  std::vector<struct pollfd> waiting = {{signal_fd_, POLLIN, 0}, {input_, 0, 0}};
  for (const Slot& slot : *slots_) waiting.push_back({slot.busy() ? slot.ready_fd() : -1, POLLIN, 0});
  if (poll(waiting.data(), waiting.size(), kLongestWaitMs) < 0 && errno != EINTR) return false;
  if (waiting[1].revents & (POLLHUP | POLLERR)) return false;
  // The payload's word before its end: both may be there.
  for (size_t i = 0; i < slots_->size(); i++)
    if (waiting[i + 2].revents & POLLIN) (*slots_)[i].on_ready();
  if (waiting[0].revents & POLLIN) {
    struct signalfd_siginfo info;
    while (read(signal_fd_, &info, sizeof info) > 0) {
    }
    reap();
  }
  const uint64_t now = now_ns();
  for (Slot& slot : *slots_) slot.on_time(now);
  return true;
}

void Batch::reap() {
  for (;;) {
    int status = 0;
    struct rusage usage = {};
    const pid_t ended = wait4(-1, &status, WNOHANG, &usage);
    if (ended <= 0) return;
    const uint64_t when = now_ns();
    auto slot = std::find_if(slots_->begin(), slots_->end(),
                             [&](const Slot& one) { return one.busy() && !one.finished() && one.command() == ended; });
    if (slot != slots_->end())
      slot->on_exit(status, usage, when);
    else
      std::erase_if(*kept_, [&](const auto& entry) { return entry.second == ended; });
  }
}

void Batch::answer_finished(FILE* answers) {
  for (Slot& slot : *slots_) {
    if (!slot.busy() || !slot.finished()) continue;
    print(answers, slot, slot.take_output(), slot.take_errors());
    slot.release();
  }
}

}  // namespace davit::bench
