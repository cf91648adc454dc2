// Which processes are an instance's: those in its PID namespace and in namespaces below it, whoever started them.
#pragma once
#include <sys/stat.h>

#include "sys/fd.h"
#include "sys/list.h"
#include "usage/files.h"

namespace davit::usage {

// A directory with one directory for each process, and which of them are the instance's.
class ProcessList {
 public:
  virtual ~ProcessList() = default;
  // As /proc.
  virtual const char* directory() const = 0;
  // Those that there are now, by number. False: no memory.
  virtual bool pids(Arena& arena, List<pid_t>* found) = 0;
};

// The instance's own /proc, which lists nothing else: much quicker than looking at every process of the machine.
class OwnProcesses : public ProcessList {
 public:
  // False where there is none. It is only for who trusts the instance: what it has mounted is its owner's, who may
  // mount something else.
  bool open(const char* proc, pid_t init);
  const char* directory() const override { return directory_.c_str(); }
  bool pids(Arena& arena, List<pid_t>* found) override;

 private:
  Fd root_;
  Text<40> directory_;
};

// All processes of the machine, looked at one by one.
class ScannedProcesses : public ProcessList {
 public:
  ScannedProcesses(const char* proc, pid_t init) : proc_(proc), init_(init) {}
  const char* directory() const override { return proc_; }
  bool pids(Arena& arena, List<pid_t>* found) override;

 private:
  const char* proc_;
  pid_t init_;
};

// Whether processes belong to an instance.
class Members {
 public:
  Members(const char* proc, pid_t init, Arena& arena);
  // False also for a process that is gone or may not be looked at.
  bool has(pid_t pid);

 private:
  struct Known {
    ino_t name_space;
    bool inside;
  };
  Known* known(ino_t name_space) const;

  const char* proc_;
  Arena& arena_;
  // The instance's own, the caller's, and what was found about others.
  GrowingList<Known> known_;
};

}  // namespace davit::usage
