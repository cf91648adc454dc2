// The keeper: parent of init and of the FUSE server, holder of the lock. It waits; when init has ended it removes the
// instance. It holds no memory of the launch, so that thousands of keepers cost little.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "launcher/instance_start.h"
#include "state/record.h"
#include "sys/process.h"
#include "sys/process_title.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr size_t kMaxRecord = 64 << 10;

struct Keeper {
  KeeperPlan* plan;
  pid_t init = 0, server = 0;
  int init_fd = -1, server_fd = -1, events = -1;
  char* record_head = nullptr;  // a private mapping, so that the arena can go
  size_t record_head_size = 0;
  RecordTail tail;
  Text<40> boot;
};

void send(Keeper& keeper, const StartMessage& message) {
  if (keeper.plan->status < 0) return;
  if (write_all(keeper.plan->status, {reinterpret_cast<const char*>(&message), sizeof message}) != 0) {
    close(keeper.plan->status);
    keeper.plan->status = -1;
  }
}

// Everything back as it was before the start.
[[noreturn]] void abandon(Keeper& keeper, const Failure& failure) {
  for (pid_t pid : {keeper.init, keeper.server}) {
    if (pid <= 0) continue;
    kill(pid, SIGKILL);
    retry([&] { return waitpid(pid, nullptr, 0); });
  }
  remove_instance(keeper.plan->instance);
  StartMessage message{};
  message.kind = StartMessage::Failed;
  message.failure = failure;
  send(keeper, message);
  _exit(kFatalStatus);
}

int write_record(Keeper& keeper) {
  static char buffer[kMaxRecord];
  std::string_view bytes =
      encode_record({keeper.record_head, keeper.record_head_size}, keeper.tail, buffer, sizeof buffer);
  if (bytes.empty()) return E2BIG;
  int error = replace_file(keeper.plan->instance->dir.get(), kRecordName, bytes, 0600);
  madvise(reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(buffer) + 4095) & ~uintptr_t{4095}), kMaxRecord - 4096,
          MADV_DONTNEED);
  return error;
}

// Init in its namespaces; what it needs of this process it inherits.
void make_init(Context& ctx, Keeper& keeper, int* report_read, int* go_write) {
  int report[2], events[2], go[2], alive[2];
  if (pipe2(report, O_CLOEXEC) || pipe2(events, O_CLOEXEC) || pipe2(go, O_CLOEXEC) || pipe2(alive, O_CLOEXEC)) {
    ctx.fail(errno, "make a pipe");
    abandon(keeper, ctx.failure);
  }
  bool helpers = needs_map_helpers(ctx.plan.namespaces);
  KeeperPlan& plan = *keeper.plan;
  keeper.init = sys::clone3_fork(clone_flags(ctx.plan.namespaces), &keeper.init_fd, SIGCHLD);
  if (keeper.init == 0) {
    InitPlan init;
    init.report = report[1];
    init.events = events[1];
    init.go = helpers ? go[0] : -1;
    init.parent_alive = alive[0];
    init.instance = true;
    init.instance_name = ctx.plan.instance.name;
    sigemptyset(&init.program_mask);
    // The lock must be the keeper's alone: its end is what tells that the instance is dead.
    plan.instance->lock.reset();
    for (int fd : {report[0], events[0], go[1], alive[1], plan.status}) close(fd);
    dup2(plan.input, 0);
    dup2(plan.log_out, 1);
    dup2(plan.log_err, 2);
    run_init(ctx, init);
  }
  if (keeper.init < 0) {
    int error = errno;
    keeper.init = 0;
    ctx.fail(error, "make the namespaces",
             error == EPERM || error == ENOSPC || error == EUSERS
                 ? "user namespaces may be off or used up here: see user.max_user_namespaces"
                 : "");
    abandon(keeper, ctx.failure);
  }
  for (int fd : {report[1], events[1], go[0], alive[0]}) close(fd);
  if (ctx.server_channel >= 0) close(ctx.server_channel);
  keeper.events = events[0];
  *report_read = report[0];
  *go_write = go[1];  // alive[1] stays open for as long as the keeper lives
}

// Waits until init's program was executed. The starter's death ends the start.
void await_program(Context& ctx, Keeper& keeper, int report) {
  Failure failure;
  for (;;) {
    struct pollfd wait[2] = {{report, POLLIN, 0}, {keeper.plan->status, 0, 0}};
    if (poll(wait, 2, -1) < 0) continue;
    if (wait[0].revents) {
      ssize_t n = retry([&] { return read(report, &failure, sizeof failure); });
      close(report);
      if (n == static_cast<ssize_t>(sizeof failure)) abandon(keeper, failure);
      // End of file: the program was executed, or init is dead.
      struct pollfd dead = {keeper.init_fd, POLLIN, 0};
      if (poll(&dead, 1, 0) == 0) return;
      ctx.fail(0, "the container's init ended during the start");
      abandon(keeper, ctx.failure);
    }
    if (wait[1].revents & (POLLERR | POLLHUP)) {
      ctx.fail(EINTR, "the starting command was ended");
      abandon(keeper, ctx.failure);
    }
  }
}

