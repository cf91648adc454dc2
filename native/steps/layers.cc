// Steps that mount one layer of the root: squashfs by the kernel, a FUSE server, a directory.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "steps/steps.h"
#include "sys/fd_passing.h"
#include "sys/loop_device.h"
#include "sys/syscalls.h"

namespace davit::steps {

// Layers lie in directories of the session, so that they are attached mounts (older kernels ask for that in open_tree
// and overlay) and go with the old root.
bool add_layer(Context& ctx, Fd mount) {
  if (ctx.layer_count == kMaxLayers) return ctx.fail(E2BIG, "add a layer: there are too many");
  Text<32> name;
  name.add("l").add_number(static_cast<int64_t>(ctx.layer_count));
  if (mkdirat(ctx.session.get(), name.c_str(), 0700) != 0) return ctx.fail(errno, "make a directory in the session");
  if (sys::move_mount(mount.get(), "", ctx.session.get(), name.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return ctx.fail(errno, "attach a layer");
  ctx.layers[ctx.layer_count++] = static_cast<Fd&&>(mount);
  return true;
}

namespace {

unsigned layer_attributes() { return MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID; }

}  // namespace

bool fail_loop(Context& ctx, int error, const char* image, std::string_view device) {
  Text<600> message;
  message.add("attach the image \"").add(image).add("\" to the loop device \"").add(device).add("\"");
  const char* hint = "";
  if (error == ENOSPC || error == EBUSY)
    hint = "all loop devices are taken: see losetup -a, raise max_loop, or use --userns (FUSE) or --unsquash";
  if (error == EPERM || error == EACCES || error == ENOENT)
    hint = "no loop devices here: use --userns (FUSE) or --unsquash";
  return ctx.fail(error, message.view(), hint);
}

bool mount_squashfs(Context& ctx, const MountSquashfs& step) {
  Text<600> message;
  Fd image(retry([&] { return open(step.image, O_RDONLY | O_CLOEXEC | O_NOCTTY); }));
  if (!image.valid()) {
    message.add("open the image \"").add(step.image).add("\"");
    return ctx.fail(errno, message.view());
  }
  LoopDevice device;
  Text<200> what;
  int error =
      loop_for_image(image.get(), step.image, step.offset_bytes, step.size_bytes, step.loop_dir, &device, &what);
  if (error) return fail_loop(ctx, error, step.image, what.view());
  Fd mount(make_mount(ctx, "squashfs", device.path.c_str(), "ro", layer_attributes()));
  if (!mount.valid()) {
    error = errno;
    message.add(ctx.failure.message.view()).add(" of \"").add(step.image).add("\"");
    const char* hint = "";
    if (error == EPERM) hint = "the kernel refuses squashfs in a user namespace: run as root, or let davit use FUSE";
    if (error == EINVAL)
      hint = "the file system is damaged or uses a compressor that this kernel lacks: try --unsquash";
    return ctx.fail(error, message.view(), hint);
  }
  return add_layer(ctx, static_cast<Fd&&>(mount));
}

bool serve_fuse(Context& ctx, const MountFuse& step, Fd* mounted) {
  // fuse refuses a channel that was opened in another user namespace, so it is opened here and sent to the server.
  Fd channel(retry([&] { return open("/dev/fuse", O_RDWR | O_CLOEXEC); }));
  if (!channel.valid())
    return ctx.fail(errno, "open \"/dev/fuse\"", "ask the administrator for /dev/fuse, or use --unsquash");
  Text<200> options;
  options.add("ro,allow_other,rootmode=40000,user_id=0,group_id=0,subtype=").add(step.subtype);
  options.add(",fd=").add_number(channel.get());
  Fd mount(make_mount(ctx, "fuse", step.source, options.c_str(), layer_attributes()));
  if (!mount.valid()) return ctx.fail(errno, ctx.failure.message.view(), "use --unsquash to run without FUSE");
  if (int error = send_fd(ctx.server_channel, channel.get()))
    return ctx.fail(error, "hand the FUSE channel to its server");
  channel.reset();
  // The first request waits for the server; when it could not be started, the channel is closed and this fails.
  struct stat st;
  if (fstat(mount.get(), &st) != 0) {
    Text<600> message;
    message.add("read \"")
        .add(step.image)
        .add("\" through ")
        .add(step.server_argv.size ? step.server_argv.data[0] : "");
    return ctx.fail(errno, message.view(),
                    "the FUSE server ended: is squashfuse_ll installed and the image readable? or use --unsquash");
  }
  *mounted = static_cast<Fd&&>(mount);
  return true;
}

bool mount_fuse(Context& ctx, const MountFuse& step) {
  Fd mount = static_cast<Fd&&>(ctx.shared_image);
  return (mount.valid() || serve_fuse(ctx, step, &mount)) && add_layer(ctx, static_cast<Fd&&>(mount));
}

bool mount_directory(Context& ctx, const MountDirectory& step) {
  Fd tree(
      retry([&] { return sys::open_tree(AT_FDCWD, step.path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE); }));
  Text<600> message;
  message.add("use the directory \"").add(step.path).add("\"");
  if (!tree.valid()) return ctx.fail(errno, message.view());
  struct stat st;
  if (fstat(tree.get(), &st) != 0 || !S_ISDIR(st.st_mode)) return ctx.fail(ENOTDIR, message.view());
  return add_layer(ctx, static_cast<Fd&&>(tree));
}

}  // namespace davit::steps
