// One-shot launches: in this very process, or in a child with a PID namespace of its own.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "launcher/overlay_servers.h"
#include "launcher/roles.h"
#include "launcher/way_back.h"
#include "sys/descriptors.h"
#include "sys/fd.h"
#include "sys/syscalls.h"
#include "timing/report.h"

namespace davit {
namespace {

// newuidmap and newgidmap work on a process from outside: a helper process waits until this one has its namespace.
struct MapHelper {
  pid_t pid = 0;
  int go = -1;
  int done = -1;
};

bool start_map_helper(Context& ctx, MapHelper* helper) {
  int go[2], done[2];
  if (pipe2(go, O_CLOEXEC) != 0 || pipe2(done, O_CLOEXEC) != 0) return ctx.fail(errno, "make a pipe");
  pid_t self = getpid();
  helper->pid = fork();
  if (helper->pid < 0) return ctx.fail(errno, "fork the id map helper", fork_hint(errno));
  if (helper->pid == 0) {
    char byte;
    close(go[1]);
    if (read(go[0], &byte, 1) != 1) _exit(1);
    if (!map_ids_by_helpers(ctx, ctx.plan.namespaces.id_map, self)) {
      if (write(done[1], &ctx.failure, sizeof ctx.failure) < 0) _exit(2);
      _exit(1);
    }
    _exit(0);
  }
  close(go[0]);
  close(done[1]);
  helper->go = go[1];
  helper->done = done[0];
  return true;
}

bool finish_map_helper(Context& ctx, MapHelper* helper) {
  bool told = write(helper->go, "g", 1) == 1;
  bool failed = receive_failure(helper->done, &ctx.failure);
  int status = 0;
  retry([&] { return waitpid(helper->pid, &status, 0); });
  close(helper->go);
  close(helper->done);
  if (failed) return false;
  return (told && status == 0) || ctx.fail(EPERM, "map the ids");
}

// Whether this process would end by it, were it not blocked.
bool ends_process(int signal) {
  struct sigaction action;
  if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return false;
  return signal != SIGCHLD && signal != SIGCONT && signal != SIGURG && signal != SIGWINCH && signal != SIGSTOP &&
         signal != SIGTSTP && signal != SIGTTIN && signal != SIGTTOU;
}

}  // namespace

bool enter_in_place(Context& ctx, SharedImage* used) {
  const Namespaces& namespaces = ctx.plan.namespaces;
  MapHelper helper;
  pid_t server;
  bool by_helper = needs_map_helpers(namespaces);
  use_shared_image(ctx, shared_image_key(ctx.plan), -1, used);
  if (!spawn_server(ctx, {.orphan = true}, &server) || (by_helper && !start_map_helper(ctx, &helper))) return false;
  if (!enter_namespaces(ctx)) {
    int error = errno;
    return ctx.fail(error, "make the namespaces", fork_hint(error));
  }
  if (by_helper && !finish_map_helper(ctx, &helper)) return false;
  return run_steps(ctx);
}

// A step has failed: whoever is to try again is the process that its caller started.
static int fail_in_place(Context& ctx, WayBack& way_back) {
  if (ctx.committed && !ctx.pivoted && way_back.take()) {
    ctx.committed = false;
    if (ctx.file_limit) lower_file_limit(ctx.file_limit);
  }
  return report_failure(ctx);
}

int run_in_place(Context& ctx) {
  if (writes_overlay_image(ctx.plan)) return run_attended(ctx);
  timing::enter(timing::Phase::Clone);
  timing::report_before_exec();
  SharedImage used;
  WayBack way_back;
  if (ctx.on_failure) way_back.prepare(ctx.plan.namespaces);
  if (!spawn_overlay_servers(ctx) || !enter_in_place(ctx, &used)) return fail_in_place(ctx, way_back);
  timing::enter(timing::Phase::Action);
  if (run_program(ctx, environ, "") == ProgramEnd::Exited) return timing::report(), ctx.failure.exit_status;
  return report_failure(ctx);
}

int run_child(Context& ctx) {
  timing::enter(timing::Phase::Clone);
  const Namespaces& namespaces = ctx.plan.namespaces;
  pid_t server = 0;
  int report[2], events[2], go[2], alive[2];
  SharedImage used;
  use_shared_image(ctx, shared_image_key(ctx.plan), -1, &used);
  OverlayServers overlay;
  if (!spawn_server(ctx, {.ends_with_parent = true}, &server) || !overlay.spawn(ctx)) return report_failure(ctx);
  if (pipe2(report, O_CLOEXEC) || pipe2(events, O_CLOEXEC) || pipe2(go, O_CLOEXEC) || pipe2(alive, O_CLOEXEC)) {
    ctx.fail(errno, "make a pipe");
    return report_failure(ctx);
  }
  InitPlan init;
  block_forwarded_signals(&init.program_mask);
  int pidfd = -1;
  pid_t child = fork_into_namespaces(ctx, &pidfd);
  if (child == 0) {
    close(report[0]);
    close(events[0]);
    close(go[1]);
    close(alive[1]);
    used = SharedImage();
    init.report = report[1];
    init.events = events[1];
    init.go = needs_map_helpers(namespaces) ? go[0] : -1;
    init.parent_alive = alive[0];
    run_init(ctx, init);
  }
  if (child < 0) {
    int error = errno;
    ctx.fail(error, "make the namespaces", fork_hint(error));
    return report_failure(ctx);
  }
  close(report[1]);
  close(events[1]);
  close(go[0]);
  close(alive[0]);
  if (ctx.server_channel >= 0) close(ctx.server_channel);
  ctx.let_go_of_shared_image();
  overlay.let_go();
  bool mapped = !needs_map_helpers(namespaces) || map_ids_by_helpers(ctx, namespaces.id_map, child);
  if (mapped && needs_map_helpers(namespaces) && write(go[1], "g", 1) != 1) mapped = false;
  if (!mapped) kill(child, SIGKILL);
  bool failed = !mapped || await_failure(report[0], init.program_mask, &ctx.failure);
  if (!failed) timing::report();
  int status = wait_and_forward(child, pidfd, events[0], init.program_mask);
  if (server) {
    kill(server, SIGKILL);  // its mount is gone with the namespace; it has nothing left to serve
    retry([&] { return waitpid(server, nullptr, 0); });
  }
  overlay.await_end();
  sigprocmask(SIG_SETMASK, &init.program_mask, nullptr);
  if (failed) return report_failure(ctx);
  end_like(status);
}

bool await_failure(int report, const sigset_t& mask, Failure* failure) {
  // All stay blocked and only looked at: unblocked, one could end this process while the program runs already, and
  // SIGCHLD, ignored by default, would be lost to wait_and_forward.
  sigset_t watched;
  sigfillset(&watched);
  for (int signal = 1; signal < NSIG; signal++)
    if (sigismember(&mask, signal) == 1 || !ends_process(signal)) sigdelset(&watched, signal);
  Fd signals(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  struct pollfd waits[] = {{report, POLLIN, 0}, {signals.get(), POLLIN, 0}};
  for (;;) {
    retry([&] { return poll(waits, 2, -1); });
    if (waits[0].revents) return receive_failure(report, failure);
    struct signalfd_siginfo info;
    if (read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      end_like(static_cast<int>(info.ssi_signo));
  }
}

void block_forwarded_signals(sigset_t* old_mask) {
  sigset_t all;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGTSTP, SIGTTIN, SIGTTOU})
    sigdelset(&all, fault);
  sigprocmask(SIG_BLOCK, &all, old_mask);
}

int wait_and_forward(pid_t child, int pidfd, int events, const sigset_t&) {
  sigset_t waited;
  sigfillset(&waited);
  for (int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGTSTP, SIGTTIN, SIGTTOU})
    sigdelset(&waited, fault);
  int status = 0;
  for (;;) {
    siginfo_t info;
    int signal = sigwaitinfo(&waited, &info);
    if (signal < 0) continue;
    if (signal == SIGCHLD) {
      pid_t ended = waitpid(child, &status, WNOHANG);
      if (ended == child || (ended < 0 && errno == ECHILD)) break;
      continue;
    }
    // From the terminal (SI_KERNEL) the whole foreground group got it already, the payload among it.
    if (info.si_code > 0 && signal != SIGHUP) continue;
    if (signal != SIGURG) sys::pidfd_send_signal(pidfd, signal);
  }
  // The program's own end is more precise than init's: init has to turn a signal into 128 + N.
  InitEvent event;
  while (events >= 0 && read(events, &event, sizeof event) == static_cast<ssize_t>(sizeof event))
    if (event.kind == InitEvent::Ended) status = event.wait_status;
  return status;
}

int status_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void end_like(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    int signal = WTERMSIG(wait_status);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);  // the payload has dumped already, if it was to
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    sigprocmask(SIG_UNBLOCK, &one, nullptr);
    kill(getpid(), signal);
  }
  _exit(status_code(wait_status));
}

}  // namespace davit
