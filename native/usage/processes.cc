#include "usage/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include <algorithm>

namespace davit::usage {
namespace {

// Parents that are followed; far more than there can be, and an end where processes change meanwhile.
constexpr int kMostParents = 1 << 16;

// Inode of the PID namespace (namespaces(7)); 0 for a process that is gone, or another user's.
ino_t namespace_of(const char* proc, std::string_view process) {
  struct stat st;
  return stat(Path(proc, "/", process, "/ns/pid").c_str(), &st) == 0 ? st.st_ino : 0;
}
ino_t namespace_of(const char* proc, pid_t pid) {
  Text<16> number;
  number.add_number(pid);
  return namespace_of(proc, number.view());
}

bool list_numbers(const char* directory, Arena& arena, List<pid_t>* found) {
  GrowingList<pid_t> pids;
  bool whole = true;
  // No directory is no process.
  if (DIR* entries = opendir(directory)) {
    while (struct dirent* entry = readdir(entries)) {
      uint64_t number;
      if (entry->d_name[strspn(entry->d_name, "0123456789")] || !parse_number(entry->d_name, &number)) continue;
      if (number > 0 && number <= INT32_MAX) whole = whole && pids.push(arena, static_cast<pid_t>(number));
    }
    closedir(entries);
  }
  std::sort(pids.begin(), pids.end());
  *found = pids;
  return whole;
}

}  // namespace

bool OwnProcesses::open(const char* proc, pid_t init) {
  root_.reset(::open(Path(proc, "/", init, "/root/proc").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs fs;
  if (!root_.valid() || fstatfs(root_.get(), &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) return false;
  directory_.add("/proc/self/fd/").add_number(root_.get());
  ino_t inside = namespace_of(proc, init);
  return inside && namespace_of(directory(), pid_t{1}) == inside;
}

bool OwnProcesses::pids(Arena& arena, List<pid_t>* found) { return list_numbers(directory(), arena, found); }

bool ScannedProcesses::pids(Arena& arena, List<pid_t>* found) {
  if (!list_numbers(proc_, arena, found)) return false;
  Members members(proc_, init_, arena);
  pid_t* end = std::remove_if(found->begin(), found->end(), [&](pid_t pid) { return !members.has(pid); });
  found->size = static_cast<size_t>(end - found->begin());
  return true;
}

Members::Members(const char* proc, pid_t init, Arena& arena) : proc_(proc), arena_(arena) {
  ino_t inside = namespace_of(proc, init), outside = namespace_of(proc, "self");
  if (outside) known_.push(arena, {outside, false});
  if (inside && inside != outside) known_.push(arena, {inside, true});
}

Members::Known* Members::known(ino_t name_space) const {
  Known* found = std::find_if(known_.begin(), known_.end(), [&](const Known& k) { return k.name_space == name_space; });
  return found == known_.end() ? nullptr : found;
}

bool Members::has(pid_t pid) {
  ino_t name_space = namespace_of(proc_, pid);
  if (!name_space) return false;
  if (Known* found = known(name_space)) return found->inside;
  // A namespace lies within that of its first process's parent.
  if (!known_.push(arena_, {name_space, false})) return false;
  pid_t parent = pid;
  for (int i = 0; i < kMostParents; i++) {
    ProcessStat stat;
    parent = read_stat(proc_, parent, arena_, &stat) ? stat.parent : 0;
    if (parent <= 0 || namespace_of(proc_, parent) != name_space) break;
  }
  bool within = parent > 0 && has(parent);
  if (Known* found = known(name_space)) found->inside = within;
  return within;
}

}  // namespace davit::usage
