// What was noted, told at the end of a launch: a table, and a trace file. docs/timing.md describes both.
#pragma once
#include "timing/clock.h"

namespace davit::timing {

// Ends the phase that goes on and tells everything as the command line has asked for it; then notes nothing more.
// Only the command itself tells; in other parts of a launch nothing happens.
void report(bool failed = false);

// This process becomes the payload: report() is called by executing().
void report_before_exec();
// Called right before the payload is executed.
void executing(std::string_view program);

// For report(), and for tests. 0 or an errno.
int write_table(const Shared& noted, int fd);
int write_trace(const Shared& noted, int fd);

}  // namespace davit::timing
