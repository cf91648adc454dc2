// The holder of an image: a process that keeps it mounted until nobody uses it and its time is over. For plain users it
// has the one FUSE server of all their instances, in namespaces of its own; root's holds a mount of the image's loop
// device that nobody sees, so that device and superblock are there for the next launch.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "launcher/shared_mount.h"
#include "steps/steps.h"
#include "sys/descriptors.h"
#include "sys/loop_device.h"
#include "sys/process.h"
#include "sys/process_title.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

const SharedImage* held_image = nullptr;  // for the signal handler: the holder's own

// A holder that is not ready by then waits for a file system that does not answer; the launch does without it.
constexpr int kHolderWaitMs = 5000;

// Asked to end, or without its server: then the mount is of no use to anybody who comes later. Those who have it keep
// it.
void end_now(int signal) {
  if (signal == SIGCHLD && waitpid(-1, nullptr, WNOHANG) <= 0) return;
  forget_holder(*held_image);
  if (signal == SIGTERM && held_image->server > 0) kill(held_image->server, SIGCONT);
  _exit(0);
}

// The root of this process becomes the image, alone in a mount namespace: no mount of the host is kept busy.
bool mount_alone(Context& ctx, const MountFuse& mount) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    int error = errno;
    return ctx.fail(error, "make the namespaces", fork_hint(error));
  }
  if (!steps::write_id_map(ctx, ctx.plan.namespaces.id_map)) return false;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return ctx.fail(errno, "make mounts private");
  Fd root;
  if (!steps::serve_fuse(ctx, mount, &root)) return false;
  bool alone = sys::move_mount(root.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0 &&
               fchdir(root.get()) == 0 && sys::pivot_root(".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
               chdir("/") == 0;
  return alone || ctx.fail(errno, "mount the image in a namespace of its own");
}

bool hold_server(Context& ctx, const MountFuse& mount, const Fd& file, SharedImage* image) {
  ServerLife life;
  life.image = file.get();
  if (!spawn_server(ctx, life, &image->server)) return false;
  image->server_start = process_start_time(image->server);
  return mount_alone(ctx, mount);  // from here on /proc is not the host's any more
}

// `mount` has no place in any mount namespace, and goes with this process.
bool hold_device(Context& ctx, const MountSquashfs& step, const Fd& file, Fd* mount) {
  LoopDevice device;
  Text<200> what;
  int error = loop_for_image(file.get(), step.image, step.offset_bytes, step.size_bytes, step.loop_dir, &device, &what);
  if (error) return steps::fail_loop(ctx, error, step.image, what.view());
  mount->reset(steps::make_mount(ctx, "squashfs", device.path.c_str(), "ro", MOUNT_ATTR_RDONLY));
  return mount->valid();
}

bool hold(Context& ctx, const SharedMount& shared, const ShareKey& key, SharedImage* image, int report, Fd* mount) {
  timing::Span span("makeServer");
  Fd file(retry([&] { return open(shared.image, O_RDONLY | O_CLOEXEC | O_NOCTTY); }));
  ShareKey opened;
  if (!file.valid() || !key_of_image(shared, file.get(), &opened) || opened.view() != key.view())
    return ctx.fail(ESTALE, "open the image: it is being replaced");
  image->holder = getpid();
  image->holder_start = process_start_time(image->holder);
  if (shared.fuse ? !hold_server(ctx, *shared.fuse, file, image) : !hold_device(ctx, *shared.squashfs, file, mount))
    return false;
  int error = become_holder(key, image, report, shared.image);
  return !error || ctx.fail(error, "note the mounted image in the state directory");
}

[[noreturn]] void run_holder(Context& ctx, const SharedMount& shared, const ShareKey& key, SharedImage* image,
                             int report) {
  timing::become(timing::Part::Holder);
  setsid();
  let_go_of_file(image);  // the maker's: a lock of it would never be released
  close_all_but({image->dir.get(), report});
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal : {SIGTERM, SIGCHLD}) sigaction(signal, &action, nullptr);
  Fd mount;
  if (chdir("/") != 0 || !hold(ctx, shared, key, image, report, &mount)) {
    write_all(report, {reinterpret_cast<const char*>(&ctx.failure), sizeof ctx.failure});
    if (image->server > 0) kill(image->server, SIGKILL);
    _exit(kFatalStatus);
  }
  close_all_but({image->dir.get(), image->file.get(), mount.get()});
  Text<200> title;
  title.add("davit image: ").add(shared.image);
  set_process_title("davit-image", title.c_str());
  munmap(ctx.arena.base(), ctx.arena.size());
  timing::forget();
  forget_environment();
  held_image = image;
  action.sa_handler = end_now;
  for (int signal : {SIGTERM, SIGCHLD}) sigaction(signal, &action, nullptr);
  sigset_t blocked;
  sigfillset(&blocked);
  for (int signal : {SIGTERM, SIGCHLD}) sigdelset(&blocked, signal);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
  end_now(SIGCHLD);  // the server may have ended before the handler was there
  await_end(image);
  // A stopped server does not notice that its last mount goes with this process.
  if (image->server > 0) kill(image->server, SIGCONT);
  _exit(0);
}

// Waits until the holder is ready, which closes its end, or has written why it is not. Not for ever: its image may lie
// on a file system that hangs. Nor longer than the starting command lives (`starter`: a pipe that it reads, or -1).
bool await_holder(Context& ctx, int report, int starter) {
  struct pollfd waits[] = {{report, POLLIN, 0}, {starter, 0, 0}};
  if (retry([&] { return poll(waits, 2, kHolderWaitMs); }) > 0 && waits[0].revents)
    return !receive_failure(report, &ctx.failure);
  return ctx.fail(ETIMEDOUT, "mount the image", "its file system does not answer");
}

}  // namespace

bool make_holder(Context& ctx, const SharedMount& shared, const ShareKey& key, SharedImage* image, int starter) {
  int report[2], born[2];
  if (pipe2(report, O_CLOEXEC) != 0) return false;
  if (pipe2(born, O_CLOEXEC) != 0) {
    close(report[0]);
    close(report[1]);
    return false;
  }
  // With this process's descriptors: the holder's pidfd is made in their table, and no other process can be meant by
  // it.
  pid_t child = sys::clone3_fork(CLONE_FILES, nullptr, SIGCHLD);
  if (child == 0) {
    int pidfd = -1;
    if (sys::clone3_fork(0, &pidfd, SIGCHLD) == 0) run_holder(ctx, shared, key, image, report[1]);
    _exit(write(born[1], &pidfd, sizeof pidfd) == static_cast<ssize_t>(sizeof pidfd) ? 0 : 1);
  }
  int pidfd = -1;
  if (child > 0) retry([&] { return waitpid(child, nullptr, 0); });
  for (int fd : {report[1], born[1]}) close(fd);
  if (child < 0 || read(born[0], &pidfd, sizeof pidfd) != static_cast<ssize_t>(sizeof pidfd)) pidfd = -1;
  Fd holder(pidfd);
  bool made = holder.valid() && await_holder(ctx, report[0], starter);
  // One that hangs ends when its file system lets go of it, without having touched anything.
  if (!made && holder.valid()) sys::pidfd_send_signal(holder.get(), SIGKILL);
  for (int fd : {report[0], born[0]}) close(fd);
  return made;
}

}  // namespace davit
