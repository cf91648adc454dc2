#include "state/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "davit_fields.h"
#include "sys/fd.h"

namespace davit {
namespace {

namespace K = fields::SightKind;
using Words = Text<kMaxSight>;

constexpr off_t kLiteral = 4096;          // content up to this size is compared itself
constexpr int64_t kUnsettledSeconds = 2;  // the coarsest time stamps in use are FAT's
constexpr int kMaxGroups = 500;

bool number(Words* out, uint64_t value) {
  out->add_number(static_cast<int64_t>(value)).add(" ");
  return true;
}

bool failed(Words* out, int error) {
  out->add("!").add_number(error);
  return true;
}

void owner(Words* out, const struct stat& st) {
  for (uint64_t value : {uint64_t{st.st_dev}, uint64_t{st.st_ino}, uint64_t{st.st_mode}, uint64_t{st.st_uid},
                         uint64_t{st.st_gid}, uint64_t{st.st_rdev}})
    number(out, value);
}

bool status(const char* path, int flags, Words* out) {
  struct stat st;
  if (fstatat(AT_FDCWD, path, &st, flags) != 0) return failed(out, errno);
  owner(out, st);
  return true;
}

bool identity(const struct stat& st, Seen* seen) {
  owner(&seen->text, st);
  number(&seen->text, static_cast<uint64_t>(st.st_size));
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  for (const struct timespec& time : {st.st_mtim, st.st_ctim}) {
    number(&seen->text, static_cast<uint64_t>(time.tv_sec));
    number(&seen->text, static_cast<uint64_t>(time.tv_nsec));
    // Times ahead of the clock too: a server's clock.
    if (now.tv_sec - time.tv_sec <= kUnsettledSeconds) seen->settled = false;
  }
  return true;
}

// By open(2), after which a network file system shows what is on its server.
bool file(const char* path, bool content, Seen* seen) {
  Fd fd(retry([&] { return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0) return failed(&seen->text, errno);
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return false;
  if (!content || S_ISDIR(st.st_mode) || st.st_size > kLiteral) return identity(st, seen);
  // What the kernel makes up has no size, and an inode number for each process.
  if (st.st_size) owner(&seen->text, st);
  seen->text.add("=");
  char buffer[kLiteral + 1];
  size_t used = 0;
  for (;;) {
    ssize_t n = retry([&] { return read(fd.get(), buffer + used, sizeof buffer - used); });
    if (n < 0) return false;
    if (n == 0) break;
    used += static_cast<size_t>(n);
    if (used == sizeof buffer) return false;
  }
  seen->text.add({buffer, used});
  return true;
}

bool link_text(const char* path, Words* out) {
  char target[PATH_MAX];
  ssize_t n = readlink(path, target, sizeof target);
  if (n < 0) return failed(out, errno);
  out->add({target, static_cast<size_t>(n)});
  return n < static_cast<ssize_t>(sizeof target);
}

bool resolved(const char* path, Words* out) {
  Fd fd(retry([&] { return open(path, O_PATH | O_CLOEXEC); }));
  return fd.valid() ? link_text(FdPath(fd.get()).c_str(), out) : failed(out, errno);
}

bool terminal(int fd, Words* out) {
  struct stat st;
  bool device = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
  if (device) out->add("c").add_number(major(st.st_rdev));
  return true;
}

// The name of a terminal; of anything else nothing, for a pipe has another one each time.
bool console(int fd, Words* out) {
  Words name;
  if (!link_text(FdPath(fd).c_str(), &name)) return false;
  for (std::string_view prefix : {"/dev/pts/", "/dev/tty", "/dev/console"})
    if (name.view().substr(0, prefix.size()) == prefix) *out = name;
  return true;
}

bool caller(Words* out) {
  gid_t groups[kMaxGroups];
  int count = getgroups(kMaxGroups, groups);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct capabilities[2] = {};
  char cwd[PATH_MAX];
  if (count < 0 || syscall(SYS_capget, &header, capabilities) != 0 || !getcwd(cwd, sizeof cwd)) return false;
  for (uint64_t value :
       {uint64_t{getuid()}, uint64_t{geteuid()}, uint64_t{getgid()}, uint64_t{getegid()}, uint64_t{file_mask()},
        uint64_t{capabilities[0].effective}, uint64_t{capabilities[1].effective}})
    number(out, value);
  for (int i = 0; i < count; i++) number(out, groups[i]);
  for (const char* name : {"/proc/self/ns/user", "/proc/self/ns/mnt"}) {
    struct stat st;
    if (stat(name, &st) != 0) return false;
    out->add("/");
    number(out, st.st_dev);
    number(out, st.st_ino);
  }
  out->add(cwd);
  return true;
}

bool observe(unsigned kind, const char* object, Seen* seen) {
  Words* out = &seen->text;
  switch (kind) {
    case K::CALLER: return caller(out);
    case K::STATUS: return status(object, 0, out);
    case K::LINK_STATUS: return status(object, AT_SYMLINK_NOFOLLOW, out);
    case K::ACCESS:
      if (*object < '0' || *object > '7') return false;
      return access(object + 1, *object - '0') == 0 || failed(out, errno);
    case K::CONTENT: return file(object, true, seen);
    case K::IDENTITY: return file(object, false, seen);
    case K::RESOLVED: return resolved(object, out);
    case K::TERMINAL: return terminal(atoi(object), out);
    case K::CONSOLE: return console(atoi(object), out);
    default: return false;
  }
}

bool same_variable(const char* name, std::string_view seen, const char* const* environment) {
  size_t size = strlen(name);
  for (; *environment; environment++)
    if (!strncmp(*environment, name, size) && (*environment)[size] == '=') return seen == *environment + size;
  return seen.empty();
}

bool same_variables(const char* prefix, std::string_view seen, const char* const* environment) {
  for (; *environment; environment++) {
    std::string_view entry = *environment;
    if (strncmp(*environment, prefix, strlen(prefix)) != 0 || is_private_variable(entry)) continue;
    if (seen.size() <= entry.size() || seen.substr(0, entry.size()) != entry || seen[entry.size()]) return false;
    seen.remove_prefix(entry.size() + 1);
  }
  return seen.empty();
}

bool not_expired(std::string_view seen) {
  char text[64] = {};
  if (seen.empty() || seen.size() >= sizeof text) return false;
  memcpy(text, seen.data(), seen.size());
  char* end;
  long long from = strtoll(text, &end, 10), to = strtoll(end, &end, 10), now = time(nullptr);
  return !*end && from <= now && now < to;
}

}  // namespace

bool is_private_variable(std::string_view entry) {
  for (std::string_view name : {"DAVIT_FRONT=", "DAVIT_NODE=", "DAVIT_PLAN_CACHE=", "DAVIT_HIDDEN_"})
    if (entry.substr(0, name.size()) == name) return true;
  return false;
}

unsigned file_mask() {
  mode_t mask = umask(0);
  umask(mask);
  return mask;
}

bool look(unsigned kind, const char* object, Seen* seen) {
  seen->text.clear();
  seen->settled = true;
  return observe(kind, object, seen) && !seen->text.full();
}

bool still_true(unsigned kind, const char* object, std::string_view seen, const char* const* environment) {
  switch (kind) {
    case K::VARIABLE: return same_variable(object, seen, environment);
    case K::VARIABLES: return same_variables(object, seen, environment);
    case K::EXPIRY: return not_expired(seen);
  }
  Seen now;
  return look(kind, object, &now) && now.text.view() == seen;
}

}  // namespace davit
