// `davit instance list [PATTERN]`: the table of src/cli/commands/instance/list.ts without Node. Whatever is not quite
// plain (options, ranges, variables that are options, a record that is not whole, text beyond ASCII) is Node's.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plain.h"
#include "launcher/table.h"
#include "state/instance_dir.h"
#include "sys/small_file.h"
#include "timing/report.h"

namespace davit {
namespace {

constexpr size_t kColumns = 4;

struct Row {
  const char* cells[kColumns];
};

constexpr Row kHeadings = {{"INSTANCE NAME", "PID", "IP", "IMAGE"}};

// False where something is not plain. No directory is no instance.
bool collect(std::string_view pattern, Arena& arena, GrowingList<Row>* rows) {
  Fd state;
  if (!rows->push(arena, kHeadings)) return false;
  Look found = open_plain_state(&state);
  if (found != Look::Alive) return found == Look::Gone;
  List<const char*> names;
  found = plain_names(state.get(), pattern, arena, &names);
  if (found != Look::Alive) return found == Look::Gone;
  for (const char* name : names) {
    PlainRecord record;
    Look look = look_at(state.get(), name, arena, &record);
    if (look == Look::Gone) continue;
    Text<24> pid;
    pid.add_number(record.pid);
    const char* shown = look == Look::Alive ? arena.copy(pid.view()) : nullptr;
    if (!shown || !rows->push(arena, {{record.name, shown, record.ip, record.image}})) return false;
  }
  return true;
}

// `instance list`, a plain pattern and nothing else; in front of it and among it those options may stand.
bool is_plain(const CommandLine& line, const TimingOptions& options, const char** pattern) {
  constexpr size_t kMost = 3 + 2 * TimingOptions::kMost;
  const char* words[kMost];
  size_t removed[TimingOptions::kMost];
  if (line.count > kMost) return false;
  CommandLine left = without_options(line, options, options.count(), words, removed);
  for (size_t i = 0; i < left.removed_count; i++)
    if (removed[i] == 1) return false;
  if (left.count < 2 || left.count > 3 || strcmp(words[0], "instance") || strcmp(words[1], "list")) return false;
  if (left.count == 3) *pattern = words[2];
  return **pattern && **pattern != '-' && plain_pattern(*pattern);
}

}  // namespace

void list_instances(const CommandLine& line, const TimingOptions& options) {
  const char* pattern = "*";
  if (!is_plain(line, options, &pattern)) return;
  void* memory = plain_caller() ? plain_memory() : nullptr;
  if (!memory) return;
  Arena arena(memory, kPlainRoom);
  GrowingList<Row> rows;
  std::string_view table;
  if (!collect(pattern, arena, &rows) || !format_table(rows.data->cells, rows.size, kColumns, arena, &table)) return;
  ask_for_timing(options, options.count());
  // What cannot be written is worded by Node.
  sighandler_t on_pipe = signal(SIGPIPE, SIG_IGN);
  ssize_t written = retry([&] { return write(1, table.data(), table.size()); });
  if (written <= 0) {
    signal(SIGPIPE, on_pipe);
    return;
  }
  table.remove_prefix(static_cast<size_t>(written));
  bool lost = print({kInfo, false, -1, ""}, table) == Printed::Lost;
  timing::report(lost);
  exit(lost ? kFatalStatus : 0);
}

}  // namespace davit
