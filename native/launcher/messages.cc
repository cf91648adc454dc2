#include "launcher/messages.h"

#include "davit_fields.h"
#include "sys/small_file.h"
#include "timing/report.h"
#include "wire/wire.h"

namespace davit {
namespace {

// Apptainer pads the level to 8 columns and writes the text from the tenth on.
const char* prefix_of(Level level) {
  switch (level) {
    case kFatal: return "FATAL:   ";
    case kError: return "ERROR:   ";
    case kWarning: return "WARNING: ";
    case kInfo: return "INFO:    ";
    case kVerbose: return "VERBOSE: ";
    default: return "DEBUG:   ";
  }
}

const char* color_of(Level level) {
  if (level <= kError) return "\x1b[31m";
  if (level == kWarning) return "\x1b[33m";
  return "\x1b[34m";
}

}  // namespace

void say(const Output& output, Level level, std::string_view text) {
  if (level > output.message_level && level != kFatal) return;
  Text<2000> line;
  if (output.color) line.add(color_of(level));
  line.add(prefix_of(level));
  if (output.color) line.add("\x1b[0m");
  line.add(text).add("\n");
  write_all(2, line.view());
}

Printed print(const Output& output, std::string_view text) {
  int error = write_all(1, text);
  if (!error) return Printed::Whole;
  if (error == EPIPE || error == EBADF || error == EIO) return Printed::Unread;
  Text<200> line;
  line.add("write /dev/stdout: ").add(errno_name(error)).add(" (").add(errno_text(error)).add(")");
  say(output, kFatal, line.view());
  return Printed::Lost;
}

Text<800> failure_text(const Failure& failure) {
  Text<800> text;
  text.add(failure.message.view());
  if (failure.error && !failure.worded)
    text.add(": ").add(errno_name(failure.error)).add(" (").add(errno_text(failure.error)).add(")");
  return text;
}

void say_failure(const LaunchPlan& plan, const Failure& failure) {
  Text<2000> text;
  if (failure.step) text.add("container creation failed: ");
  text.add(failure_text(failure).view());
  if (failure.step && failure.step <= plan.steps.size) {
    text.add("\n         step ").add_number(failure.step).add(" of ").add_number(static_cast<int64_t>(plan.steps.size));
    text.add(", ").add(step_name(plan.steps.data[failure.step - 1].kind));
  }
  if (failure.hint.size()) text.add("\n         hint: ").add(failure.hint.view());
  say(plan.output, kFatal, text.view());
}

const char* fork_hint(int error) {
  switch (error) {
    case EAGAIN: return "the limit of processes is reached: see ulimit -u, and pids.max of the cgroup";
    case EPERM:
    case ENOSPC:
    case EUSERS: return "user namespaces may be off or used up here: see user.max_user_namespaces";
    default: return "";
  }
}

bool receive_failure(int fd, Failure* failure) {
  Failure received;
  if (retry([&] { return read(fd, &received, sizeof received); }) != static_cast<ssize_t>(sizeof received))
    return false;
  received.repair();
  *failure = received;
  return true;
}

std::string_view encode_report(const LaunchPlan& plan, const Report& report, char* buffer, size_t size) {
  namespace f = fields::LaunchReport;
  wire::Writer w(buffer, size);
  w.number(f::ok, report.ok);
  w.number(f::pid, report.pid);
  w.number(f::keeper_pid, report.keeper_pid);
  w.number(f::early_exit, report.early_exit);
  w.number(f::exit_status, static_cast<uint64_t>(static_cast<int64_t>(report.exit_status)));
  if (const Failure* failure = report.failure) {
    w.number(f::step, failure->step);
    if (failure->step && failure->step <= plan.steps.size)
      w.text(f::step_name, step_name(plan.steps.data[failure->step - 1].kind));
    w.number(f::errno_value, static_cast<uint64_t>(failure->error));
    w.text(f::message, failure_text(*failure).view());
    w.text(f::hint, failure->hint.view());
  }
  if (!report.output_tail.empty()) w.text(f::output_tail, report.output_tail);
  return w.view();
}

void send_report(const LaunchPlan& plan, const Report& report) {
  if (plan.output.report_fd <= 2) return;
  char buffer[kReportRoom];
  write_all(plan.output.report_fd, encode_report(plan, report, buffer, sizeof buffer));
}

int report_failure(const Context& ctx) {
  if (ctx.on_failure) ctx.on_failure(ctx);
  if (ctx.plan.output.report_fd > 2) {
    Report report;
    report.failure = &ctx.failure;
    send_report(ctx.plan, report);
  } else {
    say_failure(ctx.plan, ctx.failure);
  }
  timing::report(true);
  return kFatalStatus;
}

}  // namespace davit
