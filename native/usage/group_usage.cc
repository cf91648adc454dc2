#include "usage/group_usage.h"

#include <dirent.h>
#include <string.h>

#include <algorithm>

#include "usage/control_groups.h"

namespace davit::usage {
namespace {

// Groups that hold the processes of the instance, all of them, and nothing else but its keeper.
class OwnGroups {
 public:
  OwnGroups(const Subject& subject, ControlGroups& groups, ProcessList& list, Arena& arena)
      : subject_(subject), groups_(groups), list_(list), arena_(arena), members_(subject.proc, subject.init, arena) {}

  // Of version 0 where there is none.
  ControlGroup of(std::string_view controller) {
    ControlGroup group = groups_.of(subject_.init, controller);
    if (!group.version) return group;
    for (const Verdict& verdict : verdicts_)
      if (!strcmp(verdict.directory, group.directory)) return verdict.own ? group : ControlGroup{};
    bool own = is_own(group, controller);
    verdicts_.push(arena_, {group.directory, own});
    return own ? group : ControlGroup{};
  }

 private:
  struct Verdict {
    const char* directory;
    bool own;
  };

  bool is_own(const ControlGroup& group, std::string_view controller) {
    // Quickly, for what is usual: the root group, or the caller's.
    if (!strcmp(group.directory, group.top)) return false;
    ControlGroup callers = groups_.of("self", controller);
    if (callers.version && callers.path == group.path) return false;
    GrowingList<pid_t> in_group;
    List<pid_t> all;
    if (!list_group(group.directory, arena_, &in_group) || !list_.pids(arena_, &all)) return false;
    return std::none_of(in_group.begin(), in_group.end(), [&](pid_t pid) { return is_foreign(pid); }) &&
           std::all_of(all.begin(), all.end(), [&](pid_t pid) { return is_in(group, controller, pid); });
  }

  // Version 1 shows a process that ends in the root group.
  bool is_in(const ControlGroup& group, std::string_view controller, pid_t pid) {
    std::string_view path = groups_.of(pid, controller, list_.directory()).path, own = group.path;
    if (path.empty() || path == own) return true;
    if (path.size() > own.size() && path.substr(0, own.size()) == own && path[own.size()] == '/') return true;
    ProcessStat stat;
    return !read_stat(list_.directory(), pid, arena_, &stat) || stat.ending;
  }

  // One that ended meanwhile is nobody's.
  bool is_foreign(pid_t pid) {
    if (pid == subject_.keeper || members_.has(pid)) return false;
    struct stat st;
    return pid == 0 || stat(Path(subject_.proc, "/", pid).c_str(), &st) == 0;
  }

