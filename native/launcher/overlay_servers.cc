#include "launcher/overlay_servers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "steps/ext3.h"
#include "sys/descriptors.h"
#include "sys/fd_passing.h"
#include "sys/process_title.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

const Rootfs* rootfs_of(const LaunchPlan& plan) {
  for (const Step& step : plan.steps)
    if (step.kind == fields::Step::rootfs) return &step.as<Rootfs>();
  return nullptr;
}

const IdMap* inner_map_of(const LaunchPlan& plan) {
  for (const Step& step : plan.steps)
    if (step.kind == fields::Step::user_namespace) return &step.as<UserNamespace>().id_map;
  return nullptr;
}

struct Servers {
  Context& ctx;
  int channel;
  Fd images[kMaxLayers];  // mounts of those that are layers, in the order of the steps
  size_t image_count = 0;
  Fd changes;  // the mount of the one that takes the changes
  bool entered = false;
  pid_t root = 0;  // the server of the root
  Fd root_words;
};

void answer(Servers& s, bool ok) {
  OverlayReply reply{};
  reply.failed = !ok;
  reply.failure = s.ctx.failure;
  send_message(s.channel, &reply, sizeof reply, nullptr, 0);
}

bool make_directories(Context& ctx, const Fd& root, const MountExt3& step) {
  for (const char* name : {"upper", "work"}) {
    if (mkdirat(root.get(), name, 0755) != 0 && errno != EEXIST)
      return steps::fail_image_directory(ctx, errno, step, name);
    if (!steps::open_image_directory(root.get(), name).valid())
      return steps::fail_image_directory(ctx, errno, step, name);
  }
  return true;
}

bool serve_image(Servers& s, const OverlayRequest& request, Fd* fds) {
  Context& ctx = s.ctx;
  const List<Step>& steps = ctx.plan.steps;
  if (request.step >= steps.size || steps.data[request.step].kind != fields::Step::mount_ext3)
    return ctx.fail(EINVAL, "serve an overlay image: the plan has none there");
  const MountExt3& step = steps.data[request.step].as<MountExt3>();
  if (!s.entered && !enter_serving_place(ctx, fds[0], inner_map_of(ctx.plan))) return false;
  s.entered = true;
  Fd mounted;
  if (!start_image_server(ctx, step, fds[1], &mounted)) return false;
  if (step.writable) {
    if (!make_directories(ctx, mounted, step)) return false;
    s.changes = static_cast<Fd&&>(mounted);
    return true;
  }
  if (!steps::open_image_directory(mounted.get(), "upper").valid() && errno != ENOENT)
    return steps::fail_image_directory(ctx, errno, step, "upper");
  if (s.image_count == kMaxLayers) return ctx.fail(E2BIG, "add a layer: there are too many");
  s.images[s.image_count++] = static_cast<Fd&&>(mounted);
  return true;
}

bool serve_root(Servers& s, const OverlayRequest& request, Fd* fds, size_t fd_count) {
  OverlayTrees trees;
  size_t fd = 0, image = 0;
  for (; trees.count < request.lower_count && trees.count <= kMaxLayers; trees.count++) {
    bool is_image = request.from_image[trees.count];
    Fd& source = is_image ? s.images[image] : fds[fd];
    if (is_image ? image++ >= s.image_count : fd++ >= fd_count)
      return s.ctx.fail(EINVAL, "serve the root of the container");
    trees.lower[trees.count] = static_cast<Fd&&>(source);
    trees.lower_is_image[trees.count] = is_image;
  }
  if (request.changes == OverlayRequest::InImage) trees.changes = static_cast<Fd&&>(s.changes);
  if (request.changes == OverlayRequest::InDirectory && fd < fd_count) trees.changes = static_cast<Fd&&>(fds[fd++]);
  if (fd >= fd_count) return s.ctx.fail(EINVAL, "serve the root of the container");
  trees.channel = static_cast<Fd&&>(fds[fd]);
  const Rootfs* rootfs = rootfs_of(s.ctx.plan);
  return start_root_server(s.ctx, trees, rootfs ? rootfs->overlay_server : "", inner_map_of(s.ctx.plan), &s.root,
                           &s.root_words);
}

// Until the root is served. Who asks no more has failed, or is dead: the servers end with this process.
void hear_requests(Servers& s) {
  for (;;) {
    OverlayRequest request;
    int raw[kMaxPassedFds];
    size_t count;
    if (!receive_message(s.channel, &request, sizeof request, raw, &count)) _exit(0);
    Fd fds[kMaxPassedFds];
    for (size_t i = 0; i < count; i++) fds[i].reset(raw[i]);
    if (request.kind == OverlayRequest::Image) {
      answer(s, count == 2 && serve_image(s, request, fds));
      continue;
    }
    if (serve_root(s, request, fds, count)) return;
    answer(s, false);
    _exit(kFatalStatus);
  }
}

