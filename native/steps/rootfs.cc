// The root: one layer as it is, or an overlay of all layers and of the mount points that they lack.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "steps/ext3.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

bool use_layer(Context& ctx, const Rootfs& step) {
  Fd layer = static_cast<Fd&&>(ctx.layers[ctx.layer_count - 1]);
  struct mount_attr attributes = {};
  attributes.attr_set =
      (step.writable ? 0u : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NODEV | (step.allow_setuid ? 0u : MOUNT_ATTR_NOSUID);
  if (step.allow_setuid) attributes.attr_clr = MOUNT_ATTR_NOSUID;
  if (sys::mount_setattr(layer.get(), "", AT_EMPTY_PATH, &attributes) != 0)
    return ctx.fail(errno, "set the flags of the root");
  ctx.root = static_cast<Fd&&>(layer);
  return true;
}

// overlayfs: lowerdir lists the uppermost layer first; directories are named through /proc/self/fd.
bool overlay_options(Context& ctx, const Rootfs& step, bool points, Text<3000>* out, Fd* upper, Fd* work) {
  out->add("lowerdir=");
  for (size_t i = ctx.layer_count; i-- > 0;) {
    out->add(FdPath(ctx.layers[i].get()).c_str());
    if (i || points) out->add(":");
  }
  Text<64> session;
  session.add(FdPath(ctx.session.get()).c_str());
  if (points) out->add(session.view()).add("/").add(kMountPoints);
  if (step.session_upper) {
    if (mkdirat(ctx.session.get(), "upper", 0755) != 0 || mkdirat(ctx.session.get(), "work", 0700) != 0)
      return ctx.fail(errno, "make a directory in the session");
    out->add(",upperdir=").add(session.view()).add("/upper,workdir=").add(session.view()).add("/work");
  } else if (ctx.upper.valid()) {
    out->add(",upperdir=").add(FdPath(ctx.upper.get()).c_str()).add(",workdir=").add(FdPath(ctx.work.get()).c_str());
  } else if (*step.upper_dir) {
    // By descriptor: fsconfig(2) takes 256 bytes, and the path may hold commas.
    mkdir(step.upper_dir, 0755);
    mkdir(step.work_dir, 0755);
    upper->reset(open(step.upper_dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
    work->reset(open(step.work_dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!upper->valid() || !work->valid()) {
      Text<600> message;
      message.add("open the overlay directory \"").add(upper->valid() ? step.work_dir : step.upper_dir).add("\"");
      return ctx.fail(errno, message.view());
    }
    out->add(",upperdir=").add(FdPath(upper->get()).c_str()).add(",workdir=").add(FdPath(work->get()).c_str());
  }
  if (step.user_xattr) out->add(",userxattr");
  return !out->full() || ctx.fail(ENAMETOOLONG, "list the layers of the overlay");
}

bool kernel_overlay(Context& ctx, const Rootfs& step, bool points, bool upper, Fd* mount) {
  Text<3000> options;
  Fd upper_fd, work_fd;
  if (!overlay_options(ctx, step, points, &options, &upper_fd, &work_fd)) return false;
  unsigned attributes =
      MOUNT_ATTR_NODEV | (step.allow_setuid ? 0u : MOUNT_ATTR_NOSUID) | (upper ? 0u : MOUNT_ATTR_RDONLY);
  mount->reset(make_mount(ctx, "overlay", "overlay", options.c_str(), attributes));
  return mount->valid();
}

}  // namespace

bool rootfs(Context& ctx, const Rootfs& step) {
  if (!ctx.layer_count) return ctx.fail(EINVAL, "make the root: the plan has no layer");
  if (step.writable) return use_layer(ctx, step);
  bool points = false;
  if (!add_missing_mount_points(ctx, &points)) return false;
  bool upper = step.session_upper || *step.upper_dir || ctx.upper.valid() || ctx.changes_in_image;
  if (ctx.layer_count == 1 && !points && !upper) return use_layer(ctx, step);
  // A single lower directory without an upper one is refused by the kernel; an empty one costs nothing.
  if (ctx.layer_count == 1 && !points && mkdirat(ctx.session.get(), kMountPoints, 0755) == 0) points = true;
  Fd mount;
  if (!(*step.overlay_server ? serve_overlay(ctx, step, points, &mount)
                             : kernel_overlay(ctx, step, points, upper, &mount)))
    return false;
  if (mkdirat(ctx.session.get(), "root", 0700) != 0) return ctx.fail(errno, "make a directory in the session");
  if (sys::move_mount(mount.get(), "", ctx.session.get(), "root", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return ctx.fail(errno, "attach the root");
  if (step.session_upper) own_device(ctx, mount.get());
  ctx.root = static_cast<Fd&&>(mount);
  return true;
}

}  // namespace davit::steps
