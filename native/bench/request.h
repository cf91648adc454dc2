// What the runner is asked to do: jobs of a few steps each, one after the other or several at a time.
#pragma once
#include <stdio.h>

#include <string>
#include <vector>

namespace davit::bench {

// A step ends when all it waits for has come.
struct Step {
  bool wait_exit = false;   // 'x': the command ends, with status 0
  bool wait_ready = false;  // 'r': the payload has written to the FIFO of the slot; without 'x' the command stays
  bool end_kept = false;    // 'k': no command: SIGTERM to the payload of the one that has stayed, which then ends
  std::vector<std::string> words;
};

struct Request {
  long first = 0;        // number of the first job
  long count = 0;        // so many jobs at most
  long concurrency = 1;  // so many at a time
  long limit_ms = 0;     // no job begins later than this; 0: all of them do
  bool keep_output = false;
  std::vector<Step> steps;
  std::vector<std::string> environment;
};

// "RUN FIRST COUNT CONCURRENCY LIMIT_MS KEEP_OUTPUT STEPS VARIABLES\n", then words that end with a NUL: for each step
// its kind (letters of Step), the number of its words, the words; then NAME=VALUE for each variable.
// False at the end of the input, and for anything else.
bool read_request(FILE* in, Request* request);

// The words with @N@ replaced by the number of the job, @S@ by that of the slot.
std::vector<std::string> filled(const std::vector<std::string>& words, long job, long slot);

}  // namespace davit::bench
