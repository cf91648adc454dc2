// The words of `instance stop` that need no Node.
#pragma once
#include <signal.h>
#include <stdint.h>

#include <string_view>

#include "state/plan_cache.h"

namespace davit {

struct StopOptions {
  std::string_view pattern;  // see plain_pattern()
  int signal = SIGINT;
  int64_t timeout_ms = 10000;
};

// False for another command, an option that is not one of --all, --force, --signal and --timeout, for what Node would
// refuse, and for names that are not plain.
bool read_stop_options(const CommandLine& line, StopOptions* options);

}  // namespace davit
