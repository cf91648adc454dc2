// The command that starts an instance: claims the name, opens the logs, forks the keeper, waits for its word.
#include "launcher/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sys/small_file.h"
#include "timing/report.h"

namespace davit {
namespace {

struct Logs {
  Text<PATH_MAX> out_path, err_path;
  Fd out, err;
};

bool claim(Context& ctx, InstanceDir* dir) {
  timing::Span span("claimName", ctx.plan.instance.name);
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
  switch (claim_instance(state.get(), instance.name, dir, &error)) {
    case Claim::Ok: return true;
    case Claim::Busy:
      message.add("instance ").add(instance.name).add(" already exists");
      ctx.fail(EEXIST, message.view());
      ctx.failure.worded = true;
      return false;
    default: break;
  }
  message.add("claim the instance name \"").add(instance.name).add("\" in \"").add(instance.state_dir).add("\"");
  const char* hint = error == ENOSPC  ? "the state directory is full: see DAVIT_STATE_DIR"
                     : error == EROFS ? "the state directory is read-only: see DAVIT_STATE_DIR"
                                      : "";
  return ctx.fail(error, message.view(), hint);
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

void log_path(const Context& ctx, const char* name, const char* suffix, Text<PATH_MAX>* path) {
  path->add(ctx.plan.instance.log_dir).add("/").add(name).add(suffix);
}

bool open_log(Context& ctx, const char* suffix, Text<PATH_MAX>* path, Fd* fd) {
  log_path(ctx, ctx.plan.instance.name, suffix, path);
  int error = path->full() ? ENAMETOOLONG : open_regular(path->c_str(), O_APPEND, fd);
  if (!error) return true;
  Text<600> message;
  message.add("open the log \"").add(path->view()).add("\"");
  return ctx.fail(error, message.view(), "correct it, or choose another directory by --log-dir");
}

bool open_logs(Context& ctx, Logs* logs, off_t* err_start) {
  timing::Span span("openLogs");
  mkdir(ctx.plan.instance.log_dir, 0700);
  if (!open_log(ctx, ".out", &logs->out_path, &logs->out) || !open_log(ctx, ".err", &logs->err_path, &logs->err))
    return false;
  struct stat st;
  if (fstat(logs->err.get(), &st) == 0) *err_start = st.st_size;
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

[[noreturn]] void become_keeper(Context& ctx, InstanceDir* dir, const Logs& logs, const ShareKey& image, int status) {
  if (ctx.plan.output.report_fd > 2) close(ctx.plan.output.report_fd);
  KeeperPlan plan;
  plan.instance = dir;
  plan.image = image;
  plan.status = status;
  plan.log_out = logs.out.get();
  plan.log_err = logs.err.get();
  plan.input = payload_input();
  plan.log_out_path = logs.out_path.c_str();
  plan.log_err_path = logs.err_path.c_str();
  run_keeper(ctx, plan);
}

// Tells of the failure of a single start.
int fail_now(Context& ctx, const Start& start) {
  if (ctx.on_failure) ctx.on_failure(ctx);
  if (ctx.plan.output.report_fd > 2) {
    Report report;
    report.failure = &ctx.failure;
    Text<kTailBytes> tail = new_errors(ctx, start);
    report.output_tail = tail.view();
    send_report(ctx.plan, report);
  } else {
    say_failure(ctx.plan, ctx.failure);
  }
  timing::report(true);
  return kFatalStatus;
}

// The words about an instance that is up, on the terminal. Returns the exit status.
int tell(const LaunchPlan& plan, const Report& report, std::string_view errors) {
  // Trap 7: what the startscript wrote to stderr right at its start is shown.
  bool early = report.early_exit;
  if (errors.size() && (early || plan.output.message_level >= kInfo)) write_all(2, errors);
  if (errors.size() && errors.back() != '\n' && (early || plan.output.message_level >= kInfo)) write_all(2, "\n");
  if (early) {
    Text<200> text;
    text.add("the startscript of instance ").add(plan.instance.name).add(" has failed with exit status ");
    text.add_number(report.exit_status)
        .add("; the instance stays up, see: davit instance logs --err ")
        .add(plan.instance.name);
    bool waited = plan.instance.wait_seconds > 0;
    say(plan.output, waited ? kError : kWarning, text.view());
    if (waited) return report.exit_status;
  }
  say(plan.output, kInfo, "instance started successfully");
  return 0;
}

}  // namespace

bool begin_start(Context& ctx, Start* start, void (*in_keeper)()) {
  start->name = ctx.plan.instance.name;
  InstanceDir dir;
  Logs logs;
  // Before the name is claimed: on a file system that hangs, this takes for ever.
  ShareKey image = ctx.common_image.lock.valid() ? ShareKey() : shared_image_key(ctx.plan);
  if (!claim(ctx, &dir)) return false;
  int status[2];
  if (!open_logs(ctx, &logs, &start->err_start) || (pipe2(status, O_CLOEXEC) != 0 && !ctx.fail(errno, "make a pipe"))) {
    remove_instance(&dir);
    return false;
  }
  start->keeper = fork();
  if (start->keeper == 0) {
    close(status[0]);
    if (in_keeper) in_keeper();
    become_keeper(ctx, &dir, logs, image, status[1]);
  }
  int error = errno;
  start->status.reset(status[0]);
  close(status[1]);
  if (start->keeper > 0) return true;  // the lock is the keeper's alone from here on
  ctx.fail(error, "fork the keeper", fork_hint(error));
  remove_instance(&dir);
  return false;
}

Heard hear(const Start& start, StartMessage* message, int timeout_ms) {
  int status = start.status.get();
  struct pollfd wait = {status, POLLIN, 0};
  if (retry([&] { return poll(&wait, 1, timeout_ms); }) <= 0) return Heard::Nothing;
  if (retry([&] { return read(status, message, sizeof *message); }) != static_cast<ssize_t>(sizeof *message))
    return Heard::End;
  message->failure.repair();
  return Heard::Message;
}

bool settle_start(Context& ctx, const Start& start, Heard heard, const StartMessage& first) {
  if (heard != Heard::Message) return ctx.fail(0, "the keeper of the instance ended during the start");
  if (first.kind != StartMessage::Failed) return true;
  retry([&] { return waitpid(start.keeper, nullptr, 0); });
  ctx.failure = first.failure;
  return false;
}

bool describe_start(Context& ctx, Heard heard, const StartMessage& ended, Report* report) {
  if (heard == Heard::End)
    return ctx.fail(0, "the instance ended right after its start",
                    "see its log: davit instance logs, or the log directory");
  report->ok = true;
  report->early_exit = heard == Heard::Message && ended.kind == StartMessage::Exited && ended.exit_status != 0;
  report->exit_status = report->early_exit ? ended.exit_status : 0;
  return true;
}

Text<kTailBytes> new_errors(const Context& ctx, const Start& start) {
  Text<kTailBytes> text;
  if (start.err_start < 0) return text;
  Text<PATH_MAX> path;
  log_path(ctx, start.name, ".err", &path);
  Fd log(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat st;
  if (!log.valid() || fstat(log.get(), &st) != 0 || st.st_size <= start.err_start) return text;
  off_t from = start.err_start;
  if (st.st_size - from > static_cast<off_t>(kTailBytes) - 1) from = st.st_size - static_cast<off_t>(kTailBytes) + 1;
  char buffer[kTailBytes];
  ssize_t n = pread(log.get(), buffer, sizeof buffer - 1, from);
  if (n > 0) text.add(std::string_view(buffer, static_cast<size_t>(n)));
  return text;
}

int wait_ms(const Instance& instance) {
  // At most 24 days fit into poll(2); NaN is no time at all.
  double wait = instance.wait_seconds;
  return wait > 0 ? wait < 2e6 ? static_cast<int>(wait * 1000) : INT_MAX : 0;
}

int start_instance(Context& ctx) {
  timing::enter(timing::Phase::Clone);
  Start start;
  if (!begin_start(ctx, &start)) return fail_now(ctx, start);
  // Whoever closed our stderr must not end us between the instance's start and the word about it.
  sighandler_t on_pipe = signal(SIGPIPE, SIG_IGN);
  StartMessage ready{}, ended{};
  Heard heard = hear(start, &ready, -1);
  if (!settle_start(ctx, start, heard, ready)) {
    if (heard == Heard::Message) signal(SIGPIPE, on_pipe);
    Text<kTailBytes> errors = new_errors(ctx, start);
    if (heard == Heard::Message && ctx.plan.output.report_fd <= 2 && errors.size()) write_all(2, errors.view());
    return fail_now(ctx, start);
  }
  timing::end();
  write_pid_file(ctx.plan, ready.pid);
  heard = hear(start, &ended, wait_ms(ctx.plan.instance));
  Report report;
  report.pid = ready.pid;
  report.keeper_pid = ready.keeper_pid;
  if (!describe_start(ctx, heard, ended, &report)) return fail_now(ctx, start);
  Text<kTailBytes> errors = new_errors(ctx, start);
  report.output_tail = errors.view();
  int exit_status = ctx.plan.output.report_fd <= 2 ? tell(ctx.plan, report, errors.view()) : 0;
  send_report(ctx.plan, report);
  timing::report();
  return exit_status;
}

}  // namespace davit
