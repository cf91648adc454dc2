// The FUSE server: started before the namespaces are made, so that it lives in the host's mount namespace (it must not
// hold the mounts that it serves) and has no privileges.
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "launcher/roles.h"
#include "sys/descriptors.h"
#include "sys/fd_passing.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

// Descriptors 3 (image) and 4 (channel) as the plan's server_argv expects; everything else closed, at once: opening the
// image may take for ever, and neither a lock nor a pipe of the launch must live as long as that.
[[noreturn]] void become_server(const MountFuse& mount, const ServerLife& life, int channel_socket, int kept) {
  setsid();
  close_all_but({channel_socket, life.image, kept});
  if (life.ends_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int image = life.image >= 0 ? life.image : open(mount.image, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  int channel = receive_fd(channel_socket);
  if (null < 0 || image < 0 || channel < 0) _exit(1);
  int high_image = fcntl(image, F_DUPFD_CLOEXEC, 10), high_channel = fcntl(channel, F_DUPFD_CLOEXEC, 10);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  dup2(high_image, 3);
  dup2(high_channel, 4);
  sys::close_range(5, ~0U, 0);
  if (chdir("/") != 0) _exit(1);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const char* environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", nullptr};
  execve(mount.server_argv.data[0], const_cast<char* const*>(mount.server_argv.data),
         const_cast<char* const*>(environment));
  _exit(1);
}

}  // namespace

const MountFuse* fuse_mount_of(const LaunchPlan& plan) {
  for (const Step& step : plan.steps)
    if (step.kind == fields::Step::mount_fuse) return &step.as<MountFuse>();
  return nullptr;
}

bool spawn_server(Context& ctx, const ServerLife& life, pid_t* pid) {
  *pid = 0;
  const MountFuse* mount = fuse_mount_of(ctx.plan);
  if (!mount || ctx.shared_user.valid()) return true;
  if (!mount->server_argv.size) return ctx.fail(EINVAL, "start the FUSE server: the plan names none");
  // argv must end with NULL for execve; the list in the plan does not.
  const char** argv = ctx.arena.array<const char*>(mount->server_argv.size + 1);
  if (!argv) return ctx.fail(ENOMEM, "start the FUSE server");
  for (size_t i = 0; i < mount->server_argv.size; i++) argv[i] = mount->server_argv.data[i];
  MountFuse terminated = *mount;
  terminated.server_argv.data = argv;
  if (access(argv[0], X_OK) != 0) {
    Text<600> message;
    message.add("start the FUSE server \"").add(argv[0]).add("\"");
    return ctx.fail(errno, message.view(), "install squashfuse, or use --unsquash");
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return ctx.fail(errno, "make a socket pair");
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    if (life.orphan && fork() != 0) _exit(0);
    become_server(terminated, life, pair[1], ctx.plan.temporary_image.descriptor);
  }
  int error = errno;
  close(pair[1]);
  if (child < 0) {
    close(pair[0]);
    return ctx.fail(error, "fork the FUSE server", fork_hint(error));
  }
  if (life.orphan) retry([&] { return waitpid(child, nullptr, 0); });
  *pid = life.orphan ? 0 : child;
  ctx.server_channel = pair[0];
  return true;
}

}  // namespace davit
