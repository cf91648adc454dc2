// What an instance uses: processor time, memory, block devices, tasks. From its own control group where it has one,
// else from its processes; each part says which. The instance's keeper and FUSE servers are not the instance.
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include <string_view>

#include "sys/list.h"

namespace davit::usage {

// USER_HZ is 100 everywhere: the unit of times in /proc/PID/stat, whatever CONFIG_HZ is (time(7)).
constexpr uint64_t kNsPerTick = 1000000000 / 100;
constexpr uint64_t kNoLimit = UINT64_MAX;

// Group: the instance's own control group. Processes: those in /proc; of memory, with their share of what they share
// (Pss) or with all of each (Rss).
enum class Source { Group, Processes, Pss, Rss };
const char* source_name(Source source);

struct NamedNumber {
  std::string_view name;
  uint64_t value;
};

struct Transfers {
  bool counted = false;  // by this kernel
  uint64_t read_bytes = 0, written_bytes = 0;
};

struct DeviceTransfers {
  uint32_t major, minor;
  uint64_t read_bytes, written_bytes;
};

struct Throttling {
  uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
};

struct CpuUsage {
  uint64_t total_ns = 0, user_ns = 0, system_ns = 0;
  uint64_t processes_ns = 0;  // by /proc, whatever the source
  Throttling throttling;      // of a group
  Source source = Source::Processes;
};

struct MemoryUsage {
  uint64_t bytes = 0, limit_bytes = kNoLimit;
  // Of a group: the most it ever was (kNoLimit: an older kernel), and how often the limit was reached.
  uint64_t max_bytes = kNoLimit, failures = 0;
  List<NamedNumber> details;  // by the kernel's names
  Source source = Source::Pss;
};

struct Hugepages {
  List<NamedNumber> by_size;  // bytes; names as "2MB"
  Source source = Source::Processes;
};

struct BlockUsage {
  Transfers transfers;
  List<DeviceTransfers> devices;  // of a group
  Source source = Source::Processes;
};

struct Usage {
  int64_t at_ns = 0;  // CLOCK_MONOTONIC
  CpuUsage cpu;
  MemoryUsage memory;
  Hugepages hugepages;
  BlockUsage block;
  uint64_t tasks = 0;
};

// Whose usage: process 1 of the instance, as the machine's /proc has it.
struct Subject {
  const char* proc = "/proc";
  pid_t init = 0, keeper = 0;
  uint64_t init_start_time = 0;
  // Another user's: what the instance has mounted is not looked at, and process 1 must be that user's.
  bool foreign = false;
  uid_t foreign_uid = 0;
};

enum class Found { Whole, Ended, NotTheirs, NoMemory };

// Texts of `usage` are in the arena. NotTheirs: *owner is whose process it is.
Found read_usage(const Subject& subject, Arena& arena, Usage* usage, uid_t* owner);

// Use of processors between two readings, in percent of one: four busy threads are 400. It is 0 where the sum has
// become less, as when a command of `exec instance://` has ended.
double cpu_percent(const Usage& earlier, const Usage& later);

}  // namespace davit::usage
