// What the mount steps have in common. New mount API: fsopen(2), fsmount(2), open_tree(2), move_mount(2).
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "steps/steps.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

// The kernel explains a refused mount on the fsopen descriptor, one message a read, "e text\n" for errors.
void kernel_words(int fs, Text<400>* out) {
  char buffer[256];
  for (int i = 0; i < 8; i++) {
    ssize_t n = read(fs, buffer, sizeof buffer);
    if (n <= 2) break;
    if (out->size()) out->add("; ");
    while (n > 2 && buffer[n - 1] == '\n') n--;
    out->add(std::string_view(buffer + 2, static_cast<size_t>(n - 2)));
  }
}

int set_options(int fs, const char* options) {
  while (*options) {
    char word[256];
    size_t n = strcspn(options, ",");
    if (n >= sizeof word) return ENAMETOOLONG;
    memcpy(word, options, n);
    word[n] = 0;
    options += n + (options[n] == ',');
    if (!n) continue;
    char* value = strchr(word, '=');
    if (value) *value++ = 0;
    unsigned command = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    if (sys::fsconfig(fs, command, word, value, 0) != 0) return errno;
  }
  return 0;
}

}  // namespace

int make_mount(Context& ctx, const char* type, const char* source, const char* options, unsigned attributes) {
  Fd fs(sys::fsopen(type, FSOPEN_CLOEXEC));
  Fd mount;
  int error = fs.valid() ? 0 : errno;
  if (!error && *source && sys::fsconfig(fs.get(), FSCONFIG_SET_STRING, "source", source, 0) != 0) error = errno;
  if (!error) error = set_options(fs.get(), options);
  if (!error && sys::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) error = errno;
  if (!error) {
    mount.reset(sys::fsmount(fs.get(), FSMOUNT_CLOEXEC, attributes));
    if (!mount.valid()) error = errno;
  }
  if (!error) return mount.release();
  Text<400> words;
  if (fs.valid()) kernel_words(fs.get(), &words);
  Text<600> message;
  message.add("mount ").add(type);
  if (*source) message.add(" \"").add(source).add("\"");
  if (words.size()) message.add(" (").add(words.view()).add(")");
  ctx.fail(error, message.view());
  errno = error;
  return -1;
}

int open_in_root(Context& ctx, const char* path, uint64_t flags) {
  while (*path == '/') path++;
  return retry([&] {
    return sys::openat2(ctx.root.get(), *path ? path : ".", O_PATH | O_CLOEXEC | flags,
                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  });
}

void own_device(Context& ctx, int fd) {
  struct stat st;
  constexpr size_t room = sizeof ctx.own_devices / sizeof ctx.own_devices[0];
  if (ctx.own_device_count < room && fstat(fd, &st) == 0) ctx.own_devices[ctx.own_device_count++] = st.st_dev;
}

namespace {

bool made_by_this_launch(const Context& ctx, int dir) {
  struct stat st;
  if (fstat(dir, &st) != 0) return false;
  for (size_t i = 0; i < ctx.own_device_count; i++)
    if (ctx.own_devices[i] == st.st_dev) return true;
  return false;
}

// Whether the first `length` bytes of a path lead where they say. A directory of the host is changed only there: by a
// link the image would choose which one.
bool has_no_links(const Context& ctx, const char* path, size_t length) {
  std::string_view rest(path, length);
  while (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  Text<PATH_MAX> part;
  part.add(rest);
  uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
  Fd fd(sys::openat2(ctx.root.get(), part.size() ? part.c_str() : ".", O_PATH | O_CLOEXEC, resolve));
  return fd.valid();
}

// Whether a directory lies in the image itself, and not in something bound into it. With --writable that is the
// caller's sandbox, in which no mount points are made.
bool in_image(const Context& ctx, int dir) {
  struct statx here, root;
  return statx(dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) != 0 ||
         statx(ctx.root.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &root) != 0 || here.stx_mnt_id == root.stx_mnt_id;
}

// Makes one entry of `dir`. 0 or an errno; what is there already is left alone.
int make_entry(int dir, const char* name, bool directory) {
  if (directory) return mkdirat(dir, name, 0755) == 0 || errno == EEXIST ? 0 : errno;
  Fd made(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  return made.valid() || errno == EEXIST ? 0 : errno;
}

// Makes what is missing of `path`, parents first, but only inside file systems of our own. -1 and errno.
int make_mount_point(Context& ctx, const char* path, bool directory) {
  char part[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof part) return errno = ENAMETOOLONG, -1;
  memcpy(part, path, length + 1);
  while (length && part[length - 1] == '/') part[--length] = 0;
  size_t at = length;  // the first `at` bytes name a directory that exists
  Fd dir;
  do {
    while (at && part[at - 1] != '/') at--;
    while (at && part[at - 1] == '/') at--;
    part[at] = 0;
    dir.reset(open_in_root(ctx, part));
    if (!dir.valid() && (errno != ENOENT || !at)) return -1;
  } while (!dir.valid());
  while (at < length) {
    const char* name = path + at + strspn(path + at, "/");
    size_t end = static_cast<size_t>(name - path) + strcspn(name, "/");
    memcpy(part + at, path + at, end - at);
    part[end] = 0;
    bool host = ctx.make_on_host && !in_image(ctx, dir.get()) && has_no_links(ctx, path, at);
    if (!made_by_this_launch(ctx, dir.get()) && !host) return errno = ENOENT, -1;
    errno = make_entry(dir.get(), part + (name - path), directory || end < length);
    if (errno == EROFS) errno = ENOENT;  // the image: it has no such path, which is what has to be said
    if (errno) return -1;
    dir.reset(open_in_root(ctx, part));
    if (!dir.valid()) return -1;
    at = end;
  }
  return dir.release();
}

}  // namespace

int open_mount_point(Context& ctx, const char* path, bool directory) {
  int fd = open_in_root(ctx, path);
  return fd >= 0 || errno != ENOENT ? fd : make_mount_point(ctx, path, directory);
}

bool attach(Context& ctx, int tree, const char* path, bool directory) {
  Fd target(open_mount_point(ctx, path, directory));
  int error = target.valid() ? 0 : errno;
  if (!error && sys::move_mount(tree, "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    error = errno;
  if (!error) return true;
  Text<600> message;
  message.add("mount on \"").add(path).add("\" in the container");
  const char* hint = "";
  if (error == ENOENT)
    hint = "no such path in the image, and no layer to make it in: create it (a build: in %setup), or drop --writable";
  // move_mount(2) says EINVAL for a file on a directory and the other way round.
  struct stat st;
  bool differ = error == EINVAL && fstat(target.get(), &st) == 0 && S_ISDIR(st.st_mode) != directory;
  if (differ || error == ENOTDIR || error == EISDIR) hint = "one side is a directory and the other is a file";
  ctx.fail(error, message.view(), hint);
  errno = error;
  return false;
}

}  // namespace davit::steps
