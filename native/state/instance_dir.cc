#include "state/instance_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/file_lock.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr int kClaimTries = 100;
constexpr int kMutationWaitMs = 5000;
constexpr int kMaxDepth = 32;  // of foreign directories within an instance directory
constexpr off_t kAlive = 0, kMutation = 1;

bool same(int dir, const char* name, int fd) {
  struct stat a, b;
  return fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

void remove_entry(int dir, const char* name, int depth);

// Removes every entry of `dir` but `keep`. The directory is ours and flat; what somebody else has put there is removed
// too.
void empty_directory(int dir, const char* keep, int depth = 0) {
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
        remove_entry(dir, entry->name, depth);
    }
  }
}

void remove_entry(int dir, const char* name, int depth) {
  if (unlinkat(dir, name, 0) == 0 || errno != EISDIR || depth == kMaxDepth) return;
  Fd inner(openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (inner.valid()) empty_directory(inner.get(), nullptr, depth + 1);
  unlinkat(dir, name, AT_REMOVEDIR);
}

// Byte 1, for the moments of a change. Who holds it may have been suspended in the middle: then EAGAIN after a while.
int lock_mutation(int fd) { return set_lock_within(fd, kMutation, F_WRLCK, kMutationWaitMs); }

// Something that is not of kind `type` (a link, a file, a directory) has taken the place of `name`: it is removed. Only
// one process at a time does so, and nobody else changes what is of the wrong kind.
void clear_place(int dir, const char* name, mode_t type) {
  Fd guard(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st;
  if (!guard.valid() || retry([&] { return flock(guard.get(), LOCK_EX); }) != 0) return;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) != type) remove_entry(dir, name, 0);
}

// Removes the directory of an instance; the caller holds byte 1. Whoever claims the name waits for that byte as long as
// the lock lies there, which is removed last: from then on somebody else may have a lock and a record in this
// directory.
void remove_directory(const InstanceDir& instance) {
  empty_directory(instance.dir.get(), "lock");
  remove_entry(instance.dir.get(), "lock", 0);
  unlinkat(instance.parent.get(), instance.name.c_str(), AT_REMOVEDIR);
}

Fd open_instances(int state, bool make) {
  int not_made = make && mkdirat(state, "instances", 0700) != 0 && errno != EEXIST ? errno : 0;
  Fd instances(openat(state, "instances", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!instances.valid() && not_made) errno = not_made;  // a full or read-only disk, and not that nothing is there
  return instances;
}

// The lock file of an instance directory; what else lies in its place is no lock of anybody's and is removed.
Fd open_lock(int dir) {
  for (int tries = 0; tries < 2; tries++) {
    struct stat st;
    Fd lock(openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (lock.valid() && fstat(lock.get(), &st) == 0 && S_ISREG(st.st_mode)) return lock;
    if (!lock.valid() && errno != ELOOP && errno != EISDIR && errno != ENXIO && errno != EACCES) return lock;
    bool forbidden = !lock.valid() && errno == EACCES;
    if (forbidden && fchmodat(dir, "lock", 0600, 0) != 0) return lock;
    if (!forbidden) clear_place(dir, "lock", S_IFREG);
  }
  errno = EINVAL;
  return Fd();
}

// One try; Claim::Error with *error ENOENT or ESTALE means that the directory was removed meanwhile.
Claim try_claim(InstanceDir* out, int* error) {
  const char* name = out->name.c_str();
  if (mkdirat(out->parent.get(), name, 0700) != 0 && errno != EEXIST) return *error = errno, Claim::Error;
  out->dir.reset(openat(out->parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!out->dir.valid() && (errno == ENOTDIR || errno == ELOOP)) {
    clear_place(out->parent.get(), name, S_IFDIR);
    return *error = ESTALE, Claim::Error;
  }
  if (!out->dir.valid()) return *error = errno, Claim::Error;
  out->lock = open_lock(out->dir.get());
  if (!out->lock.valid()) return *error = errno, Claim::Error;
  *error = lock_mutation(out->lock.get());
  if (*error) return *error == EAGAIN ? Claim::Busy : Claim::Error;
  if (!same(out->parent.get(), name, out->dir.get()) || !same(out->dir.get(), "lock", out->lock.get()))
    return *error = ESTALE, Claim::Error;
  *error = set_lock(out->lock.get(), kAlive, F_WRLCK);
  if (*error == EAGAIN) return Claim::Busy;
  if (*error) return Claim::Error;
  empty_directory(out->dir.get(), "lock");
  set_lock(out->lock.get(), kMutation, F_UNLCK);
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

Fd open_own_directory(const char* path) {
  Fd dir(retry([&] { return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
  struct stat st;
  if (!dir.valid() || fstat(dir.get(), &st) != 0) return Fd();
  if (st.st_uid == geteuid() && !(st.st_mode & 077)) return dir;
  errno = EPERM;
  return Fd();
}

Claim claim_instance(int state, const char* name, InstanceDir* out, int* error) {
  out->state.reset(fcntl(state, F_DUPFD_CLOEXEC, 3));
  if (out->state.valid()) flock(out->state.get(), LOCK_SH | LOCK_NB);
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
  // Where the lock cannot be had (its holder is suspended) the next list or start removes what is left.
  if (lock_mutation(instance->lock.get()) == 0) remove_directory(*instance);
  instance->lock.reset();
  instance->dir.reset();
}

bool instance_locked(int state, const char* name) {
  Text<400> path;
  path.add("instances/").add(name).add("/lock");
  Fd lock(sys::openat2(state, path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
  return lock.valid() && lock_held(lock.get(), kAlive);
}

bool remove_dead_instance(int state, const char* name) {
  InstanceDir instance;
  instance.parent = open_instances(state, false);
  instance.name.add(name);
  instance.dir.reset(openat(instance.parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!instance.dir.valid()) {
    if (errno == ENOTDIR || errno == ELOOP) clear_place(instance.parent.get(), name, S_IFDIR);
    return false;
  }
  instance.lock = open_lock(instance.dir.get());
  if (!instance.lock.valid() || set_lock(instance.lock.get(), kMutation, F_WRLCK) != 0) return false;
  if (!same(instance.parent.get(), name, instance.dir.get()) || !same(instance.dir.get(), "lock", instance.lock.get()))
    return false;
  if (lock_held(instance.lock.get(), kAlive)) return false;
  remove_directory(instance);
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
