// Process 1 of a container. Its loop: wait for a signal, forward it or reap; never anything else.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "launcher/roles.h"
#include "sys/process.h"
#include "sys/process_title.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

struct State {
  pid_t program = 0;  // leader of the program's process group, 0 when there was none
  bool program_ended = false;
  int stop_signal = 0;  // the signal that asked the instance to end
  bool instance = false;
  bool own_group = false;
  int events = -1;
};

[[noreturn]] void fail(Context& ctx, int report) {
  write_all(report, {reinterpret_cast<const char*>(&ctx.failure), sizeof ctx.failure});
  _exit(kFatalStatus);
}

// prctl(2): the signal comes when the parent's thread ends; a parent that ended before the call is seen by the pipe.
void die_with_parent(int parent_alive) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  struct pollfd alive = {parent_alive, POLLIN, 0};
  if (parent_alive >= 0 && poll(&alive, 1, 0) > 0 && (alive.revents & (POLLHUP | POLLERR))) _exit(kFatalStatus);
}

// A service does not inherit what its starter's shell ignores: SIGINT and SIGQUIT of a command behind `&` would make it
// deaf to `stop`.
void default_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= SIGRTMAX; signal++) sigaction(signal, &action, nullptr);
}

[[noreturn]] void become_program(Context& ctx, const InitPlan& init) {
  timing::become(timing::Part::Program);
  ctx.session.reset();  // init has it, too, and waits for the kernel when it lets go of it
  if (init.instance) default_signals();
  if (ctx.plan.program.own_group) setpgid(0, 0);
  sigprocmask(SIG_SETMASK, &init.program_mask, nullptr);
  ProgramEnd end = run_program(ctx, environ, init.instance_name);
  if (end == ProgramEnd::Exited && (!init.instance || ctx.failure.exit_status == 0)) _exit(ctx.failure.exit_status);
  if (end == ProgramEnd::Exited) {
    Text<100> message;
    message.add("the action ended with status ")
        .add_number(ctx.failure.exit_status)
        .add(" before it executed anything");
    int status = ctx.failure.exit_status;
    ctx.fail(0, message.view());
    ctx.failure.exit_status = status;
  }
  fail(ctx, init.report);
}

void send_event(const State& state, InitEvent::Kind kind, pid_t pid, int status) {
  InitEvent event = {kind, static_cast<uint32_t>(pid), status, now_ms()};
  write_all(state.events, {reinterpret_cast<const char*>(&event), sizeof event});
}

bool asks_to_end(int signal) { return signal == SIGINT || signal == SIGTERM || signal == SIGQUIT; }

// Everything that has ended is reaped; the end of an instance that was asked to end is the end of its last child.
void reap(State& state) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid == 0) return;
    if (pid < 0) {
      if (errno == EINTR) continue;
      if (state.stop_signal) _exit(128 + state.stop_signal);
      return;
    }
    if (pid != state.program) continue;
    state.program_ended = true;
    send_event(state, InitEvent::Ended, pid, status);
    if (!state.instance) _exit(status_code(status));
    // What the program started in sessions of its own has not had the signal yet.
    if (!state.stop_signal) continue;
    kill(-1, state.stop_signal);
    kill(-1, SIGCONT);
  }
}

void forward(State& state, int signal, const siginfo_t& info) {
  if (signal == SIGURG) return;
  if (!state.instance) {
    // A signal from the terminal reached the program too: it is in the same process group.
    if (info.si_code <= 0 || state.own_group) kill(state.own_group ? -state.program : state.program, signal);
    return;
  }
  if (asks_to_end(signal)) state.stop_signal = signal;
  bool group = state.program && kill(-state.program, signal) == 0;
  // The startscript's group is gone: what it left behind (a daemon in a session of its own) is the service.
  if (!group) kill(-1, signal);
  if (state.stop_signal == signal) {
    if (group)
      kill(-state.program, SIGCONT);  // a stopped service cannot end
    else
      kill(-1, SIGCONT);
  }
  siginfo_t child;
  if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD) _exit(128 + signal);
}

[[noreturn]] void loop(State& state) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  for (;;) {
    siginfo_t info;
    int signal = sigwaitinfo(&all, &info);
    if (signal == SIGCHLD)
      reap(state);
    else if (signal > 0)
      forward(state, signal, info);
  }
}

}  // namespace

void run_init(Context& ctx, const InitPlan& init) {
  timing::become(timing::Part::Init);
  // Signals to -1 must never leave a PID namespace of our own.
  if (getpid() != 1) {
    ctx.fail(EINVAL, "be process 1: the plan has no PID namespace");
    fail(ctx, init.report);
  }
  die_with_parent(init.parent_alive);
  char byte;
  if (init.go >= 0 && read(init.go, &byte, 1) != 1) _exit(kFatalStatus);
  if (!run_steps(ctx)) fail(ctx, init.report);
  timing::enter(timing::Phase::Action);
  die_with_parent(init.parent_alive);  // a change of credentials clears the parent death signal
  if (ctx.plan.program.init_is_program && !init.instance) become_program(ctx, init);
  State state;
  state.instance = init.instance;
  state.own_group = ctx.plan.program.own_group;
  state.events = init.events;
  pid_t program = fork();
  if (program == 0) become_program(ctx, init);
  if (program < 0) {
    ctx.fail(errno, "fork the program", fork_hint(errno));
    fail(ctx, init.report);
  }
  if (state.own_group) setpgid(program, program);
  state.program = program;
  send_event(state, InitEvent::Started, program, 0);
  set_process_title("davit-init", "davit-init");
  munmap(ctx.arena.base(), ctx.arena.size());
  timing::forget();
  forget_environment();
  dup2(state.events, 0);
  state.events = 0;
  sys::close_range(1, ~0U, 0);
  loop(state);
}

}  // namespace davit
