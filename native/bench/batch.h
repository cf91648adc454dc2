// Runs the jobs of one request, several at a time, and answers for each.
#pragma once
#include <stdio.h>

#include <vector>

#include "bench/slot.h"

namespace davit::bench {

class Batch {
 public:
  // signal_fd: a signalfd of SIGCHLD; input: ends when whoever asks has gone.
  Batch(std::vector<Slot>* slots, KeptCommands* kept, int signal_fd, int input)
      : slots_(slots), kept_(kept), signal_fd_(signal_fd), input_(input) {}

  // For each job, in the order in which they end:
  //   "JOB NUMBER SLOT STATUS STEPS OUT_BYTES ERR_BYTES[ BEGIN READY END CPU_US]...\n", then the bytes;
  // then "END WALL_NS\n", the time from the beginning of the first job to the end of the last.
  // False when whoever asks has gone.
  bool run(const Request& request, FILE* answers);

 private:
  void begin_jobs(const Request& request, uint64_t now);
  bool wait();
  void reap();
  void answer_finished(FILE* answers);

  std::vector<Slot>* slots_;
  KeptCommands* kept_;
  int signal_fd_, input_;
  uint64_t started_ = 0;
  long next_ = 0;
};

}  // namespace davit::bench
