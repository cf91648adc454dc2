#include "usage/control_groups.h"

#include <dirent.h>

#include <algorithm>

namespace davit::usage {
namespace {

bool is_listed(std::string_view list, std::string_view name) {
  while (!list.empty())
    if (take_word(&list, ',') == name) return true;
  return false;
}

// A line of /proc/PID/cgroup: `4:memory:/path`; of version 2 `0::/path`.
struct Membership {
  int version = 0;
  std::string_view path;
};

Membership find_membership(std::string_view text, std::string_view controller) {
  Membership unified;
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    take_word(&line, ':');
    std::string_view controllers = take_word(&line, ':');
    if (is_listed(controllers, controller)) return {1, line};
    if (controllers.empty() && !line.empty() && !unified.version) unified = {2, line};
  }
  return unified;
}

// What is behind `root` in a path. A group outside of the caller's cgroup namespace begins with "/.."
// (cgroup_namespaces(7)): it cannot be reached.
bool path_below(std::string_view path, std::string_view root, std::string_view* below) {
  auto begins = [&](std::string_view with) { return path.substr(0, with.size()) == with; };
  if (path == "/.." || begins("/../")) return false;
  if (root == "/") root = "";
  if (!begins(root) || (path.size() > root.size() && path[root.size()] != '/')) return false;
  *below = path == "/" ? "" : path.substr(root.size());
  return true;
}

// Blanks and backslashes are octal in mountinfo.
std::string_view octal_decoded(std::string_view text, Arena& arena) {
  if (text.find('\\') == std::string_view::npos) return text;
  char* out = arena.array<char>(text.size());
  if (!out) return {};
  size_t size = 0;
  auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
  for (size_t i = 0; i < text.size(); size++) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out[size] = static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 4;
    } else {
      out[size] = text[i++];
    }
  }
  return {out, size};
}

// Lines of proc_pid_mountinfo(5): `36 35 0:30 /root /mount/point options … - type source superblock-options`.
void parse_mounts(std::string_view text, Arena& arena, GrowingList<HierarchyMount>* mounts) {
  constexpr std::string_view kBegin = " - cgroup";
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    size_t at = line.find(kBegin);
    if (at == std::string_view::npos) continue;
    std::string_view rest = line.substr(at + 3);
    for (int i = 0; i < 3; i++) take_word(&line, ' ');
    std::string_view root = take_word(&line, ' '), mount_point = take_word(&line, ' ');
    std::string_view type = take_word(&rest, ' ');
    take_word(&rest, ' ');
    std::string_view options = take_word(&rest, ' ');
    mounts->push(arena,
                 {type == "cgroup2" ? 2 : 1, options, octal_decoded(root, arena), octal_decoded(mount_point, arena)});
  }
  std::stable_sort(mounts->begin(), mounts->end(),
                   [](const HierarchyMount& a, const HierarchyMount& b) { return a.root.size() < b.root.size(); });
}

}  // namespace

ControlGroups::ControlGroups(const char* proc, Arena& arena) : proc_(proc), arena_(arena) {
  std::string_view text;
  if (read_text(Path(proc, "/self/mountinfo").c_str(), arena, &text)) parse_mounts(text, arena, &mounts_);
}

bool ControlGroups::memberships(std::string_view process, const char* proc, std::string_view* text) {
  if (proc) return read_text(Path(proc, "/", process, "/cgroup").c_str(), arena_, text);
  for (const Known& known : known_)
    if (known.process == process) return *text = known.text, true;
  const char* key = arena_.copy(process);
  return key && read_text(Path(proc_, "/", process, "/cgroup").c_str(), arena_, text) &&
         known_.push(arena_, {key, *text});
}

ControlGroup ControlGroups::of(std::string_view process, std::string_view controller, const char* proc) {
  std::string_view text, below;
  if (!memberships(process, proc, &text)) return {};
  Membership line = find_membership(text, controller);
  for (const HierarchyMount& mount : mounts_) {
    if (mount.version != line.version) continue;
    if (line.version == 1 && !is_listed(mount.controllers, controller)) continue;
    if (!path_below(line.path, mount.root, &below)) continue;
    Text<PATH_MAX> directory;
    directory.add(mount.mount_point).add(below);
    ControlGroup found{line.version, arena_.copy(directory.view()), line.path, arena_.copy(mount.mount_point)};
    return found.directory && found.top && !directory.full() ? found : ControlGroup{};
  }
  return {};
}

ControlGroup ControlGroups::of(pid_t pid, std::string_view controller, const char* proc) {
  Text<16> number;
  number.add_number(pid);
  return of(number.view(), controller, proc);
}

bool list_group(const char* directory, Arena& arena, GrowingList<pid_t>* pids) {
  std::string_view text;
  if (!read_text(Path(directory, "/cgroup.procs").c_str(), arena, &text)) return false;
  while (!text.empty()) {
    uint64_t pid;
    if (parse_number(take_line(&text), &pid) && !pids->push(arena, static_cast<pid_t>(pid))) return false;
  }
  DIR* entries = opendir(directory);
  if (!entries) return false;
  bool whole = true;
  while (struct dirent* entry = readdir(entries)) {
    std::string_view name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    whole = whole && list_group(Path(directory, "/", name).c_str(), arena, pids);
  }
  closedir(entries);
  return whole;
}

bool read_number(std::string_view directory, std::string_view file, Arena& arena, uint64_t* number) {
  std::string_view text;
  return read_text(Path(directory, "/", file).c_str(), arena, &text) && parse_number(text, number);
}

bool read_numbers(std::string_view directory, std::string_view file, Arena& arena, GrowingList<NamedNumber>* numbers) {
  std::string_view text;
  if (!read_text(Path(directory, "/", file).c_str(), arena, &text)) return true;
  while (!text.empty()) {
    std::string_view line = take_line(&text), name = take_word(&line, ' ');
    uint64_t value;
    if (parse_number(line, &value) && !numbers->push(arena, {name, value})) return false;
  }
  return true;
}

bool find_number(const List<NamedNumber>& numbers, std::string_view name, uint64_t* number) {
  for (const NamedNumber& one : numbers) {
    if (one.name != name) continue;
    *number = one.value;
    return true;
  }
  return false;
}

uint64_t memory_limit(const ControlGroup& group, Arena& arena) {
  uint64_t least = kNoLimit, limit;
  if (group.version == 1) {
    GrowingList<NamedNumber> stat;
    read_numbers(group.directory, "memory.stat", arena, &stat);
    find_number(stat, "hierarchical_memory_limit", &least);
  }
  if (group.version != 2) return least;
  // The top as well: where only a part of a hierarchy is mounted, that part may have a limit.
  std::string_view top = group.top, at = group.directory;
  for (;; at = at.substr(0, at.rfind('/'))) {
    if (read_number(at, "memory.max", arena, &limit)) least = std::min(least, limit);
    if (at.size() <= top.size()) return least;
  }
}

}  // namespace davit::usage
