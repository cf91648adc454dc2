// gzip streams, by ISA-L where the machine has it (its shared library is looked for at run time: half the work of
// zlib's), else by zlib. Both take the same streams.
#pragma once
#include <memory>

#include "image/decompress_input.h"

namespace davit::image {

enum class Inflater { fastest, zlib };

// Null when there is no memory for it.
std::unique_ptr<Decompressor> open_gzip(Input input, Inflater inflater = Inflater::fastest);

// True when open_gzip() will use ISA-L.
bool has_isal();

}  // namespace davit::image
