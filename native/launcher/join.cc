// exec, run, shell and test on instance://NAME: into the namespaces of the instance's init, then a child there.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "davit_fields.h"
#include "executor/executor.h"
#include "launcher/roles.h"
#include "state/instance_dir.h"
#include "state/record.h"
#include "steps/steps.h"
#include "sys/descriptors.h"
#include "sys/process.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"
#include "timing/report.h"

namespace davit {
namespace {

bool missing(Context& ctx) {
  Text<300> message;
  message.add("no instance found with name ").add(ctx.plan.join.name);
  return ctx.fail(0, message.view());
}

// The record of a live instance of this boot, and a pidfd of its init.
bool find_instance(Context& ctx, JoinRecord* record, Fd* init) {
  const Join& join = ctx.plan.join;
  Fd state = open_own_directory(join.state_dir);
  if (!valid_instance_name(join.name) || !state.valid() || !instance_locked(state.get(), join.name))
    return missing(ctx);
  Text<400> path;
  path.add("instances/").add(join.name).add("/").add(kRecordName);
  std::string_view bytes;
  int error = read_file(state.get(), path.c_str(), false, 1 << 20, ctx.arena, &bytes);
  if (error) return error == ENOENT ? missing(ctx) : ctx.fail(error, "read the instance record");
  if (!decode_record(bytes, record) || record->name != join.name)
    return ctx.fail(0, "the instance record is damaged or of another version of davit");
  if (record->boot_id != boot_id().view()) return missing(ctx);
  *init = open_process(static_cast<pid_t>(record->pid), record->pid_start_time);
  return init->valid() || missing(ctx);
}

std::string_view record_text(const JoinRecord& record, unsigned field) {
  switch (field) {
    case fields::InstanceRecord::image: return record.image;
    case fields::InstanceRecord::image_name: return record.image_name;
    case fields::InstanceRecord::bind_list: return record.bind_list;
    case fields::InstanceRecord::home: return record.home;
    default: return {};
  }
}

// The name that the caller's shell uses, links and all, if it still names the same directory. A directory that has been
// removed has no name: then the shell's, or "/".
const char* directory_of_caller(Arena& arena) {
  char cwd[PATH_MAX];
  bool known = getcwd(cwd, sizeof cwd) && *cwd == '/';
  const char* pwd = getenv("PWD");
  if (!pwd || *pwd != '/') return known ? arena.copy(cwd) : "/";
  struct stat a, b;
  bool same = stat(pwd, &a) == 0 && stat(".", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
  return same || !known ? pwd : arena.copy(cwd);
}

// What the plan leaves open: the instance's record and the caller's directory say it.
bool complete(Context& ctx, const JoinRecord& record, Program* program) {
  bool full = false;
  for (Variable& variable : program->environment.set) {
    if (!variable.from_record) continue;
    variable.value = ctx.arena.copy(record_text(record, variable.from_record));
    full = full || !variable.value;
  }
  WorkingDirectory& cwd = program->working_directory;
  if (cwd.of_caller) {
    cwd.path = directory_of_caller(ctx.arena);
    cwd.fallbacks.data = ctx.arena.array<const char*>(2);
    const char* home = ctx.arena.copy(record.home);
    full = full || !cwd.path || !cwd.fallbacks.data || !home;
    for (const char* fallback : {home, "/"}) {
      if (full || !strcmp(fallback, cwd.path) || (cwd.fallbacks.size && !strcmp(fallback, home))) continue;
      cwd.fallbacks.data[cwd.fallbacks.size++] = fallback;
    }
  }
  return !full || ctx.fail(ENOMEM, "take the instance record");
}

Fd open_namespace(uint32_t pid, const char* name) {
  Text<60> path;
  path.add("/proc/").add_number(pid).add("/ns/").add(name);
  return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// user_namespaces(7): the mounts belong to one user namespace and the payload may live in a second one below it; the
// owner has to be entered first, the payload's own last.
bool enter(Context& ctx, const JoinRecord& record, const Fd& init) {
  ctx.committed = true;
  Fd inner;
  // What /proc/PID shows is the instance's as long as its init is not reaped: asked again once everything is open.
  auto gone = [&] { return sys::pidfd_send_signal(init.get(), 0) != 0 && errno == ESRCH; };
  if (record.user_namespace) {
    Fd mounts = open_namespace(record.pid, "mnt");
    inner = open_namespace(record.pid, "user");
    if (!mounts.valid() || !inner.valid()) return ctx.fail(errno, "open the namespaces of the instance");
    if (gone()) return missing(ctx);
    Fd owner(ioctl(mounts.get(), NS_GET_USERNS));
    if (!owner.valid()) return ctx.fail(errno, "find the user namespace of the instance");
    struct stat a, b;
    if (fstat(owner.get(), &a) == 0 && fstat(inner.get(), &b) == 0 && a.st_ino == b.st_ino) inner.reset();
    if (setns(owner.get(), CLONE_NEWUSER) != 0) return ctx.fail(errno, "enter the user namespace of the instance");
  }
  if (setns(init.get(), static_cast<int>(record.namespaces & ~static_cast<uint64_t>(CLONE_NEWUSER))) != 0)
    return ctx.fail(errno, "enter the namespaces of the instance");
  if (inner.valid() && setns(inner.get(), CLONE_NEWUSER) != 0)
    return ctx.fail(errno, "enter the inner user namespace of the instance");
  return true;
}

[[noreturn]] void become_joined(Context& ctx, const JoinRecord& record, const sigset_t& mask, int report) {
  timing::become(timing::Part::Program);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  close_all_but({report});
  // A launcher that had ended before that call no longer reads the report.
  struct pollfd reader = {report, 0, 0};
  if (poll(&reader, 1, 0) > 0) _exit(kFatalStatus);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  timing::enter(timing::Phase::Pivot);
  Privileges privileges = {record.no_new_privs, record.drop_all_capabilities, record.keep_capabilities};
  bool ready = steps::privileges(ctx, privileges) && run_steps(ctx);
  if (ready) timing::enter(timing::Phase::Action);
  if (ready && run_program(ctx, environ, ctx.plan.join.name) == ProgramEnd::Exited) _exit(ctx.failure.exit_status);
  write_all(report, {reinterpret_cast<const char*>(&ctx.failure), sizeof ctx.failure});
  _exit(kFatalStatus);
}

}  // namespace

int run_join(Context& ctx, Program* program) {
  JoinRecord record;
  Fd init;
  if (!find_instance(ctx, &record, &init) || !complete(ctx, record, program)) return report_failure(ctx);
  timing::enter(timing::Phase::Clone);
  if (!enter(ctx, record, init)) return report_failure(ctx);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return ctx.fail(errno, "make a pipe"), report_failure(ctx);
  sigset_t mask;
  block_forwarded_signals(&mask);
  int pidfd = -1;
  pid_t child = sys::clone3_fork(0, &pidfd, SIGCHLD);
  if (child == 0) become_joined(ctx, record, mask, report[1]);
  if (child < 0) return ctx.fail(errno, "fork inside the instance", fork_hint(errno)), report_failure(ctx);
  close(report[1]);
  bool failed = await_failure(report[0], mask, &ctx.failure);
  if (!failed) timing::report();
  int status = wait_and_forward(child, pidfd, -1, mask);
  if (failed) return report_failure(ctx);
  end_like(status);
}

}  // namespace davit
