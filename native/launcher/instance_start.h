// Between the starter and the keeper.
#pragma once
#include "launcher/roles.h"
#include "state/instance_dir.h"

namespace davit {

struct StartMessage {
  enum Kind : uint32_t { Ready = 1, Failed = 2, Exited = 3 } kind;
  uint32_t pid;  // init, host PID namespace
  uint32_t keeper_pid;
  int32_t exit_status;  // Exited: code, or 128 + signal
  Failure failure;      // Failed
};
static_assert(sizeof(StartMessage) <= 4096, "one atomic write to a pipe");

struct KeeperPlan {
  InstanceDir* instance;
  int status = -1;  // StartMessage is written here
  int log_out = -1, log_err = -1, input = -1;
  const char* log_out_path = "";
  const char* log_err_path = "";
  ShareKey image;  // of a FUSE server to share, or empty
};
[[noreturn]] void run_keeper(Context& ctx, KeeperPlan& plan);

}  // namespace davit
