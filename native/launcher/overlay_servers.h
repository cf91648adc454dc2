// The FUSE servers of an overlay: fuse2fs for each ext3 image, fuse-overlayfs for the root over them. They and the
// process they belong to live outside the container, so that its end, whatever it was, is an unmount to them, and what
// is in flight reaches the image.
#pragma once
#include "launcher/roles.h"
#include "steps/overlay_channel.h"

namespace davit {

// Whether the plan has overlay images that FUSE servers mount; and whether one of them takes the changes, so that
// whoever waits for the container has to wait for them, too.
bool has_overlay_servers(const LaunchPlan& plan);
bool writes_overlay_image(const LaunchPlan& plan);

// A process that waits on ctx.overlay_channel for what is to be served, starts the servers, and ends when the last of
// them has. It is nobody's child. Does nothing where the plan needs none.
bool spawn_overlay_servers(Context& ctx);

// The same as a child, for whoever waits for the container and then for the last write to its images.
class OverlayServers {
 public:
  bool spawn(Context& ctx);
  // Once the container's process has the channel: from then on its end is that of the channel.
  void let_go();
  // Lets go, and waits for the end of the servers, when every process of the container has ended; kServersEndMs at
  // most, for an image on a file system that does not answer.
  void await_end();
  int pidfd() const { return pidfd_; }

 private:
  Context* ctx_ = nullptr;
  pid_t pid_ = 0;
  int pidfd_ = -1;
};
constexpr int kServersEndMs = 60000;

// overlay_programs.cc; called in the process of the servers.

// Where it mounts: on a directory that every host has, in a mount namespace of its own.
constexpr const char* kServingPlace = "/tmp";

// Enters the user namespace of the container's mounts, or makes the one below it in which the payload's ids are its own
// (`inner`; nullptr: there is none), and a mount namespace with an empty tmpfs at kServingPlace.
bool enter_serving_place(Context& ctx, const Fd& user, const IdMap* inner);
// Mends a writable image that was not unmounted, when the plan says how: fuse2fs itself would use it as it is, and that
// of Debian 12 (1.47.0) dies of a journal that is to be replayed.
bool mend_image(Context& ctx, const MountExt3& step, const Fd& image);
// A server of an ext3 image, and its mount, detached: nothing else keeps it, so that the server ends with the last
// user.
bool start_image_server(Context& ctx, const MountExt3& step, const Fd& image, Fd* mounted);

struct OverlayTrees {
  Fd lower[kMaxLayers + 1];                  // lowest first
  bool lower_is_image[kMaxLayers + 1] = {};  // then its directory `upper`, where it has one, is the layer
  size_t count = 0;
  Fd changes;  // with the directories upper and work; may be invalid
  Fd channel;
};
// The server of the root. *words: where it says why it ended.
bool start_root_server(Context& ctx, OverlayTrees& trees, const char* program, const IdMap* inner, pid_t* pid,
                       Fd* words);
// What a server has said, in one line.
Text<400> server_words(int words);
// Where a program says what goes wrong. Nobody reads it once it serves: it is neither kept waiting by that nor ended.
bool make_words(Context& ctx, Fd* read_end, Fd* write_end);
// Becomes a program with `given` as descriptor 3, and 1 and 2 for its words; nothing else is open. It keeps `rights`
// (capabilities, a bit each) and ends with its parent.
[[noreturn]] void become_server(Context& ctx, pid_t parent, const char* const* argv, int given, int words,
                                uint64_t rights);
// The words of a plan with the end that execve wants, and `last` before it when it is not empty. nullptr: noted.
const char* const* argument_list(Context& ctx, const List<const char*>& words, const char* last);

}  // namespace davit
