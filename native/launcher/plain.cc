#include "launcher/plain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "davit_fields.h"
#include "state/instance_dir.h"
#include "state/record.h"
#include "sys/small_file.h"
#include "wire/wire.h"

namespace davit {
namespace {

namespace f = fields::InstanceRecord;

constexpr size_t kMaxRecord = 1 << 20;
constexpr uint64_t kMaxPid = 4194304, kMaxExact = uint64_t{1} << 53;

// A variable that may be an option, or ask for a log. As in src/cli/command-line/environment.ts.
bool plain_environment() {
  constexpr const char* harmless[] = {"DAVIT_NODE=", "DAVIT_STATE_DIR=", "DAVIT_CACHEDIR=", "DAVIT_PLAN_CACHE="};
  auto begins = [](const char* entry, const char* prefix) { return !strncmp(entry, prefix, strlen(prefix)); };
  for (char** entry = environ; *entry; entry++) {
    if (!begins(*entry, "DAVIT_") && !begins(*entry, "APPTAINER_") && !begins(*entry, "SINGULARITY_")) continue;
    if (std::none_of(std::begin(harmless), std::end(harmless), [&](const char* h) { return begins(*entry, h); }))
      return false;
  }
  return true;
}

constexpr uint64_t bits(std::initializer_list<unsigned> numbers) {
  uint64_t mask = 0;
  for (unsigned number : numbers) mask |= uint64_t{1} << number;
  return mask;
}
constexpr uint64_t kTexts = bits({f::davit_version, f::name, f::user, f::image, f::driver, f::home, f::bind_list,
                                  f::image_name, f::app, f::ip, f::command, f::boot_id, f::log_out, f::log_err});
constexpr uint64_t kNumbers = bits({f::format,
                                    f::uid,
                                    f::image_dev,
                                    f::image_ino,
                                    f::user_namespace,
                                    f::fakeroot,
                                    f::no_new_privs,
                                    f::drop_all_capabilities,
                                    f::writable_tmpfs,
                                    f::is_run,
                                    f::keep_capabilities,
                                    f::pid,
                                    f::pid_start_time,
                                    f::keeper_pid,
                                    f::keeper_start_time,
                                    f::started_at_ms,
                                    f::namespaces,
                                    f::server_pid,
                                    f::exited,
                                    f::exit_status,
                                    f::exited_at_ms,
                                    f::program_pid});

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// A whole record of this instance, as src/runtime/instance/record.ts wants it; otherwise false.
bool read_plain(std::string_view bytes, const char* name, Arena& arena, PlainRecord* out) {
  std::string_view texts[64];
  uint64_t numbers[64] = {};
  wire::Reader reader(bytes);
  wire::Field field;
  while (reader.next(&field)) {
    uint64_t bit = field.number < 64 ? uint64_t{1} << field.number : 0;
    if (field.type == wire::kBytes && (bit & kTexts))
      texts[field.number] = field.bytes;
    else if (field.type == wire::kVarint && (bit & kNumbers))
      numbers[field.number] = field.value;
    else
      return false;
  }
  auto is_pid = [](uint64_t pid) { return pid > 1 && pid <= kMaxPid; };
  auto is_whole = [](uint64_t value) { return value > 0 && value <= kMaxExact; };
  auto is_path = [](std::string_view text) { return !text.empty() && text.front() == '/'; };
  if (reader.failed() || numbers[f::format] != kRecordFormat || texts[f::name] != name) return false;
  if (!is_pid(numbers[f::pid]) || !is_pid(numbers[f::keeper_pid]) || !is_whole(numbers[f::pid_start_time]))
    return false;
  if (!is_whole(numbers[f::keeper_start_time]) || !is_whole(numbers[f::started_at_ms])) return false;
  if (texts[f::boot_id].empty() || texts[f::image].empty()) return false;
  if (!is_path(texts[f::log_out]) || !is_path(texts[f::log_err])) return false;
  if (!is_printable(texts[f::image]) || !is_printable(texts[f::ip])) return false;
  if (texts[f::image].size() > PATH_MAX) return false;
  *out = {arena.copy(name),
          arena.copy(texts[f::ip]),
          arena.copy(texts[f::image]),
          texts[f::boot_id],
          static_cast<uint32_t>(numbers[f::pid]),
          static_cast<uint32_t>(numbers[f::keeper_pid]),
          numbers[f::pid_start_time],
          numbers[f::keeper_start_time]};
  return out->name && out->ip && out->image;
}

// globMatcher() of src/runtime/instance/names.ts.
bool matches(std::string_view name, std::string_view pattern) {
  size_t at = 0, in = 0, star = std::string_view::npos, behind_star = 0;
  while (in < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      behind_star = in;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == name[in])) {
      at++, in++;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++behind_star;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') at++;
  return at == pattern.size();
}

bool is_named(std::string_view name, std::string_view patterns) {
  for (;;) {
    size_t comma = patterns.find(',');
    if (matches(name, {patterns.data(), std::min(comma, patterns.size())})) return true;
    if (comma == std::string_view::npos) return false;
    patterns.remove_prefix(comma + 1);
  }
}

}  // namespace

bool plain_caller() { return getuid() == geteuid() && getgid() == getegid() && plain_environment(); }

Look open_plain_state(Fd* state) {
  Text<PATH_MAX> path;
  state_directory(&path);
  struct stat st;
  if (path.full()) return Look::Doubtful;
  if (lstat(path.c_str(), &st) != 0) return errno == ENOENT ? Look::Gone : Look::Doubtful;
  if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || st.st_mode & 077) return Look::Doubtful;
  state->reset(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return state->valid() ? Look::Alive : Look::Doubtful;
}

bool plain_pattern(std::string_view pattern) {
  return std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-*?,", c);
  });
}

Look plain_names(int state, std::string_view pattern, Arena& arena, List<const char*>* names) {
  int fd = openat(state, "instances", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? Look::Gone : Look::Doubtful;
  DIR* directory = fdopendir(fd);
  if (!directory) return Look::Doubtful;
  // All names first: what has ended is removed while they are looked at.
  GrowingList<const char*> found;
  while (struct dirent* entry = readdir(directory)) {
    if (!valid_instance_name(entry->d_name) || !is_named(entry->d_name, pattern)) continue;
    const char* name = arena.copy(entry->d_name);
    if (!name || !found.push(arena, name)) return Look::Doubtful;
  }
  *names = found;
  closedir(directory);
  std::sort(names->begin(), names->end(), [](const char* a, const char* b) { return strcmp(a, b) < 0; });
  return Look::Alive;
}

Look look_at(int state, const char* name, Arena& arena, PlainRecord* record) {
  if (!instance_locked(state, name)) {
    remove_dead_instance(state, name);
    if (!instance_locked(state, name)) return Look::Gone;
  }
  Text<200> path;
  path.add("instances/").add(name).add("/").add(kRecordName);
  Fd fd(openat(state, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  // There is none: it is being started, or has ended.
  if (!fd.valid()) return errno == ENOENT ? Look::Gone : Look::Doubtful;
  struct stat st;
  if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > static_cast<off_t>(kMaxRecord))
    return Look::Doubtful;
  std::string_view bytes;
  if (read_all(fd.get(), kMaxRecord, arena, &bytes) != 0) return Look::Doubtful;
  return read_plain(bytes, name, arena, record) ? Look::Alive : Look::Doubtful;
}

void* plain_memory() {
  void* memory = mmap(nullptr, kPlainRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace davit
