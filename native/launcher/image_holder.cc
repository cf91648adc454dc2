// One FUSE server for all instances of an image. Its mount lives in a mount namespace of its own, held by a process
// that waits until nobody uses the image; later launches enter the user namespace of that mount (FUSE lets nobody else
// read it) and clone the mount from there.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "launcher/roles.h"
#include "steps/steps.h"
#include "sys/descriptors.h"
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

// Without its server the mount is of no use to anybody who comes later; those who have it have noticed by themselves.
void server_has_ended(int) {
  if (waitpid(-1, nullptr, WNOHANG) <= 0) return;
  forget_holder(*held_image);
  _exit(0);
}

bool image_key(const MountFuse& mount, int fd, ShareKey* key) {
  struct stat st;
  if ((fd < 0 ? stat(mount.image, &st) : fstat(fd, &st)) != 0) return false;
  *key = share_key(st, mount.server_argv.data, mount.server_argv.size);
  return true;
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

bool hold(Context& ctx, const MountFuse& mount, const ShareKey& key, SharedImage* image, int report) {
  timing::Span span("makeServer");
  Fd file(retry([&] { return open(mount.image, O_RDONLY | O_CLOEXEC | O_NOCTTY); }));
  ShareKey opened;
  if (!file.valid() || !image_key(mount, file.get(), &opened) || opened.view() != key.view())
    return ctx.fail(ESTALE, "open the image: it is being replaced");
  ServerLife life;
  life.image = file.get();
  if (!spawn_server(ctx, life, &image->server)) return false;
  image->holder = getpid();
  image->holder_start = process_start_time(image->holder);
  image->server_start = process_start_time(image->server);
  if (!mount_alone(ctx, mount)) return false;  // from here on /proc is not the host's any more
  int error = become_holder(key, image, report);
  return !error || ctx.fail(error, "note the shared FUSE server in the state directory");
}

[[noreturn]] void run_holder(Context& ctx, const MountFuse& mount, const ShareKey& key, SharedImage* image,
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
  if (!hold(ctx, mount, key, image, report)) {
    write_all(report, {reinterpret_cast<const char*>(&ctx.failure), sizeof ctx.failure});
    if (image->server > 0) kill(image->server, SIGKILL);
    _exit(kFatalStatus);
  }
  close_all_but({image->dir.get(), image->file.get()});
  Text<200> title;
  title.add("davit image: ").add(mount.image);
  set_process_title("davit-image", title.c_str());
  munmap(ctx.arena.base(), ctx.arena.size());
  timing::forget();
  forget_environment();
  held_image = image;
  action.sa_handler = server_has_ended;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t blocked;
  sigfillset(&blocked);
  for (int signal : {SIGTERM, SIGCHLD}) sigdelset(&blocked, signal);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
  server_has_ended(SIGCHLD);  // it may have been before the handler was there
  await_last_user(image);
  kill(image->server, SIGCONT);  // a stopped one does not notice that its last mount goes with this process
  _exit(0);
}

// Waits until the holder is ready, which closes its end, or has written why it is not. Not for ever: its image may lie
// on a file system that hangs. Nor longer than the starting command lives (`starter`: a pipe that it reads, or -1).
bool await_holder(int report, int starter) {
  struct pollfd waits[] = {{report, POLLIN, 0}, {starter, 0, 0}};
  Failure failure;
  return retry([&] { return poll(waits, 2, kHolderWaitMs); }) > 0 && waits[0].revents &&
         !receive_failure(report, &failure);
}

// A holder that is nobody's child. False when it could not be made: what stands in its way, a server of the launch's
// own may do without, or it says why.
bool make_holder(Context& ctx, const MountFuse& mount, const ShareKey& key, SharedImage* image, int starter) {
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
    if (sys::clone3_fork(0, &pidfd, SIGCHLD) == 0) run_holder(ctx, mount, key, image, report[1]);
    _exit(write(born[1], &pidfd, sizeof pidfd) == static_cast<ssize_t>(sizeof pidfd) ? 0 : 1);
  }
  int pidfd = -1;
  if (child > 0) retry([&] { return waitpid(child, nullptr, 0); });
  for (int fd : {report[1], born[1]}) close(fd);
  if (child < 0 || read(born[0], &pidfd, sizeof pidfd) != static_cast<ssize_t>(sizeof pidfd)) pidfd = -1;
  Fd holder(pidfd);
  bool made = holder.valid() && await_holder(report[0], starter);
  // One that hangs ends when its file system lets go of it, without having touched anything.
  if (!made && holder.valid()) sys::pidfd_send_signal(holder.get(), SIGKILL);
  for (int fd : {report[0], born[0]}) close(fd);
  return made;
}

