// IN_PLACE with a parent. The payload is a child in the caller's process group, session and PID namespace; this process
// forwards signals, passes the exit status on, and ends when what was written to the overlay image is in it.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "executor/executor.h"
#include "launcher/overlay_servers.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "timing/report.h"

namespace davit {
namespace {

// How long the root's server may take to see that the container is gone.
constexpr int kUnmountMs = 2000;

[[noreturn]] void become_payload(Context& ctx, const sigset_t& mask, int report) {
  timing::become(timing::Part::Program);
  SharedImage used;
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  bool ready = enter_in_place(ctx, &used);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a change of credentials clears it
  struct pollfd reader = {report, 0, 0};
  if (poll(&reader, 1, 0) > 0) _exit(kFatalStatus);  // the parent had ended before that call
  if (ready) timing::enter(timing::Phase::Action);
  if (ready && run_program(ctx, environ, "") == ProgramEnd::Exited) _exit(ctx.failure.exit_status);
  write_all(report, {reinterpret_cast<const char*>(&ctx.failure), sizeof ctx.failure});
  _exit(kFatalStatus);
}

// Processes that the program has left behind keep the container, and the image with it: nobody waits for those.
void await_image(Context& ctx, OverlayServers& servers) {
  shutdown(ctx.overlay_channel, SHUT_WR);
  struct pollfd unmounted = {ctx.overlay_channel, POLLIN, 0};
  if (retry([&] { return poll(&unmounted, 1, kUnmountMs); }) > 0) return servers.await_end();
  say(ctx.plan.output, kInfo,
      "processes of the container are still running: the overlay image is in use until they end");
}

}  // namespace

int run_attended(Context& ctx) {
  timing::enter(timing::Phase::Clone);
  OverlayServers servers;
  int report[2];
  if (!servers.spawn(ctx)) return report_failure(ctx);
  if (pipe2(report, O_CLOEXEC) != 0) return ctx.fail(errno, "make a pipe"), report_failure(ctx);
  sigset_t mask;
  block_forwarded_signals(&mask);
  int pidfd = -1;
  pid_t child = sys::clone3_fork(0, &pidfd, SIGCHLD);
  if (child == 0) {
    close(report[0]);
    become_payload(ctx, mask, report[1]);
  }
  if (child < 0) return ctx.fail(errno, "fork the program", fork_hint(errno)), report_failure(ctx);
  close(report[1]);
  bool failed = await_failure(report[0], mask, &ctx.failure);
  if (!failed) timing::report();
  int status = wait_and_forward(child, pidfd, -1, mask);
  await_image(ctx, servers);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (failed) return report_failure(ctx);
  end_like(status);
}

}  // namespace davit
