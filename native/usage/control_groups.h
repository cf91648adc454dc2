// Control groups of a process (cgroups(7)): version 1, version 2, or each for some resources.
#pragma once
#include "sys/list.h"
#include "usage/files.h"
#include "usage/usage.h"

namespace davit::usage {

struct ControlGroup {
  int version = 0;        // 0: none that can be seen
  const char* directory;  // where its files are
  std::string_view path;  // its name, as /proc/PID/cgroup has it
  const char* top;        // where the hierarchy begins, as far as it can be seen
};

// Where a hierarchy, or a part of it, is mounted.
struct HierarchyMount {
  int version;
  std::string_view controllers;  // separated by commas, between other options
  std::string_view root;         // what of the hierarchy is mounted there; "/" for all
  std::string_view mount_point;
};

// For one look: mounts, and what was read about a process of `proc`, are not read again.
class ControlGroups {
 public:
  ControlGroups(const char* proc, Arena& arena);
  // The group that accounts for a process. `controller` is its name by version 1, such as "memory"; `proc` another
  // directory of processes, which the number is of.
  ControlGroup of(std::string_view process, std::string_view controller, const char* proc = nullptr);
  ControlGroup of(pid_t pid, std::string_view controller, const char* proc = nullptr);

 private:
  struct Known {
    std::string_view process, text;
  };
  bool memberships(std::string_view process, const char* proc, std::string_view* text);

  const char* proc_;
  Arena& arena_;
  GrowingList<Known> known_;
  GrowingList<HierarchyMount> mounts_;  // the whole of a hierarchy before a part of it
};

// Adds the PIDs in a group and in all below it; one that cannot be seen from here is 0. False where they cannot be
// read.
bool list_group(const char* directory, Arena& arena, GrowingList<pid_t>* pids);

// A file of one number; false for "max", and where there is none.
bool read_number(std::string_view directory, std::string_view file, Arena& arena, uint64_t* number);

// A file of lines `name number`; empty where there is none. False: no memory.
bool read_numbers(std::string_view directory, std::string_view file, Arena& arena, GrowingList<NamedNumber>* numbers);
// The number of that name; false where there is none.
bool find_number(const List<NamedNumber>& numbers, std::string_view name, uint64_t* number);

// The least memory that a process's group and those above it may have, in bytes.
uint64_t memory_limit(const ControlGroup& group, Arena& arena);

}  // namespace davit::usage
