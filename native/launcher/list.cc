// `davit instance list`, as it stands: the table of src/cli/commands/instance/list.ts without Node. Whatever is not
// quite plain (options, patterns, variables that are options, a record that is not whole, text beyond ASCII) is Node's.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "launcher/plain.h"
#include "state/instance_dir.h"
#include "sys/small_file.h"
#include "timing/report.h"

namespace davit {
namespace {

constexpr size_t kColumns = 4, kPadding = 4;
constexpr const char* kHeadings[kColumns] = {"INSTANCE NAME", "PID", "IP", "IMAGE"};

struct Row {
  const char* cells[kColumns];
};

// False where something is not plain. No directory is no instance.
bool collect(Arena& arena, List<Row>* rows) {
  Fd state;
  Look found = open_plain_state(&state);
  if (found != Look::Alive) return found == Look::Gone;
  List<const char*> names;
  found = plain_names(state.get(), "*", arena, &names);
  if (found != Look::Alive) return found == Look::Gone;
  rows->data = arena.array<Row>(names.size + 1);
  if (!rows->data) return false;
  for (const char* name : names) {
    PlainRecord record;
    Look look = look_at(state.get(), name, arena, &record);
    if (look == Look::Gone) continue;
    Text<24> pid;
    pid.add_number(record.pid);
    const char* shown = look == Look::Alive ? arena.copy(pid.view()) : nullptr;
    if (!shown) return false;
    rows->data[rows->size++] = {{record.name, shown, record.ip, record.image}};
  }
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
  void* memory = plain_caller() ? plain_memory() : nullptr;
  if (!memory) return;
  Arena arena(memory, kPlainRoom);
  List<Row> rows;
  std::string_view table;
  if (!collect(arena, &rows) || !format(rows, arena, &table)) return;
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
