// What the two ways to mount an overlay image have in common.
#pragma once
#include "steps/steps.h"

namespace davit::steps {

// A directory in the root of the image. It may have been made by anybody: no link out of it is followed.
Fd open_image_directory(int image_root, const char* name);
bool fail_image_directory(Context& ctx, int error, const MountExt3& step, const char* name);

// mountExt3 by the FUSE server that the step names; `image` is open and locked.
bool serve_ext3(Context& ctx, const MountExt3& step, Fd image);
// The overlay of all layers, detached, by the FUSE server that the step names. `points`: the session's directory of
// mount points is the lowest layer.
bool serve_overlay(Context& ctx, const Rootfs& step, bool points, Fd* mounted);

}  // namespace davit::steps
