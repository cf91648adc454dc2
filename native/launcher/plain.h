// What `instance list` and `instance stop` share: they are carried out without Node where everything is plain, and are
// Node's otherwise.
#pragma once
#include <limits.h>

#include "launcher/roles.h"

namespace davit {

// Of a record that is whole. All text is printable ASCII.
struct PlainRecord {
  const char *name, *ip, *image;
  std::string_view boot_id;
  uint32_t pid, keeper_pid;
  uint64_t pid_start_time, keeper_start_time;
};

enum class Look { Alive, Gone, Doubtful };

// No variable may be an option or ask for a log (as in src/cli/command-line/environment.ts), the caller is nobody else.
bool plain_caller();
// The state directory. Gone: there is none; Doubtful: it must not be used, or is not the caller's alone.
Look open_plain_state(Fd* state);
// Names, `*` and `?`, separated by commas: the patterns of src/runtime/instance/hostlist.ts that need no more than
// this.
bool plain_pattern(std::string_view pattern);
// The names that are there and match such a pattern, sorted, in the arena. Not Alive: as above.
Look plain_names(int state, std::string_view pattern, Arena& arena, List<const char*>* names);
// The instance of that name. What is left of a dead one is removed.
Look look_at(int state, const char* name, Arena& arena, PlainRecord* record);
// Addresses for an arena, of which only what is touched counts; nullptr when there are none.
void* plain_memory();
constexpr size_t kPlainRoom = size_t{1} << 30;

}  // namespace davit