  const Subject& subject_;
  ControlGroups& groups_;
  ProcessList& list_;
  Arena& arena_;
  Members members_;
  GrowingList<Verdict> verdicts_;
};

uint64_t number_or_zero(const List<NamedNumber>& numbers, std::string_view name) {
  uint64_t number = 0;
  find_number(numbers, name, &number);
  return number;
}

// `cpu`: the group that limits, which by version 1 may be another.
bool read_cpu(const ControlGroup& group, const ControlGroup& cpu, Arena& arena, CpuUsage* usage) {
  bool one = group.version == 1;
  GrowingList<NamedNumber> stat, limits;
  if (!read_numbers(group.directory, one ? "cpuacct.stat" : "cpu.stat", arena, &stat)) return false;
  uint64_t total = 0;
  if (one ? !read_number(group.directory, "cpuacct.usage", arena, &total) : !find_number(stat, "usage_usec", &total))
    return true;
  usage->source = Source::Group;
  usage->total_ns = one ? total : total * 1000;
  usage->user_ns = one ? number_or_zero(stat, "user") * kNsPerTick : number_or_zero(stat, "user_usec") * 1000;
  usage->system_ns = one ? number_or_zero(stat, "system") * kNsPerTick : number_or_zero(stat, "system_usec") * 1000;
  if (one && cpu.version && !read_numbers(cpu.directory, "cpu.stat", arena, &limits)) return false;
  const List<NamedNumber>& told = one ? limits : stat;
  usage->throttling = {number_or_zero(told, "nr_periods"), number_or_zero(told, "nr_throttled"),
                       number_or_zero(told, "throttled_time")};
  if (!usage->throttling.throttled_ns) usage->throttling.throttled_ns = number_or_zero(told, "throttled_usec") * 1000;
  return true;
}

bool read_memory_group(const ControlGroup& group, Arena& arena, MemoryUsage* usage) {
  bool one = group.version == 1;
  uint64_t bytes = 0;
  if (!read_number(group.directory, one ? "memory.usage_in_bytes" : "memory.current", arena, &bytes)) return true;
  GrowingList<NamedNumber> details, events;
  if (!read_numbers(group.directory, "memory.stat", arena, &details)) return false;
  usage->source = Source::Group;
  usage->bytes = bytes;
  usage->details = details;
  usage->max_bytes = kNoLimit;
  read_number(group.directory, one ? "memory.max_usage_in_bytes" : "memory.peak", arena, &usage->max_bytes);
  if (one) return read_number(group.directory, "memory.failcnt", arena, &usage->failures), true;
  if (!read_numbers(group.directory, "memory.events", arena, &events)) return false;
  usage->failures = number_or_zero(events, "max");
  return true;
}

// The number behind `key` in a line of words: `rbytes=1`, `Read 1`.
uint64_t number_in(std::string_view line, std::string_view key) {
  uint64_t number = 0;
  size_t at = line.find(key);
  if (at != std::string_view::npos) parse_number(line.substr(at + key.size()), &number);
  return number;
}

// Version 2: `254:0 rbytes=1 wbytes=2 rios=…`; version 1, a line for each kind: `254:0 Read 1`.
bool read_transfers(const ControlGroup& group, Arena& arena, BlockUsage* usage) {
  auto read = [&](const char* file, std::string_view* text) {
    return read_text(Path(group.directory, "/", file).c_str(), arena, text);
  };
  std::string_view text;
  if (group.version == 2 ? !read("io.stat", &text)
                         : !read("blkio.throttle.io_service_bytes_recursive", &text) &&
                               !read("blkio.throttle.io_service_bytes", &text))
    return true;
  GrowingList<DeviceTransfers> devices;
  Transfers sum;
  sum.counted = true;
  while (!text.empty()) {
    std::string_view line = take_line(&text), rest = line;
    uint64_t major, minor;
    if (!parse_number(take_word(&rest, ':'), &major) || !parse_number(rest, &minor))
      continue;  // `Total …` of version 1
    DeviceTransfers now = {static_cast<uint32_t>(major), static_cast<uint32_t>(minor),
                           number_in(line, " rbytes=") + number_in(line, " Read "),
                           number_in(line, " wbytes=") + number_in(line, " Write ")};
    sum.read_bytes += now.read_bytes;
    sum.written_bytes += now.written_bytes;
    auto same = [&](const DeviceTransfers& other) { return other.major == now.major && other.minor == now.minor; };
    DeviceTransfers* known = std::find_if(devices.begin(), devices.end(), same);
    if (known == devices.end()) {
      if (!devices.push(arena, now)) return false;
    } else {
      known->read_bytes += now.read_bytes;
      known->written_bytes += now.written_bytes;
    }
  }
  *usage = {sum, devices, Source::Group};
  return true;
}

// `hugetlb.2MB.current`, by version 1 `hugetlb.2MB.usage_in_bytes`.
bool read_hugepages(const ControlGroup& group, Arena& arena, Hugepages* usage) {
  constexpr std::string_view kBegin = "hugetlb.";
  GrowingList<NamedNumber> sizes;
  DIR* entries = opendir(group.directory);
  if (!entries) return true;
  bool whole = true;
  while (struct dirent* entry = readdir(entries)) {
    std::string_view name = entry->d_name, rest = name;
    if (name.substr(0, kBegin.size()) != kBegin) continue;
    rest.remove_prefix(kBegin.size());
    std::string_view size = take_word(&rest, '.');
    if (rest != "current" && rest != "usage_in_bytes") continue;
    const char* copy = arena.copy(size);
    uint64_t bytes = 0;
    read_number(group.directory, name, arena, &bytes);
    whole = whole && copy && sizes.push(arena, {copy, bytes});
  }
  closedir(entries);
  if (!whole || !sizes.size) return whole;
  std::sort(sizes.begin(), sizes.end(), [](const NamedNumber& a, const NamedNumber& b) { return a.name < b.name; });
  *usage = {sizes, Source::Group};
  return true;
}

}  // namespace

bool read_groups(const Subject& subject, ProcessList& list, Arena& arena, Usage* usage) {
  ControlGroups groups(subject.proc, arena);
  usage->memory.limit_bytes = memory_limit(groups.of(subject.init, "memory"), arena);
  OwnGroups own(subject, groups, list, arena);
  ControlGroup cpu = own.of("cpuacct"), memory = own.of("memory"), block = own.of("blkio"), huge = own.of("hugetlb");
  return (!cpu.version || read_cpu(cpu, own.of("cpu"), arena, &usage->cpu)) &&
         (!memory.version || read_memory_group(memory, arena, &usage->memory)) &&
         (!block.version || read_transfers(block, arena, &usage->block)) &&
         (!huge.version || read_hugepages(huge, arena, &usage->hugepages));
}

}  // namespace davit::usage
