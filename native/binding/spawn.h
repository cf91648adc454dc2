// Starting the launcher: in place of this process, or as its child by clone3(CLONE_VM|CLONE_VFORK).
#pragma once
#include <sys/types.h>

#include <string_view>

namespace davit {

struct SpawnRequest {
  const char* launcher;
  int plan_fd;  // memfd with the plan, close-on-exec
  const char* const* env;
  int stdio[3];             // -1: /dev/null
  const char* cwd;          // nullptr: as it is
  int report_fd;            // write end of the report pipe, or -1; the child gets it as descriptor kReportFd
  int parent_death_signal;  // what the child gets when this process ends before it; 0: nothing
};
constexpr int kPlanFd = 3;
constexpr int kReportFd = 4;

// An empty memfd, close-on-exec; -1 and errno.
int make_memory_file(const char* name);
// A memfd with the plan; -1 and errno.
int make_plan_fd(std::string_view plan);
// execve; returns an errno.
int exec_launcher(const char* launcher, int plan_fd);
// The child's pid; -1 and errno. *pidfd is close-on-exec.
pid_t spawn_launcher(const SpawnRequest& request, int* pidfd);

}  // namespace davit
