// `davit instance list`, as it stands: the table of src/cli/commands/instance/list.ts without Node. Whatever is not
// quite plain (options, patterns, variables that are options, a record that is not whole, text beyond ASCII) is Node's.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "davit_fields.h"
#include "launcher/roles.h"
#include "state/instance_dir.h"
#include "state/record.h"
#include "sys/small_file.h"
#include "timing/report.h"
#include "wire/wire.h"

namespace davit {
namespace {

namespace f = fields::InstanceRecord;

constexpr size_t kRoom = size_t{1} << 30;  // of addresses; only what is touched counts
constexpr size_t kMaxRecord = 1 << 20;
constexpr uint64_t kMaxPid = 4194304, kMaxExact = uint64_t{1} << 53;
constexpr size_t kColumns = 4, kPadding = 4;
constexpr const char* kHeadings[kColumns] = {"INSTANCE NAME", "PID", "IP", "IMAGE"};

struct Row {
  const char* cells[kColumns];
};

enum class Look { Alive, Gone, Doubtful };

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
bool read_row(std::string_view bytes, const char* name, Arena& arena, Row* row) {
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
  Text<24> pid;
  pid.add_number(static_cast<int64_t>(numbers[f::pid]));
  *row = {{arena.copy(name), arena.copy(pid.view()), arena.copy(texts[f::ip]), arena.copy(texts[f::image])}};
  return std::all_of(row->cells, row->cells + kColumns, [](const char* cell) { return cell; });
}

Look look_at(int state, const char* name, Arena& arena, Row* row) {
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
  return read_row(bytes, name, arena, row) ? Look::Alive : Look::Doubtful;
}

// False where something is not plain. No directory is no instance.
bool collect(const char* state_dir, Arena& arena, List<Row>* rows) {
  struct stat st;
  if (lstat(state_dir, &st) != 0) return errno == ENOENT;
  if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || st.st_mode & 077) return false;
  Fd state(open(state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  int names = state.valid() ? openat(state.get(), "instances", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  if (names < 0) return state.valid() && errno == ENOENT;
  DIR* directory = fdopendir(names);
  if (!directory) return false;
  // Names first: what has ended is removed while they are looked at.
  size_t count = 0, room = 0;
  char(*list)[NAME_MAX + 1] = nullptr;
  while (struct dirent* entry = readdir(directory)) {
    if (!valid_instance_name(entry->d_name)) continue;
    if (count == room) list = static_cast<char(*)[NAME_MAX + 1]>(realloc(list, (room = 2 * room + 64) * sizeof *list));
    if (!list) return false;
    strcpy(list[count++], entry->d_name);
  }
  closedir(directory);
  rows->data = arena.array<Row>(count + 1);
  if (!rows->data) return false;
  for (size_t i = 0; i < count; i++) {
    Look look = look_at(state.get(), list[i], arena, &rows->data[rows->size]);
    if (look == Look::Doubtful) return false;
    rows->size += look == Look::Alive;
  }
  std::sort(rows->begin(), rows->end(), [](const Row& a, const Row& b) { return strcmp(a.cells[0], b.cells[0]) < 0; });
  return true;
}

// formatTable() of src/cli/terminal/render.ts: columns as wide as their widest cell, the last one as it is.
bool format(const List<Row>& rows, Arena& arena, std::string_view* table) {
  size_t widths[kColumns] = {}, size = 0;
  auto each = [&](auto visit) {
    visit(kHeadings);
    for (const Row& row : rows) visit(row.cells);
  };
  each([&](const char* const* cells) {
    for (size_t i = 0; i + 1 < kColumns; i++) widths[i] = std::max(widths[i], strlen(cells[i]));
    size += strlen(cells[kColumns - 1]) + 1;
  });
  for (size_t i = 0; i + 1 < kColumns; i++) size += (widths[i] + kPadding) * (rows.size + 1);
  char* out = static_cast<char*>(arena.alloc(size, 1));
  if (!out) return false;
  char* at = out;
  each([&](const char* const* cells) {
    for (size_t i = 0; i < kColumns; i++) {
      size_t length = strlen(cells[i]), blanks = i + 1 < kColumns ? widths[i] - length + kPadding : 0;
      memcpy(at, cells[i], length);
      memset(at + length, ' ', blanks);
      at += length + blanks;
    }
    *at++ = '\n';
  });
  *table = {out, static_cast<size_t>(at - out)};
  return true;
}

// `instance list` and nothing else; in front of it and behind it those options may stand.
bool is_plain(const CommandLine& line, const TimingOptions& options) {
  constexpr size_t kMost = 2 + 2 * TimingOptions::kMost;
  const char* words[kMost];
  size_t removed[TimingOptions::kMost];
  if (line.count > kMost) return false;
  CommandLine left = without_options(line, options, options.count(), words, removed);
  for (size_t i = 0; i < left.removed_count; i++)
    if (removed[i] == 1) return false;
  return left.count == 2 && !strcmp(words[0], "instance") && !strcmp(words[1], "list");
}

}  // namespace

void list_instances(const CommandLine& line, const TimingOptions& options) {
  if (!is_plain(line, options)) return;
  if (!plain_environment() || getuid() != geteuid() || getgid() != getegid()) return;
  Text<PATH_MAX> state_dir;
  state_directory(&state_dir);
  void* memory = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (state_dir.full() || memory == MAP_FAILED) return;
  Arena arena(memory, kRoom);
  List<Row> rows;
  std::string_view table;
  if (!collect(state_dir.c_str(), arena, &rows) || !format(rows, arena, &table)) return;
  ask_for_timing(options, options.count());
  // What cannot be written is worded by Node.
  sighandler_t on_pipe = signal(SIGPIPE, SIG_IGN);
  ssize_t written = retry([&] { return write(1, table.data(), table.size()); });
  signal(SIGPIPE, on_pipe);
  if (written <= 0) return;
  table.remove_prefix(static_cast<size_t>(written));
  bool whole = write_all(1, table) == 0;
  timing::report(!whole);
  exit(whole ? 0 : kFatalStatus);
}

}  // namespace davit
