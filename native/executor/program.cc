// The last step of every launch: working directory, environment, action script, execve.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "executor/environment.h"
#include "executor/executor.h"
#include "shell/shell.h"
#include "sys/descriptors.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "timing/report.h"

namespace davit {
namespace {

constexpr size_t kMaxScript = 1 << 20;
constexpr size_t kMaxArgument = 32 * 4096;  // MAX_ARG_STRLEN of the kernel

// errno's words as a Go program prints them, which is how users know these messages: "no such file or directory".
Text<100> words(int error) {
  Text<100> text;
  const char* s = errno_text(error);
  if (*s >= 'A' && *s <= 'Z') text.add_char(static_cast<char>(*s++ + 32));
  text.add(s);
  return text;
}

void warn(const Context& ctx, std::string_view text) {
  if (ctx.plan.output.message_level < -2) return;
  Text<700> line;
  line.add("WARNING: ").add(text).add("\n");
  write_all(2, line.view());
}

// *taken: the directory as the plan writes it, which becomes PWD; "" when none was changed to.
bool enter_directory(Context& ctx, const WorkingDirectory& cwd, const char** taken) {
  *taken = cwd.path;
  if (!*cwd.path || chdir(cwd.path) == 0) return true;
  int error = errno;
  Text<600> message;
  if (cwd.fatal) {
    message.add("failed to set working directory: chdir ").add(cwd.path).add(": ").add(words(error).view());
    ctx.fail(error, message.view());
    ctx.failure.worded = 1;
    return false;
  }
  for (const char* fallback : cwd.fallbacks) {
    if (chdir(fallback) != 0) continue;
    message.add("Error changing the container working directory. Using '").add(fallback).add("' instead: chdir ");
    message.add(cwd.path).add(": ").add(words(error).view());
    warn(ctx, message.view());
    *taken = fallback;
    return true;
  }
  *taken = "";
  return true;
}

void write_outputs(const ShellResult& result) {
  for (size_t i = 0; i < result.output_count; i++)
    write_all(result.outputs[i].fd, {result.outputs[i].bytes.data(), result.outputs[i].bytes.size()});
}

// Does the file name /bin/sh in its first line?
bool is_sh_script(std::string_view text) {
  if (text.substr(0, 2) != "#!") return false;
  std::string_view line = text.substr(2, text.find('\n') - 2);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  return line.substr(0, 7) == "/bin/sh" && (line.size() == 7 || line[7] == ' ' || line[7] == '\t' || line[7] == '\r');
}

size_t count(const char* const* list) {
  size_t n = 0;
  while (list[n]) n++;
  return n;
}

bool unsupported(Context& ctx, const ShellResult& result) {
  Text<600> message;
  message.add("interpret \"").add(result.where_file).add("\" line ").add_number(result.where_line).add(": ");
  message.add(result.unsupported ? result.unsupported : "not supported").add(" needs a shell, and the image has no \"");
  message.add(ctx.plan.program.shell).add("\"");
  return ctx.fail(0, message.view(), "add a /bin/sh to the image, or simplify the script");
}

ShellResult interpret(const ShellInput& input) {
  timing::Span span("script", input.script_name);
  return run_shell(input);
}

// execve with what the kernel leaves to the caller: a script whose interpreter /bin/sh the image lacks is interpreted
// here, one without #! is given to /bin/sh. Returns when nothing could be executed.
ProgramEnd execute(Context& ctx, const char* const* argv, const char* const* envp) {
  timing::executing(argv[0]);
  execve(argv[0], const_cast<char* const*>(argv), const_cast<char* const*>(envp));
  int error = errno;
  if (error == ENOEXEC) {
    size_t n = count(argv);
    const char** with_shell = ctx.arena.array<const char*>(n + 2);
    if (with_shell) {
      with_shell[0] = "/bin/sh";
      for (size_t i = 0; i < n; i++) with_shell[i + 1] = argv[i];
      execve(with_shell[0], const_cast<char* const*>(with_shell), const_cast<char* const*>(envp));
    }
  }
  std::string_view text;
  if (error == ENOENT && access("/bin/sh", F_OK) != 0 &&
      read_file(AT_FDCWD, argv[0], true, kMaxScript, ctx.arena, &text) == 0 && is_sh_script(text)) {
    size_t n = count(argv);
    ShellInput input{};
    input.script = text;
    input.script_name = argv[0];
    input.arg0 = argv[0];
    input.args = {argv + 1, n - 1};
    input.env = {envp, count(envp)};
    input.root_fd = AT_FDCWD;
    input.arena = &ctx.arena;
    input.tail_exec = true;
    ShellResult result = interpret(input);
    if (result.outcome == ShellOutcome::Unsupported) return unsupported(ctx, result), ProgramEnd::Failed;
    write_outputs(result);
    if (result.outcome == ShellOutcome::Exit) return ctx.failure.exit_status = result.status, ProgramEnd::Exited;
    return execute(ctx, result.argv, result.envp);
  }
  Text<600> message;
  message.add("execute \"").add(argv[0]).add("\"");
  const char* hint = error == ENOENT    ? "the file or its interpreter is not in the image"
                     : error == ENOEXEC ? "is it built for this machine?"
                                        : "";
  ctx.fail(error, message.view(), hint);
  return ProgramEnd::Failed;
}

// The script from its beginning, by the image's own shell.
ProgramEnd by_image_shell(Context& ctx, const ShellResult& refused, const ScriptEnvironment& environment) {
  const Program& program = ctx.plan.program;
  if (!*program.shell || access(program.shell, X_OK) != 0) return unsupported(ctx, refused), ProgramEnd::Failed;
  if (program.script.size() >= kMaxArgument)
    return ctx.fail(E2BIG, "hand the action script to the image's shell"), ProgramEnd::Failed;
  const char** argv = ctx.arena.array<const char*>(program.arguments.size + 5);
  const char* script = ctx.arena.copy(program.script);
  if (!argv || !script) return ctx.fail(ENOMEM, "build the argument list"), ProgramEnd::Failed;
  size_t n = 0;
  argv[n++] = program.shell;
  argv[n++] = "-c";
  argv[n++] = script;
  argv[n++] = program.shell;
  for (const char* argument : program.arguments) argv[n++] = argument;
  return execute(ctx, argv, environment.entries);
}

}  // namespace

ProgramEnd run_program(Context& ctx, const char* const* host_environment, const char* instance_name) {
  const Program& program = ctx.plan.program;
  if (ctx.file_limit) lower_file_limit(ctx.file_limit);
  const char* directory;
  if (!enter_directory(ctx, program.working_directory, &directory)) return ProgramEnd::Failed;
  if (program.set_umask) umask(program.umask);
  char cwd[PATH_MAX] = "/";
  if (!*directory) directory = getcwd(cwd, sizeof cwd) ? cwd : "/";
  ScriptEnvironment environment;
  {
    timing::Span span("environment");
    if (!make_environment(ctx.arena, program.environment, host_environment, instance_name, directory, &environment))
      return span.fail(), ctx.fail(E2BIG, "build the environment"), ProgramEnd::Failed;
  }
  sys::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ShellInput input{};
  input.script = program.script;
  input.script_name = "action";
  input.arg0 = program.shell;
  input.args = {program.arguments.data, program.arguments.size};
  input.env = {environment.entries, environment.count};
  input.root_fd = AT_FDCWD;
  input.arena = &ctx.arena;
  ShellResult result = interpret(input);
  if (result.outcome == ShellOutcome::Unsupported) return by_image_shell(ctx, result, environment);
  write_outputs(result);
  if (result.outcome == ShellOutcome::Exit) return ctx.failure.exit_status = result.status, ProgramEnd::Exited;
  return execute(ctx, result.argv, result.envp);
}

size_t arena_size(size_t plan_bytes, const char* const* host_environment) {
  size_t environment_bytes = 0;
  for (const char* const* e = host_environment; *e; e++) environment_bytes += strlen(*e) + 1;
  return (16u << 20) + 8 * plan_bytes + 16 * environment_bytes;
}

}  // namespace davit
