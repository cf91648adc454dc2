#include "usage/usage.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>

#include "usage/group_usage.h"
#include "usage/process_usage.h"

namespace davit::usage {
namespace {

Found check_alive(const Subject& subject, Arena& arena, uid_t* owner) {
  ProcessStat now;
  if (!read_stat(subject.proc, subject.init, arena, &now)) return Found::Ended;
  if (now.start_time != subject.init_start_time || now.ending) return Found::Ended;
  if (!subject.foreign) return Found::Whole;
  // A record of another user may name any process.
  struct stat st;
  if (stat(Path(subject.proc, "/", subject.init).c_str(), &st) != 0) return Found::Ended;
  *owner = st.st_uid;
  return st.st_uid == subject.foreign_uid ? Found::Whole : Found::NotTheirs;
}

// A number of kB in /proc/meminfo, in bytes.
bool machine_bytes(std::string_view meminfo, std::string_view name, uint64_t* bytes) {
  if (!number_behind(meminfo, name, bytes)) return false;
  *bytes *= 1024;
  return true;
}

// Pages of processes are all under the machine's default size.
bool name_hugepages(std::string_view meminfo, uint64_t bytes, Arena& arena, Hugepages* usage) {
  GrowingList<NamedNumber> by_size;
  uint64_t size = 0;
  if (!bytes) return true;
  machine_bytes(meminfo, "Hugepagesize", &size);
  Text<32> name;
  name.add_number(static_cast<int64_t>(size >> 20)).add("MB");
  const char* copy = arena.copy(name.view());
  if (!copy || !by_size.push(arena, {copy, bytes})) return false;
  usage->by_size = by_size;
  return true;
}

// The word of the processes, which the group's replaces.
bool take_processes(const Subject& subject, ProcessList& list, Arena& arena, Usage* usage) {
  ProcessTimes times;
  ProcessMemory memory;
  std::string_view meminfo;
  if (!read_times(list, arena, &times) || !read_memory(list, arena, &memory)) return false;
  read_text(Path(subject.proc, "/meminfo").c_str(), arena, &meminfo);
  uint64_t sum = times.user_ns + times.system_ns;
  usage->cpu = {sum, times.user_ns, times.system_ns, sum, {}, Source::Processes};
  usage->memory.bytes = memory.bytes;
  usage->memory.details = memory.details;
  usage->memory.source = memory.measure;
  usage->block = {times.transfers, {}, Source::Processes};
  usage->tasks = times.tasks;
  if (!name_hugepages(meminfo, memory.hugepages_bytes, arena, &usage->hugepages)) return false;
  if (!read_groups(subject, list, arena, usage)) return false;
  uint64_t machine = kNoLimit;
  machine_bytes(meminfo, "MemTotal", &machine);
  usage->memory.limit_bytes = std::min(usage->memory.limit_bytes, machine);
  return true;
}

}  // namespace

const char* source_name(Source source) {
  switch (source) {
    case Source::Group: return "cgroup";
    case Source::Processes: return "proc";
    case Source::Pss: return "pss";
    default: return "rss";
  }
}

Found read_usage(const Subject& subject, Arena& arena, Usage* usage, uid_t* owner) {
  Found found = check_alive(subject, arena, owner);
  if (found != Found::Whole) return found;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  usage->at_ns = static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
  OwnProcesses own;
  ScannedProcesses scanned(subject.proc, subject.init);
  bool has_own = !subject.foreign && own.open(subject.proc, subject.init);
  ProcessList& list = has_own ? static_cast<ProcessList&>(own) : scanned;
  if (!take_processes(subject, list, arena, usage)) return Found::NoMemory;
  return check_alive(subject, arena, owner);  // what ended meanwhile was read in part
}

double cpu_percent(const Usage& earlier, const Usage& later) {
  bool same = earlier.cpu.source == later.cpu.source;
  double before = static_cast<double>(same ? earlier.cpu.total_ns : earlier.cpu.processes_ns);
  double after = static_cast<double>(same ? later.cpu.total_ns : later.cpu.processes_ns);
  double passed = static_cast<double>(later.at_ns - earlier.at_ns);
  return passed > 0 ? std::max(0.0, (after - before) / passed * 100) : 0;
}

}  // namespace davit::usage
