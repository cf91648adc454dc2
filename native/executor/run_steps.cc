#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "executor/executor.h"
#include "executor/steps_loop.h"
#include "steps/steps.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

bool run_step(Context& ctx, const Step& step) {
  namespace S = fields::Step;
  switch (step.kind) {
    case S::propagation: return steps::propagation(ctx, step.as<Propagation>());
    case S::session: return steps::session(ctx, step.as<Session>());
    case S::mount_squashfs: return steps::mount_squashfs(ctx, step.as<MountSquashfs>());
    case S::mount_fuse: return steps::mount_fuse(ctx, step.as<MountFuse>());
    case S::mount_directory: return steps::mount_directory(ctx, step.as<MountDirectory>());
    case S::mount_ext3: return steps::mount_ext3(ctx, step.as<MountExt3>());
    case S::rootfs: return steps::rootfs(ctx, step.as<Rootfs>());
    case S::bind: return steps::bind(ctx, step.as<Bind>());
    case S::tmpfs: return steps::tmpfs(ctx, step.as<Tmpfs>());
    case S::proc: return steps::proc(ctx, step.as<Proc>());
    case S::devpts: return steps::devpts(ctx, step.as<Devpts>());
    case S::mqueue: return steps::mqueue(ctx, step.as<Mqueue>());
    case S::session_directory: return steps::session_directory(ctx, step.as<SessionDirectory>());
    case S::file: return steps::file(ctx, step.as<File>());
    case S::symlink: return steps::symlink(ctx, step.as<Symlink>());
    case S::pivot_root: return steps::pivot_root(ctx, step.as<PivotRoot>());
    case S::hostname: return steps::hostname(ctx, step.as<Hostname>());
    case S::privileges: return steps::privileges(ctx, step.as<Privileges>());
    case S::rlimit: return steps::rlimit(ctx, step.as<Rlimit>());
    case S::user_namespace: return steps::user_namespace(ctx, step.as<UserNamespace>());
    default: return ctx.fail(EINVAL, "unknown step");
  }
}

// What a step is about, for whoever reads how long it took.
const char* step_object(const Step& step) {
  namespace S = fields::Step;
  switch (step.kind) {
    case S::mount_squashfs: return step.as<MountSquashfs>().image;
    case S::mount_fuse: return step.as<MountFuse>().image;
    case S::mount_directory: return step.as<MountDirectory>().path;
    case S::mount_ext3: return step.as<MountExt3>().image;
    case S::bind: return step.as<Bind>().target;
    case S::tmpfs: return step.as<Tmpfs>().target;
    case S::proc: return step.as<Proc>().target;
    case S::devpts: return step.as<Devpts>().target;
    case S::mqueue: return step.as<Mqueue>().target;
    case S::session_directory: return step.as<SessionDirectory>().target;
    case S::file: return step.as<File>().target;
    case S::symlink: return step.as<Symlink>().target;
    default: return "";
  }
}

bool run_helper(Context& ctx, const char* helper, const List<IdRange>& ranges, pid_t pid) {
  const char** argv = ctx.arena.array<const char*>(ranges.size * 3 + 3);
  if (!argv) return ctx.fail(ENOMEM, "map the ids");
  size_t n = 0;
  Text<24> number;
  auto add = [&](int64_t value) {
    number.clear();
    number.add_number(value);
    argv[n++] = ctx.arena.copy(number.view());
  };
  argv[n++] = helper;
  add(pid);
  for (const IdRange& range : ranges) {
    add(range.inside);
    add(range.outside);
    add(range.count);
  }
  pid_t child = fork();
  if (child == 0) {
    const char* environment[] = {nullptr};
    execve(helper, const_cast<char* const*>(argv), const_cast<char* const*>(environment));
    _exit(127);
  }
  int status = 0;
  if (child < 0 || retry([&] { return waitpid(child, &status, 0); }) < 0)
    return ctx.fail(errno, "run the id map helper");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  Text<600> message;
  message.add("map ids with \"")
      .add(helper)
      .add("\": it ended with status ")
      .add_number(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return ctx.fail(EPERM, message.view(), "check your ranges in /etc/subuid and /etc/subgid, or use --ignore-subuid");
}

}  // namespace

uint64_t clone_flags(const Namespaces& n) {
  return (n.user ? CLONE_NEWUSER : 0u) | (n.mount ? CLONE_NEWNS : 0u) | (n.pid ? CLONE_NEWPID : 0u) |
         (n.ipc ? CLONE_NEWIPC : 0u) | (n.uts ? CLONE_NEWUTS : 0u) | (n.net ? CLONE_NEWNET : 0u);
}

int bring_up_loopback() {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno;
  struct ifreq request = {};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
}

bool timed_step(Context& ctx, size_t index) {
  const Step& step = ctx.plan.steps.data[index];
  ctx.step = static_cast<uint32_t>(index + 1);
  if (!timing::on()) return run_step(ctx, step);
  if (step.kind == fields::Step::pivot_root) timing::enter(timing::Phase::Pivot);
  timing::Span span(step_name(step.kind), step_object(step));
  return run_step(ctx, step) || span.fail();
}

bool begin_steps(Context& ctx, size_t* first) {
  const List<Step>& all = ctx.plan.steps;
  // Propagation before any clone: the clone of a shared mount is a peer of the host's own, and what is mounted below it
  // later would appear on the host.
  for (*first = 0; *first < all.size && all.data[*first].kind == fields::Step::propagation; ++*first)
    if (!timed_step(ctx, *first)) return false;
  for (const Step& step : all)
    if (step.kind == fields::Step::user_namespace)
      ctx.proc_self = Fd(open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
  timing::Span span("cloneSources");
  return steps::prepare_sources(ctx) || span.fail();
}

bool run_steps(Context& ctx) {
  const Namespaces& namespaces = ctx.plan.namespaces;
  bool maps = new_namespaces(ctx) & CLONE_NEWUSER && !needs_map_helpers(namespaces);
  if (maps && !steps::write_id_map(ctx, namespaces.id_map)) return false;
  if (namespaces.net)
    if (int error = bring_up_loopback()) return ctx.fail(error, "bring up the loopback interface");
  if (ctx.plan.mode != Mode::Join) timing::enter(timing::Phase::Mount);
  if (ctx.common_root.valid()) return run_own_steps(ctx);
  size_t i;
  if (!begin_steps(ctx, &i)) return false;
  for (; i < ctx.plan.steps.size; i++)
    if (!timed_step(ctx, i)) return false;
  ctx.step = 0;
  ctx.close_descriptors();
  return true;
}

bool map_ids_by_helpers(Context& ctx, const IdMap& map, pid_t pid) {
  return run_helper(ctx, map.gid_helper, map.gid, pid) && run_helper(ctx, map.uid_helper, map.uid, pid);
}

}  // namespace davit
