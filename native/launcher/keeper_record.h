// The record of an instance, as its keeper writes it: when the instance is up, and again when its program has ended.
#pragma once
#include "state/record.h"
#include "steps/context.h"

namespace davit {

struct KeeperRecord {
  RecordTail tail;

  // Everything about the running instance that is seen from the host; name, server, logs and the time of its start are
  // the caller's. False (failure noted) when /proc does not tell who the processes are, or when init has ended
  // meanwhile.
  bool describe(Context& ctx, pid_t init);
  // Replaces the record in the instance's directory. 0 or an errno.
  int write(int directory) const;

 private:
  bool keep_head(Context& ctx);

  std::string_view head_;  // what the compiler knew, and the arguments
  Text<40> boot_;
};

}  // namespace davit
