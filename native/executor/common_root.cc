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

// What will be in a generated file, once for all: an instance does not see the host's file any more, and the image's
// would be read and edited by each of them. An optional one that cannot be made is left out.
bool take_content(Context& ctx, size_t index, const CommonRoot& out, size_t* used) {
  const File& file = ctx.plan.steps.data[index].as<File>();
  std::string_view bytes;
  if (file.content == File::Content::Bytes) return true;
  size_t mark = ctx.arena.used();
  bool made = steps::file_content(ctx, file, &bytes), fits = bytes.size() <= out.bytes_room - *used;
  if (made && fits && !bytes.empty()) memcpy(out.bytes + *used, bytes.data(), bytes.size());
  ctx.arena.rewind(mark);
  if (!made) out.own[index] = false;
  if (!made || !fits) return !made && file.optional;
  out.sizes[index] = static_cast<uint32_t>(bytes.size());
  *used += bytes.size();
  return true;
}

}  // namespace

bool may_have_common_root(const LaunchPlan& plan) {
  if (!plan.namespaces.mount || *plan.temporary_image.path) return false;
  bool pivoted = false, fuse = false, inner = false;
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
      case S::mount_fuse:
        if (pivoted) return false;
        fuse = true;
        break;
      case S::rootfs:
        if (pivoted || !read_only_root(step.as<Rootfs>())) return false;
        break;
      case S::pivot_root: pivoted = true; break;
      case S::user_namespace:
        if (!pivoted) return false;
        inner = true;
        break;
      case S::hostname:
      case S::privileges:
      case S::rlimit:
        if (!pivoted) return false;
        break;
      default: return false;
    }
  }
  // Who shares a user namespace with others has nothing to say in it: the payload lives in one below.
  return pivoted && fuse == plan.namespaces.user && inner == plan.namespaces.user;
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
      if (step.kind == S::file && !take_content(ctx, i, out, &used)) return false;
    } else if (target) {
      // An optional file whose place is missing is left out.
      if (step.kind != S::file || !step.as<File>().optional) return false;
      out.own[i] = false;
    }
  }
  ctx.step = 0;
  ctx.close_descriptors();
  // In a user namespace /proc can be mounted only where one is to be seen, which is not so in the copies.
  return ctx.plan.namespaces.user || Fd(steps::make_proc(ctx)).valid();
}

namespace {

bool make_own_session(Context& ctx) {
  const List<Step>& all = ctx.plan.steps;
  for (size_t i = 0; i < all.size; i++) {
    if (all.data[i].kind != S::session) continue;
    ctx.step = static_cast<uint32_t>(i + 1);
    if (!steps::make_session(ctx, all.data[i].as<Session>())) return false;
  }
  ctx.step = 0;
  return true;
}

// What needs the host's /proc, or at least some /proc.
bool prepare_with_proc(Context& ctx) {
  if (ctx.plan.namespaces.user) ctx.proc_self.reset(open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!ctx.common_proc.valid()) return true;
  if (setns(ctx.common_proc.get(), CLONE_NEWNS) != 0) return ctx.fail(errno, "enter the mounts with /proc");
  ctx.made_proc.reset(steps::make_proc(ctx));
  return ctx.made_proc.valid();
}

}  // namespace

bool prepare_own_steps(Context& ctx) {
  return !ctx.common_root.valid() || ctx.plan.namespaces.user || make_own_session(ctx);
}

bool run_own_steps(Context& ctx) {
  {
    timing::Span span("commonRoot");
    if (!prepare_with_proc(ctx)) return span.fail();
    if (setns(ctx.common_root.get(), CLONE_NEWNS) != 0 || unshare(CLONE_NEWNS) != 0)
      return span.fail(), ctx.fail(errno, "copy the mounts of the other instances");
  }
  ctx.common_root.reset();
  if (ctx.plan.namespaces.user && !make_own_session(ctx)) return false;
  ctx.root.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!ctx.root.valid()) return ctx.fail(errno, "open the new root");
  for (size_t i = 0; i < ctx.plan.steps.size; i++)
    if (ctx.own_steps[i] && !timed_step(ctx, i)) return false;
  ctx.step = 0;
  ctx.pivoted = true;
  Fd session = static_cast<Fd&&>(ctx.session);
  ctx.close_descriptors();
  ctx.session = static_cast<Fd&&>(session);
  return true;
}

}  // namespace davit
