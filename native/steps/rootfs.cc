// The root: one layer as it is, or an overlay of all layers and of the mount points that they lack.
#include "steps/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "davit_fields.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

constexpr const char* kMountPoints = "points";  // directory of the session, the lowest layer of the overlay

int open_in_layer(int layer, const char* path) {
  while (*path == '/') path++;
  return retry([&] {
    return sys::openat2(layer, *path ? path : ".", O_PATH | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  });
}

// The mount point that a step needs: its path, and whether it is a directory. nullptr: the step needs none.
const char* mount_point(Context& ctx, size_t index, bool* directory) {
  namespace S = fields::Step;
  const Step& step = ctx.plan.steps.data[index];
  *directory = true;
  switch (step.kind) {
    case S::bind: {
      struct stat st;
      if (ctx.sources[index] < 0) return nullptr;
      *directory = fstat(ctx.sources[index], &st) != 0 || S_ISDIR(st.st_mode);
      return step.as<Bind>().target;
    }
    case S::tmpfs: return step.as<Tmpfs>().target;
    case S::proc: return step.as<Proc>().target;
    case S::devpts: return step.as<Devpts>().target;
    case S::mqueue: return step.as<Mqueue>().target;
    case S::session_directory: return step.as<SessionDirectory>().target;
    case S::file: *directory = false; return step.as<File>().optional ? nullptr : step.as<File>().target;
    default: return nullptr;
  }
}

bool exists_in_a_layer(Context& ctx, const char* path) {
  for (size_t i = 0; i < ctx.layer_count; i++) {
    Fd found(open_in_layer(ctx.layers[i].get(), path));
    if (found.valid()) return true;
  }
  return false;
}

// Where `path` really lies: links of its existing part resolved in the uppermost layer that has that part.
// "/var/run/x" becomes "/run/x" in an image whose /var/run is a link. 0 or an errno.
int real_path(Context& ctx, const char* path, char* out, size_t size) {
  char prefix[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof prefix) return ENAMETOOLONG;
  memcpy(prefix, path, length + 1);
  for (;;) {
    while (length > 1 && prefix[length - 1] == '/') length--;
    prefix[length] = 0;
    for (size_t i = ctx.layer_count; i-- > 0;) {
      Fd found(open_in_layer(ctx.layers[i].get(), length ? prefix : "."));
      if (!found.valid()) continue;
      char base[PATH_MAX], real[PATH_MAX];
      ssize_t base_size = readlink(FdPath(ctx.layers[i].get()).c_str(), base, sizeof base - 1);
      ssize_t real_size = readlink(FdPath(found.get()).c_str(), real, sizeof real - 1);
      if (base_size < 0 || real_size < 0) return errno;
      base[base_size] = real[real_size] = 0;
      size_t skip = base_size == 1 ? 0 : static_cast<size_t>(base_size);
      if (static_cast<size_t>(real_size) < skip) return EINVAL;
      Text<PATH_MAX> joined;
      joined.add(real + skip).add(path + length);
      if (joined.full() || joined.size() >= size) return ENAMETOOLONG;
      memcpy(out, joined.c_str(), joined.size() + 1);
      return 0;
    }
    while (length && prefix[length - 1] != '/') length--;
    if (!length) return ENOENT;
  }
}

// Makes `path` (no links in it) beneath `dir`, parents included. 0 or an errno.
int make_path(int dir, const char* path, bool directory) {
  Fd at(fcntl(dir, F_DUPFD_CLOEXEC, 3));
  while (*path) {
    while (*path == '/') path++;
    size_t n = strcspn(path, "/");
    if (!n) break;
    char name[NAME_MAX + 1];
    if (n > NAME_MAX) return ENAMETOOLONG;
    memcpy(name, path, n);
    name[n] = 0;
    if (!strcmp(name, "..")) return EINVAL;
    const char* rest = path + n;
    while (*rest == '/') rest++;
    if (!*rest && !directory) {
      Fd made(openat(at.get(), name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
      return made.valid() ? 0 : errno;
    }
    if (mkdirat(at.get(), name, 0755) != 0 && errno != EEXIST) return errno;
    at.reset(openat(at.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!at.valid()) return errno;
    path = rest;
  }
  return 0;
}

bool add_mount_point(Context& ctx, const char* path, bool directory) {
  char real[PATH_MAX];
  int error = real_path(ctx, path, real, sizeof real);
  if (!error) {
    Fd points(openat(ctx.session.get(), kMountPoints, O_PATH | O_DIRECTORY | O_CLOEXEC));
    error = points.valid() ? make_path(points.get(), real, directory) : errno;
  }
  if (!error) return true;
  Text<600> message;
  message.add("make the mount point \"").add(path).add("\"");
  return ctx.fail(error, message.view());
}

// Makes the mount points that no layer has. *any: at least one was missing.
bool add_missing_mount_points(Context& ctx, bool* any) {
  *any = false;
  uint32_t step = ctx.step;
  for (size_t i = ctx.step; i < ctx.plan.steps.size; i++) {
    bool directory;
    const char* path = mount_point(ctx, i, &directory);
    if (!path || exists_in_a_layer(ctx, path)) continue;
    if (!*any && mkdirat(ctx.session.get(), kMountPoints, 0755) != 0 && errno != EEXIST)
      return ctx.fail(errno, "make a directory in the session");
    *any = true;
    ctx.step = static_cast<uint32_t>(i + 1);
    if (!add_mount_point(ctx, path, directory)) return false;
    ctx.step = step;
  }
  return true;
}

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

}  // namespace

bool rootfs(Context& ctx, const Rootfs& step) {
  if (!ctx.layer_count) return ctx.fail(EINVAL, "make the root: the plan has no layer");
  if (step.writable) return use_layer(ctx, step);
  bool points = false;
  if (!add_missing_mount_points(ctx, &points)) return false;
  bool upper = step.session_upper || *step.upper_dir;
  if (ctx.layer_count == 1 && !points && !upper) return use_layer(ctx, step);
  // A single lower directory without an upper one is refused by the kernel; an empty one costs nothing.
  if (ctx.layer_count == 1 && !points && mkdirat(ctx.session.get(), kMountPoints, 0755) == 0) points = true;
  Text<3000> options;
  Fd upper_fd, work_fd;
  if (!overlay_options(ctx, step, points, &options, &upper_fd, &work_fd)) return false;
  unsigned attributes =
      MOUNT_ATTR_NODEV | (step.allow_setuid ? 0u : MOUNT_ATTR_NOSUID) | (upper ? 0u : MOUNT_ATTR_RDONLY);
  Fd mount(make_mount(ctx, "overlay", "overlay", options.c_str(), attributes));
  if (!mount.valid()) return false;
  if (mkdirat(ctx.session.get(), "root", 0700) != 0) return ctx.fail(errno, "make a directory in the session");
  if (sys::move_mount(mount.get(), "", ctx.session.get(), "root", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return ctx.fail(errno, "attach the root");
  if (step.session_upper) own_device(ctx, mount.get());
  ctx.root = static_cast<Fd&&>(mount);
  return true;
}

}  // namespace davit::steps
