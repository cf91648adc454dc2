// The command that starts an instance: claims the name, opens the logs, forks the keeper, waits for its word.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "launcher/instance_start.h"
#include "sys/small_file.h"
#include "timing/report.h"

namespace davit {
namespace {

constexpr size_t kTailBytes = 2048;

struct Starter {
  Context& ctx;
  InstanceDir dir;
  Text<PATH_MAX> out_path, err_path;
  Fd out, err;
  off_t err_start = 0;

  int fail_now() {
    if (ctx.on_failure) ctx.on_failure(ctx);
    if (ctx.plan.output.report_fd > 2) {
      Report report;
      report.failure = &ctx.failure;
      Text<kTailBytes> tail = new_errors();
      report.output_tail = tail.view();
      send_report(ctx.plan, report);
    } else {
      say_failure(ctx.plan, ctx.failure);
    }
    timing::report(true);
    return kFatalStatus;
  }

  // What the startscript has written to stderr since this start, the last part of it.
  Text<kTailBytes> new_errors() {
    Text<kTailBytes> text;
    Fd log(open(err_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat st;
    if (!log.valid() || fstat(log.get(), &st) != 0 || st.st_size <= err_start) return text;
    off_t from = err_start;
    if (st.st_size - from > static_cast<off_t>(kTailBytes) - 1) from = st.st_size - static_cast<off_t>(kTailBytes) + 1;
    char buffer[kTailBytes];
    ssize_t n = pread(log.get(), buffer, sizeof buffer - 1, from);
    if (n > 0) text.add(std::string_view(buffer, static_cast<size_t>(n)));
    return text;
  }
};

bool claim(Starter& s) {
  timing::Span span("claimName", s.ctx.plan.instance.name);
  Context& ctx = s.ctx;
  const Instance& instance = ctx.plan.instance;
  Text<600> message;
  if (!valid_instance_name(instance.name)) {
    message.add(instance.name).add(" is not a valid instance name");
    return ctx.fail(0, message.view(), "use letters, digits, \".\", \"_\" and \"-\"");
  }
  Fd state;
  Text<400> why;
  if (int error = open_state_dir(instance.state_dir, &state, &why))
    return ctx.fail(error, why.view(), "correct it, or set DAVIT_STATE_DIR");
  int error = 0;
  switch (claim_instance(state.get(), instance.name, &s.dir, &error)) {
    case Claim::Ok: return true;
    case Claim::Busy:
      message.add("instance ").add(instance.name).add(" already exists");
      ctx.fail(EEXIST, message.view());
      ctx.failure.worded = true;
      return false;
    default: break;
  }
  message.add("claim the instance name \"").add(instance.name).add("\" in \"").add(instance.state_dir).add("\"");
  return ctx.fail(error, message.view(), error == ENOSPC ? "the state directory is full: see DAVIT_STATE_DIR" : "");
}

// Opens a file for writing, never through a link; a FIFO or a device of that name is refused and does not make us wait.
int open_regular(const char* path, int flags, Fd* fd) {
  flags |= O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  fd->reset(retry([&] { return open(path, flags | O_NONBLOCK, 0644); }));
  if (!fd->valid()) return errno;
  struct stat st;
  if (fstat(fd->get(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EINVAL;
  // The payload inherits a log: it must not find it non-blocking.
  return fcntl(fd->get(), F_SETFL, flags & O_APPEND) == 0 ? 0 : errno;
}

bool open_log(Starter& s, const char* suffix, Text<PATH_MAX>* path, Fd* fd) {
  const Instance& instance = s.ctx.plan.instance;
  path->add(instance.log_dir).add("/").add(instance.name).add(suffix);
  int error = path->full() ? ENAMETOOLONG : open_regular(path->c_str(), O_APPEND, fd);
  if (!error) return true;
  Text<600> message;
  message.add("open the log \"").add(path->view()).add("\"");
  return s.ctx.fail(error, message.view(), "correct it, or choose another directory by --log-dir");
}

bool open_logs(Starter& s) {
  timing::Span span("openLogs");
  mkdir(s.ctx.plan.instance.log_dir, 0700);
  if (!open_log(s, ".out", &s.out_path, &s.out) || !open_log(s, ".err", &s.err_path, &s.err)) return false;
  struct stat st;
  if (fstat(s.err.get(), &st) == 0) s.err_start = st.st_size;
  return true;
}

// The caller's stdin, unless it is a terminal (the instance has none) or closed.
int payload_input() {
  if (fcntl(0, F_GETFD) < 0 || isatty(0)) return -1;
  return fcntl(0, F_DUPFD_CLOEXEC, 3);
}

// cli.md, --pid-file: decimal PID and a newline, mode 0644, truncated, never through a link; failure only warns.
void write_pid_file(const LaunchPlan& plan, uint32_t pid) {
  const char* path = plan.instance.pid_file;
  if (!*path) return;
  Fd fd;
  Text<24> text;
  text.add_number(pid).add("\n");
  int error = open_regular(path, O_TRUNC, &fd);
  if (!error) error = write_all(fd.get(), text.view());
  if (!error) return;
  Text<PATH_MAX + 200> message;
  message.add("Failed to write pid file: could not create pid file: open ").add(path).add(": ");
  const char* words = errno_text(error);
  message.add_char(*words >= 'A' && *words <= 'Z' ? static_cast<char>(*words + 32) : *words).add(words + 1);
  say(plan.output, kWarning, message.view());
}

enum class Heard { Message, End, Nothing };

// What the keeper says within the time (-1: without limit); End: it is dead.
Heard read_message(int status, StartMessage* message, int timeout_ms) {
  struct pollfd wait = {status, POLLIN, 0};
  if (retry([&] { return poll(&wait, 1, timeout_ms); }) <= 0) return Heard::Nothing;
  if (retry([&] { return read(status, message, sizeof *message); }) != static_cast<ssize_t>(sizeof *message))
    return Heard::End;
  message->failure.repair();
  return Heard::Message;
}

// The instance is up. Has its startscript failed already? Then that is said, and with --wait it is the exit status.
int finish(Starter& s, const StartMessage& ready, int status) {
  const LaunchPlan& plan = s.ctx.plan;
  write_pid_file(plan, ready.pid);
  // At most 24 days fit into poll(2); NaN is no time at all.
  double wait = plan.instance.wait_seconds;
  int timeout_ms = wait > 0 ? wait < 2e6 ? static_cast<int>(wait * 1000) : INT_MAX : 0;
  StartMessage ended{};
  Heard heard = read_message(status, &ended, timeout_ms);
  if (heard == Heard::End) {
    s.ctx.fail(0, "the instance ended right after its start", "see its log: davit instance logs, or the log directory");
    return s.fail_now();
  }
  bool early = heard == Heard::Message && ended.kind == StartMessage::Exited && ended.exit_status != 0;
  Text<kTailBytes> errors = s.new_errors();
  if (plan.output.report_fd > 2) {
    Report report;
    report.ok = true;
    report.pid = ready.pid;
    report.keeper_pid = ready.keeper_pid;
    report.early_exit = early;
    report.exit_status = early ? ended.exit_status : 0;
    report.output_tail = errors.view();
    send_report(plan, report);
    return 0;
  }
  // Trap 7: what the startscript wrote to stderr right at its start is shown.
  if (errors.size() && (early || plan.output.message_level >= kInfo)) write_all(2, errors.view());
  if (errors.size() && errors.view().back() != '\n' && (early || plan.output.message_level >= kInfo))
    write_all(2, "\n");
  if (early) {
    Text<200> text;
    text.add("the startscript of instance ").add(plan.instance.name).add(" has failed with exit status ");
    text.add_number(ended.exit_status)
        .add("; the instance stays up, see: davit instance logs --err ")
        .add(plan.instance.name);
    say(plan.output, wait > 0 ? kError : kWarning, text.view());
    if (wait > 0) return ended.exit_status;
  }
  say(plan.output, kInfo, "instance started successfully");
  return 0;
}

}  // namespace

int start_instance(Context& ctx) {
  timing::enter(timing::Phase::Clone);
  Starter s{ctx, {}, {}, {}, {}, {}};
  // Before the name is claimed: on a file system that hangs, this takes for ever.
  ShareKey image = shared_image_key(ctx.plan);
  if (!claim(s)) return s.fail_now();
  int status[2];
  if (!open_logs(s) || (pipe2(status, O_CLOEXEC) != 0 && !ctx.fail(errno, "make a pipe"))) {
    remove_instance(&s.dir);
    return s.fail_now();
  }
  pid_t keeper = fork();
  if (keeper == 0) {
    close(status[0]);
    if (ctx.plan.output.report_fd > 2) close(ctx.plan.output.report_fd);
    KeeperPlan plan;
    plan.instance = &s.dir;
    plan.image = image;
    plan.status = status[1];
    plan.log_out = s.out.get();
    plan.log_err = s.err.get();
    plan.input = payload_input();
    plan.log_out_path = s.out_path.c_str();
    plan.log_err_path = s.err_path.c_str();
    run_keeper(ctx, plan);
  }
  if (keeper < 0) {
    ctx.fail(errno, "fork the keeper", fork_hint(errno));
    remove_instance(&s.dir);
    return s.fail_now();
  }
  close(status[1]);
  s.dir.lock.reset();  // the keeper's from here on
  // Whoever closed our stderr must not end us between the instance's start and the word about it.
  sighandler_t on_pipe = signal(SIGPIPE, SIG_IGN);
  StartMessage message{};
  if (read_message(status[0], &message, -1) != Heard::Message) {
    ctx.fail(0, "the keeper of the instance ended during the start");
    return s.fail_now();
  }
  if (message.kind == StartMessage::Failed) {
    retry([&] { return waitpid(keeper, nullptr, 0); });
    ctx.failure = message.failure;
    signal(SIGPIPE, on_pipe);
    Text<kTailBytes> errors = s.new_errors();
    if (ctx.plan.output.report_fd <= 2 && errors.size()) write_all(2, errors.view());
    return s.fail_now();
  }
  timing::end();
  int exit_status = finish(s, message, status[0]);
  timing::report();
  return exit_status;
}

}  // namespace davit
