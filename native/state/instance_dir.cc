#include "state/instance_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr int kClaimTries = 100;
constexpr off_t kAlive = 0, kMutation = 1;

int set_lock(int fd, off_t byte, short type, bool wait) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return retry([&] { return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock); }) == 0 ? 0 : errno;
}

bool held(int fd, off_t byte) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return retry([&] { return fcntl(fd, F_OFD_GETLK, &lock); }) == 0 && lock.l_type != F_UNLCK;
}

bool same(int dir, const char* name, int fd) {
  struct stat a, b;
  return fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

// Unlinks every entry of `dir` but `keep`. The directory is ours and flat.
void empty_directory(int dir, const char* keep) {
  struct Entry {
    uint64_t ino;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
  };
  alignas(8) char buffer[2048];
  Fd listing(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (;;) {
    long n = syscall(SYS_getdents64, listing.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    for (long at = 0; at < n;) {
      const Entry* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->size;
      if (strcmp(entry->name, ".") && strcmp(entry->name, "..") && (!keep || strcmp(entry->name, keep)))
        unlinkat(dir, entry->name, 0);
    }
  }
}

Fd open_instances(int state, bool make) {
  if (make) mkdirat(state, "instances", 0700);
  return Fd(openat(state, "instances", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// One try; Claim::Error with *error ENOENT or ESTALE means that the directory was removed meanwhile.
Claim try_claim(InstanceDir* out, int* error) {
  const char* name = out->name.c_str();
  if (mkdirat(out->parent.get(), name, 0700) != 0 && errno != EEXIST) return *error = errno, Claim::Error;
  out->dir.reset(openat(out->parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!out->dir.valid()) return *error = errno, Claim::Error;
  out->lock.reset(openat(out->dir.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out->lock.valid()) return *error = errno, Claim::Error;
  *error = set_lock(out->lock.get(), kMutation, F_WRLCK, true);
  if (*error) return Claim::Error;
  if (!same(out->parent.get(), name, out->dir.get()) || !same(out->dir.get(), "lock", out->lock.get()))
    return *error = ESTALE, Claim::Error;
  *error = set_lock(out->lock.get(), kAlive, F_WRLCK, false);
  if (*error == EAGAIN || *error == EACCES) return Claim::Busy;
  if (*error) return Claim::Error;
  empty_directory(out->dir.get(), "lock");
  set_lock(out->lock.get(), kMutation, F_UNLCK, false);
  return Claim::Ok;
}

}  // namespace

int open_state_dir(const char* path, Fd* out, Text<400>* why) {
  why->clear();
  why->add("the state directory \"").add(path).add("\" ");
  if (mkdir(path, 0700) != 0 && errno != EEXIST) {
    int error = errno;
    why->add("cannot be made");
    return error;
  }
  out->reset(retry([&] { return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
  if (!out->valid()) {
    int error = errno;
    why->add(error == ELOOP || error == ENOTDIR ? "is not a directory of its own (a link or a file)"
                                                : "cannot be opened");
    return error;
  }
  struct stat st;
  if (fstat(out->get(), &st) != 0) return errno;
  if (st.st_uid != geteuid()) {
    why->add("belongs to uid ").add_number(st.st_uid).add(", not to you");
    return EPERM;
  }
  if (st.st_mode & 077) {
    why->add("can be entered by others: its mode must be 0700");
    return EPERM;
  }
  return 0;
}

Claim claim_instance(int state, const char* name, InstanceDir* out, int* error) {
  out->parent = open_instances(state, true);
  if (!out->parent.valid()) return *error = errno, Claim::Error;
  out->name.clear();
  out->name.add(name);
  for (int i = 0; i < kClaimTries; i++) {
    Claim claim = try_claim(out, error);
    if (claim != Claim::Ok) out->lock.reset();  // and with it byte 1
    if (claim != Claim::Error || (*error != ENOENT && *error != ESTALE)) return claim;
  }
  return Claim::Error;
}

void remove_instance(InstanceDir* instance) {
  set_lock(instance->lock.get(), kMutation, F_WRLCK, true);
  empty_directory(instance->dir.get(), nullptr);
  unlinkat(instance->parent.get(), instance->name.c_str(), AT_REMOVEDIR);
  instance->lock.reset();
  instance->dir.reset();
}

bool instance_locked(int state, const char* name) {
  Text<400> path;
  path.add("instances/").add(name).add("/lock");
  Fd lock(sys::openat2(state, path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
  return lock.valid() && held(lock.get(), kAlive);
}

bool remove_dead_instance(int state, const char* name) {
  InstanceDir instance;
  instance.parent = open_instances(state, false);
  instance.name.add(name);
  instance.dir.reset(openat(instance.parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!instance.dir.valid()) return false;
  instance.lock.reset(openat(instance.dir.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!instance.lock.valid() || set_lock(instance.lock.get(), kMutation, F_WRLCK, true) != 0) return false;
  if (!same(instance.parent.get(), name, instance.dir.get()) || !same(instance.dir.get(), "lock", instance.lock.get()))
    return false;
  if (held(instance.lock.get(), kAlive)) return false;
  empty_directory(instance.dir.get(), nullptr);
  unlinkat(instance.parent.get(), name, AT_REMOVEDIR);
  return true;
}

bool valid_instance_name(const char* name) {
  size_t n = strlen(name);
  if (!n || n > 128 || !strcmp(name, ".") || !strcmp(name, "..")) return false;
  for (; *name; name++) {
    bool ok = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') ||
              *name == '.' || *name == '_' || *name == '-';
    if (!ok) return false;
  }
  return true;
}

}  // namespace davit
