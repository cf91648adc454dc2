// The image of a plan as several launches share it: between the files that find, make and warm a holder.
#pragma once
#include "launcher/roles.h"

namespace davit {

struct SharedMount {
  const char* image = nullptr;      // nullptr: nothing of the plan is shared
  const char* dir = nullptr;        // <state>/fuse or <state>/warm
  bool make = false;                // make a holder where there is none
  uint64_t warm_ms = 0;             // for how long it stays behind its last user
  const MountFuse* fuse = nullptr;  // one of the two
  const MountSquashfs* squashfs = nullptr;
};
SharedMount shared_mount_of(const LaunchPlan& plan);

// The key of the image: as its name leads to it (fd -1), or as it is open.
bool key_of_image(const SharedMount& shared, int fd, ShareKey* key);

// image_sharing.cc: finds the holder, or makes it where `shared.make` says so; *used keeps it. Otherwise false, with
// ctx.failure noted where it could not be made.
bool hold_image(Context& ctx, const SharedMount& shared, const ShareKey& key, int starter, SharedImage* used);

// image_holder.cc: a holder that is nobody's child. False when it could not be made (ctx.failure); a launch may do
// without it, with a server or a device of its own. share_image() has returned Share::Absent before.
bool make_holder(Context& ctx, const SharedMount& shared, const ShareKey& key, SharedImage* image, int starter);

}  // namespace davit
