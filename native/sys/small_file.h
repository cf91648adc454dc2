// Small files, whole: read into an arena, write with one rename.
#pragma once
#include <stdint.h>

#include <string_view>

#include "sys/arena.h"
#include "sys/fd.h"

namespace davit {

// Reads everything from `fd` (at most `limit` bytes) into the arena. 0 or an errno (EFBIG, ENOMEM included).
int read_all(int fd, size_t limit, Arena& arena, std::string_view* out);
// Opens beneath `dir` (AT_FDCWD allowed), reads, closes. O_NOFOLLOW for the last component when `follow` is false.
// A FIFO is refused (EINVAL): nobody may write to it.
int read_file(int dir, const char* path, bool follow, size_t limit, Arena& arena, std::string_view* out);
// Writes all bytes, also to a pipe that somebody made non-blocking; 0 or an errno.
int write_all(int fd, std::string_view bytes);
// Writes `name` beneath `dir` by a temporary sibling and rename(2); no fsync: state does not outlive a boot. 0 or
// errno.
int replace_file(int dir, const char* name, std::string_view bytes, unsigned mode);

}  // namespace davit
