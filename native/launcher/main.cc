// davit-launcher --plan FD [BLANKS]   executes the plan in that descriptor; BLANKS are room for the title
//                                     that ps shows
// davit ...                   (any other arguments) is the front door
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "executor/executor.h"
#include "launcher/roles.h"
#include "sys/process_title.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr off_t kMaxPlan = 64 << 20;

int refuse(std::string_view text) {
  Text<300> line;
  line.add("FATAL:   launch plan: ").add(text).add("\n");
  write_all(2, line.view());
  return kFatalStatus;
}

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

// From here on the image is only where it is open: nothing is left of it, whoever is killed when.
bool take_temporary_image(Context& ctx) {
  const auto& [path, descriptor] = ctx.plan.temporary_image;
  if (!*path) return true;
  Text<600> message;
  message.add("open the image \"").add(path).add("\"");
  int fd = retry([&] { return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY); });
  int error = fd < 0 || dup3(fd, descriptor, O_CLOEXEC) < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  unlink(path);
  Text<PATH_MAX> directory;
  directory.add(std::string_view(path).substr(0, std::string_view(path).rfind('/')));
  rmdir(directory.c_str());
  return error == 0 || ctx.fail(error, message.view());
}

int execute_plan(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > kMaxPlan) return refuse("cannot be read");
  size_t size = static_cast<size_t>(st.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  size_t room = arena_size(size, environ);
  void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == MAP_FAILED || memory == MAP_FAILED) return refuse("no memory");
  close(fd);
  Arena arena(memory, room);
  LaunchPlan plan;
  if (const char* wrong = decode_plan({static_cast<const char*>(bytes), size}, arena, &plan)) return refuse(wrong);
  // Only 0, 1, 2 and the report survive; all else the caller had open is not for the container.
  int report = plan.output.report_fd;
  if (report > 2) {
    if (report > 3) sys::close_range(3, static_cast<unsigned>(report) - 1, 0);
    sys::close_range(static_cast<unsigned>(report) + 1, ~0U, 0);
    fcntl(report, F_SETFD, FD_CLOEXEC);
  } else {
    sys::close_range(3, ~0U, 0);
  }
  Context ctx(plan, arena);
  if (!take_temporary_image(ctx)) return report_failure(ctx);
  switch (plan.mode) {
    case Mode::InPlace: return run_in_place(ctx);
    case Mode::Child: return run_child(ctx);
    case Mode::Instance: return start_instance(ctx);
    case Mode::Join: return run_join(ctx);
  }
  return refuse("unknown mode");
}

}  // namespace
}  // namespace davit

int main(int argc, char** argv) {
  // execve(2) with closed 0, 1 or 2 would let the next open take their place.
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) open("/dev/null", O_RDWR);
  if (argc < 3 || argc > 4 || strcmp(argv[1], "--plan") != 0) return davit::front_door(argc, argv);
  davit::remember_arguments(argc, argv);
  davit::restore_caller();
  return davit::execute_plan(atoi(argv[2]));
}
