// davit.node: decode the arguments, call, encode the result. src/native.ts types and documents every function.
#include <errno.h>
#include <fcntl.h>
#include <napi.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include <string>
#include <vector>

#include "binding/errors.h"
#include "binding/spawn.h"
#include "binding/timing.h"
#include "binding/usage.h"
#include "binding/waiter.h"
#include "state/instance_dir.h"
#include "state/plan_cache.h"
#include "state/sight.h"
#include "sys/process.h"
#include "sys/syscalls.h"
#include "timing/clock.h"

namespace {

using davit::Fd;
using davit::throw_errno;

std::string_view bytes_of(const Napi::Value& value) {
  Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<const char*>(array.Data()), array.ByteLength()};
}

Napi::Value exec_launcher(const Napi::CallbackInfo& info) {
  std::string launcher = info[0].As<Napi::String>();
  Fd plan(davit::make_plan_fd(bytes_of(info[1])));
  std::string what = plan.valid() ? "execute the launcher \"" + launcher + "\"" : "make a memory file for the plan";
  if (davit::timing::on()) davit::timing::shared->outcome = davit::timing::Outcome::Compiled;
  throw_errno(info.Env(), plan.valid() ? davit::exec_launcher(launcher.c_str(), plan.get()) : errno, what);
  return info.Env().Undefined();
}

std::string read_to_end(int fd) {
  std::string bytes;
  char buffer[16384];
  for (;;) {
    ssize_t n = davit::retry([&] { return read(fd, buffer, sizeof buffer); });
    if (n <= 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(n));
  }
}

// Where a report is written and read: a pipe, or a memory file for one that may not fit into a pipe.
bool make_report(bool large, int report[2]) {
  if (!large) return pipe2(report, O_CLOEXEC) == 0;
  report[0] = davit::make_memory_file("davit-report");
  report[1] = report[0] < 0 ? -1 : fcntl(report[0], F_DUPFD_CLOEXEC, 3);
  if (report[0] >= 0 && report[1] < 0) close(report[0]);
  return report[1] >= 0;
}

// (launcher, plan, {env, stdio, cwd, parentDeathSignal, largeReport}, onExit) => pid
Napi::Value spawn_launcher(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string launcher = info[0].As<Napi::String>();
  Napi::Object options = info[2].As<Napi::Object>();
  Napi::Array variables = options.Get("env").As<Napi::Array>();
  Napi::Array stdio = options.Get("stdio").As<Napi::Array>();
  std::vector<std::string> env_texts;
  for (uint32_t i = 0; i < variables.Length(); i++) env_texts.push_back(variables.Get(i).As<Napi::String>());
  std::vector<const char*> env_pointers;
  for (const std::string& text : env_texts) env_pointers.push_back(text.c_str());
  env_pointers.push_back(nullptr);
  std::string cwd = options.Get("cwd").IsString() ? options.Get("cwd").As<Napi::String>().Utf8Value() : "";
  Fd plan(davit::make_plan_fd(bytes_of(info[1])));
  int report[2];
  bool large = options.Get("largeReport").ToBoolean();
  if (!plan.valid() || !make_report(large, report)) {
    throw_errno(env, errno, "prepare the launch");
    return env.Undefined();
  }
  davit::SpawnRequest request{};
  request.launcher = launcher.c_str();
  request.plan_fd = plan.get();
  request.env = env_pointers.data();
  for (uint32_t i = 0; i < 3; i++) request.stdio[i] = stdio.Get(i).As<Napi::Number>().Int32Value();
  request.cwd = cwd.empty() ? nullptr : cwd.c_str();
  request.report_fd = report[1];
  Napi::Value death = options.Get("parentDeathSignal");
  request.parent_death_signal = death.IsNumber() ? death.As<Napi::Number>().Int32Value() : 0;
  int pidfd = -1;
  pid_t pid = davit::spawn_launcher(request, &pidfd);
  int error = errno;
  close(report[1]);
  if (pid < 0) {
    close(report[0]);
    throw_errno(env, error, "start the launcher \"" + launcher + "\"");
    return env.Undefined();
  }
  auto callback = std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[3].As<Napi::Function>()));
  davit::wait_for_pidfds(env, {pidfd}, -1, [=](Napi::Env later, const std::vector<size_t>&) {
    Napi::HandleScope scope(later);
    int status = 0;
    davit::retry([&] { return waitpid(pid, &status, 0); });
    if (large) lseek(report[0], 0, SEEK_SET);
    std::string bytes = read_to_end(report[0]);
    close(report[0]);
    close(pidfd);
    callback->Call({Napi::Number::New(later, status), Napi::Buffer<char>::Copy(later, bytes.data(), bytes.size())});
  });
  return Napi::Number::New(env, pid);
}

