#include "usage/process_usage.h"

#include <algorithm>

namespace davit::usage {
namespace {

constexpr int kTries = 3;  // how often times are read again because a process ended in between

// What a process has read from block devices and written to them. As with times, a child's become its parent's.
void add_transfers(const char* directory, pid_t pid, Arena& arena, Transfers* sum) {
  Scratch scratch(arena);
  std::string_view io;
  if (!read_text(Path(directory, "/", pid, "/io").c_str(), arena, &io)) return;
  uint64_t read = 0, written = 0;
  number_behind(io, "read_bytes", &read);
  number_behind(io, "write_bytes", &written);
  sum->counted = true;
  sum->read_bytes += read;
  sum->written_bytes += written;
}

// False when one of them has gone.
bool sum_of_times(const char* directory, const List<pid_t>& pids, Arena& arena, ProcessTimes* times) {
  bool complete = true;
  *times = {};
  for (pid_t pid : pids) {
    ProcessStat stat;
    if (!read_stat(directory, pid, arena, &stat)) {
      complete = false;
      continue;
    }
    times->user_ns += stat.user * kNsPerTick;
    times->system_ns += stat.system * kNsPerTick;
    times->tasks += stat.tasks;
    add_transfers(directory, pid, arena, &times->transfers);
  }
  return complete;
}

// Parts of memory by the names of memory.stat, and how two files of /proc call them.
struct Part {
  const char *name, *share, *resident;
};
constexpr Part kParts[] = {{"anon", "Pss_Anon", "RssAnon"},
                           {"file", "Pss_File", "RssFile"},
                           {"shmem", "Pss_Shmem", "RssShmem"},
                           {"swap", "SwapPss", "VmSwap"}};
constexpr size_t kPartCount = sizeof kParts / sizeof *kParts;

struct Sum {
  ProcessMemory* memory;
  uint64_t parts[kPartCount] = {};
  bool known[kPartCount] = {};

  // False where the text has no line `all`.
  bool add(std::string_view text, std::string_view all, const char* Part::*line) {
    uint64_t kib;
    if (!number_behind(text, all, &kib)) return false;
    memory->bytes += kib * 1024;
    for (size_t i = 0; i < kPartCount; i++) {
      if (!number_behind(text, kParts[i].*line, &kib)) continue;
      known[i] = true;
      parts[i] += kib * 1024;
    }
    return true;
  }
  void add_hugepages(std::string_view text, std::string_view line) {
    uint64_t kib = 0;
    number_behind(text, line, &kib);
    memory->hugepages_bytes += kib * 1024;
  }
};

bool add_shares(const char* directory, pid_t pid, Arena& arena, Sum* sum) {
  Scratch scratch(arena);
  std::string_view rollup;
  if (!read_text(Path(directory, "/", pid, "/smaps_rollup").c_str(), arena, &rollup)) return false;
  if (!sum->add(rollup, "Pss", &Part::share)) return false;
  sum->add_hugepages(rollup, "Shared_Hugetlb");
  sum->add_hugepages(rollup, "Private_Hugetlb");
  return true;
}

// For an old kernel (before 4.14). Of one that is gone, or without memory because it has ended, nothing.
void add_resident(const char* directory, pid_t pid, Arena& arena, Sum* sum) {
  Scratch scratch(arena);
  std::string_view status;
  if (!read_text(Path(directory, "/", pid, "/status").c_str(), arena, &status)) return;
  if (!sum->add(status, "VmRSS", &Part::resident)) return;
  sum->memory->measure = Source::Rss;
  sum->add_hugepages(status, "HugetlbPages");
}

}  // namespace

bool read_times(ProcessList& list, Arena& arena, ProcessTimes* times) {
  List<pid_t> pids, later;
  for (int tries = 1;; tries++) {
    if (!list.pids(arena, &pids)) return false;
    bool complete = sum_of_times(list.directory(), pids, arena, times);
    if (tries == kTries) return true;
    if (!list.pids(arena, &later)) return false;
    // A child that is reaped in between would count twice, or not at all, by the order of reading.
    if (complete && std::includes(later.begin(), later.end(), pids.begin(), pids.end())) return true;
  }
}

bool read_memory(ProcessList& list, Arena& arena, ProcessMemory* memory) {
  List<pid_t> pids;
  if (!list.pids(arena, &pids)) return false;
  Sum sum{memory};
  for (pid_t pid : pids)
    if (!add_shares(list.directory(), pid, arena, &sum)) add_resident(list.directory(), pid, arena, &sum);
  GrowingList<NamedNumber> details;
  for (size_t i = 0; i < kPartCount; i++)
    if (sum.known[i] && !details.push(arena, {kParts[i].name, sum.parts[i]})) return false;
  memory->details = details;
  return true;
}

}  // namespace davit::usage
