// The layers of an OCI image as one squashfs. Nothing of them is unpacked anywhere.
//
// Layers are read from the uppermost down: the contents of files go to the compressor as they come by, except those
// that an upper layer hides. What every layer says is remembered, and applied in memory from the lowest up when all
// have been read (layer_merge.h). Should that need a content that was left out, its layer is read once more.
#pragma once
#include <string>
#include <vector>

#include "image/layer_entry.h"
#include "image/layer_stream.h"
#include "image/squashfs_writer.h"

namespace davit::image {

struct ConvertOptions {
  std::vector<LayerBlob> layers;      // lowest first
  std::vector<Injection> generated;   // put on top of them
  bool all_root = false;              // every file belongs to root
  bool devices = true;                // otherwise device nodes are left out
  uint64_t max_entries = UINT64_MAX;  // in all layers
  uint64_t max_bytes = UINT64_MAX;    // in all tars, and in all files with their holes
  uint32_t latest = UINT32_MAX;       // files with a later date get this one
  WriteOptions write;
};

// Counters that follow the work; `cancelled` is set by the caller. All are there before it begins.
struct ConvertProgress {
  const Counter* cancelled = nullptr;
  Counter* packed = nullptr;     // bytes of files handed to the compressor
  std::vector<Counter*> layers;  // bytes read of each blob
};

struct ConvertResult {
  WriteResult squashfs;
  std::vector<std::string> diff_ids;
  std::vector<std::string> notes;  // what was left out, in words
};

// Writes to `fd` from `offset` on. After a failure what stands there means nothing.
Outcome convert_layers(const ConvertOptions& options, const ConvertProgress& progress, int fd, uint64_t offset,
                       ConvertResult* result);

}  // namespace davit::image
