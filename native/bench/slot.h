// One of the places in which jobs run: a command at a time, a FIFO through which its payload speaks, what it has
// written.
#pragma once
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "bench/request.h"
#include "sys/fd.h"

namespace davit::bench {

// Beyond what a shell counts: no answer within the limit, no word of the payload, a time that cannot be, ended early.
enum Failure : int { kTimedOut = 256, kNotReady = 257, kWrongClock = 258, kEndedEarly = 259 };

constexpr uint64_t kNanosPerMilli = 1000000;
uint64_t now_ns();

// Times are of CLOCK_MONOTONIC in nanoseconds; 0: has not come.
struct Outcome {
  uint64_t begin = 0;  // before posix_spawn
  uint64_t ready = 0;  // as the payload has read it
  uint64_t end = 0;    // all has come that the step waits for; with a command to be waited for, the return of wait4
  uint64_t cpu_us = 0;
};

// Commands that have stayed in the foreground, by the number of their job.
using KeptCommands = std::map<long, pid_t>;

class Slot {
 public:
  // fifo: prefix of its name, made when it is missing; empty for none. False with errno.
  // limit_ns: longest time of a step.
  bool open(const std::string& fifo_prefix, long number, uint64_t limit_ns);

  bool busy() const { return job_ >= 0; }
  bool finished() const { return finished_; }
  long job() const { return job_; }
  long number() const { return number_; }
  int status() const { return status_; }
  int ready_fd() const { return fifo_.get(); }
  pid_t command() const { return command_; }
  uint64_t deadline() const { return deadline_; }
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

  void begin(const Request& request, long job, KeptCommands* kept);
  void on_ready();
  void on_exit(int status, const struct rusage& usage, uint64_t when);
  void on_time(uint64_t now);
  // What was written since the job began, or by its step that failed.
  std::string take_output();
  std::string take_errors();
  void release();

 private:
  void begin_step();
  void spawn(const Step& step);
  void end_kept();
  void check_step();
  void fail(int status);
  const Step& step() const { return request_->steps[outcomes_.size() - 1]; }

  long number_ = 0, job_ = -1;
  uint64_t limit_ns_ = 0;
  Fd fifo_, null_, out_, err_;
  const Request* request_ = nullptr;
  KeptCommands* kept_ = nullptr;
  std::vector<Outcome> outcomes_;
  pid_t command_ = 0;
  bool has_exited_ = false, finished_ = false;
  int status_ = 0;
  uint64_t deadline_ = 0;
};

}  // namespace davit::bench
