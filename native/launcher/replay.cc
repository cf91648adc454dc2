// A remembered plan (docs/plan-cache.md) in the place of Node.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "davit_fields.h"
#include "launcher/roles.h"

namespace davit {
namespace {

// Where instances are kept: as src/runtime/state-directory.ts has it. Another answer would find no plan.
void state_directory(Text<PATH_MAX>* out) {
  const char* given = getenv("DAVIT_STATE_DIR");
  if (given && given[strspn(given, " \t\r\n\v\f")]) {
    out->add(given);
    return;
  }
  struct stat st;
  bool shared = lstat("/run/davit", &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 && (st.st_mode & 07777) == 01777;
  if (shared || getuid() == 0) out->add("/run/davit");
  if (!shared && getuid() != 0) out->add("/tmp/davit-");
  if (shared) out->add("/");
  if (shared || getuid() != 0) out->add_number(getuid());
}

bool wanted() {
  const char* choice = getenv("DAVIT_PLAN_CACHE");
  return (!choice || strcmp(choice, "off") != 0) && getuid() == geteuid() && getgid() == getegid();
}

struct Replay {
  Text<PATH_MAX> state_dir;
  FoundPlan found;
  void (*compile_afresh)() = nullptr;
};
Replay current;

// The world is not what it was a moment ago. Only a failed step says so: what the program is, and whether it can be
// executed, is not in a plan. A join has no steps, and fails when its instance has gone.
void forget(const Context& ctx) {
  if (ctx.pivoted || (!ctx.failure.step && ctx.plan.mode != Mode::Join)) return;
  forget_plan(current.state_dir.c_str(), current.found);
  if (!ctx.committed) current.compile_afresh();
}

}  // namespace

void replay(const CommandLine& line, void (*compile_afresh)()) {
  state_directory(&current.state_dir);
  if (!wanted() || current.state_dir.full()) return;
  if (!find_plan(current.state_dir.c_str(), line, environ, &current.found)) return;
  current.compile_afresh = compile_afresh;
  Parameters given;
  const char* const* rest = line.words + current.found.word_count;
  bool named = current.found.parameters == fields::Parameters::NAME;
  given.instance_name = named ? *rest : nullptr;
  given.arguments = rest + named;
  given.argument_count = line.count - current.found.word_count - named;
  given.on_failure = forget;
  exit(launch(current.found.plan, given));
}

}  // namespace davit
