// Steps that mount a kernel file system inside the new root.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "steps/steps.h"
#include "sys/syscalls.h"

namespace davit::steps {

bool propagation(Context& ctx, const Propagation& step) {
  unsigned long kind = step.is_private ? MS_PRIVATE : MS_SLAVE;
  if (mount("", "/", nullptr, MS_REC | kind, nullptr) == 0) return true;
  return ctx.fail(errno, "change the propagation of \"/\"");
}

bool tmpfs(Context& ctx, const Tmpfs& step) {
  unsigned attributes = (step.nosuid ? MOUNT_ATTR_NOSUID : 0u) | (step.nodev ? MOUNT_ATTR_NODEV : 0u) |
                        (step.noexec ? MOUNT_ATTR_NOEXEC : 0u);
  Fd mount(make_mount(ctx, "tmpfs", "tmpfs", step.options, attributes));
  if (!mount.valid()) return false;
  own_device(ctx, mount.get());
  return attach(ctx, mount.get(), step.target, true) || (step.optional && errno == ENOENT);
}

int make_proc(Context& ctx) {
  return make_mount(ctx, "proc", "proc", "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

bool proc(Context& ctx, const Proc& step) {
  Fd mount = static_cast<Fd&&>(ctx.made_proc);
  if (!mount.valid()) mount.reset(make_proc(ctx));
  if (!mount.valid() && (errno != EPERM || !step.fallback_bind)) return false;
  // In a user namespace a fresh proc needs one that is fully visible already; a nested container may lack it.
  if (!mount.valid())
    mount.reset(sys::open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!mount.valid()) return ctx.fail(errno, "clone the mount \"/proc\"");
  return attach(ctx, mount.get(), step.target, true);
}

bool devpts(Context& ctx, const Devpts& step) {
  Fd mount(make_mount(ctx, "devpts", "devpts", step.options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  return mount.valid() && attach(ctx, mount.get(), step.target, true);
}

bool mqueue(Context& ctx, const Mqueue& step) {
  Fd mount(make_mount(ctx, "mqueue", "mqueue", "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  return mount.valid() && attach(ctx, mount.get(), step.target, true);
}

bool make_session(Context& ctx, const Session& step) {
  Text<64> options;
  options.add("mode=0755,size=").add_number(static_cast<int64_t>(step.size_bytes));
  ctx.session.reset(make_mount(ctx, "tmpfs", "davit", options.c_str(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (!ctx.session.valid()) return false;
  own_device(ctx, ctx.session.get());
  return true;
}

// Attached where it goes with the old root: on /sys, which no step looks at any more, or, where the host has none, on
// top of that root. Then paths from "/" do not see it either, but it has to be detached by itself, and for each
// detached mount the kernel waits.
bool session(Context& ctx, const Session& step) {
  if (!make_session(ctx, step)) return false;
  if (sys::move_mount(ctx.session.get(), "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) == 0) return true;
  if (sys::move_mount(ctx.session.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return ctx.fail(errno, "attach the session");
  ctx.stacked++;
  return true;
}

bool clones_of_detached(Context& ctx) {
  Fd mount(make_mount(ctx, "tmpfs", "davit", "mode=0700", 0));
  if (!mount.valid() || mkdirat(mount.get(), "d", 0700) != 0) return false;
  return Fd(sys::open_tree(mount.get(), "d", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)).valid();
}

bool session_directory(Context& ctx, const SessionDirectory& step) {
  Text<32> name;
  name.add("d").add_number(ctx.step);
  if (mkdirat(ctx.session.get(), name.c_str(), 0700) != 0 ||
      fchmodat(ctx.session.get(), name.c_str(), step.mode, 0) != 0)
    return ctx.fail(errno, "make a directory in the session");
  Fd tree(sys::open_tree(ctx.session.get(), name.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return ctx.fail(errno, "clone a directory of the session");
  return attach(ctx, tree.get(), step.target, true);
}

bool symlink(Context& ctx, const Symlink& step) {
  const char* slash = strrchr(step.target, '/');
  if (!slash) return ctx.fail(EINVAL, "make a link without a directory");
  Text<4096> parent;
  parent.add(std::string_view(step.target, static_cast<size_t>(slash - step.target)));
  Fd dir(open_mount_point(ctx, parent.c_str(), true));
  if (dir.valid() && (symlinkat(step.text, dir.get(), slash + 1) == 0 || errno == EEXIST)) return true;
  int error = errno;
  Text<600> message;
  message.add("make the link \"").add(step.target).add("\"");
  return ctx.fail(error, message.view());
}

namespace {

// pivot_root(2) visits every process of the machine, to change the root of those that have the old one. A mount
// namespace in which there is nothing of the host needs none: the new root goes on top of what a copy of it has, as a
// system's root lies on its rootfs (switch_root(8)). All that was mounted here goes with the last process of the
// namespace left.
bool leave_for_shared_mounts(Context& ctx) {
  Fd tree(sys::open_tree(ctx.root.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE));
  return tree.valid() && setns(ctx.shared_mounts.get(), CLONE_NEWNS) == 0 && unshare(CLONE_NEWNS) == 0 &&
         sys::move_mount(tree.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0 && fchdir(tree.get()) == 0 &&
         chroot(".") == 0;
}

}  // namespace

bool pivot_root(Context& ctx, const PivotRoot&) {
  if (ctx.shared_mounts.valid()) {
    ctx.pivoted = leave_for_shared_mounts(ctx);
    return ctx.pivoted || ctx.fail(errno, "change the root");
  }
  // pivot_root(2), NOTES: with "." twice the old root is stacked on the new one and needs no directory of its own.
  if (fchdir(ctx.root.get()) != 0) return ctx.fail(errno, "change to the new root");
  if (sys::pivot_root(".", ".") != 0) return ctx.fail(errno, "pivot_root");
  // Resolution of "." climbs the stack: first what was attached on the old root, then the old root itself.
  for (unsigned i = 0; i <= ctx.stacked; i++)
    if (umount2(".", MNT_DETACH) != 0) return ctx.fail(errno, "detach the old root");
  if (chdir("/") != 0) return ctx.fail(errno, "change to \"/\"");
  ctx.pivoted = true;
  return true;
}

}  // namespace davit::steps