// The root's server ends when the container does; then the images have no user any more, and theirs end, too. Where an
// image's server ends before, what is left is of no use: the root's is told to end.
[[noreturn]] void reap_servers(Servers& s) {
  bool in_order = true;
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0 && errno == ECHILD) _exit(in_order ? 0 : 1);
    if (pid == s.root) {
      s.root = 0;
      Text<600> message;
      message.add("serve the root of the container: ").add(server_words(s.root_words.get()).view());
      bool damaged = message.view().find("Input/output error") != std::string_view::npos;
      s.ctx.fail(0, message.view(), damaged ? "an overlay image is damaged: repair it with e2fsck -f" : "");
      answer(s, false);
      shutdown(s.channel, SHUT_RDWR);
    } else if (pid > 0 && s.root) {
      in_order = false;
      kill(s.root, SIGHUP);
    }
  }
}

// SIGTERM and SIGINT, which may be sent to every process of a job, do not reach the servers: the container needs its
// files for its own end. SIGHUP does, with the end of this process.
void prepare_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= SIGRTMAX; signal++) sigaction(signal, &action, nullptr);
  sigset_t blocked;
  sigemptyset(&blocked);
  for (int signal : {SIGTERM, SIGINT, SIGQUIT}) sigaddset(&blocked, signal);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

[[noreturn]] void run_servers(Context& ctx, int channel) {
  timing::forget();
  setsid();
  close_all_but({channel});
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  if (null > 2) close(null);
  if (chdir("/") != 0) _exit(kFatalStatus);
  prepare_signals();
  Text<300> title;
  title.add("davit overlay: ").add(ctx.plan.output.image);
  set_process_title("davit-overlay", title.c_str());
  forget_environment();
  Servers servers{ctx, channel, {}, 0, {}, false, 0, {}};
  hear_requests(servers);
  munmap(ctx.arena.base(), ctx.arena.size());
  reap_servers(servers);
}

}  // namespace

bool has_overlay_servers(const LaunchPlan& plan) {
  const Rootfs* rootfs = rootfs_of(plan);
  return rootfs && *rootfs->overlay_server;
}

bool writes_overlay_image(const LaunchPlan& plan) {
  for (const Step& step : plan.steps) {
    if (step.kind != fields::Step::mount_ext3) continue;
    const MountExt3& image = step.as<MountExt3>();
    if (image.writable && image.server_argv.size) return true;
  }
  return false;
}

namespace {

bool spawn(Context& ctx, bool orphan, pid_t* pid) {
  *pid = 0;
  if (!has_overlay_servers(ctx.plan)) return true;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return ctx.fail(errno, "make a socket pair");
  pid_t child = fork();
  if (child == 0) {
    if (orphan && fork() != 0) _exit(0);
    run_servers(ctx, pair[1]);
  }
  int error = errno;
  close(pair[1]);
  if (child < 0) {
    close(pair[0]);
    return ctx.fail(error, "fork for the FUSE servers of the overlay", fork_hint(error));
  }
  if (orphan) retry([&] { return waitpid(child, nullptr, 0); });
  *pid = child;
  ctx.overlay_channel = pair[0];
  return true;
}

}  // namespace

bool spawn_overlay_servers(Context& ctx) {
  pid_t pid;
  return spawn(ctx, true, &pid);
}

bool OverlayServers::spawn(Context& ctx) {
  ctx_ = &ctx;
  if (!davit::spawn(ctx, false, &pid_)) return false;
  if (pid_) pidfd_ = sys::pidfd_open(pid_, 0);
  return true;
}

void OverlayServers::let_go() {
  if (ctx_ && ctx_->overlay_channel >= 0) close(ctx_->overlay_channel);
  if (ctx_) ctx_->overlay_channel = -1;
  ctx_ = nullptr;
}

void OverlayServers::await_end() {
  let_go();
  if (!pid_) return;
  struct pollfd ended = {pidfd_, POLLIN, 0};
  if (pidfd_ >= 0) retry([&] { return poll(&ended, 1, kServersEndMs); });
  retry([&] { return waitpid(pid_, nullptr, pidfd_ >= 0 ? WNOHANG : 0); });
  if (pidfd_ >= 0) close(pidfd_);
  pid_ = 0;
  pidfd_ = -1;
}

}  // namespace davit
