// The starting side of an instance: up to the keeper, and what the keeper says. One process may have several going.
#pragma once
#include "launcher/instance_start.h"

namespace davit {

constexpr size_t kTailBytes = 2048;

struct Start {
  const char* name = "";
  pid_t keeper = -1;
  Fd status;             // the keeper's words
  off_t err_start = -1;  // where in the log of errors this start begins; -1: it has not been opened
};

// Claims the name of the plan, opens the logs, forks the keeper. False: ctx.failure is noted, and nothing is left.
// `in_keeper` is called in the keeper, to close what of the caller's is open.
bool begin_start(Context& ctx, Start* start, void (*in_keeper)() = nullptr);

enum class Heard { Message, End, Nothing };
// What the keeper says within the time (-1: without limit); End: it is dead.
Heard hear(const Start& start, StartMessage* message, int timeout_ms);

// The keeper's first word, or its end (`heard`): false, ctx.failure is noted and the keeper reaped.
bool settle_start(Context& ctx, const Start& start, Heard heard, const StartMessage& first);
// Its second word after a good first one, or nothing so far: completes the report of a running instance, which has the
// processes already; or false with ctx.failure noted.
bool describe_start(Context& ctx, Heard heard, const StartMessage& ended, Report* report);
// What the startscript has written to stderr since this start, the last part of it.
Text<kTailBytes> new_errors(const Context& ctx, const Start& start);
// Instance.wait_seconds for poll(2).
int wait_ms(const Instance& instance);

}  // namespace davit
