// What the steps of one launch share. Filled before clone; nothing in here allocates but from the arena.
#pragma once
#include <stdint.h>

#include "sys/arena.h"
#include "sys/fd.h"
#include "sys/text.h"
#include "wire/plan.h"

namespace davit {

// Why a launch failed. Crosses a pipe as it is, so it is plain data and smaller than PIPE_BUF; whoever receives one
// calls repair() before anything else, since a payload may have got hold of the other end (/proc/PID/fd).
struct Failure {
  uint32_t step = 0;        // 1-based; 0 when it was none of the plan's steps
  int32_t error = 0;        // errno, 0 when no system call failed
  int32_t exit_status = 0;  // not 0: the action script ended with this status before anything was executed
  uint8_t worded = 0;       // `message` stands for itself: no step, no errno is added
  Text<600> message;        // verb and quoted object, without a full stop
  Text<400> hint;           // a way out, or empty

  void repair() {
    message.repair();
    hint.repair();
  }
};

constexpr size_t kMaxLayers = 32;

struct Context {
  Context(const LaunchPlan& p, Arena& a) : plan(p), arena(a) {}
  const LaunchPlan& plan;
  Arena& arena;
  Failure failure;
  uint32_t step = 0;  // the step being carried out, 1-based

  Fd session;             // root of the session tmpfs, attached
  Fd layers[kMaxLayers];  // roots of the layers, attached, lowest first
  size_t layer_count = 0;
  Fd upper, work;            // of a writable overlay image, for the root
  Fd root;                   // the new root, attached
  Fd proc_self;              // /proc/self of the host, for what is written there when the container may have no /proc
  int* sources = nullptr;    // per step: a detached clone of a bind's source, or -1
  uint64_t own_devices[64];  // st_dev of the file systems that this launch made: mount points may be created there
  size_t own_device_count = 0;
  bool make_on_host = false;      // the bind at hand was asked for: its mount point may be made in a host directory too
  int server_channel = -1;        // socket to the process that becomes the FUSE server
  int overlay_channel = -1;       // socket to the process that runs the overlay's FUSE servers
  bool changes_in_image = false;  // one of those has the image that takes the changes of the root
  Fd shared_image;                // the mount of mountFuse, detached, when another launch has made it
  Fd shared_user;                 // and its user namespace
  Fd shared_mounts;               // and a mount namespace of that one, in which nothing but the image is mounted
  Fd common_root;                 // a mount namespace to copy (executor.h), or none
  const bool* own_steps = nullptr;  // with it, per step: not done there
  Fd common_proc;                   // of a plain user: a mount namespace in which /proc can be mounted
  Fd made_proc;                     // and the /proc that was made there, detached
  struct {
    Fd lock, server;  // the open file that makes the holder stay, a pidfd
    pid_t server_pid = 0;
  } common_image;        // of a plain user: who serves the image of the common root
  unsigned stacked = 0;  // mounts attached on top of the old root
  bool pivoted = false;
  bool committed = false;  // this very process has left its caller's namespaces
  // Called when the launch has failed, before anything is said of it.
  void (*on_failure)(const Context& ctx) = nullptr;
  unsigned long file_limit = 0;  // soft RLIMIT_NOFILE of the caller, where the steps needed more; else 0

  void let_go_of_shared_image() {
    shared_image.reset();
    shared_user.reset();
    shared_mounts.reset();
  }

  // Nothing of the launch stays open: the program must not reach the old root through a directory of ours.
  void close_descriptors() {
    session.reset();
    for (Fd& layer : layers) layer.reset();
    upper.reset();
    work.reset();
    root.reset();
    proc_self.reset();
    let_go_of_shared_image();
    common_proc.reset();
    made_proc.reset();
    if (server_channel >= 0) close(server_channel);
    server_channel = -1;
    if (overlay_channel >= 0) close(overlay_channel);
    overlay_channel = -1;
  }

  // Notes the failure of the current step and returns false.
  bool fail(int error, std::string_view message, std::string_view hint = {}) {
    // Copies first: either may be a view of the failure that is replaced.
    Text<600> words;
    Text<400> way_out;
    words.add(message);
    way_out.add(hint);
    failure.step = step;
    failure.error = error;
    failure.message = words;
    failure.hint = way_out;
    return false;
  }
};

}  // namespace davit
