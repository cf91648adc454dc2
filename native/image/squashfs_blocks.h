// The contents of a squashfs' files, block by block. libsquashfs' own reader adds up all earlier blocks for every
// block, and trusts where a fragment says that it lies.
#pragma once
#include <sqfs/compressor.h>
#include <sqfs/frag_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <stdint.h>

#include <memory>
#include <vector>

#include "image/compressor.h"

namespace davit::image {

// Calls return 0 or an SQFS_ERROR. File, superblock and compressor are borrowed.
class SquashfsBlocks {
 public:
  int load(sqfs_file_t* file, const sqfs_super_t& super, sqfs_compressor_t* compressor);

  // `inode` is a regular file and outlives its reading.
  void open(const sqfs_inode_generic_t* inode);
  // The next block, valid until the next call; null *data for `size` zero bytes, size 0 at the end.
  int next(const uint8_t** data, size_t* size);

 private:
  // Reads what `word` describes at `place`, which must be `wanted` bytes or, for 0, any number.
  int read_block(uint64_t place, uint32_t word, size_t wanted, std::vector<uint8_t>* out, size_t* size);
  int read_fragment(const uint8_t** data, size_t size);

  sqfs_file_t* file_ = nullptr;
  sqfs_compressor_t* compressor_ = nullptr;
  uint32_t block_size_ = 0;
  std::unique_ptr<sqfs_frag_table_t, SqfsDeleter> fragments_;

  const sqfs_inode_generic_t* inode_ = nullptr;
  size_t index_ = 0;    // of the next block
  uint64_t place_ = 0;  // where it lies
  uint64_t left_ = 0;   // bytes of the file

  std::vector<uint8_t> packed_;
  std::vector<uint8_t> block_;
  std::vector<uint8_t> fragment_;
  size_t fragment_size_ = 0;
  uint32_t fragment_index_ = UINT32_MAX;  // of the one that is loaded
};

}  // namespace davit::image
