// A squashfs inside a file: its tree, and the content of its files. Nothing in it is trusted.
#pragma once
#include <sqfs/compressor.h>
#include <sqfs/id_table.h>
#include <sqfs/meta_reader.h>
#include <sqfs/super.h>
#include <sqfs/xattr_reader.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "image/compressor.h"
#include "image/fd_file.h"
#include "image/squashfs_blocks.h"
#include "image/squashfs_limits.h"
#include "image/tree.h"
#include "sys/fd.h"

namespace davit::image {

class SquashfsReader : public ContentReader {
 public:
  // The file system of `size` bytes at `offset`; `name` stands in failures.
  Outcome open_image(Fd fd, uint64_t offset, uint64_t size, std::string name);

  // The whole tree. Refuses names that are no names, directories that contain themselves, more than 256 levels, and
  // what would take more memory or time than a file system of this size has reason to (squashfs_limits.h).
  Outcome scan(bool xattrs, Tree* tree);

  Outcome open(const Node* file) override;
  Outcome read(void* buffer, size_t size, size_t* got) override;
  Outcome skip_hole(uint64_t* size) override;
  // The next block as it lies in memory until the next call; null *data for `size` zero bytes, size 0 at the end.
  Outcome next_block(const uint8_t** data, size_t* size);

  uint32_t block_size() const { return super_.block_size; }
  uint32_t modification_time() const { return super_.modification_time; }

 private:
  Outcome open_tables();
  Outcome read_inode(uint64_t reference, const Node* where, SqfsInode* out);
  Outcome read_directory(Node* node, unsigned depth);
  Outcome list_directory(Node* node);
  Outcome add_entry(Node* parent, std::string_view name, uint32_t number, uint64_t reference);
  Outcome damaged(const char* step, const Node* node, const char* detail) const;
  Outcome fill(Inode* inode, const sqfs_inode_generic_t& source, const Node* where);
  Outcome read_xattrs(Inode* inode, const sqfs_inode_generic_t& source, const Node* where);
  Outcome failure(const char* step, const Node* node, int code) const;

  template <typename T>
  using Owned = std::unique_ptr<T, SqfsDeleter>;

  std::string name_;
  Fd fd_;
  FdFile file_ = {};
  sqfs_super_t super_ = {};
  Owned<sqfs_compressor_t> compressor_;
  Owned<sqfs_id_table_t> ids_;
  Owned<sqfs_meta_reader_t> inodes_;
  Owned<sqfs_meta_reader_t> listings_;
  Owned<sqfs_xattr_reader_t> xattrs_;
  SquashfsBlocks blocks_;

  // While scanning.
  Tree* tree_ = nullptr;
  std::unordered_map<uint32_t, Inode*> by_number_;  // for hard links, and to see a directory twice
  bool want_xattrs_ = false;
  SquashfsLimits limits_;

  // The file being read.
  const Node* node_ = nullptr;
  const uint8_t* pending_ = nullptr;  // what of a block read() has not given out yet; null for zeros
  size_t pending_size_ = 0;
};

}  // namespace davit::image
