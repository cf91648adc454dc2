// <state>/instances/NAME and its lock: the only place that decides whether an instance is alive.
//   byte 0 of `lock`: held (open file description lock) by the starter, then by the keeper: the instance is alive
//   byte 1 of `lock`: held for moments by whoever makes or removes the directory
// fcntl(2): OFD locks belong to the open file description, so the keeper inherits the starter's, and the kernel
// releases them when the last holder dies, however it dies.
#pragma once
#include "sys/fd.h"
#include "sys/text.h"

namespace davit {

constexpr const char* kRecordName = "record.pb";

struct InstanceDir {
  Fd state;   // <state>, with a shared flock(2): systemd-tmpfiles then leaves it and what is in it alone, however old
  Fd parent;  // <state>/instances
  Fd dir;     // <state>/instances/NAME
  Fd lock;    // holds byte 0
  Text<256> name;
};

enum class Claim { Ok, Busy, Error };

// Opens <state>, making it (0700) when only its last component is missing. It must be a directory, owned by the
// caller, without access for others; links are not followed. 0 or an errno, *why says what is wrong.
int open_state_dir(const char* path, Fd* out, Text<400>* why);
// The directory at `path` when it is the caller's own and closed to others; links are not followed. Else invalid,
// errno.
Fd open_own_directory(const char* path);
// Claims a name: directory made, lock held, leftovers of a dead instance of that name removed. Busy: it is alive.
Claim claim_instance(int state, const char* name, InstanceDir* out, int* error);
// Removes the directory of an instance whose lock the caller holds.
void remove_instance(InstanceDir* instance);
// True while somebody holds byte 0. Takes no lock, so it disturbs nobody.
bool instance_locked(int state, const char* name);
// Removes what a dead instance left; false when it is alive or somebody else is at it. Never waits: that somebody may
// be suspended.
bool remove_dead_instance(int state, const char* name);
// A name that may be used: letters, digits, '.', '_', '-', at most 128 bytes, not "." or "..".
bool valid_instance_name(const char* name);

}  // namespace davit
