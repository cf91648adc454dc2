// What a keeper does once its instance is up (keeper.h).
#include "launcher/keeper.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "executor/executor.h"
#include "sys/process.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr int kRecordRetryMs = 1000;
// A container that ends unmounts its image before the end of its init can be seen: the server goes first.
constexpr int kInitFollowsMs = 500;

void note_program_end(Keeper& keeper) {
  InitEvent event;
  if (read(keeper.events, &event, sizeof event) != static_cast<ssize_t>(sizeof event)) {
    close(keeper.events);
    keeper.events = -1;
    return;
  }
  if (event.kind != InitEvent::Ended) return;
  keeper.record.tail.exited = true;
  keeper.record.tail.exit_status = status_code(event.wait_status);
  keeper.record.tail.exited_at_ms = event.at_ms;
  keeper.record_stale = keeper.record.write(keeper.plan->instance->dir.get()) != 0;
  StartMessage message{};
  message.kind = StartMessage::Exited;
  message.exit_status = keeper.record.tail.exit_status;
  keeper.tell(message);
  keeper.stop_telling();
}

// A dead server leaves an instance whose files cannot be read: it is ended, and its log says why. The end of the
// container itself, which ends its servers as well, may not have been seen yet: `wait_ms` for that. It may also take
// long, since init ends behind everything inside; its mounts go before.
void end_without_files(Keeper& keeper, std::string_view which, int wait_ms) {
  struct pollfd init_ended = {keeper.init_fd, POLLIN, 0};
  auto has_ended = [&](int within_ms) { return retry([&] { return poll(&init_ended, 1, within_ms); }) > 0; };
  if (has_ended(wait_ms) || process_is_ending(keeper.init) || has_ended(0)) return;
  Text<200> line;
  line.add("davit: ").add(which).add("; the instance is ended, since its files cannot be read any more\n");
  write_all(keeper.plan->log_err, line.view());
  sys::pidfd_send_signal(keeper.init_fd, SIGKILL);
}

void server_ended(Keeper& keeper) {
  int status = 0;
  if (keeper.own_server && retry([&] { return waitpid(keeper.server, &status, WNOHANG); }) == 0) return;
  keeper.server = 0;
  close(keeper.server_fd);
  keeper.server_fd = -1;
  Text<100> which;
  which.add("the FUSE server of the image ended");
  if (keeper.own_server) which.add(" (status ").add_number(status_code(status)).add(")");
  end_without_files(keeper, which.view(), WIFSIGNALED(status) ? 0 : kInitFollowsMs);
}

void overlay_ended(Keeper& keeper) {
  keeper.overlay.await_end();
  end_without_files(keeper, "a FUSE server of the overlay ended", kInitFollowsMs);
}

// Signals to the keeper that are its program's.
int forwarded_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  return signalfd(-1, &signals, SFD_CLOEXEC);
}

}  // namespace

void Keeper::tell(const StartMessage& message) {
  if (plan->status < 0) return;
  if (write_all(plan->status, {reinterpret_cast<const char*>(&message), sizeof message}) != 0) stop_telling();
}

void Keeper::stop_telling() {
  if (plan->status >= 0) close(plan->status);
  plan->status = -1;
}

void watch_instance(Keeper& keeper) {
  int signals = forwarded_signals();
  for (;;) {
    struct pollfd wait[] = {{keeper.init_fd, POLLIN, 0}, {keeper.events, POLLIN, 0},
                            {signals, POLLIN, 0},        {keeper.server_fd, POLLIN, 0},
                            {keeper.plan->status, 0, 0}, {keeper.overlay.pidfd(), POLLIN, 0}};
    if (poll(wait, sizeof wait / sizeof *wait, keeper.record_stale ? kRecordRetryMs : -1) < 0) continue;
    if (keeper.record_stale) keeper.record_stale = keeper.record.write(keeper.plan->instance->dir.get()) != 0;
    if (wait[1].revents) note_program_end(keeper);
    if (wait[2].revents) {
      struct signalfd_siginfo info;
      if (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        sys::pidfd_send_signal(keeper.init_fd, static_cast<int>(info.ssi_signo));
    }
    if (wait[0].revents) break;
    if (wait[3].revents) server_ended(keeper);
    if (wait[5].revents) overlay_ended(keeper);
    if (wait[4].revents) keeper.stop_telling();
  }
  retry([&] { return waitpid(keeper.init, nullptr, 0); });
  keeper.overlay.await_end();  // what was changed is in the image when the name is free again
  if (keeper.own_server) end_child(keeper.server, keeper.server_fd);  // every process inside is dead, the mount too
  remove_instance(keeper.plan->instance);
  _exit(0);
}

}  // namespace davit
