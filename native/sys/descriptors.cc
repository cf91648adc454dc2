#include "sys/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

#include "sys/syscalls.h"

namespace davit {

void close_all_but(std::initializer_list<int> kept) {
  int sorted[16];
  size_t count = 0;
  for (int fd : kept)
    if (fd > 2 && count < sizeof sorted / sizeof *sorted) sorted[count++] = fd;
  std::sort(sorted, sorted + count);
  unsigned first = 3;
  for (size_t i = 0; i < count; i++) {
    unsigned fd = static_cast<unsigned>(sorted[i]);
    if (fd > first) sys::close_range(first, fd - 1, 0);
    if (fd >= first) first = fd + 1;
  }
  sys::close_range(first, ~0U, 0);
}

bool raise_file_limit(unsigned long* before) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= files.rlim_max) return false;
  *before = files.rlim_cur;
  files.rlim_cur = files.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

void lower_file_limit(unsigned long before) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = before;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace davit
