// The last step: working directory, environment, action script, execve; in a child, which becomes the program.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "check.h"
#include "executor/executor.h"

namespace {

using davit::Context;

struct Ending {
  std::string output;
  int status = 0;  // of the program, or 1000 + ctx.failure.error when nothing was executed
  std::string message;
};

// Runs a program in a child; its output and end, or why it could not be executed.
Ending run(const std::string& script, const std::function<void(davit::Program&, Context&)>& change = {}) {
  int pipes[2];
  Ending ending;
  if (pipe(pipes) != 0) return ending;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    dup2(pipes[1], 1);
    dup2(pipes[1], 2);
    void* memory = mmap(nullptr, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    davit::Arena arena(memory, 16 << 20);
    davit::LaunchPlan plan;
    plan.program.script = script;
    plan.program.shell = "/bin/sh";
    plan.program.working_directory = {"/", false, {}};
    Context ctx(plan, arena);
    if (change) change(plan.program, ctx);
    const char* environment[] = {"KEPT=host", nullptr};
    davit::ProgramEnd end = davit::run_program(ctx, environment, "web");
    if (end == davit::ProgramEnd::Exited) _exit(ctx.failure.exit_status);
    dprintf(1, "%s\n", ctx.failure.message.c_str());
    _exit(200);
  }
  close(pipes[1]);
  char buffer[4096];
  for (ssize_t n; (n = read(pipes[0], buffer, sizeof buffer)) > 0;)
    ending.output.append(buffer, static_cast<size_t>(n));
  close(pipes[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ending.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ending;
}

void scripts_become_programs() {
  Ending echo = run("exec /bin/echo one \"two  three\"");
  CHECK(echo.status == 0 && echo.output == "one two  three\n");
  CHECK(run("exit 7").status == 7);
  CHECK(run("exec /bin/sh -c 'exit 9'").status == 9);
  CHECK(run("exec /bin/sh -c 'kill -9 $$'").status == 128 + 9);
  // What the embedded shell does not interpret is the image's shell's, from its beginning.
  Ending fallback = run("x=$(/bin/echo deep); /bin/echo \"<$x>\"");
  CHECK(fallback.status == 0 && fallback.output == "<deep>\n");
  Ending host = run("exec /bin/echo \"$DAVIT_HOST_KEPT/$PWD\"");
  CHECK(host.output == "host//\n");
}

void failures_have_words() {
  Ending missing = run("exec /no/such/program");
  CHECK(missing.status == 200 && missing.output == "execute \"/no/such/program\"\n");
  Ending forbidden = run("exec /etc/passwd");
  CHECK(forbidden.status == 200 && forbidden.output == "execute \"/etc/passwd\"\n");
  Ending shell =
      run("x=$(true); exec /bin/true", [](davit::Program& program, Context&) { program.shell = "/no/shell"; });
  CHECK(shell.status == 200 && shell.output.find("needs a shell") != std::string::npos);
}

void working_directories() {
  auto in = [](const char* path, bool fatal, const char* fallback) {
    return run("exec /bin/pwd", [=](davit::Program& program, Context& ctx) {
      const char** list = ctx.arena.array<const char*>(1);
      list[0] = fallback;
      program.working_directory = {path, fatal, false, {list, fallback ? size_t{1} : 0}};
    });
  };
  CHECK(in("/usr", false, nullptr).output == "/usr\n");
  Ending fatal = in("/no/such", true, "/usr");
  CHECK(fatal.status == 200 && fatal.output.find("chdir /no/such: no such file or directory") != std::string::npos);
  Ending fallback = in("/no/such", false, "/usr");
  CHECK(fallback.status == 0 && fallback.output.find("Using '/usr' instead") != std::string::npos);
  CHECK(fallback.output.substr(fallback.output.size() - 5) == "/usr\n");
}

void nothing_is_inherited() {
  Ending open = run("exec /bin/ls /proc/self/fd", [](davit::Program&, Context&) {
    for (int fd : {5, 17, 99}) dup2(0, fd);
  });
  CHECK(open.status == 0 && open.output == "0\n1\n2\n3\n");  // 3 is ls's own
  Ending limit = run("exec /bin/sh -c 'ulimit -Sn'", [](davit::Program&, Context& ctx) {
    struct rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    ctx.file_limit = 77;
  });
  CHECK(limit.output == "77\n");
  Ending mask = run("exec /bin/sh -c umask", [](davit::Program& program, Context&) {
    program.set_umask = true;
    program.umask = 027;
  });
  CHECK(mask.output == "0027\n");
}

}  // namespace

int main() {
  scripts_become_programs();
  failures_have_words();
  working_directories();
  nothing_is_inherited();
  return check::finish();
}