Fd open_namespace(pid_t pid, const char* name) {
  Text<60> path;
  path.add("/proc/").add_number(pid).add("/ns/").add(name);
  return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// A clone of the holder's root. Whoever enters its mount namespace does not come back to the host's: that is a child's
// part, with which this process shares its descriptors.
Fd clone_root(const Fd& user, const Fd& mounts) {
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) return Fd();
  pid_t child = sys::clone3_fork(CLONE_FILES, nullptr, SIGCHLD);
  if (child == 0) {
    int tree = -1;
    if (setns(user.get(), CLONE_NEWUSER) == 0 && setns(mounts.get(), CLONE_NEWNS) == 0)
      tree = sys::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    _exit(write(answer[1], &tree, sizeof tree) == static_cast<ssize_t>(sizeof tree) ? 0 : 1);
  }
  int tree = -1, status = 0;
  if (child > 0) retry([&] { return waitpid(child, &status, 0); });
  close(answer[1]);
  if (child < 0 || read(answer[0], &tree, sizeof tree) != static_cast<ssize_t>(sizeof tree)) tree = -1;
  close(answer[0]);
  return Fd(tree);
}

// False with nothing changed when the holder is gone or closed to us: the launch gets a server of its own.
bool join_holder(Context& ctx, const SharedImage& image) {
  Fd user = open_namespace(image.holder, "user"), mounts = open_namespace(image.holder, "mnt");
  if (!user.valid() || !mounts.valid() || process_start_time(image.holder) != image.holder_start) return false;
  ctx.shared_image = clone_root(user, mounts);
  if (!ctx.shared_image.valid()) return false;
  ctx.shared_user = static_cast<Fd&&>(user);
  return true;
}

}  // namespace

pid_t fork_into_namespaces(Context& ctx, int* pidfd) {
  if (!ctx.shared_user.valid()) return sys::clone3_fork(new_namespaces(ctx), pidfd, SIGCHLD);
  int answer[2], words[2] = {-1, EAGAIN};
  if (pipe2(answer, O_CLOEXEC) != 0) return -1;
  pid_t middle = fork();
  if (middle == 0) {
    // clone(2): with CLONE_PARENT the child is the caller's, and the signal at its end that of this process.
    if (setns(ctx.shared_user.get(), CLONE_NEWUSER) == 0)
      words[0] = sys::clone3_fork(new_namespaces(ctx) | CLONE_PARENT, nullptr, 0);
    if (words[0] == 0) return 0;
    words[1] = errno;
    _exit(write(answer[1], words, sizeof words) == static_cast<ssize_t>(sizeof words) ? 0 : 1);
  }
  int error = errno;
  close(answer[1]);
  if (middle > 0) {
    retry([&] { return waitpid(middle, nullptr, 0); });
    if (read(answer[0], words, sizeof words) != static_cast<ssize_t>(sizeof words)) words[0] = -1;
    error = words[1];
  }
  close(answer[0]);
  if (words[0] > 0) *pidfd = sys::pidfd_open(words[0], 0);
  errno = error;
  return words[0];
}

bool enter_namespaces(Context& ctx) {
  ctx.committed = true;
  if (ctx.shared_user.valid() && setns(ctx.shared_user.get(), CLONE_NEWUSER) != 0) return false;
  return unshare(static_cast<int>(new_namespaces(ctx))) == 0;
}

ShareKey shared_image_key(const LaunchPlan& plan) {
  ShareKey key;
  const MountFuse* mount = fuse_mount_of(plan);
  if (!mount || !*mount->share_dir || needs_map_helpers(plan.namespaces)) return key;
  if (*plan.temporary_image.path) return key;  // nobody else will ever have that image
  image_key(*mount, -1, &key);
  return key;
}

void use_shared_image(Context& ctx, const ShareKey& key, int starter, SharedImage* used) {
  if (!key.size()) return;
  const MountFuse* mount = fuse_mount_of(ctx.plan);
  timing::Span span("sharedImage", mount->image);
  Share share = share_image(mount->share_dir, key, mount->share_make, used);
  if (share == Share::Absent && mount->share_make) {
    bool made = make_holder(ctx, *mount, key, used, starter);
    if (!made) forget_holder(*used);
    if (made && holder_made(key, used)) share = Share::Alive;
  }
  if (share != Share::Alive || !join_holder(ctx, *used)) *used = SharedImage();
}

}  // namespace davit