void note_program_end(Keeper& keeper) {
  InitEvent event;
  if (read(keeper.events, &event, sizeof event) != static_cast<ssize_t>(sizeof event)) {
    close(keeper.events);
    keeper.events = -1;
    return;
  }
  if (event.kind != InitEvent::Ended) return;
  keeper.tail.exited = true;
  keeper.tail.exit_status = status_code(event.wait_status);
  keeper.tail.exited_at_ms = event.at_ms;
  write_record(keeper);
  StartMessage message{};
  message.kind = StartMessage::Exited;
  message.exit_status = keeper.tail.exit_status;
  send(keeper, message);
  if (keeper.plan->status >= 0) close(keeper.plan->status);
  keeper.plan->status = -1;
}

// A dead server leaves an instance whose files cannot be read: it is ended, and its log says why.
void server_ended(Keeper& keeper) {
  int status = 0;
  retry([&] { return waitpid(keeper.server, &status, 0); });
  keeper.server = 0;
  close(keeper.server_fd);
  keeper.server_fd = -1;
  Text<200> line;
  line.add("davit: the FUSE server of the image ended (status ").add_number(status_code(status));
  line.add("); the instance is ended, since its files cannot be read any more\n");
  write_all(keeper.plan->log_err, line.view());
  sys::pidfd_send_signal(keeper.init_fd, SIGKILL);
}

[[noreturn]] void watch(Keeper& keeper, int signals) {
  for (;;) {
    struct pollfd wait[5] = {{keeper.init_fd, POLLIN, 0},
                             {keeper.events, POLLIN, 0},
                             {signals, POLLIN, 0},
                             {keeper.server_fd, POLLIN, 0},
                             {keeper.plan->status, 0, 0}};
    if (poll(wait, 5, -1) < 0) continue;
    if (wait[1].revents) note_program_end(keeper);
    if (wait[2].revents) {
      struct signalfd_siginfo info;
      if (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        sys::pidfd_send_signal(keeper.init_fd, static_cast<int>(info.ssi_signo));
    }
    if (wait[0].revents) break;
    if (wait[3].revents) server_ended(keeper);
    if (wait[4].revents && keeper.plan->status >= 0) {
      close(keeper.plan->status);
      keeper.plan->status = -1;
    }
  }
  retry([&] { return waitpid(keeper.init, nullptr, 0); });
  if (keeper.server > 0) {
    kill(keeper.server, SIGKILL);  // every process inside is dead and the mount with them
    retry([&] { return waitpid(keeper.server, nullptr, 0); });
  }
  remove_instance(keeper.plan->instance);
  _exit(0);
}

void detach(KeeperPlan& plan) {
  setsid();
  if (chdir("/") != 0) _exit(kFatalStatus);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (plan.input < 0) plan.input = null;
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  Text<200> title;
  title.add("davit instance: ").add(plan.instance->name.view());
  set_process_title("davit-keeper", title.c_str());
}

}  // namespace

void run_keeper(Context& ctx, KeeperPlan& plan) {
  Keeper keeper;
  keeper.plan = &plan;
  detach(plan);
  sigset_t forwarded;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  if (!spawn_server(ctx, false, &keeper.server)) abandon(keeper, ctx.failure);
  int report, go;
  make_init(ctx, keeper, &report, &go);
  if (needs_map_helpers(ctx.plan.namespaces) &&
      (!map_ids_by_helpers(ctx, ctx.plan.namespaces.id_map, keeper.init) || write(go, "g", 1) != 1))
    abandon(keeper, ctx.failure);
  close(go);
  await_program(ctx, keeper, report);
  if (keeper.server) keeper.server_fd = sys::pidfd_open(keeper.server, 0);

  keeper.record_head_size = ctx.plan.instance.record.size();
  keeper.record_head = const_cast<char*>(ctx.plan.instance.record.data());
  keeper.boot = boot_id();
  RecordTail& tail = keeper.tail;
  tail.name = plan.instance->name.c_str();
  tail.pid = static_cast<uint32_t>(keeper.init);
  tail.pid_start_time = process_start_time(keeper.init);
  tail.keeper_pid = static_cast<uint32_t>(getpid());
  tail.keeper_start_time = process_start_time(getpid());
  tail.server_pid = static_cast<uint32_t>(keeper.server);
  tail.namespaces = clone_flags(ctx.plan.namespaces);
  tail.started_at_ms = now_ms();
  tail.boot_id = keeper.boot.c_str();
  tail.log_out = plan.log_out_path;
  tail.log_err = plan.log_err_path;
  if (int error = write_record(keeper)) {
    ctx.fail(error, "write the instance record",
             error == ENOSPC ? "the state directory is full: see DAVIT_STATE_DIR" : "");
    abandon(keeper, ctx.failure);
  }
  StartMessage message{};
  message.kind = StartMessage::Ready;
  message.pid = tail.pid;
  message.keeper_pid = tail.keeper_pid;
  bool had_starter = plan.status >= 0;
  send(keeper, message);
  if (had_starter && plan.status < 0) {
    ctx.fail(EINTR, "the starting command was ended");
    abandon(keeper, ctx.failure);
  }
  close(plan.log_out);
  if (plan.input > 2) close(plan.input);
  munmap(ctx.arena.base(), ctx.arena.size());
  sigemptyset(&forwarded);
  for (int signal : {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) sigaddset(&forwarded, signal);
  int signals = signalfd(-1, &forwarded, SFD_CLOEXEC);
  watch(keeper, signals);
}

}  // namespace davit
