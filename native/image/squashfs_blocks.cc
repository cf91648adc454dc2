#include "image/squashfs_blocks.h"

#include <sqfs/block.h>
#include <sqfs/error.h>

#include <algorithm>

namespace davit::image {

int SquashfsBlocks::load(sqfs_file_t* file, const sqfs_super_t& super, sqfs_compressor_t* compressor) {
  file_ = file;
  compressor_ = compressor;
  block_size_ = super.block_size;
  for (auto* buffer : {&packed_, &block_, &fragment_}) buffer->resize(block_size_);
  fragments_.reset(sqfs_frag_table_create(0));
  if (!fragments_) return SQFS_ERROR_ALLOC;
  // Every fragment block has a byte at least, so that the table's size is bounded by the image's.
  bool none = super.flags & SQFS_FLAG_NO_FRAGMENTS || super.fragment_table_start == UINT64_MAX;
  if (!none && super.fragment_entry_count > super.bytes_used) return SQFS_ERROR_CORRUPTED;
  return sqfs_frag_table_read(fragments_.get(), file, &super, compressor);
}

void SquashfsBlocks::open(const sqfs_inode_generic_t* inode) {
  inode_ = inode;
  index_ = 0;
  sqfs_inode_get_file_block_start(inode, &place_);
  sqfs_inode_get_file_size(inode, &left_);
}

int SquashfsBlocks::next(const uint8_t** data, size_t* size) {
  *data = nullptr;
  *size = static_cast<size_t>(std::min<uint64_t>(left_, block_size_));
  if (left_ == 0) return 0;
  if (index_ >= sqfs_inode_get_file_block_count(inode_)) {
    // A fragment is the end of a file, and less than a block.
    if (left_ >= block_size_) return SQFS_ERROR_CORRUPTED;
    left_ = 0;
    return read_fragment(data, *size);
  }
  uint32_t word = inode_->extra[index_++];
  left_ -= *size;
  if (SQFS_IS_SPARSE_BLOCK(word)) return 0;
  size_t got = 0;
  if (int code = read_block(place_, word, *size, &block_, &got)) return code;
  place_ += SQFS_ON_DISK_BLOCK_SIZE(word);
  *data = block_.data();
  return 0;
}

int SquashfsBlocks::read_block(uint64_t place, uint32_t word, size_t wanted, std::vector<uint8_t>* out, size_t* size) {
  size_t stored = SQFS_ON_DISK_BLOCK_SIZE(word);
  if (stored == 0 || stored > block_size_) return SQFS_ERROR_CORRUPTED;
  bool compressed = SQFS_IS_BLOCK_COMPRESSED(word);
  if (int code = file_->read_at(file_, place, compressed ? packed_.data() : out->data(), stored)) return code;
  *size = stored;
  if (compressed) {
    sqfs_s32 unpacked = compressor_->do_block(compressor_, packed_.data(), static_cast<sqfs_u32>(stored), out->data(),
                                              static_cast<sqfs_u32>(out->size()));
    if (unpacked <= 0) return unpacked < 0 ? unpacked : SQFS_ERROR_CORRUPTED;
    *size = static_cast<size_t>(unpacked);
  }
  return wanted == 0 || *size == wanted ? 0 : SQFS_ERROR_CORRUPTED;
}

int SquashfsBlocks::read_fragment(const uint8_t** data, size_t size) {
  sqfs_u32 index = 0, offset = 0;
  sqfs_inode_get_frag_location(inode_, &index, &offset);
  if (index == UINT32_MAX) return SQFS_ERROR_CORRUPTED;
  if (index != fragment_index_) {
    sqfs_fragment_t entry;
    fragment_index_ = UINT32_MAX;  // until it is there
    if (int code = sqfs_frag_table_lookup(fragments_.get(), index, &entry)) return code;
    if (int code = read_block(entry.start_offset, entry.size, 0, &fragment_, &fragment_size_)) return code;
    fragment_index_ = index;
  }
  if (offset > fragment_size_ || size > fragment_size_ - offset) return SQFS_ERROR_OUT_OF_BOUNDS;
  *data = fragment_.data() + offset;
  return 0;
}

}  // namespace davit::image
