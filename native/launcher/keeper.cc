// What a keeper does until its instance is up (keeper.h): servers, init, record. A start that fails leaves nothing.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "executor/executor.h"
#include "launcher/keeper.h"
#include "sys/descriptors.h"
#include "sys/process.h"
#include "sys/process_title.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace davit {
namespace {

// Everything back as it was before the start.
[[noreturn]] void abandon(Keeper& keeper, const Failure& failure) {
  end_child(keeper.init, keeper.init_fd);
  if (keeper.own_server) end_child(keeper.server, keeper.server_fd);
  keeper.overlay.await_end();
  remove_instance(keeper.plan->instance);
  StartMessage message{};
  message.kind = StartMessage::Failed;
  message.failure = failure;
  keeper.tell(message);
  _exit(kFatalStatus);
}

// Init in its namespaces; what it needs of this process it inherits.
void make_init(Context& ctx, Keeper& keeper, int* report_read, int* go_write) {
  int report[2], events[2], go[2] = {-1, -1}, alive[2];
  bool helpers = needs_map_helpers(ctx.plan.namespaces);
  if (pipe2(report, O_CLOEXEC) || pipe2(events, O_CLOEXEC) || pipe2(alive, O_CLOEXEC) ||
      (helpers && pipe2(go, O_CLOEXEC))) {
    ctx.fail(errno, "make a pipe");
    abandon(keeper, ctx.failure);
  }
  KeeperPlan& plan = *keeper.plan;
  keeper.init = fork_into_namespaces(ctx, &keeper.init_fd);
  if (keeper.init == 0) {
    InitPlan init;
    init.report = report[1];
    init.events = events[1];
    init.go = go[0];
    init.parent_alive = alive[0];
    init.instance = true;
    init.instance_name = ctx.plan.instance.name;
    sigemptyset(&init.program_mask);
    dup2(plan.input, 0);
    dup2(plan.log_out, 1);
    dup2(plan.log_err, 2);
    // The lock must be the keeper's alone: its end is what tells that the instance is dead. And no directory of the
    // host may be within reach of what an image makes this process open.
    close_all_but({report[1], events[1], init.go, alive[0], ctx.server_channel, ctx.overlay_channel,
                   ctx.shared_image.get(), ctx.shared_user.get(), ctx.shared_mounts.get(), ctx.common_root.get(),
                   ctx.common_proc.get(), ctx.session.get(), ctx.plan.temporary_image.descriptor});
    run_init(ctx, init);
  }
  if (keeper.init < 0) {
    int error = errno;
    keeper.init = 0;
    ctx.fail(error, "make the namespaces", fork_hint(error));
    abandon(keeper, ctx.failure);
  }
  for (int fd : {report[1], events[1], alive[0]}) close(fd);
  if (helpers) close(go[0]);
  if (ctx.server_channel >= 0) close(ctx.server_channel);
  ctx.server_channel = -1;
  keeper.overlay.let_go();
  ctx.let_go_of_shared_image();
  ctx.common_root.reset();
  ctx.common_proc.reset();
  keeper.events = events[0];
  *report_read = report[0];
  *go_write = go[1];  // alive[1] stays open for as long as the keeper lives
}

// Waits until init's program was executed. The starter's death until then ends the start.
void await_program(Context& ctx, Keeper& keeper, int report) {
  Failure failure;
  for (;;) {
    struct pollfd wait[2] = {{report, POLLIN, 0}, {keeper.plan->status, 0, 0}};
    if (poll(wait, 2, -1) < 0) continue;
    bool alone = wait[1].revents & (POLLERR | POLLHUP);
    if (wait[0].revents) {
      bool failed = receive_failure(report, &failure);
      close(report);
      if (failed) abandon(keeper, failure);
      // End of file: the program was executed, or init is dead. One that has been killed is not dead before everything
      // inside is, and nobody but init itself may have held the pipe.
      struct pollfd dead = {keeper.init_fd, POLLIN, 0};
      if (process_is_ending(keeper.init) || poll(&dead, 1, 0) != 0) {
        ctx.fail(0, "the container's init ended during the start");
        abandon(keeper, ctx.failure);
      }
      if (!alone) return;
    }
    if (alone) {
      ctx.fail(EINTR, "the starting command was ended");
      abandon(keeper, ctx.failure);
    }
  }
}

// The FUSE server, where the image needs one: one that serves other instances too, or one of its own.
bool find_server(Context& ctx, Keeper& keeper) {
  if (ctx.common_image.lock.valid()) {
    keeper.server = ctx.common_image.server_pid;
    keeper.server_fd = ctx.common_image.server.release();
    return true;
  }
  use_shared_image(ctx, keeper.plan->image, keeper.plan->status, &keeper.shared);
  if (!spawn_server(ctx, {.ends_with_parent = true}, &keeper.server)) return false;
  keeper.own_server = keeper.server != 0;
  if (keeper.own_server) {
    keeper.server_fd = sys::pidfd_open(keeper.server, 0);
  } else if (ctx.shared_image.valid()) {
    keeper.server = keeper.shared.server;
    keeper.server_fd = open_process(keeper.server, keeper.shared.server_start).release();
  }
  return keeper.overlay.spawn(ctx);
}

// Away from the caller: its session, its directory, its terminal and pipes.
bool detach(Context& ctx, KeeperPlan& plan) {
  setsid();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  if (chdir("/") != 0) return ctx.fail(errno, "change to \"/\"");
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return ctx.fail(errno, "open \"/dev/null\"");
  if (plan.input < 0) plan.input = null;
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  Text<200> title;
  title.add("davit instance: ").add(plan.instance->name.view());
  set_process_title("davit-keeper", title.c_str());
  return true;
}

// What the instance is, for everybody who asks from now on. Somebody may have seen it: whatever becomes of the starter,
// the instance stays.
void write_record(Context& ctx, Keeper& keeper) {
  timing::Span span("record");
  RecordTail& tail = keeper.record.tail;
  tail.server_pid = static_cast<uint32_t>(keeper.server);
  tail.log_out = keeper.plan->log_out_path;
  tail.log_err = keeper.plan->log_err_path;
  tail.name = keeper.plan->instance->name.c_str();
  if (!keeper.record.describe(ctx, keeper.init)) abandon(keeper, ctx.failure);
  if (int error = keeper.record.write(keeper.plan->instance->dir.get())) {
    ctx.fail(error, "write the instance record",
             error == ENOSPC ? "the state directory is full: see DAVIT_STATE_DIR" : "");
    abandon(keeper, ctx.failure);
  }
}

// The instance is up and known; from here on the keeper only watches.
void settle(Context& ctx, KeeperPlan& plan) {
  ctx.session.reset();  // the last descriptor of one that is attached nowhere: here nobody waits for the kernel
  close(plan.log_out);
  if (plan.input > 2) close(plan.input);
  munmap(ctx.arena.base(), ctx.arena.size());
  timing::forget();
  forget_environment();
}

}  // namespace

void run_keeper(Context& ctx, KeeperPlan& plan) {
  timing::become(timing::Part::Keeper);
  Keeper keeper;
  keeper.plan = &plan;
  if (!detach(ctx, plan) || !find_server(ctx, keeper) || !prepare_own_steps(ctx)) abandon(keeper, ctx.failure);
  int report, go;
  keeper.record.tail.started_at_ms = now_ms();  // the program may have ended before this process goes on
  make_init(ctx, keeper, &report, &go);
  if (needs_map_helpers(ctx.plan.namespaces)) {
    if (!map_ids_by_helpers(ctx, ctx.plan.namespaces.id_map, keeper.init)) abandon(keeper, ctx.failure);
    (void)!write(go, "g", 1);  // an init that is dead is noticed below
    close(go);
  }
  await_program(ctx, keeper, report);
  timing::enter(timing::Phase::Ready);
  write_record(ctx, keeper);
  StartMessage message{};
  message.kind = StartMessage::Ready;
  message.pid = keeper.record.tail.pid;
  message.keeper_pid = keeper.record.tail.keeper_pid;
  keeper.tell(message);
  settle(ctx, plan);
  watch_instance(keeper);
}

}  // namespace davit
