// The root of several instances, made once. Nothing is shared that one of them could change: generated files and /proc
// are each one's own.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>

#include <new>

#include "davit_fields.h"
#include "executor/executor.h"
#include "executor/steps_loop.h"
#include "steps/steps.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

namespace S = fields::Step;

bool read_only_root(const Rootfs& root) {
  return !root.writable && !root.session_upper && !*root.upper_dir && !*root.overlay_server;
}

// Where a mount of its own will lie, as the kernel names the place.
struct Place {
  Text<PATH_MAX> path;
};

// Resolved in the root as it is now; nothing where that leads nowhere.
bool find_place(Context& ctx, const char* target, Place* place) {
  Fd fd(steps::open_in_root(ctx, target));
  char path[PATH_MAX];
  ssize_t n = fd.valid() ? readlink(FdPath(fd.get()).c_str(), path, sizeof path) : -1;
  if (n <= 0 || n == static_cast<ssize_t>(sizeof path)) return false;
  place->path.clear();
  place->path.add(std::string_view(path, static_cast<size_t>(n)));
  return true;
}

bool lies_in(std::string_view path, std::string_view directory) {
  return path.substr(0, directory.size()) == directory &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

const char* own_target(const Step& step) {
  return step.kind == S::proc ? step.as<Proc>().target : step.kind == S::file ? step.as<File>().target : nullptr;
}

// What comes later than a mount of an instance's own will be below it: it must not have to do with it.
bool touches(Context& ctx, const Bind& bind, const Place* places, size_t count) {
  Place bound;
  if (!find_place(ctx, bind.target, &bound)) return false;
  for (size_t i = 0; i < count; i++)
    if (lies_in(bound.path.view(), places[i].path.view()) || lies_in(places[i].path.view(), bound.path.view()))
      return true;
  return false;
}

// The file on the host that an instance is given a copy of: it will not see the host any more.
bool read_copied(Context& ctx, size_t index, const CommonRoot& out, size_t* used) {
  const File& file = ctx.plan.steps.data[index].as<File>();
  std::string_view bytes;
  if (file.content != File::Content::CopyOf) return true;
  size_t mark = ctx.arena.used();
  bool copied = read_file(AT_FDCWD, file.copy_of, true, out.bytes_room - *used, ctx.arena, &bytes) == 0 &&
                bytes.size() <= out.bytes_room - *used;
  if (copied && !bytes.empty()) memcpy(out.bytes + *used, bytes.data(), bytes.size());
  ctx.arena.rewind(mark);
  if (!copied) return false;
  out.sizes[index] = static_cast<uint32_t>(bytes.size());
  *used += bytes.size();
  return true;
}

}  // namespace

bool may_have_common_root(const LaunchPlan& plan) {
  if (plan.namespaces.user || !plan.namespaces.mount || *plan.temporary_image.path) return false;
  bool pivoted = false;
  for (const Step& step : plan.steps) {
    switch (step.kind) {
      case S::propagation:
      case S::session:
      case S::mount_squashfs:
      case S::mount_directory:
      case S::bind:
      case S::proc:
      case S::file:
        if (pivoted) return false;
        break;
      case S::rootfs:
        if (pivoted || !read_only_root(step.as<Rootfs>())) return false;
        break;
      case S::pivot_root: pivoted = true; break;
      case S::hostname:
      case S::privileges:
      case S::rlimit:
        if (!pivoted) return false;
        break;
      default: return false;
    }
  }
  return pivoted;
}

bool run_common_steps(Context& ctx, const CommonRoot& out) {
  const List<Step>& all = ctx.plan.steps;
  Place* places = ctx.arena.array<Place>(all.size);
  size_t i, place_count = 0, used = 0;
  if (!places || !steps::clones_of_detached(ctx) || !begin_steps(ctx, &i)) return false;
  for (bool pivoted = false; i < all.size; i++) {
    const Step& step = all.data[i];
    const char* target = own_target(step);
    out.own[i] = target || pivoted;
    if (!out.own[i]) {
      if (!timed_step(ctx, i)) return false;
      if (step.kind == S::bind && touches(ctx, step.as<Bind>(), places, place_count)) return false;
      pivoted = step.kind == S::pivot_root;
    } else if (target && find_place(ctx, target, new (&places[place_count]) Place)) {
      place_count++;
      if (step.kind == S::file && !read_copied(ctx, i, out, &used)) return false;
    } else if (target) {
      // An optional file whose place is missing is left out.
      if (step.kind != S::file || !step.as<File>().optional) return false;
      out.own[i] = false;
    }
  }
  ctx.step = 0;
  ctx.close_descriptors();
  // In a user namespace /proc can be mounted only where one is to be seen, which is not so in the copies.
  return Fd(steps::make_mount(ctx, "proc", "proc", "", 0)).valid();
}

bool prepare_own_steps(Context& ctx) {
  const List<Step>& all = ctx.plan.steps;
  for (size_t i = 0; ctx.common_root.valid() && i < all.size; i++) {
    if (all.data[i].kind != S::session) continue;
    ctx.step = static_cast<uint32_t>(i + 1);
    if (!steps::make_session(ctx, all.data[i].as<Session>())) return false;
  }
  ctx.step = 0;
  return true;
}

bool run_own_steps(Context& ctx) {
  {
    timing::Span span("commonRoot");
    if (setns(ctx.common_root.get(), CLONE_NEWNS) != 0 || unshare(CLONE_NEWNS) != 0)
      return span.fail(), ctx.fail(errno, "copy the mounts of the other instances");
  }
  ctx.common_root.reset();
  ctx.root.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!ctx.root.valid()) return ctx.fail(errno, "open the new root");
  for (size_t i = 0; i < ctx.plan.steps.size; i++)
    if (ctx.own_steps[i] && !timed_step(ctx, i)) return false;
  ctx.step = 0;
  ctx.pivoted = true;
  ctx.close_descriptors();
  return true;
}

}  // namespace davit
