// SipHash-1-3 with a key of this process: names come from strangers, who must not be able to choose their hashes.
#pragma once
#include <stdint.h>

#include <string_view>

namespace davit::image {

uint64_t keyed_hash(std::string_view bytes, uint64_t seed = 0);

}  // namespace davit::image
