// kill ROLE N SERVER COMMAND...: runs a command that starts an instance, and kills one of its processes on entry to its
// Nth system call, counted from the launcher's execve (starter) or from the process's birth (keeper, holder, server,
// init). SERVER is 1 when the image needs a FUSE server and there is none to share. Prints the number of the call, or
// "end COUNT" when the process made fewer until the start was over; exits with 0, or 3 for "end".
//
// suspend ROLE N SERVER COMMAND...: stops the process (SIGSTOP) behind that call instead, prints the number of the call
// and the PID, and does not wait for the command.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>

#include "tool.h"

namespace {

// HolderMaker and InitMaker live for a moment: see native/launcher/image_holder.cc.
enum class Role { Nobody, Command, Starter, Keeper, HolderMaker, Holder, Server, InitMaker, Init };

struct Trace {
  std::string target;
  long wanted = 0;
  bool has_server = false;
  pid_t command = 0;
  std::map<pid_t, Role> roles;
  std::set<pid_t> waiting;  // stopped for the first time, before the event that tells whose child it is
  long count = 0;
  int keeper_children = 0;
  bool suspend = false;
  bool hit = false;
};

const char* name_of(Role role) {
  switch (role) {
    case Role::Starter: return "starter";
    case Role::Keeper: return "keeper";
    case Role::Holder: return "holder";
    case Role::Server: return "server";
    case Role::Init: return "init";
    default: return "command";
  }
}

bool is_launcher(pid_t pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/cmdline";
  FILE* file = fopen(path.c_str(), "r");
  char text[256] = {};
  size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file) fclose(file);
  size_t first = strlen(text) + 1;
  return first < n && !strcmp(text + first, "--plan");
}

void go_on(Trace& trace, pid_t pid, int signal) {
  Role role = trace.roles[pid];
  if (role == Role::Nobody) {
    ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
    return;
  }
  bool counted = role != Role::Command && trace.target == name_of(role);
  ptrace(counted ? PTRACE_SYSCALL : PTRACE_CONT, pid, nullptr, reinterpret_cast<void*>(static_cast<intptr_t>(signal)));
}

// A child of a traced process: which role it plays follows from its parent's.
void born(Trace& trace, pid_t parent, pid_t child) {
  Role role = Role::Nobody;
  if (trace.roles[parent] == Role::Starter) role = Role::Keeper;
  if (trace.roles[parent] == Role::Keeper) {
    constexpr Role kWithServer[] = {Role::HolderMaker, Role::Nobody, Role::InitMaker};
    int index = trace.keeper_children++;
    if (trace.has_server && index < 3) role = kWithServer[index];
    if (!trace.has_server && index == 0) role = Role::Init;
  }
  if (trace.roles[parent] == Role::HolderMaker) role = Role::Holder;
  if (trace.roles[parent] == Role::Holder) role = Role::Server;
  if (trace.roles[parent] == Role::InitMaker) role = Role::Init;
  trace.roles[child] = role;
  if (trace.waiting.erase(child)) go_on(trace, child, 0);
}

void on_event(Trace& trace, pid_t pid, int event) {
  unsigned long value = 0;
  ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &value);
  if (event == PTRACE_EVENT_EXEC && trace.roles[pid] == Role::Command && is_launcher(pid)) {
    trace.roles[pid] = Role::Starter;
    ptrace(PTRACE_SETOPTIONS, pid, nullptr,
           reinterpret_cast<void*>(PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE));
  } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
    born(trace, pid, static_cast<pid_t>(value));
  }
  go_on(trace, pid, 0);
}

void on_system_call(Trace& trace, pid_t pid) {
  struct __ptrace_syscall_info info = {};
  ptrace(__ptrace_request(PTRACE_GET_SYSCALL_INFO), pid, reinterpret_cast<void*>(sizeof info), &info);
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY && ++trace.count == trace.wanted) {
    printf("%lld", static_cast<long long>(info.entry.nr));
    if (trace.suspend) printf(" %d", pid);
    printf("\n");
    kill(pid, trace.suspend ? SIGSTOP : SIGKILL);
    trace.hit = true;
    trace.target.clear();  // nobody else is counted
    if (!trace.suspend) return;
  }
  go_on(trace, pid, 0);
}

// Until the command has ended; whoever is still traced then goes on when this process ends.
int follow(Trace& trace) {
  while (!trace.suspend || !trace.hit) {
    int status;
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0) return 0;
    if (!WIFSTOPPED(status)) {
      if (pid == trace.command) return status;
      continue;
    }
    int signal = WSTOPSIG(status), event = status >> 16;
    // ptrace(2), PTRACE_SEIZE: a new child stops with this event, and not by a SIGSTOP that would outlive this process.
    bool first = event == PTRACE_EVENT_STOP && !trace.roles.count(pid);
    if (first)
      trace.waiting.insert(pid);
    else if (event == PTRACE_EVENT_STOP)
      go_on(trace, pid, 0);
    else if (event)
      on_event(trace, pid, event);
    else if (signal == (SIGTRAP | 0x80))
      on_system_call(trace, pid);
    else
      go_on(trace, pid, signal == SIGTRAP ? 0 : signal);
  }
  return 0;
}

}  // namespace

int kill_at(int argc, char** argv, bool suspend) {
  if (argc < 4) return 2;
  Trace trace;
  trace.suspend = suspend;
  trace.target = argv[0];
  trace.wanted = atol(argv[1]);
  trace.has_server = !strcmp(argv[2], "1");
  int go[2];
  if (pipe(go) != 0) return 2;
  trace.command = fork();
  if (trace.command == 0) {
    char byte;
    close(go[1]);
    if (read(go[0], &byte, 1) != 1) _exit(127);
    close(go[0]);
    // In a session of its own: a stopped process that is left alone by its shell gets SIGHUP and SIGCONT (_exit(2)).
    if (suspend) {
      setsid();
      int null = open("/dev/null", O_RDWR);
      for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    }
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  trace.roles[trace.command] = Role::Command;
  if (ptrace(PTRACE_SEIZE, trace.command, nullptr, reinterpret_cast<void*>(PTRACE_O_TRACEEXEC)) != 0) return 2;
  if (write(go[1], "g", 1) != 1) return 2;
  int status = follow(trace);
  if (!trace.hit) printf("end %ld\n", trace.count);
  if (trace.suspend && trace.hit) return 0;
  printf("status %d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  return trace.hit ? 0 : 3;
}
