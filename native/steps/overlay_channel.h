// What a container that is being set up asks of the process that runs the FUSE servers of its overlay
// (launcher/overlay_servers.cc): one message a request, one a reply, over Context::overlay_channel.
#pragma once
#include "steps/context.h"

namespace davit {

struct OverlayRequest {
  enum Kind : uint32_t {
    Image = 1,  // serve the image of a mountExt3 step; descriptors: the user namespace of the mounts, the image
    Root = 2,   // serve the overlay; descriptors: lower directories, the one for changes, the FUSE channel
  } kind;
  enum Changes : uint32_t { None, InImage, InDirectory } changes;  // Root
  uint32_t step;                                                   // Image: index of the step in the plan
  uint32_t lower_count;                                            // Root
  uint8_t from_image[kMaxLayers + 1];  // Root, lowest first: the next of the read-only images, not a descriptor
};

struct OverlayReply {
  uint32_t failed;  // Image: whether; Root: only a failure is told
  Failure failure;
};

}  // namespace davit
