#include "sys/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "sys/fd.h"

namespace davit {
namespace {

struct flock one_byte(off_t byte, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

}  // namespace

int set_lock(int fd, off_t byte, short type) {
  struct flock lock = one_byte(byte, type);
  if (retry([&] { return fcntl(fd, F_OFD_SETLK, &lock); }) == 0) return 0;
  return errno == EACCES ? EAGAIN : errno;
}

int set_lock_within(int fd, off_t byte, short type, int wait_ms) {
  for (int waited = 0;; waited++) {
    int error = set_lock(fd, byte, type);
    if (error != EAGAIN || waited >= wait_ms) return error;
    struct timespec moment = {0, 1000000};
    nanosleep(&moment, nullptr);
  }
}

int wait_for_lock(int fd, off_t byte, short type) {
  struct flock lock = one_byte(byte, type);
  return retry([&] { return fcntl(fd, F_OFD_SETLKW, &lock); }) == 0 ? 0 : errno;
}

bool lock_held(int fd, off_t byte) {
  struct flock lock = one_byte(byte, F_WRLCK);
  return retry([&] { return fcntl(fd, F_OFD_GETLK, &lock); }) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace davit
