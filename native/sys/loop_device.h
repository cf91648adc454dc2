// Loop devices, one per image: every launch of an image mounts the same device and so shares its superblock and cache.
#pragma once
#include <stdint.h>

#include "sys/fd.h"
#include "sys/text.h"

namespace davit {

struct LoopDevice {
  Fd fd;          // keeps the device alive until it is mounted; it clears itself after the last user
  Text<32> path;  // "/dev/loopN"
};

// Finds or attaches the read-only device for [offset, offset + size) of the image. `memory_dir` remembers which device
// serves which image; it must be the caller's own; missing or read-only, devices are not shared. On failure returns an
// errno and sets *what to the object that refused.
int loop_for_image(int image_fd, const char* image_path, uint64_t offset, uint64_t size, const char* memory_dir,
                   LoopDevice* out, Text<200>* what);

// A writable device of the caller's own; `image_fd` must be open for writing. The device keeps the open file: a lock of
// it lives as long. `size` 0: to the end of the image.
int loop_for_writing(int image_fd, const char* image_path, uint64_t offset, uint64_t size, LoopDevice* out,
                     Text<200>* what);

}  // namespace davit