Fd open_directory(const std::string& path) {
  return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Napi::Value instance_locked(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>(), name = info[1].As<Napi::String>();
  Fd state = open_directory(path);
  bool locked =
      state.valid() && davit::valid_instance_name(name.c_str()) && davit::instance_locked(state.get(), name.c_str());
  return Napi::Boolean::New(info.Env(), locked);
}

Napi::Value remove_dead_instance(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>(), name = info[1].As<Napi::String>();
  Fd state = open_directory(path);
  bool removed = state.valid() && davit::valid_instance_name(name.c_str()) &&
                 davit::remove_dead_instance(state.get(), name.c_str());
  return Napi::Boolean::New(info.Env(), removed);
}

Napi::Value process_start_time(const Napi::CallbackInfo& info) {
  uint64_t start = davit::process_start_time(info[0].As<Napi::Number>().Int32Value());
  return start ? Napi::String::New(info.Env(), std::to_string(start)).As<Napi::Value>() : info.Env().Null();
}

Fd open_identity(const Napi::Value& value) {
  Napi::Object object = value.As<Napi::Object>();
  std::string start = object.Get("startTime").As<Napi::String>();
  return davit::open_process(object.Get("pid").As<Napi::Number>().Int32Value(), strtoull(start.c_str(), nullptr, 10));
}

Napi::Value signal_process(const Napi::CallbackInfo& info) {
  Fd process = open_identity(info[0]);
  int signal = info[1].As<Napi::Number>().Int32Value();
  if (!process.valid()) return Napi::Boolean::New(info.Env(), false);
  if (davit::sys::pidfd_send_signal(process.get(), signal) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno != ESRCH) throw_errno(info.Env(), errno, "send a signal");
  return Napi::Boolean::New(info.Env(), false);
}

// pidfds of the processes that still are what they were; -1 for those that have ended.
std::vector<int> open_all(const Napi::Array& processes) {
  std::vector<int> fds;
  for (uint32_t i = 0; i < processes.Length(); i++) fds.push_back(open_identity(processes.Get(i)).release());
  return fds;
}

Napi::Array numbers(Napi::Env env, const std::vector<size_t>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++)
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(values[i])));
  return array;
}

Napi::Value wait_processes(const Napi::CallbackInfo& info) {
  std::vector<int> fds = open_all(info[0].As<Napi::Array>());
  int64_t timeout = info[1].As<Napi::Number>().Int64Value();
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  std::vector<size_t> left;
  for (;;) {
    std::vector<struct pollfd> polled;
    left.clear();
    for (size_t i = 0; i < fds.size(); i++)
      if (fds[i] >= 0) polled.push_back({fds[i], POLLIN, 0}), left.push_back(i);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t spent = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
    if (left.empty() || spent > timeout) break;
    poll(polled.data(), polled.size(), static_cast<int>(timeout - spent));
    for (size_t i = 0; i < polled.size(); i++)
      if (polled[i].revents) close(fds[left[i]]), fds[left[i]] = -1;
    if (timeout == spent) break;
  }
  left.clear();
  for (size_t i = 0; i < fds.size(); i++)
    if (fds[i] >= 0) close(fds[i]), left.push_back(i);
  return numbers(info.Env(), left);
}

