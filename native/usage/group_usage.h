// What control groups say of an instance, where one is its own: `davit instance start` in a systemd unit or scope, or
// in a group made for it. davit itself makes none.
#pragma once
#include "usage/processes.h"
#include "usage/usage.h"

namespace davit::usage {

// What no group of its own counts is as it was. The limit of memory is that of its group, whosever that is, and of
// those above it. False: no memory.
bool read_groups(const Subject& subject, ProcessList& list, Arena& arena, Usage* usage);

}  // namespace davit::usage
