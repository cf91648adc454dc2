// Which machine an image's programs are made for.
#pragma once
#include <string>

#include "image/tree.h"

namespace davit::image {

// GOARCH name ("amd64") of the image's shell or, without one, of the first executable program in the tree; empty when
// there is none or its machine has no such name.
std::string machine_of(const Tree& tree, ContentReader* content);

}  // namespace davit::image
