#include "sys/process_title.h"

#include <string.h>
#include <sys/prctl.h>

namespace davit {
namespace {

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

}  // namespace davit
