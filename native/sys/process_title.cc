#include "sys/process_title.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

extern char** environ;

namespace davit {
namespace {

constexpr uintptr_t kPage = 4096;

char* room = nullptr;
size_t room_size = 0;

}  // namespace

void remember_arguments(int argc, char** argv) {
  if (argc < 1) return;
  room = argv[0];
  room_size = static_cast<size_t>(argv[argc - 1] - argv[0]) + strlen(argv[argc - 1]) + 1;
}

void set_process_title(const char* name, const char* title) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
  if (!room_size) return;
  size_t n = strlen(title);
  if (n > room_size - 1) n = room_size - 1;
  memcpy(room, title, n);
  memset(room + n, 0, room_size - n);
}

void forget_environment() {
  uintptr_t from = UINTPTR_MAX, to = 0;
  size_t used = 0;
  for (char** entry = environ; *entry; entry++) {
    size_t size = strlen(*entry) + 1;
    uintptr_t start = reinterpret_cast<uintptr_t>(*entry);
    from = start < from ? start : from;
    to = start + size > to ? start + size : to;
    used += size;
  }
  char** entries = environ;
  static char* none[] = {nullptr};
  environ = none;
  if (from >= to) return;
  // As execve(2) laid them out they lie one behind the other; a gap is left by what was unset.
  uintptr_t first = (from + kPage - 1) & ~(kPage - 1), last = to & ~(kPage - 1);
  if (first >= last || to - from > used + kPage) {
    for (char** entry = entries; *entry; entry++) memset(*entry, 0, strlen(*entry));
    return;
  }
  // Whole pages are given back, which empties them; the two at the ends hold other things too.
  madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  memset(reinterpret_cast<void*>(from), 0, first - from);
  memset(reinterpret_cast<void*>(last), 0, to - last);
}

}  // namespace davit
