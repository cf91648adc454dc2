// Overlay images: ext3 on a loop device or by a FUSE server, read-only as a layer or writable for the changes of the
// root.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "steps/ext3.h"
#include "sys/loop_device.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

constexpr int kLockTries = 50;  // a container that has just ended is still being unmounted
constexpr long kLockWaitNs = 4000000;

// Locks the bytes of the file system. Like Apptainer's, the lock belongs to the open file: the loop device holds it.
// 0 or an errno; EAGAIN: somebody else uses the image.
int lock_image(int fd, const MountExt3& step) {
  struct flock lock = {};
  lock.l_type = step.writable ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(step.offset_bytes);
  lock.l_len = static_cast<off_t>(step.size_bytes);  // 0: to the end
  for (int i = 1; fcntl(fd, F_OFD_SETLK, &lock) != 0; i++) {
    // A file system without locks (some network and FUSE ones) is used without, as Apptainer does.
    if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) return 0;
    if ((errno != EAGAIN && errno != EACCES) || i == kLockTries) return errno == EACCES ? EAGAIN : errno;
    struct timespec moment = {0, kLockWaitNs};
    nanosleep(&moment, nullptr);
  }
  return 0;
}

bool fail_lock(Context& ctx, int error, const MountExt3& step) {
  Text<600> message;
  if (error != EAGAIN) {
    message.add("lock the overlay image \"").add(step.image).add("\"");
    return ctx.fail(error, message.view());
  }
  message.add(step.embedded ? "could not open image " : "while loading overlay images: failed to open overlay image ");
  message.add(step.image)
      .add(": while locking ext3 partition from ")
      .add(step.image)
      .add(": can't open ")
      .add(step.image);
  message.add(step.writable ? " for writing, currently in use by another process"
                            : " for reading, currently in use for writing by another process");
  ctx.fail(error, message.view(),
           step.writable ? "wait for the other container to end, or append \":ro\" to share the overlay with readers"
                         : "wait for the other container to end");
  ctx.failure.worded = 1;
  return false;
}

bool fail_mount(Context& ctx, int error, const MountExt3& step) {
  Text<600> message;
  message.add(ctx.failure.message.view()).add(" of \"").add(step.image).add("\"");
  const char* hint = "the file system is damaged or no ext3: check it with e2fsck -f";
  if (error == EROFS)
    hint = step.embedded
               ? "the file system was not unmounted: use the image once with --writable"
               : "the file system was not unmounted: use it once without \":ro\", or repair it with e2fsck -f";
  if (error == EPERM) hint = "the kernel refuses ext3 in a user namespace: run as root, or use an overlay directory";
  if (error == ENODEV) hint = "this kernel has no ext3: use an overlay directory";
  return ctx.fail(error, message.view(), hint);
}

bool use_for_changes(Context& ctx, Fd mount, const MountExt3& step) {
  if (mkdirat(ctx.session.get(), "image", 0700) != 0) return ctx.fail(errno, "make a directory in the session");
  if (sys::move_mount(mount.get(), "", ctx.session.get(), "image", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return ctx.fail(errno, "attach the overlay image");
  for (const char* name : {"upper", "work"}) {
    if (mkdirat(mount.get(), name, 0755) != 0 && errno != EEXIST) return fail_image_directory(ctx, errno, step, name);
    Fd& directory = *name == 'u' ? ctx.upper : ctx.work;
    directory = open_image_directory(mount.get(), name);
    if (!directory.valid()) return fail_image_directory(ctx, errno, step, name);
  }
  return true;
}

bool use_as_layer(Context& ctx, Fd mount, const MountExt3& step) {
  Fd upper = open_image_directory(mount.get(), "upper");
  if (!upper.valid() && errno != ENOENT) return fail_image_directory(ctx, errno, step, "upper");
  if (!add_layer(ctx, static_cast<Fd&&>(mount))) return false;
  if (upper.valid()) ctx.layers[ctx.layer_count - 1] = static_cast<Fd&&>(upper);
  return true;
}

}  // namespace

bool fail_image_directory(Context& ctx, int error, const MountExt3& step, const char* name) {
  Text<600> message;
  message.add("open the directory \"/").add(name).add("\" of the overlay image \"").add(step.image).add("\"");
  const char* hint = "";
  if (error == ENOTDIR || error == ELOOP) hint = "that must be a directory: repair the image, or make another one";
  if (error == EACCES) hint = "it belongs to somebody else: use --fakeroot, or an image of \"davit overlay create\"";
  if (error == ENOSPC) hint = "the image is full: remove something from it, or make a larger one";
  return ctx.fail(error, message.view(), hint);
}

Fd open_image_directory(int image_root, const char* name) {
  return Fd(openat(image_root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool mount_ext3(Context& ctx, const MountExt3& step) {
  int access = step.writable ? O_RDWR : O_RDONLY;
  Fd image(retry([&] { return open(step.image, access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); }));
  if (!image.valid()) {
    Text<600> message;
    message.add("open the overlay image \"").add(step.image).add("\"");
    return ctx.fail(errno, message.view(), step.writable ? "append \":ro\" if it is only to be read" : "");
  }
  if (int error = lock_image(image.get(), step)) return fail_lock(ctx, error, step);
  if (step.server_argv.size) return serve_ext3(ctx, step, static_cast<Fd&&>(image));
  LoopDevice device;
  Text<200> what;
  int error =
      step.writable
          ? loop_for_writing(image.get(), step.image, step.offset_bytes, step.size_bytes, &device, &what)
          : loop_for_image(image.get(), step.image, step.offset_bytes, step.size_bytes, step.loop_dir, &device, &what);
  if (error) return fail_loop(ctx, error, step.image, what.view());
  unsigned attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | (step.writable ? 0u : MOUNT_ATTR_RDONLY);
  Fd mount(make_mount(ctx, "ext3", device.path.c_str(), step.writable ? "rw,errors=remount-ro" : "ro", attributes));
  if (!mount.valid()) return fail_mount(ctx, errno, step);
  return step.writable ? use_for_changes(ctx, static_cast<Fd&&>(mount), step)
                       : use_as_layer(ctx, static_cast<Fd&&>(mount), step);
}

}  // namespace davit::steps
