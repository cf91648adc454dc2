#include "sys/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace davit {
namespace {

constexpr int kAttachTries = 64;  // LOOP_CTL_GET_FREE races with every other user of loop devices

struct Wanted {
  struct stat image;
  uint64_t offset;
  uint64_t size;
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

bool open_loop(unsigned number, LoopDevice* out) {
  out->path.clear();
  out->path.add("/dev/loop").add_number(number);
  out->fd.reset(retry([&] { return open(out->path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW); }));
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
  config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
  strncpy(reinterpret_cast<char*>(config.info.lo_file_name), image_path, LO_NAME_SIZE - 1);
  int error = EBUSY;
  for (int i = 0; i < kAttachTries; i++) {
    int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return errno;
    what->clear();
    what->add("/dev/loop").add_number(number);
    if (!open_loop(static_cast<unsigned>(number), out)) return errno;
    if (ioctl(out->fd.get(), LOOP_CONFIGURE, &config) == 0) return 0;
    error = errno;
    if (error != EBUSY) return error;
  }
  return error;
}

// The memory lies in the state directory, which a one-shot launch may be the first to need.
void make_memory(const char* dir) {
  if (mkdir(dir, 0700) == 0 || errno != ENOENT) return;
  Text<600> parent;
  parent.add(std::string_view(dir, strlen(dir)).substr(0, std::string_view(dir).rfind('/')));
  mkdir(parent.c_str(), 0700);
  mkdir(dir, 0700);
}

}  // namespace

int loop_for_image(int image_fd, const char* image_path, uint64_t offset, uint64_t size, const char* memory_dir,
                   LoopDevice* out, Text<200>* what) {
  Wanted wanted{};
  wanted.offset = offset;
  wanted.size = size;
  if (fstat(image_fd, &wanted.image) != 0) return errno;
  Text<600> path;
  path.add(memory_dir).add("/").add_number(static_cast<int64_t>(wanted.image.st_dev)).add("-");
  path.add_number(static_cast<int64_t>(wanted.image.st_ino)).add("-").add_number(static_cast<int64_t>(offset));
  Fd memory;
  if (*memory_dir && !path.full()) {
    make_memory(memory_dir);
    memory.reset(retry([&] { return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); }));
  }
  // The lock makes the first starts of an image agree on one device; it is held for the attach only.
  if (memory.valid()) retry([&] { return flock(memory.get(), LOCK_EX); });
  uint32_t number = UINT32_MAX;
  if (memory.valid() && pread(memory.get(), &number, sizeof number, 0) == static_cast<ssize_t>(sizeof number) &&
      number != UINT32_MAX && open_loop(number, out) && serves(out->fd.get(), wanted))
    return 0;
  int error = attach(image_fd, image_path, wanted, out, what);
  if (error) return error;
  number = static_cast<uint32_t>(strtoul(out->path.c_str() + strlen("/dev/loop"), nullptr, 10));
  if (memory.valid() && pwrite(memory.get(), &number, sizeof number, 0) < 0) {
    // Not remembered: the next launch attaches a device of its own, which is slower and no error.
  }
  return 0;
}

}  // namespace davit
