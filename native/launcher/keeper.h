// The keeper: parent of init and of the FUSE server, holder of the lock. It waits; when init has ended it removes the
// instance. It holds no memory of the launch, so that thousands of keepers cost little.
#pragma once
#include "launcher/instance_start.h"
#include "launcher/keeper_record.h"
#include "launcher/overlay_servers.h"

namespace davit {

struct Keeper {
  KeeperPlan* plan;
  pid_t init = 0, server = 0;
  bool own_server = false;  // a child of this process, serving no other instance
  int init_fd = -1, server_fd = -1, events = -1;
  SharedImage shared;
  OverlayServers overlay;
  KeeperRecord record;
  bool record_stale = false;  // what has happened since could not be written: the state directory is full

  // To the starter, for as long as it listens.
  void tell(const StartMessage& message);
  void stop_telling();
};

// Until init has ended: forwards signals, notes the end of the program, ends an instance whose files are gone; then
// removes the instance.
[[noreturn]] void watch_instance(Keeper& keeper);

}  // namespace davit
