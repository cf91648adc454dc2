// The common root of a batch (executor.h): a process for moments makes it, and this one keeps its mount namespace.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "executor/executor.h"
#include "launcher/roles.h"
#include "sys/descriptors.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

constexpr size_t kFilesRoom = 256 << 10;  // of the host's files that are copied: /etc/resolv.conf and the like

// setns(2) to a mount namespace asks for both.
bool may_enter_mounts() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  uint32_t wanted = 1u << CAP_SYS_ADMIN | 1u << CAP_SYS_CHROOT;
  return (data[0].effective & wanted) == wanted;
}

// What the maker finds out, in memory that it shares with this process.
struct Findings {
  CommonRoot root{};
  void* memory = MAP_FAILED;
  size_t size = 0;

  explicit Findings(size_t steps) : size(steps * (sizeof(uint32_t) + sizeof(bool)) + kFilesRoom) {
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    root.sizes = static_cast<uint32_t*>(memory);
    root.own = reinterpret_cast<bool*>(root.sizes + steps);
    root.bytes = reinterpret_cast<char*>(root.own + steps);
    root.bytes_room = kFilesRoom;
  }
  ~Findings() {
    if (memory != MAP_FAILED) munmap(memory, size);
  }
  Findings(const Findings&) = delete;
  Findings& operator=(const Findings&) = delete;
};

// As init would do it: away from the caller's directory and descriptors. It lives until `hold` ends.
[[noreturn]] void be_maker(Context& ctx, const CommonRoot& root, int done, int hold) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  timing::forget();
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  close_all_but({done, hold});
  char byte = 1;
  if (chdir("/") != 0 || unshare(CLONE_NEWNS) != 0 || !run_common_steps(ctx, root)) _exit(1);
  if (write(done, &byte, 1) == 1) (void)!read(hold, &byte, 1);
  _exit(0);
}

Fd mounts_of(pid_t pid) {
  Text<60> path;
  path.add("/proc/").add_number(pid).add("/ns/mnt");
  return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// From now on the plan's steps are what an instance in the common root does.
bool take_findings(Context& ctx, LaunchPlan& plan, const CommonRoot& root) {
  bool* own = ctx.arena.array<bool>(plan.steps.size);
  if (!own) return false;
  const char* bytes = root.bytes;
  for (size_t i = 0; i < plan.steps.size; i++) {
    Step& step = plan.steps.data[i];
    own[i] = root.own[i];
    if (!own[i] || step.kind != fields::Step::file || step.as<File>().content != File::Content::CopyOf) continue;
    File* file = ctx.arena.array<File>(1);
    const char* copy = ctx.arena.copy({bytes, root.sizes[i]});
    if (!file || !copy) return false;
    *file = step.as<File>();
    file->content = File::Content::Bytes;
    file->bytes = {copy, root.sizes[i]};
    step.body = file;
    bytes += root.sizes[i];
  }
  ctx.own_steps = own;
  return true;
}

}  // namespace

bool make_common_root(Context& ctx, LaunchPlan& plan, int interrupt) {
  if (plan.batch.names.size < 2 || !may_have_common_root(plan) || !may_enter_mounts()) return true;
  Findings findings(plan.steps.size);
  int done[2], hold[2];
  if (findings.memory == MAP_FAILED || pipe2(done, O_CLOEXEC) != 0) return true;
  Fd done_read(done[0]), done_write(done[1]);
  if (pipe2(hold, O_CLOEXEC) != 0) return true;
  Fd hold_read(hold[0]), hold_write(hold[1]);
  pid_t maker = fork();
  if (maker < 0) return true;
  if (maker == 0) be_maker(ctx, findings.root, done[1], hold[0]);
  done_write.reset();
  struct pollfd wait[] = {{done[0], POLLIN, 0}, {interrupt, POLLIN, 0}};
  while (poll(wait, 2, -1) < 0) continue;
  char byte;
  if (wait[0].revents && read(done[0], &byte, 1) == 1) ctx.common_root = mounts_of(maker);
  if (ctx.common_root.valid() && !take_findings(ctx, plan, findings.root)) ctx.common_root.reset();
  if (!wait[0].revents) kill(maker, SIGKILL);  // it may hang, on a dead file system: it is not waited for
  hold_write.reset();
  if (wait[0].revents) retry([&] { return waitpid(maker, nullptr, 0); });
  return wait[1].revents == 0;
}

}  // namespace davit
