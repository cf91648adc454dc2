// Carries out one encoded plan in its mode.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "executor/executor.h"
#include "launcher/roles.h"
#include "sys/descriptors.h"
#include "sys/small_file.h"
#include "timing/clock.h"

namespace davit {
namespace {

// Only 0, 1, 2, the report and what belongs to the clock survive; all else the caller had open is not for the
// container.
void close_foreign(int report) {
  close_all_but({report, timing::descriptor(), timing::trace_descriptor()});
  if (report > 2) fcntl(report, F_SETFD, FD_CLOEXEC);
}

// Copies: a process title is written over the words of the command line.
bool take_parameters(const Parameters& given, Arena& arena, LaunchPlan* plan) {
  if (given.instance_name && plan->mode == Mode::Join) {
    Text<200> image;
    image.add(kInstanceScheme).add(given.instance_name);
    plan->join.name = arena.copy(given.instance_name);
    plan->join.state_dir = arena.copy(given.state_dir);
    plan->output.image = arena.copy(image.view());
    if (!plan->join.name || !plan->join.state_dir || !plan->output.image) return false;
  } else if (given.instance_name) {
    plan->instance.name = arena.copy(given.instance_name);
  }
  List<const char*>& arguments = plan->program.arguments;
  arguments.data = arena.array<const char*>(given.argument_count + 1);
  if (!arguments.data || !plan->instance.name) return false;
  for (arguments.size = 0; arguments.size < given.argument_count; arguments.size++) {
    const char* copy = arena.copy(given.arguments[arguments.size]);
    if (!copy) return false;
    arguments.data[arguments.size] = copy;
  }
  return true;
}

// From here on the image is only where it is open: nothing is left of it, whoever is killed when.
bool take_temporary_image(Context& ctx) {
  const auto& [path, descriptor] = ctx.plan.temporary_image;
  if (!*path) return true;
  Text<600> message;
  message.add("open the image \"").add(path).add("\"");
  int fd = retry([&] { return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY); });
  int error = fd < 0 || dup3(fd, descriptor, O_CLOEXEC) < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  unlink(path);
  Text<PATH_MAX> directory;
  directory.add(std::string_view(path).substr(0, std::string_view(path).rfind('/')));
  rmdir(directory.c_str());
  return error == 0 || ctx.fail(error, message.view());
}

}  // namespace

int refuse_plan(std::string_view text) {
  Text<300> line;
  line.add("FATAL:   launch plan: ").add(text).add("\n");
  write_all(2, line.view());
  return kFatalStatus;
}

int launch(std::string_view bytes, const Parameters& given) {
  timing::enter(timing::Phase::Plan);
  size_t room = arena_size(bytes.size(), environ);
  for (size_t i = 0; i < given.argument_count; i++) room += 2 * (strlen(given.arguments[i]) + sizeof(char*));
  void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return refuse_plan("no memory");
  Arena arena(memory, room);
  LaunchPlan plan;
  if (const char* wrong = decode_plan(bytes, arena, &plan)) return refuse_plan(wrong);
  if (given.arguments && !take_parameters(given, arena, &plan)) return refuse_plan("no memory");
  close_foreign(plan.output.report_fd);
  Context ctx(plan, arena);
  ctx.on_failure = given.on_failure;
  if (!take_temporary_image(ctx)) return report_failure(ctx);
  switch (plan.mode) {
    case Mode::InPlace: return run_in_place(ctx);
    case Mode::Child: return run_child(ctx);
    case Mode::Instance: return plan.batch.names.size ? start_batch(ctx, plan) : start_instance(ctx);
    case Mode::Join: return run_join(ctx, &plan.program);
    case Mode::Warm: return run_warm(ctx);
    case Mode::Stats: return run_stats(ctx);
  }
  return refuse_plan("unknown mode");
}

}  // namespace davit
