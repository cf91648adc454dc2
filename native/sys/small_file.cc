#include "sys/small_file.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "sys/text.h"

namespace davit {

int read_all(int fd, size_t limit, Arena& arena, std::string_view* out) {
  struct stat st;
  size_t room = 4096;
  if (fstat(fd, &st) == 0 && st.st_size > 0) room = static_cast<size_t>(st.st_size) + 1;
  if (room > limit + 1) room = limit + 1;
  char* buffer = static_cast<char*>(arena.alloc(room, 1));
  if (!buffer) return ENOMEM;
  size_t used = 0;
  for (;;) {
    if (used == room) {
      if (room > limit) return EFBIG;
      size_t more = room > limit - room ? limit + 1 - room : room;
      char* next = static_cast<char*>(arena.alloc(room + more, 1));
      if (!next) return ENOMEM;
      memcpy(next, buffer, used);
      buffer = next;
      room += more;
    }
    ssize_t n = retry([&] { return read(fd, buffer + used, room - used); });
    if (n < 0) return errno;
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  *out = {buffer, used};
  return 0;
}

int read_file(int dir, const char* path, bool follow, size_t limit, Arena& arena, std::string_view* out) {
  int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  Fd fd(retry([&] { return openat(dir, path, flags); }));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0) return errno;
  if (S_ISFIFO(st.st_mode)) return EINVAL;
  return read_all(fd.get(), limit, arena, out);
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = retry([&] { return write(fd, bytes.data(), bytes.size()); });
    if (n == 0) return EIO;
    if (n < 0) {
      if (errno != EAGAIN) return errno;
      struct pollfd writable = {fd, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

int replace_file(int dir, const char* name, std::string_view bytes, unsigned mode) {
  Text<300> temporary;
  temporary.add(".").add(name).add(".").add_number(getpid());
  if (temporary.full()) return ENAMETOOLONG;
  Fd fd(retry(
      [&] { return openat(dir, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode); }));
  if (!fd.valid()) return errno;
  int err = write_all(fd.get(), bytes);
  if (!err && renameat(dir, temporary.c_str(), dir, name) != 0) err = errno;
  if (err) unlinkat(dir, temporary.c_str(), 0);
  return err;
}

}  // namespace davit
