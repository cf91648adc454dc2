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
// executed, is not in a plan. A join fails when there is no such instance, which is no fault of the plan: Node says so.
void forget(const Context& ctx) {
  bool joins = ctx.plan.mode == Mode::Join;
  if (ctx.pivoted || (!ctx.failure.step && !joins)) return;
  if (!joins) forget_plan(current.state_dir.c_str(), current.found);
  if (!ctx.committed) current.compile_afresh();
}

void replay_plain_join(const CommandLine& line, const PlainJoin& join) {
  Parameters given;
  given.instance_name = join.name;
  given.state_dir = current.state_dir.c_str();
  given.arguments = line.words + join.word_count;
  given.argument_count = line.count - join.word_count;
  given.on_failure = forget;
  exit(launch(join.plan, given));
}

}  // namespace

void replay(const CommandLine& line, void (*compile_afresh)()) {
  state_directory(&current.state_dir);
  if (!wanted() || current.state_dir.full()) return;
  current.compile_afresh = compile_afresh;
  PlainJoin join;
  if (find_plain_join(line, environ, &join)) replay_plain_join(line, join);
  if (!find_plan(current.state_dir.c_str(), line, environ, &current.found)) return;
  Parameters given;
  const char* const* rest = line.words + current.found.word_count;
  bool named = current.found.parameters == fields::Parameters::NAME;
  given.instance_name = current.found.instance ? current.found.instance : named ? *rest : nullptr;
  given.state_dir = current.state_dir.c_str();
  given.arguments = rest + named;
  given.argument_count = line.count - current.found.word_count - named;
  given.on_failure = forget;
  exit(launch(current.found.plan, given));
}

}  // namespace davit
