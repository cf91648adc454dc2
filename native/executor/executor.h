// Carries a plan out: the loop over its steps, and the program at the end. The caller has made the namespaces.
#pragma once
#include <sched.h>

#include "steps/context.h"

namespace davit {

// CLONE_NEW* flags of the plan's namespaces.
uint64_t clone_flags(const Namespaces& namespaces);
// Those that are still to be made: a shared image has brought the user namespace along, and a common root is copied.
inline uint64_t new_namespaces(const Context& ctx) {
  return clone_flags(ctx.plan.namespaces) & ~(ctx.shared_user.valid() ? uint64_t{CLONE_NEWUSER} : 0) &
         ~(ctx.common_root.valid() ? uint64_t{CLONE_NEWNS} : 0);
}
// Inside a new network namespace: loopback up (it is down in a new one). 0 or an errno.
int bring_up_loopback();

// Inside the new namespaces: maps ids (when the plan maps them without helpers) and carries out the steps in order.
// False with ctx.failure noted; nothing outside the new namespaces has been changed then.
bool run_steps(Context& ctx);

// common_root.cc: what the instances of a batch have in common is made once, in a mount namespace that each of them
// copies: no image to mount, no root to pivot to and no old one to detach, for all of which the kernel makes everybody
// wait for each other. Whether a plan consists of steps that allow it.
bool may_have_common_root(const LaunchPlan& plan);
struct CommonRoot {
  bool* own;        // per step: each instance carries it out itself
  uint32_t* sizes;  // per step: of the file that it copies
  char* bytes;      // of those files, one behind the other
  size_t bytes_room;
};
// In a process with a mount namespace of its own, which becomes the common one. False: each instance has to make its
// root itself, and to say why where it cannot.
bool run_common_steps(Context& ctx, const CommonRoot& out);
// In an instance's keeper, which closes ctx.session when the instance is up: whoever has it last waits for the kernel.
// A plain user's keeper may not make one: then its init has it.
bool prepare_own_steps(Context& ctx);
// In an instance: a copy of ctx.common_root, and the steps that are its own. ctx.session is left open.
bool run_own_steps(Context& ctx);

// From outside: maps the ids of process `pid` through newuidmap(1) and newgidmap(1). False with ctx.failure noted.
bool map_ids_by_helpers(Context& ctx, const IdMap& map, pid_t pid);
inline bool needs_map_helpers(const Namespaces& n) { return n.user && (*n.id_map.uid_helper || *n.id_map.gid_helper); }

enum class ProgramEnd { Failed, Exited };

// Becomes the program: working directory, environment, action script, execve. Returns only when nothing was executed:
// Failed (ctx.failure) or Exited (the script ended by itself with ctx.failure.exit_status, after its output was
// written).
ProgramEnd run_program(Context& ctx, const char* const* host_environment, const char* instance_name);

// How large an arena a launch needs: mapped without reserve, only what is touched counts.
size_t arena_size(size_t plan_bytes, const char* const* host_environment);

}  // namespace davit
