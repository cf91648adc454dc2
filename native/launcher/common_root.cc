// The common root of a batch (executor.h): a process for moments makes it, and this one keeps its mount namespace.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "executor/executor.h"
#include "launcher/shared_mount.h"
#include "steps/steps.h"
#include "sys/descriptors.h"
#include "sys/fd_passing.h"
#include "sys/process.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

constexpr size_t kFilesRoom = 1 << 20;  // of generated files

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

// What the maker sends along, beside what is in the shared memory.
struct Made {
  pid_t server = 0;  // of the image, for plain users
};
enum Sent : size_t { kRoot, kUser, kLock, kServer, kProc, kMostSent };

Fd own_mounts() { return Fd(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)); }

// Nothing but /proc, as the root: no mount of the host is kept busy.
bool leave_only_proc() {
  Fd proc(sys::open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 && proc.valid() &&
         sys::move_mount(proc.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0 && fchdir(proc.get()) == 0 &&
         sys::pivot_root(".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

// A mount namespace in which a process of a new PID namespace can mount its /proc: invalid where none can.
Fd make_proc_mounts(Context& ctx) {
  int answer[2], mounts = -1;
  if (pipe2(answer, O_CLOEXEC) != 0) return Fd();
  pid_t child = sys::clone3_fork(CLONE_FILES, nullptr, SIGCHLD);
  if (child == 0) {
    Fd own;
    if (unshare(CLONE_NEWNS) == 0) own = own_mounts();
    pid_t trial = own.valid() && leave_only_proc() ? sys::clone3_fork(CLONE_NEWPID, nullptr, SIGCHLD) : -1;
    if (trial == 0) _exit(Fd(steps::make_proc(ctx)).valid() ? 0 : 1);
    int status = -1;
    if (trial > 0) retry([&] { return waitpid(trial, &status, 0); });
    if (status == 0) mounts = own.release();
    _exit(write(answer[1], &mounts, sizeof mounts) == static_cast<ssize_t>(sizeof mounts) ? 0 : 1);
  }
  if (child > 0) retry([&] { return waitpid(child, nullptr, 0); });
  close(answer[1]);
  if (child < 0 || read(answer[0], &mounts, sizeof mounts) != static_cast<ssize_t>(sizeof mounts)) mounts = -1;
  close(answer[0]);
  return Fd(mounts);
}

// A plain user's: into the user namespace of the image's holder, which the instances will have in common.
bool enter_holder(Context& ctx, int starter, Made* made, Fd* fds) {
  SharedImage used;
  use_shared_image(ctx, shared_image_key(ctx.plan), starter, &used);
  if (!ctx.shared_image.valid()) return false;
  ctx.shared_mounts.reset();  // the others will copy this process's mount namespace: it stays in its own
  made->server = used.server;
  fds[kServer] = open_process(used.server, used.server_start);
  fds[kLock] = static_cast<Fd&&>(used.file);
  fds[kUser].reset(fcntl(ctx.shared_user.get(), F_DUPFD_CLOEXEC, 0));
  return fds[kServer].valid() && fds[kUser].valid() && setns(ctx.shared_user.get(), CLONE_NEWUSER) == 0;
}

bool mounts_proc(const LaunchPlan& plan) {
  for (const Step& step : plan.steps)
    if (step.kind == fields::Step::proc) return true;
  return false;
}

// As init would do it: away from the caller's directory and descriptors.
[[noreturn]] void be_maker(Context& ctx, const CommonRoot& root, int answer) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  timing::forget();
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  close_all_but({answer});
  Made made;
  Fd fds[kMostSent];
  bool user = ctx.plan.namespaces.user, proc = user && mounts_proc(ctx.plan);
  if (chdir("/") != 0 || (user && !enter_holder(ctx, answer, &made, fds)) || unshare(CLONE_NEWNS) != 0) _exit(1);
  fds[kRoot] = own_mounts();
  if (proc) fds[kProc] = make_proc_mounts(ctx);
  if (!fds[kRoot].valid() || (proc && !fds[kProc].valid()) || !run_common_steps(ctx, root)) _exit(1);
  int sent[kMostSent];
  size_t count = user ? proc ? kProc + 1 : kServer + 1 : kRoot + 1;
  for (size_t i = 0; i < count; i++) sent[i] = fds[i].get();
  _exit(send_message(answer, &made, sizeof made, sent, count) == 0 ? 0 : 1);
}

bool take_made(Context& ctx, int answer) {
  Made made;
  int received[kMaxPassedFds];
  size_t count = 0;
  if (!receive_message(answer, &made, sizeof made, received, &count)) return false;
  Fd fds[kMostSent];
  for (size_t i = 0; i < count && i < kMostSent; i++) fds[i].reset(received[i]);
  ctx.common_root = static_cast<Fd&&>(fds[kRoot]);
  ctx.shared_user = static_cast<Fd&&>(fds[kUser]);
  ctx.common_image.lock = static_cast<Fd&&>(fds[kLock]);
  ctx.common_image.server = static_cast<Fd&&>(fds[kServer]);
  ctx.common_image.server_pid = made.server;
  ctx.common_proc = static_cast<Fd&&>(fds[kProc]);
  return ctx.common_root.valid();
}

void drop_common_root(Context& ctx) {
  ctx.common_root.reset();
  ctx.common_proc.reset();
  ctx.shared_user.reset();
  ctx.common_image.lock.reset();
  ctx.common_image.server.reset();
}

// From now on the plan's steps are what an instance in the common root does.
bool take_findings(Context& ctx, LaunchPlan& plan, const CommonRoot& root) {
  bool* own = ctx.arena.array<bool>(plan.steps.size);
  if (!own) return false;
  const char* bytes = root.bytes;
  for (size_t i = 0; i < plan.steps.size; i++) {
    Step& step = plan.steps.data[i];
    own[i] = root.own[i];
    if (!own[i] || step.kind != fields::Step::file || step.as<File>().content == File::Content::Bytes) continue;
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
  if (plan.batch.names.size < 2 || !may_have_common_root(plan)) return true;
  if (plan.namespaces.user ? !shared_mount_of(plan).make : !may_enter_mounts()) return true;
  Findings findings(plan.steps.size);
  int pair[2];
  if (findings.memory == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return true;
  Fd answer(pair[0]), of_maker(pair[1]);
  pid_t maker = fork();
  if (maker < 0) return true;
  if (maker == 0) be_maker(ctx, findings.root, pair[1]);
  of_maker.reset();
  struct pollfd wait[] = {{pair[0], POLLIN, 0}, {interrupt, POLLIN, 0}};
  while (poll(wait, 2, -1) < 0) continue;
  if (wait[0].revents && take_made(ctx, pair[0]) && !take_findings(ctx, plan, findings.root)) drop_common_root(ctx);
  if (!wait[0].revents) kill(maker, SIGKILL);  // it may hang, on a dead file system: it is not waited for
  if (wait[0].revents) retry([&] { return waitpid(maker, nullptr, 0); });
  return wait[1].revents == 0;
}

void check_common_root(Context& ctx) {
  struct pollfd server = {ctx.common_image.server.get(), POLLIN, 0};
  if (ctx.common_image.lock.valid() && poll(&server, 1, 0) != 0) drop_common_root(ctx);
}

}  // namespace davit
