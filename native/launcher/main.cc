// davit-launcher --plan FD[,CLOCK] [BLANKS]   executes the plan in that descriptor, noting the time by the clock in
//                                             that one (native/timing); BLANKS are room for the title that ps shows
// davit ...                   (any other arguments) is the front door
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "launcher/roles.h"
#include "sys/process_title.h"
#include "timing/clock.h"

namespace davit {
namespace {

constexpr off_t kMaxPlan = 64 << 20;

// Undoes what Node did to this process on the way here (see front_door.cc).
void restore_caller() {
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  const char* front = getenv("DAVIT_FRONT");
  if (!front) return;
  char* end;
  rlim_t soft = strtoull(front, &end, 10);
  uint64_t ignored = *end == ':' ? strtoull(end + 1, nullptr, 10) : 0;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && soft && soft < files.rlim_cur) {
    files.rlim_cur = soft;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  for (int number = 1; number < 64; number++)
    if (ignored >> number & 1) signal(number, SIG_IGN);
  unsetenv("DAVIT_FRONT");
  size_t prefix = strlen(kHiddenPrefix);
  for (char** entry = environ; *entry; entry++)
    if (!strncmp(*entry, kHiddenPrefix, prefix)) *entry += prefix;
}

int execute_plan(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > kMaxPlan) return refuse_plan("cannot be read");
  size_t size = static_cast<size_t>(st.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) return refuse_plan("no memory");
  close(fd);
  return launch({static_cast<const char*>(bytes), size}, {});
}

}  // namespace
}  // namespace davit

int main(int argc, char** argv) {
  // execve(2) with closed 0, 1 or 2 would let the next open take their place.
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) open("/dev/null", O_RDWR);
  if (argc < 3 || argc > 4 || strcmp(argv[1], "--plan") != 0) return davit::front_door(argc, argv);
  const char* comma = strchr(argv[2], ',');
  if (comma) davit::timing::attach(atoi(comma + 1));
  davit::remember_arguments(argc, argv);
  davit::restore_caller();
  return davit::execute_plan(atoi(argv[2]));
}
