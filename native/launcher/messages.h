// What the launcher says: on the terminal in Apptainer's form, or as one LaunchReport to the program that started it.
#pragma once
#include "steps/context.h"

namespace davit {

constexpr int kFatalStatus = 255;  // what a failed launch exits with

enum Level : int { kFatal = -4, kError = -3, kWarning = -2, kInfo = 1, kVerbose = 4, kDebug = 5 };

// One line on stderr, when the plan's message level lets it through.
void say(const Output& output, Level level, std::string_view text);
// Text on standard output, by a process that ignores SIGPIPE. Unread: nobody reads it any more, which is no failure (a
// pipe without a reader, a closed descriptor, a terminal that has gone). Lost: some of it could not be written, and
// that was said.
enum class Printed { Whole, Unread, Lost };
Printed print(const Output& output, std::string_view text);
// The failure of a launch: what, which step of how many, and the hint.
void say_failure(const LaunchPlan& plan, const Failure& failure);

struct Report {
  bool ok = false;
  const Failure* failure = nullptr;
  uint32_t pid = 0, keeper_pid = 0;
  bool early_exit = false;
  int32_t exit_status = 0;
  std::string_view output_tail;
};
// Encoded as LaunchReport. Every report fits into kReportRoom.
constexpr size_t kReportRoom = 8192;
std::string_view encode_report(const LaunchPlan& plan, const Report& report, char* buffer, size_t size);
// Writes the report to Output.report_fd; without one does nothing.
void send_report(const LaunchPlan& plan, const Report& report);
// A way out when a process, or one with its namespaces, could not be made; "" when there is none.
const char* fork_hint(int error);
// Reads the failure that another process of this launch has written. False at end of file: there was none.
bool receive_failure(int fd, Failure* failure);
// The text of a failure as say_failure words it, without prefix, step and hint.
Text<800> failure_text(const Failure& failure);

// Tells of ctx.failure, by the report or on the terminal. Returns the exit status for it.
int report_failure(const Context& ctx);

}  // namespace davit
