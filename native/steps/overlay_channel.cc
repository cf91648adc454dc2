// The container's side of an overlay by FUSE servers: ext3 images, and the root over them.
#include "steps/overlay_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "steps/ext3.h"
#include "sys/fd_passing.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

bool ask(Context& ctx, const OverlayRequest& request, const int* fds, size_t count) {
  int error = send_message(ctx.overlay_channel, &request, sizeof request, fds, count);
  return !error || ctx.fail(error, "ask for a FUSE server of the overlay");
}

// False: something failed, or nobody answers any more.
bool hear(Context& ctx) {
  OverlayReply reply;
  int fds[kMaxPassedFds];
  size_t count;
  if (!receive_message(ctx.overlay_channel, &reply, sizeof reply, fds, &count))
    return ctx.fail(0, "the process with the FUSE servers of the overlay has ended");
  if (!reply.failed) return true;
  ctx.failure = reply.failure;
  ctx.failure.repair();
  ctx.failure.step = ctx.step;
  return false;
}

Fd clone_tree(int dir, const char* path) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
  return Fd(retry([&] { return sys::open_tree(dir, path, flags); }));
}

// The layers as clones that the server can attach where it lives.
struct Lower {
  Fd trees[kMaxLayers + 1];
  int fds[kMaxPassedFds];
  size_t count = 0;

  bool add(Context& ctx, int dir, const char* path) {
    Fd tree = clone_tree(dir, path);
    if (!tree.valid()) return ctx.fail(errno, "clone a layer of the root");
    fds[count] = tree.get();
    trees[count++] = static_cast<Fd&&>(tree);
    return true;
  }
};

bool make_upper_and_work(int dir) {
  return (mkdirat(dir, "upper", 0755) == 0 || errno == EEXIST) && (mkdirat(dir, "work", 0755) == 0 || errno == EEXIST);
}

// The directory whose `upper` and `work` take the changes, where it is not that of an image; invalid: there is none.
bool clone_changes(Context& ctx, const Rootfs& step, Fd* changes) {
  if (ctx.changes_in_image || (!step.session_upper && !*step.upper_dir)) return true;
  Fd dir;
  Text<600> message;
  if (step.session_upper) {
    message.add("make a directory in the session");
    if (mkdirat(ctx.session.get(), "changes", 0755) == 0)
      dir.reset(openat(ctx.session.get(), "changes", O_PATH | O_DIRECTORY | O_CLOEXEC));
  } else {
    std::string_view path(step.upper_dir);
    Text<PATH_MAX> parent;
    parent.add(path.substr(0, path.rfind('/')));
    message.add("open the overlay directory \"").add(parent.view()).add("\"");
    dir.reset(open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  if (!dir.valid() || !make_upper_and_work(dir.get())) return ctx.fail(errno, message.view());
  *changes = clone_tree(dir.get(), "");
  return changes->valid() || ctx.fail(errno, "clone the directory for changes");
}

}  // namespace

bool serve_ext3(Context& ctx, const MountExt3& step, Fd image) {
  Fd user(open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  if (!user.valid()) return ctx.fail(errno, "open \"/proc/self/ns/user\"");
  if (!step.writable && ctx.layer_count == kMaxLayers) return ctx.fail(E2BIG, "add a layer: there are too many");
  OverlayRequest request{};
  request.kind = OverlayRequest::Image;
  request.step = ctx.step - 1;
  int fds[] = {user.get(), image.get()};
  if (!ask(ctx, request, fds, 2)) return false;
  image.reset();  // from here on the lock is the server's alone
  if (!hear(ctx)) return false;
  // A layer without a descriptor: it is not seen from here.
  if (step.writable)
    ctx.changes_in_image = true;
  else
    ctx.layer_count++;
  return true;
}

bool serve_overlay(Context& ctx, const Rootfs& step, bool points, Fd* mounted) {
  OverlayRequest request{};
  request.kind = OverlayRequest::Root;
  Lower lower;
  auto add = [&](int dir, const char* path) {
    request.from_image[request.lower_count++] = dir < 0;
    return dir < 0 || lower.add(ctx, dir, path);
  };
  if (points && !add(ctx.session.get(), kMountPoints)) return false;
  for (size_t i = 0; i < ctx.layer_count; i++)
    if (!add(ctx.layers[i].get(), "")) return false;
  Fd changes;
  if (!clone_changes(ctx, step, &changes)) return false;
  if (changes.valid()) lower.fds[lower.count++] = changes.get();
  request.changes = ctx.changes_in_image ? OverlayRequest::InImage
                    : changes.valid()    ? OverlayRequest::InDirectory
                                         : OverlayRequest::None;
  // FUSE takes a channel only from the user namespace that mounts it.
  Fd channel(retry([&] { return open("/dev/fuse", O_RDWR | O_CLOEXEC); }));
  if (!channel.valid()) return ctx.fail(errno, "open \"/dev/fuse\"", "ask the administrator for /dev/fuse");
  lower.fds[lower.count++] = channel.get();
  Text<200> options;
  options.add("allow_other,default_permissions,rootmode=40000,subtype=fuse-overlayfs,user_id=").add_number(geteuid());
  options.add(",group_id=").add_number(getegid()).add(",fd=").add_number(channel.get());
  bool changeable = request.changes != OverlayRequest::None;
  unsigned attributes =
      MOUNT_ATTR_NODEV | (step.allow_setuid ? 0u : MOUNT_ATTR_NOSUID) | (changeable ? 0u : MOUNT_ATTR_RDONLY);
  Fd mount(make_mount(ctx, "fuse", "fuse-overlayfs", options.c_str(), attributes));
  if (!mount.valid() || !ask(ctx, request, lower.fds, lower.count)) return false;
  channel.reset();
  // The first request waits for the server; it fails when that has ended, and then it has said why.
  struct stat st;
  if (fstat(mount.get(), &st) != 0) {
    int error = errno;
    return hear(ctx) && ctx.fail(error, "read the root through the overlay's FUSE server");
  }
  *mounted = static_cast<Fd&&>(mount);
  return true;
}

}  // namespace davit::steps
