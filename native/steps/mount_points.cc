// Mount points that no layer of the image has: they are made in a directory of the session, the lowest layer.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "davit_fields.h"
#include "steps/steps.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel follows in one path (path_resolution(7))

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

bool optional(const Step& step) {
  if (step.kind == fields::Step::bind) return step.as<Bind>().optional;
  return step.kind == fields::Step::tmpfs && step.as<Tmpfs>().optional;
}

bool exists_in_a_layer(Context& ctx, const char* path) {
  for (size_t i = 0; i < ctx.layer_count; i++) {
    Fd found(open_in_layer(ctx.layers[i].get(), path));
    if (found.valid()) return true;
  }
  return false;
}

// The layer and the length of the longest prefix of `path` that some layer has, the uppermost such layer. Invalid:
// none.
Fd open_prefix(Context& ctx, const char* path, size_t* length, size_t* layer) {
  char prefix[PATH_MAX];
  memcpy(prefix, path, *length + 1);
  for (;;) {
    while (*length && prefix[*length - 1] == '/') --*length;
    prefix[*length] = 0;
    for (size_t i = ctx.layer_count; i-- > 0;) {
      Fd found(open_in_layer(ctx.layers[i].get(), prefix));
      if (!found.valid()) continue;
      *layer = i;
      return found;
    }
    if (!*length) return Fd();
    while (*length && prefix[*length - 1] != '/') --*length;
  }
}

// The path of `fd` within the layer, by /proc. 0 or an errno.
int path_in_layer(int layer, int fd, Text<PATH_MAX>* out) {
  char base[PATH_MAX], real[PATH_MAX];
  ssize_t base_size = readlink(FdPath(layer).c_str(), base, sizeof base - 1);
  ssize_t real_size = base_size < 0 ? -1 : readlink(FdPath(fd).c_str(), real, sizeof real - 1);
  if (real_size < 0) return errno;
  base[base_size] = real[real_size] = 0;
  size_t skip = base_size == 1 ? 0 : static_cast<size_t>(base_size);
  if (static_cast<size_t>(real_size) < skip || memcmp(real, base, skip) != 0) return EINVAL;
  out->clear();
  out->add(real + skip);
  return 0;
}

// Where `path` really lies, its links resolved in the uppermost layer that has them: "/var/run/x" becomes "/run/x" in
// an image whose /var/run is a link, "/etc/resolv.conf" what that link says although nothing is there. 0 or an errno.
int real_path(Context& ctx, const char* path, Text<PATH_MAX>* out) {
  Text<PATH_MAX> wanted;
  wanted.add(*path == '/' ? "" : "/").add(path);
  for (int links = 0; links < kMaxLinks && !wanted.full(); links++) {
    size_t length = wanted.size(), layer = 0;
    Fd found = open_prefix(ctx, wanted.c_str(), &length, &layer);
    if (!found.valid()) return ENOENT;
    if (int error = path_in_layer(ctx.layers[layer].get(), found.get(), out)) return error;
    const char* rest = wanted.c_str() + length;
    const char* name = rest + strspn(rest, "/");
    size_t size = strcspn(name, "/");
    Text<NAME_MAX + 1> entry;
    entry.add(std::string_view(name, size));
    char link[PATH_MAX];
    ssize_t n = size && size <= NAME_MAX ? readlinkat(found.get(), entry.c_str(), link, sizeof link - 1) : -1;
    if (n <= 0) return out->add(rest).full() ? ENAMETOOLONG : 0;
    link[n] = 0;
    if (link[0] == '/') out->clear();
    out->add("/").add(link).add(name + size);
    wanted = *out;
  }
  return wanted.full() ? ENAMETOOLONG : ELOOP;
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
  Text<PATH_MAX> real;
  int error = real_path(ctx, path, &real);
  if (!error) {
    Fd points(openat(ctx.session.get(), kMountPoints, O_PATH | O_DIRECTORY | O_CLOEXEC));
    error = points.valid() ? make_path(points.get(), real.c_str(), directory) : errno;
  }
  if (!error) return true;
  Text<600> message;
  message.add("make the mount point \"").add(path).add("\"");
  return ctx.fail(error, message.view());
}

}  // namespace

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
    if (!add_mount_point(ctx, path, directory) && !optional(ctx.plan.steps.data[i])) return false;
    ctx.step = step;
  }
  return true;
}

}  // namespace davit::steps
