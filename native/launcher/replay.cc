// A remembered plan (docs/plan-cache.md) in the place of Node.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "davit_fields.h"
#include "launcher/roles.h"
#include "sys/small_file.h"
#include "timing/clock.h"

namespace davit {

void state_directory(Text<PATH_MAX>* out) {
  const char* given = getenv("DAVIT_STATE_DIR");
  if (given && given[strspn(given, " \t\r\n\v\f")]) {
    char cwd[PATH_MAX];
    // Relative to the working directory, as absoluteDirectory() of src/runtime/state-directory.ts.
    if (*given != '/' && getcwd(cwd, sizeof cwd)) out->add(cwd).add("/");
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

namespace {

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

// What a command line has led to.
struct Found {
  CommandLine line;    // without the timing options that stand before the image
  size_t options = 0;  // how many these are
  bool plain = false;  // a join without options
  PlainJoin join;
};

bool find_as_it_is(Found* found) {
  // In front of a plain join's two words, and between them, an option may stand.
  found->plain = true;
  for (size_t i = 0; i < found->line.removed_count; i++) found->plain = found->plain && found->line.removed[i] <= 1;
  found->plain = found->plain && find_plain_join(found->line, environ, &found->join);
  return found->plain || find_plan(current.state_dir.c_str(), found->line, environ, &current.found);
}

bool find(const CommandLine& line, const TimingOptions& options, Found* found) {
  found->line = line;
  if (!options.count()) return find_as_it_is(found);
  const char** words = static_cast<const char**>(calloc(line.count + 1, sizeof *words));
  size_t* removed = static_cast<size_t*>(calloc(options.count(), sizeof *removed));
  if (!words || !removed) return false;
  // Those behind the image are the payload's: tried from all down to none.
  for (found->options = options.count();; found->options--) {
    found->line = without_options(line, options, found->options, words, removed);
    if (find_as_it_is(found)) return true;
    if (!found->options) return false;
  }
}

}  // namespace

void ask_for_timing(const TimingOptions& options, size_t taken) {
  if (!taken) timing::forget();
  if (!timing::on()) return;
  const char* trace = nullptr;
  for (size_t i = 0; i < taken; i++) {
    if (options[i].trace)
      trace = options[i].trace;
    else
      timing::shared->table = 1;
  }
  int error = trace ? timing::open_trace(trace) : 0;
  if (!error) return;
  Text<PATH_MAX + 200> line;
  line.add("FATAL:   open the trace file \"").add(trace).add("\": ").add(errno_name(error)).add(" (");
  line.add(errno_text(error)).add(")\n");
  write_all(2, line.view());
  exit(kFatalStatus);
}

void replay(const CommandLine& given_line, const TimingOptions& options, void (*compile_afresh)()) {
  state_directory(&current.state_dir);
  if (!wanted() || current.state_dir.full()) return;
  Found found;
  if (!find(given_line, options, &found)) return;
  ask_for_timing(options, found.options);
  if (timing::on()) timing::shared->outcome = timing::Outcome::Hit;
  current.compile_afresh = compile_afresh;
  const CommandLine& line = found.line;
  if (found.plain) replay_plain_join(line, found.join);
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
