// Decoder for LZO1X streams, which old squashfs images use.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace davit::image {

// Decodes a whole stream. Returns the number of bytes written to `out`, or -1 when the stream is damaged or needs
// more than `out_size`.
ptrdiff_t lzo1x_decode(const uint8_t* in, size_t in_size, uint8_t* out, size_t out_size);

}  // namespace davit::image
