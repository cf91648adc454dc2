// Several instances of one plan: this process claims names and forks keepers, some launches at a time, and writes what
// becomes of each. Nothing but the name differs, so nothing is executed or read anew for one more.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include <new>

#include "davit_fields.h"
#include "launcher/starter.h"
#include "sys/process.h"
#include "sys/small_file.h"
#include "timing/clock.h"
#include "wire/wire.h"

namespace davit {
namespace {

// Launches in progress and instances whose startscript is waited for: a descriptor each, beside those of one launch.
constexpr size_t kMaxOpen = 512, kOwnDescriptors = 32;
constexpr uint32_t kMaxJobs = 64;

int64_t clock_ms() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

struct Slot {
  Start start;
  uint32_t index = 0;
  bool ready = false;  // up; its startscript is waited for until `deadline`
  uint64_t begin_ns = 0, end_ns = 0;
  int64_t deadline = 0;  // of clock_ms
  uint32_t pid = 0, keeper_pid = 0;
};

struct Crew {
  Context& ctx;
  Slot* slots;
  struct pollfd* polled;
  size_t used = 0, launching = 0;
  bool over = false;  // nothing more is begun
  int signals = -1;
};
Crew* current = nullptr;

constexpr int kHeld[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM};

// In a keeper. It holds nothing of its neighbours: their starter's end must be seen by them. And what was sent to the
// starter's process group, held back here as it is there, is not for the instance.
void leave_crew() {
  setsid();
  for (int signal : kHeld) {
    sighandler_t before = ::signal(signal, SIG_IGN);  // sigaction(2): drops what is pending
    ::signal(signal, before);
  }
  for (size_t i = 0; i < current->used; i++) current->slots[i].start.status.reset();
  close(current->signals);
}

// One BatchEntry. Encoded messages of one type may be written one behind the other.
void write_entry(Crew& crew, const Slot& slot, const Report& report) {
  char inner[kReportRoom], entry[kReportRoom + 64], outer[kReportRoom + 96];
  wire::Writer e(entry, sizeof entry), o(outer, sizeof outer);
  e.number(fields::BatchEntry::index, slot.index);
  e.text(fields::BatchEntry::report, encode_report(crew.ctx.plan, report, inner, sizeof inner));
  e.number(fields::BatchEntry::begin_ns, slot.begin_ns);
  e.number(fields::BatchEntry::end_ns, slot.end_ns ? slot.end_ns : timing::now_ns());
  o.text(fields::BatchReport::entries, e.view());
  write_all(crew.ctx.plan.output.report_fd, o.view());
}

void write_failure(Crew& crew, const Slot& slot) {
  Report report;
  report.failure = &crew.ctx.failure;
  Text<kTailBytes> tail = new_errors(crew.ctx, slot.start);
  report.output_tail = tail.view();
  write_entry(crew, slot, report);
  if (crew.ctx.plan.batch.atomic) crew.over = true;
}

void begin(Crew& crew, uint32_t index) {
  Slot& slot = crew.slots[crew.used];
  slot = Slot{};
  slot.index = index;
  slot.begin_ns = timing::now_ns();
  crew.ctx.failure = {};
  check_common_root(crew.ctx);
  if (!begin_start(crew.ctx, &slot.start, leave_crew)) return write_failure(crew, slot);
  crew.used++;
  crew.launching++;
}

void finish(Crew& crew, Slot& slot, Heard heard, const StartMessage& ended) {
  Report report;
  report.pid = slot.pid;
  report.keeper_pid = slot.keeper_pid;
  if (!describe_start(crew.ctx, heard, ended, &report)) return write_failure(crew, slot);
  Text<kTailBytes> errors = new_errors(crew.ctx, slot.start);
  report.output_tail = errors.view();
  write_entry(crew, slot, report);
  const LaunchPlan& plan = crew.ctx.plan;
  if (report.early_exit && plan.instance.wait_seconds > 0 && plan.batch.atomic) crew.over = true;
}

// Goes on with what its keeper has said, or with the end of its time. True: it is done with.
bool advance(Crew& crew, Slot& slot, bool spoken, int64_t now) {
  crew.ctx.failure = {};
  if (!slot.ready) {
    if (!spoken) return false;
    StartMessage first{};
    Heard heard = hear(slot.start, &first, 0);
    crew.launching--;
    if (!settle_start(crew.ctx, slot.start, heard, first)) return write_failure(crew, slot), true;
    slot.ready = true;
    slot.end_ns = timing::now_ns();
    slot.pid = first.pid;
    slot.keeper_pid = first.keeper_pid;
    slot.deadline = now + wait_ms(crew.ctx.plan.instance);
  }
  StartMessage ended{};
  Heard heard = hear(slot.start, &ended, 0);
  if (heard == Heard::Nothing && now < slot.deadline) return false;
  finish(crew, slot, heard, ended);
  return true;
}

// Waits until a keeper speaks, a time is over, or SIGTERM comes.
void wait_for_any(Crew& crew) {
  int64_t next = INT64_MAX, now = clock_ms();
  crew.polled[0] = {crew.signals, POLLIN, 0};
  for (size_t i = 0; i < crew.used; i++) {
    const Slot& slot = crew.slots[i];
    crew.polled[i + 1] = {slot.start.status.get(), POLLIN, 0};
    if (slot.ready && slot.deadline < next) next = slot.deadline;
  }
  int timeout = next == INT64_MAX      ? -1
                : next <= now          ? 0
                : next - now > INT_MAX ? INT_MAX
                                       : static_cast<int>(next - now);
  if (poll(crew.polled, crew.used + 1, timeout) < 0) return;
  if (crew.polled[0].revents) {
    struct signalfd_siginfo info;
    if (read(crew.signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) crew.over = true;
  }
  now = clock_ms();
  // From the last one on: the place of one that is done with is taken by one that has been looked at.
  for (size_t i = crew.used; i-- > 0;) {
    if (!advance(crew, crew.slots[i], crew.polled[i + 1].revents != 0, now)) continue;
    if (i != --crew.used) crew.slots[i] = static_cast<Slot&&>(crew.slots[crew.used]);
    crew.slots[crew.used].start.status.reset();
  }
}

size_t most_open(size_t count) {
  struct rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  size_t most = files.rlim_cur > kMaxOpen + kOwnDescriptors    ? kMaxOpen
                : files.rlim_cur > kOwnDescriptors + size_t{1} ? files.rlim_cur - kOwnDescriptors
                                                               : 1;
  return count < most ? count : most;
}

// The terminal's interrupt is the business of the program that asked for the batch: it sends SIGTERM.
int take_signals() {
  sigset_t blocked, asked;
  sigemptyset(&blocked);
  for (int signal : kHeld) sigaddset(&blocked, signal);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  sigemptyset(&asked);
  sigaddset(&asked, SIGTERM);
  return signalfd(-1, &asked, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

int start_batch(Context& ctx, LaunchPlan& plan) {
  if (plan.output.report_fd <= 2) return refuse_plan("several instances need a report");
  uint32_t count = static_cast<uint32_t>(plan.batch.names.size);
  uint32_t jobs = plan.batch.jobs < 1 ? 1 : plan.batch.jobs > kMaxJobs ? kMaxJobs : plan.batch.jobs;
  size_t room = most_open(count);
  Crew crew{ctx, ctx.arena.array<Slot>(room), ctx.arena.array<struct pollfd>(room + 1)};
  if (!crew.slots || !crew.polled) return refuse_plan("no memory");
  for (size_t i = 0; i < room; i++) new (&crew.slots[i]) Slot;  // the arena gives zeros, and descriptor 0 is one
  crew.signals = take_signals();
  current = &crew;
  hand_down_page_tables();
  crew.over = !make_common_root(ctx, plan, crew.signals);
  uint32_t next = 0;
  while (crew.used || (next < count && !crew.over)) {
    while (next < count && !crew.over && crew.launching < jobs && crew.used < room) {
      plan.instance.name = plan.batch.names.data[next];
      begin(crew, next++);
    }
    if (crew.used) wait_for_any(crew);
  }
  current = nullptr;
  return 0;
}

}  // namespace davit
