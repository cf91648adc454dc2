// Launches of one image share what is costly. A plain user's enter the user namespace of the holder's FUSE mount, since
// FUSE lets nobody else read it, and attach a clone of the mount.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "executor/executor.h"
#include "launcher/shared_mount.h"
#include "sys/process.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

Fd open_namespace(pid_t pid, const char* name) {
  Text<60> path;
  path.add("/proc/").add_number(pid).add("/ns/").add(name);
  return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// A clone of the holder's root. Whoever enters its mount namespace does not come back to the host's: that is a child's
// part, with which this process shares its descriptors.
Fd clone_root(const Fd& user, const Fd& mounts) {
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) return Fd();
  pid_t child = sys::clone3_fork(CLONE_FILES, nullptr, SIGCHLD);
  if (child == 0) {
    int tree = -1;
    if (setns(user.get(), CLONE_NEWUSER) == 0 && setns(mounts.get(), CLONE_NEWNS) == 0)
      tree = sys::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    _exit(write(answer[1], &tree, sizeof tree) == static_cast<ssize_t>(sizeof tree) ? 0 : 1);
  }
  int tree = -1, status = 0;
  if (child > 0) retry([&] { return waitpid(child, &status, 0); });
  close(answer[1]);
  if (child < 0 || read(answer[0], &tree, sizeof tree) != static_cast<ssize_t>(sizeof tree)) tree = -1;
  close(answer[0]);
  return Fd(tree);
}

// False with nothing changed when the holder is gone or closed to us: the launch gets a server of its own.
bool join_holder(Context& ctx, const SharedImage& image) {
  Fd user = open_namespace(image.holder, "user"), mounts = open_namespace(image.holder, "mnt");
  if (!user.valid() || !mounts.valid() || process_start_time(image.holder) != image.holder_start) return false;
  ctx.shared_image = clone_root(user, mounts);
  if (!ctx.shared_image.valid()) return false;
  ctx.shared_user = static_cast<Fd&&>(user);
  ctx.shared_mounts = static_cast<Fd&&>(mounts);
  return true;
}

}  // namespace

pid_t fork_into_namespaces(Context& ctx, int* pidfd) {
  if (!ctx.shared_user.valid()) return sys::clone3_fork(new_namespaces(ctx), pidfd, SIGCHLD);
  // vfork(2): the memory is this process's, and it waits. What the middle one clones has a copy, and returns.
  volatile pid_t child = -1;
  volatile int error = EAGAIN;
  pid_t middle = vfork();
  if (middle == 0) {
    // clone(2): with CLONE_PARENT the child is the caller's, and the signal at its end that of this process.
    pid_t made = -1;
    if (setns(ctx.shared_user.get(), CLONE_NEWUSER) == 0)
      made = sys::clone3_fork(new_namespaces(ctx) | CLONE_PARENT, nullptr, 0);
    if (made == 0) return 0;
    child = made;
    error = errno;
    _exit(0);
  }
  if (middle < 0) return -1;
  retry([&] { return waitpid(middle, nullptr, 0); });
  if (child > 0) *pidfd = sys::pidfd_open(child, 0);
  errno = error;
  return child;
}

bool enter_namespaces(Context& ctx) {
  ctx.committed = true;
  if (ctx.shared_user.valid() && setns(ctx.shared_user.get(), CLONE_NEWUSER) != 0) return false;
  return unshare(static_cast<int>(new_namespaces(ctx))) == 0;
}

bool key_of_image(const SharedMount& shared, int fd, ShareKey* key) {
  struct stat st;
  if ((fd < 0 ? stat(shared.image, &st) : fstat(fd, &st)) != 0) return false;
  if (shared.fuse) {
    *key = share_key(st, shared.fuse->server_argv.data, shared.fuse->server_argv.size);
    return true;
  }
  Text<24> offset, size;
  offset.add_number(static_cast<int64_t>(shared.squashfs->offset_bytes));
  size.add_number(static_cast<int64_t>(shared.squashfs->size_bytes));
  const char* words[] = {"squashfs", offset.c_str(), size.c_str()};
  *key = share_key(st, words, 3, nullptr);
  return true;
}

SharedMount shared_mount_of(const LaunchPlan& plan) {
  SharedMount shared;
  if (*plan.temporary_image.path) return shared;  // nobody else will ever have that image
  for (const Step& step : plan.steps) {
    if (step.kind == fields::Step::mount_squashfs && *step.as<MountSquashfs>().share_dir) {
      const MountSquashfs& mount = step.as<MountSquashfs>();
      shared = {mount.image, mount.share_dir, true, mount.warm_ms, nullptr, &mount};
    }
  }
  const MountFuse* mount = fuse_mount_of(plan);
  if (mount && *mount->share_dir && !needs_map_helpers(plan.namespaces))
    shared = {mount->image, mount->share_dir, mount->share_make, mount->warm_ms, mount, nullptr};
  return shared;
}

ShareKey shared_image_key(const LaunchPlan& plan) {
  ShareKey key;
  SharedMount shared = shared_mount_of(plan);
  if (shared.image) key_of_image(shared, -1, &key);
  return key;
}

bool hold_image(Context& ctx, const SharedMount& shared, const ShareKey& key, int starter, SharedImage* used) {
  Share share = share_image(shared.dir, key, shared.make, used);
  if (share == Share::Absent && shared.make) {
    bool made = make_holder(ctx, shared, key, used, starter);
    if (!made) forget_holder(*used);
    if (made && holder_made(key, used)) share = Share::Alive;
  }
  return share == Share::Alive;
}

void use_shared_image(Context& ctx, const ShareKey& key, int starter, SharedImage* used) {
  if (!key.size()) return;
  SharedMount shared = shared_mount_of(ctx.plan);
  timing::Span span("sharedImage", shared.image);
  bool held = hold_image(ctx, shared, key, starter, used);
  if (held && shared.make) keep_behind_last_user(*used, static_cast<int64_t>(shared.warm_ms));
  // The kernel's squashfs is mounted by each launch: with the device that the holder keeps.
  if (!held || (shared.fuse && !join_holder(ctx, *used))) *used = SharedImage();
}

}  // namespace davit
