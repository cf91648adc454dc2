// Which files of the layers below are replaced or removed by the layers read so far, told by their names alone. It
// saves storing what nobody will see. It may be wrong where names lead through symbolic links, or where a hard link
// keeps the content of a file whose own name is gone: what was then left out is read again.
#pragma once
#include <stdint.h>

#include <string_view>
#include <unordered_map>

#include "image/layer_entry.h"

namespace davit::image {

class LayerShadow {
 public:
  void add(const LayerJournal& layer);
  bool hides(std::string_view path) const;

 private:
  uint8_t flags(std::string_view path) const;

  struct Identity {
    size_t operator()(uint64_t hash) const { return static_cast<size_t>(hash); }
  };
  std::unordered_map<uint64_t, uint8_t, Identity> flags_;  // by hash of the path
};

}  // namespace davit::image
