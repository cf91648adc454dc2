// A stream of bytes, decompressed: gzip, zstd, or as it is. Which of them is told by its first bytes: the media types
// of layers are not always right about it.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>

#include "image/failure.h"

namespace davit::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next bytes, which stay until the next call; size 0 at the end.
  virtual Outcome next(const uint8_t** data, size_t* size) = 0;
};

class Decompressor {
 public:
  virtual ~Decompressor() = default;
  // Fills the buffer; fewer bytes are the last ones. A stream that ends too early, or goes on after its end with
  // anything but zeros, is a failure.
  virtual Outcome read(uint8_t* out, size_t size, size_t* got) = 0;
  // True when what comes out is what goes in.
  virtual bool plain() const { return false; }
};

// Reads the beginning of `source`, which must outlive the result. `name` stands in failures.
Outcome open_decompressor(ByteSource* source, const std::string& name, std::unique_ptr<Decompressor>* out);

}  // namespace davit::image