Napi::Value wait_processes_async(const Napi::CallbackInfo& info) {
  auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(info.Env()));
  std::vector<int> all = open_all(info[0].As<Napi::Array>());
  std::vector<int> fds;
  std::vector<size_t> indexes;
  for (size_t i = 0; i < all.size(); i++)
    if (all[i] >= 0) fds.push_back(all[i]), indexes.push_back(i);
  Napi::Promise promise = deferred->Promise();
  davit::wait_for_pidfds(info.Env(), fds, info[1].As<Napi::Number>().Int64Value(),
                         [=](Napi::Env env, const std::vector<size_t>& left) {
                           Napi::HandleScope scope(env);
                           for (int fd : fds) close(fd);
                           std::vector<size_t> original;
                           for (size_t i : left) original.push_back(indexes[i]);
                           deferred->Resolve(numbers(env, original));
                         });
  return promise;
}

Napi::Value ensure_state_dir(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>();
  Fd state;
  davit::Text<400> why;
  int error = davit::open_state_dir(path.c_str(), &state, &why);
  if (!error) return info.Env().Null();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("errno", davit::errno_name(error));
  result.Set("message", why.c_str());
  return result;
}

// (path) => a descriptor that holds the exclusive lock, or -1 while somebody else does
Napi::Value try_lock_file(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>();
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  bool locked = file.valid() && davit::retry([&] { return flock(file.get(), LOCK_EX | LOCK_NB); }) == 0;
  if (!locked && errno != EWOULDBLOCK) {
    throw_errno(info.Env(), errno, "lock \"" + path + "\"");
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), locked ? file.release() : -1);
}

// (fd) => true, or false while somebody else holds the lock
Napi::Value try_lock(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  bool locked = davit::retry([&] { return flock(fd, LOCK_EX | LOCK_NB); }) == 0;
  if (!locked && errno != EWOULDBLOCK) {
    throw_errno(info.Env(), errno, "lock a file");
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), locked);
}

// Node handles SIGINT and SIGTERM; a handler does not run while a system call hangs, the default action does.
Napi::Value default_signals(const Napi::CallbackInfo& info) {
  const char* front = getenv("DAVIT_FRONT");  // see native/launcher/front_door.cc
  const char* mask = front ? strchr(front, ':') : nullptr;
  uint64_t ignored = mask ? strtoull(mask + 1, nullptr, 10) : 0;
  for (int number : {SIGINT, SIGTERM}) signal(number, ignored >> number & 1 ? SIG_IGN : SIG_DFL);
  return info.Env().Undefined();
}

// (kind, object) => Buffer, or null for what no plan may depend on
Napi::Value look(const Napi::CallbackInfo& info) {
  std::string object = info[1].As<Napi::String>();
  davit::Seen seen;
  bool usable = davit::look(info[0].As<Napi::Number>().Uint32Value(), object.c_str(), &seen) && seen.settled;
  if (!usable) return info.Env().Null();
  return Napi::Buffer<char>::Copy(info.Env(), seen.text.c_str(), seen.text.size());
}

// (stateDir, entry) => whether it could be stored
Napi::Value store_plan(const Napi::CallbackInfo& info) {
  std::string state_dir = info[0].As<Napi::String>();
  return Napi::Boolean::New(info.Env(), davit::store_plan(state_dir.c_str(), bytes_of(info[1]), environ) == 0);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("execLauncher", exec_launcher);
  add("spawnLauncher", spawn_launcher);
  add("instanceLocked", instance_locked);
  add("removeDeadInstance", remove_dead_instance);
  add("processStartTime", process_start_time);
  add("signalProcess", signal_process);
  add("waitProcesses", wait_processes);
  add("waitProcessesAsync", wait_processes_async);
  add("ensureStateDir", ensure_state_dir);
  add("defaultSignals", default_signals);
  add("tryLockFile", try_lock_file);
  add("tryLock", try_lock);
  add("look", look);
  add("storePlan", store_plan);
  davit::add_timing(env, exports);
  davit::add_usage(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(davit, init)
