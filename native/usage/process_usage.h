// What the processes of an instance use, by /proc (proc(5)).
#pragma once
#include "usage/processes.h"
#include "usage/usage.h"

namespace davit::usage {

struct ProcessTimes {
  uint64_t user_ns = 0, system_ns = 0;
  uint64_t tasks = 0;  // threads, as a control group counts them
  Transfers transfers;
};

struct ProcessMemory {
  uint64_t bytes = 0;
  // Parts of it, and what is beside it (swap), by the names of the kernel's memory.stat.
  List<NamedNumber> details;
  uint64_t hugepages_bytes = 0;  // of hugetlbfs, in none of the others; shared ones count for each process
  // Each process has its share of what it shares (PSS), or where that cannot be read, all of it (RSS).
  Source measure = Source::Pss;
};

// Times and transfers of all processes together, with those of their children that have ended: what nobody reaped is
// process 1's. Not in them is what ended without a parent inside (a command of `exec instance://`) or as a child of one
// that ignores SIGCHLD. False: no memory.
bool read_times(ProcessList& list, Arena& arena, ProcessTimes* times);

// Memory of all processes together; what several of them share counts once, where the kernel says so. False: no memory.
bool read_memory(ProcessList& list, Arena& arena, ProcessMemory* memory);

}  // namespace davit::usage
