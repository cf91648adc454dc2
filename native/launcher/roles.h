// The roles of the one static executable, a file each.
#pragma once
#include <limits.h>
#include <signal.h>
#include <sys/types.h>

#include "launcher/messages.h"
#include "state/plan_cache.h"
#include "state/shared_image.h"
#include "state/timing_options.h"
#include "steps/context.h"
#include "sys/fd.h"

extern char** environ;

namespace davit {

// What Node must not see of the caller's environment bears this in front of its name on its way through Node.
constexpr const char* kHiddenPrefix = "DAVIT_HIDDEN_";

// front_door.cc: carries out a remembered plan of this command line; without one finds Node and executes
// dist/davit.cjs. Returns the exit status when that is impossible.
int front_door(int argc, char** argv);

// list.cc: prints the table of `instance list` and exits; returns where the command line is another, or anything is not
// plain: Node then does it all.
void list_instances(const CommandLine& line, const TimingOptions& options);
// stop.cc: the same for `instance stop`, which it carries out.
void stop_instances(const CommandLine& line);

// stats.cc: the same for `instance stats`.
void show_stats(const CommandLine& line, const TimingOptions& options);

// replay.cc. Where instances are kept: as src/runtime/state-directory.ts has it. Another answer would find no plan.
void state_directory(Text<PATH_MAX>* out);

// replay.cc: what the first `taken` of the options ask for, which are all that there are of this command. Ends this
// process with a word where the trace file cannot be opened.
void ask_for_timing(const TimingOptions& options, size_t taken);

// replay.cc: returns when no remembered plan of this command line holds. `compile_afresh` is called when one has failed
// while this process still was as its caller had started it. `options` are those of `line`.
void replay(const CommandLine& line, const TimingOptions& options, void (*compile_afresh)());

// What a remembered plan is given anew.
struct Parameters {
  const char* instance_name = nullptr;
  const char* state_dir = nullptr;  // of a join
  const char* const* arguments = nullptr;
  size_t argument_count = 0;
  void (*on_failure)(const Context& ctx) = nullptr;
};
// launch.cc: carries out an encoded plan; returns the exit status.
int launch(std::string_view bytes, const Parameters& given);
int refuse_plan(std::string_view why);

// foreground.cc: modes IN_PLACE and CHILD.
int run_in_place(Context& ctx);
// This process into the container, all but the program. *used is to live until that is executed.
bool enter_in_place(Context& ctx, SharedImage* used);
// attended.cc: IN_PLACE with a parent that waits, since an overlay image is complete only when its servers have ended.
int run_attended(Context& ctx);
int run_child(Context& ctx);

// join.cc. `program` is the plan's own; what it leaves to the instance's record is filled in.
int run_join(Context& ctx, Program* program);

// plain_join.cc: the joins that were compiled when davit was built (dist/joins.pb, beside the bundle `compiler`).
struct PlainJoin {
  std::string_view plan;  // an encoded LaunchPlan; its memory is never given back
  const char* name;       // of the instance
  size_t word_count = 0;  // words that were compared; the others are arguments
};
// Whether `line` is one of them and nothing else can decide about it: no option, no variable of davit's.
bool find_plain_join(const CommandLine& line, const char* const* environment, PlainJoin* found);

// warm.cc: mode WARM.
int run_warm(Context& ctx);

// stats.cc: mode STATS.
int run_stats(Context& ctx);

// starter.cc, keeper.cc, init.cc: mode INSTANCE.
int start_instance(Context& ctx);
// batch.cc: the same for several instances. `plan` is ctx.plan, whose name it changes.
int start_batch(Context& ctx, LaunchPlan& plan);
// common_root.cc: makes ctx.common_root, where the plan and this machine allow it, and leaves in `plan` what an
// instance there has to do. False when `interrupt` became readable meanwhile.
bool make_common_root(Context& ctx, LaunchPlan& plan, int interrupt);
// Before each instance: without the server of its image a common root is of no use, and the next instance makes its
// own.
void check_common_root(Context& ctx);

// server.cc: a process that waits for the FUSE channel on a socket and then becomes the FUSE server of the plan's
// mountFuse step. Sets ctx.server_channel; 0 or the pid in *pid. Does nothing where a shared image is used.
struct ServerLife {
  bool orphan = false;            // it is nobody's child (double fork)
  bool ends_with_parent = false;  // killed when this process ends; otherwise it ends with the last mount
  int image = -1;                 // the image, opened already; -1: the server opens it
};
bool spawn_server(Context& ctx, const ServerLife& life, pid_t* pid);
// The plan's mountFuse step, or nullptr.
const MountFuse* fuse_mount_of(const LaunchPlan& plan);

// image_sharing.cc: what launches must have in common to share the FUSE server of the plan's image; empty where none is
// shared. Looks at the image, which may take for ever: for a process that ends with its terminal.
ShareKey shared_image_key(const LaunchPlan& plan);
// Finds the server of that key, or makes it when the plan says so. With one, ctx.shared_image is a clone of its mount
// and ctx.shared_user the user namespace that has to be entered; *used keeps the server for later launches as long as
// it is open. Otherwise nothing has changed. Takes seconds at most, and no longer than somebody reads the pipe
// `starter`
// (-1: none).
void use_shared_image(Context& ctx, const ShareKey& key, int starter, SharedImage* used);
// The plan's namespaces, the user namespace of a shared image instead of a new one: for a child, as fork(2) (-1:
// errno), or for this process (false: errno).
pid_t fork_into_namespaces(Context& ctx, int* pidfd);
bool enter_namespaces(Context& ctx);

// init.cc: process 1. Runs the steps, starts the program, reaps and forwards until it ends. Never returns.
struct InitPlan {
  int report = -1;        // Failure is written here; closed by exec
  int events = -1;        // the program's end is written here, as InitEvent
  int go = -1;            // read one byte before mapping ids (helpers map them from outside); -1: do not wait
  int parent_alive = -1;  // read end of a pipe that the parent holds open
  bool instance = false;  // stays when the program ends
  sigset_t program_mask;  // signal mask of the program
  const char* instance_name = "";
};
[[noreturn]] void run_init(Context& ctx, const InitPlan& init);

struct InitEvent {
  enum Kind : uint32_t { Started = 1, Ended = 2 } kind;
  uint32_t pid;         // as process 1 sees it
  int32_t wait_status;  // Ended: as waitpid(2) encodes it
  int64_t at_ms;
};

// foreground.cc: waits for `child`, forwarding signals sent to this process; ends as the child's status says.
// Signals that the terminal sends to the whole group are not forwarded twice.
int wait_and_forward(pid_t child, int pidfd, int events, const sigset_t& old_mask);
// Waits until the child has executed its program (false) or written why it could not (true). Nothing is there yet that
// a signal could be forwarded to: until then it ends this process, and with it the child, as `mask` and the actions
// say. A step may wait for ever, on a dead network file system.
bool await_failure(int report, const sigset_t& mask, Failure* failure);
// Blocks the signals that wait_and_forward forwards, before the child is made.
void block_forwarded_signals(sigset_t* old_mask);
// code, or 128 + signal
int status_code(int wait_status);
// Ends this process as `wait_status` says: killed by the same signal where that is possible.
[[noreturn]] void end_like(int wait_status);

}  // namespace davit
