#include "shell/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "sys/fd.h"
#include "sys/syscalls.h"

namespace davit::shell {
namespace {

class Path {
 public:
  explicit Path(std::string_view path) {
    fits_ = path.size() < sizeof text_ && path.find('\0') == std::string_view::npos;
    size_t size = fits_ ? path.size() : 0;
    if (size) memcpy(text_, path.data(), size);
    text_[size] = 0;
  }
  bool fits() const { return fits_; }
  const char* c_str() const { return text_; }

 private:
  bool fits_;
  char text_[PATH_MAX];
};

// Errors that mean "there is no such file for this process".
Answer absent(int err) {
  switch (err) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case ELOOP:
    case ENAMETOOLONG: return Answer::No;
    default: return Answer::Unknown;
  }
}

constexpr size_t kListBytes = 8 << 20;

// What getdents64(2) fills in.
struct DirectoryEntry {
  ino64_t inode;
  off64_t offset;
  unsigned short size;
  unsigned char type;
  char name[];
};

}  // namespace

bool Files::has_root() const { return root_fd_ != AT_FDCWD; }

int Files::open(std::string_view path, int flags) const {
  Path text(path);
  if (!text.fits()) {
    errno = ENAMETOOLONG;
    return -1;
  }
  flags |= O_CLOEXEC;
  if (!has_root() || path.empty() || path[0] != '/') {
    return retry([&] { return openat(AT_FDCWD, text.c_str(), flags); });
  }
  // openat2(2): EAGAIN means that a rename raced with the resolution of "..".
  for (int tries = 0;; tries++) {
    int fd = retry([&] { return sys::openat2(root_fd_, text.c_str(), static_cast<uint64_t>(flags), RESOLVE_IN_ROOT); });
    if (fd >= 0 || errno != EAGAIN || tries == 16) return fd;
  }
}

Answer Files::stat(std::string_view path, bool follow, struct stat* st) const {
  if (!has_root()) {
    Path text(path);
    if (!text.fits()) return Answer::No;
    if (fstatat(AT_FDCWD, text.c_str(), st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0) return Answer::Yes;
    return absent(errno);
  }
  Fd fd(open(path, O_PATH | (follow ? 0 : O_NOFOLLOW)));
  if (!fd.valid()) return absent(errno);
  return fstat(fd.get(), st) == 0 ? Answer::Yes : Answer::Unknown;
}

Answer Files::access(std::string_view path, int mode) const {
  int result;
  if (!has_root()) {
    Path text(path);
    if (!text.fits()) return Answer::No;
    result = faccessat(AT_FDCWD, text.c_str(), mode, AT_EACCESS);
  } else {
    Fd fd(open(path, O_PATH));
    if (!fd.valid()) return absent(errno);
    result = static_cast<int>(syscall(SYS_faccessat2, fd.get(), "", mode, AT_EMPTY_PATH | AT_EACCESS));
  }
  if (result == 0) return Answer::Yes;
  return errno == EROFS || errno == EPERM || errno == ETXTBSY ? Answer::No : absent(errno);
}

bool Files::is_terminal(int fd) const {
  struct termios settings;
  return ioctl(fd, TCGETS, &settings) == 0;
}

bool Files::is_null_device(std::string_view path) const {
  struct stat st;
  return stat(path, true, &st) == Answer::Yes && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

const char* Files::read(std::string_view path, Memory& memory, std::string_view* text) const {
  Fd fd(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat st;
  if (!fd.valid()) return "a sourced file that cannot be opened";
  if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return "a sourced file that is not a regular file";
  size_t room = static_cast<size_t>(st.st_size);
  char* data = static_cast<char*>(memory.try_push(room, 1));
  if (!data) return "a sourced file larger than the memory set aside";
  size_t size = 0;
  while (size < room) {
    ssize_t n = retry([&] { return ::read(fd.get(), data + size, room - size); });
    if (n <= 0) return "a sourced file that cannot be read";
    size += static_cast<size_t>(n);
  }
  *text = {data, size};
  return nullptr;
}

Answer Files::list(std::string_view directory, Memory& memory, std::string_view* names) const {
  Fd fd(open(directory, O_RDONLY | O_DIRECTORY | O_NONBLOCK));
  if (!fd.valid()) return absent(errno);
  alignas(DirectoryEntry) char buffer[4096];
  char* data = nullptr;
  size_t size = 0, room = 0;
  for (;;) {
    long n = retry([&] { return syscall(SYS_getdents64, fd.get(), buffer, sizeof buffer); });
    if (n < 0) return Answer::Unknown;
    if (n == 0) break;
    for (long at = 0; at < n;) {
      const DirectoryEntry* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->size;
      size_t length = strlen(entry->name) + 1;
      if (!strcmp(entry->name, ".") || !strcmp(entry->name, "..")) continue;
      if (room - size < length) {
        size_t wanted = room ? room * 2 : sizeof buffer;
        if (wanted > kListBytes) return Answer::Unknown;
        if (!data || !memory.extend(data, room, wanted)) {
          char* moved = static_cast<char*>(memory.try_push(wanted, 1));
          if (!moved) return Answer::Unknown;
          if (size) memcpy(moved, data, size);
          data = moved;
        }
        room = wanted;
      }
      memcpy(data + size, entry->name, length);
      size += length;
    }
  }
  *names = {data, size};
  return Answer::Yes;
}

}  // namespace davit::shell
