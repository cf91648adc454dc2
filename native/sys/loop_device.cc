#include "sys/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

namespace davit {
namespace {

constexpr int kLockWaits = 5000;  // times kLockWaitNs: five seconds
constexpr long kLockWaitNs = 1000000;
constexpr int kAttachTries = 64;  // LOOP_CTL_GET_FREE races with every other user of loop devices

struct Wanted {
  struct stat image;
  uint64_t offset;
  uint64_t size;
  bool writable;
};

bool serves(int device, const Wanted& wanted) {
  struct loop_info64 info;
  if (ioctl(device, LOOP_GET_STATUS64, &info) != 0) return false;
  // lo_device holds the kernel's encoding of dev_t (new_encode_dev), which is the low 32 bits of glibc's for
  // majors and minors below 4096 and 1 Mi: compare part by part.
  dev_t dev = wanted.image.st_dev;
  uint64_t encoded = (minor(dev) & 0xff) | (static_cast<uint64_t>(major(dev)) << 8) |
                     (static_cast<uint64_t>(minor(dev) & ~0xffU) << 12);
  return info.lo_device == encoded && info.lo_inode == wanted.image.st_ino && info.lo_offset == wanted.offset &&
         info.lo_sizelimit == wanted.size && (info.lo_flags & LO_FLAGS_READ_ONLY);
}

bool open_loop(unsigned number, int access, LoopDevice* out) {
  out->path.clear();
  out->path.add("/dev/loop").add_number(number);
  out->fd.reset(retry([&] { return open(out->path.c_str(), access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); }));
  return out->fd.valid();
}

int attach(int image_fd, const char* image_path, const Wanted& wanted, LoopDevice* out, Text<200>* what) {
  what->clear();
  what->add("/dev/loop-control");
  Fd control(retry([&] { return open("/dev/loop-control", O_RDWR | O_CLOEXEC); }));
  if (!control.valid()) return errno;
  struct loop_config config = {};
  config.fd = static_cast<uint32_t>(image_fd);
  config.info.lo_offset = wanted.offset;
  config.info.lo_sizelimit = wanted.size;
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  if (!wanted.writable) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
  strncpy(reinterpret_cast<char*>(config.info.lo_file_name), image_path, LO_NAME_SIZE - 1);
  int error = EBUSY;
  for (int i = 0; i < kAttachTries; i++) {
    int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return errno;
    what->clear();
    what->add("/dev/loop").add_number(number);
    if (!open_loop(static_cast<unsigned>(number), wanted.writable ? O_RDWR : O_RDONLY, out)) return errno;
    if (ioctl(out->fd.get(), LOOP_CONFIGURE, &config) == 0) return 0;
    error = errno;
    if (error != EBUSY) return error;
  }
  return error;
}

// What a memory file holds: the device, and the state of the image that it was attached to. An image that was written
// to in place keeps its inode, but the blocks that the device has cached are another image's.
struct Memory {
  uint32_t number = UINT32_MAX;
  uint32_t unused = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;
};

int64_t nanoseconds(const struct timespec& t) { return static_cast<int64_t>(t.tv_sec) * 1000000000 + t.tv_nsec; }

// The memory lies in the state directory, which a one-shot launch may be the first to need. It is the caller's own, or
// it is not used: a name in a directory of somebody else's may be a link to anywhere.
Fd open_memory_dir(const char* dir) {
  if (!*dir) return Fd();
  if (mkdir(dir, 0700) != 0 && errno == ENOENT) {
    Text<PATH_MAX> parent;
    parent.add(std::string_view(dir).substr(0, std::string_view(dir).rfind('/')));
    mkdir(parent.c_str(), 0700);
    mkdir(dir, 0700);
  }
  Fd fd(retry([&] { return open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 022)) return Fd();
  return fd;
}

// The image's file there, locked: the first launches of an image agree on one device. Whoever holds the lock may have
// been suspended: after a while the device is not shared. Invalid: no memory.
Fd open_memory(const char* dir, const Wanted& wanted) {
  Fd parent = open_memory_dir(dir);
  if (!parent.valid()) return Fd();
  Text<100> name;
  name.add_number(static_cast<int64_t>(wanted.image.st_dev)).add("-");
  name.add_number(static_cast<int64_t>(wanted.image.st_ino)).add("-").add_number(static_cast<int64_t>(wanted.offset));
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Fd memory(retry([&] { return openat(parent.get(), name.c_str(), kFlags, 0600); }));
  for (int waited = 0; memory.valid() && flock(memory.get(), LOCK_EX | LOCK_NB) != 0; waited++) {
    if (errno != EWOULDBLOCK || waited == kLockWaits) return Fd();
    struct timespec moment = {0, kLockWaitNs};
    nanosleep(&moment, nullptr);
  }
  return memory;
}

}  // namespace

int loop_for_image(int image_fd, const char* image_path, uint64_t offset, uint64_t size, const char* memory_dir,
                   LoopDevice* out, Text<200>* what) {
  Wanted wanted{};
  wanted.offset = offset;
  wanted.size = size;
  if (fstat(image_fd, &wanted.image) != 0) return errno;
  Fd file = open_memory(memory_dir, wanted);
  Memory now, then;
  now.modified_ns = nanoseconds(wanted.image.st_mtim);
  now.changed_ns = nanoseconds(wanted.image.st_ctim);
  if (file.valid() && pread(file.get(), &then, sizeof then, 0) == static_cast<ssize_t>(sizeof then) &&
      then.number != UINT32_MAX && then.modified_ns == now.modified_ns && then.changed_ns == now.changed_ns &&
      open_loop(then.number, O_RDONLY, out) && serves(out->fd.get(), wanted))
    return 0;
  int error = attach(image_fd, image_path, wanted, out, what);
  if (error) return error;
  now.number = static_cast<uint32_t>(strtoul(out->path.c_str() + strlen("/dev/loop"), nullptr, 10));
  if (file.valid() && pwrite(file.get(), &now, sizeof now, 0) < 0) {
    // Not remembered: the next launch attaches a device of its own, which is slower and no error.
  }
  return 0;
}

int loop_for_writing(int image_fd, const char* image_path, uint64_t offset, uint64_t size, LoopDevice* out,
                     Text<200>* what) {
  Wanted wanted{};
  wanted.offset = offset;
  wanted.size = size;
  wanted.writable = true;
  if (int error = attach(image_fd, image_path, wanted, out, what)) return error;
  // Kernels without CONFIG_BLK_DEV_WRITE_MOUNTED mount no device that somebody has open for writing.
  Fd reader(retry([&] { return open(out->path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); }));
  if (!reader.valid()) return errno;
  out->fd = static_cast<Fd&&>(reader);
  return 0;
}

}  // namespace davit
