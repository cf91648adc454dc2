// How much a squashfs may ask for. Its inodes and listings may overlap, so that a small image could describe any number
// of files: in an image made by a program none do, and together they fit in their tables.
#pragma once
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <stdint.h>

namespace davit::image {

constexpr uint64_t max_names = 16 << 20;
constexpr uint64_t max_metadata_bytes = uint64_t{1} << 30;  // of one table, unpacked
constexpr uint64_t max_xattr_bytes = 256 << 20;             // of all files; most share theirs on disk
// xattr(7): what a file can have.
constexpr uint64_t max_xattr_name = 255;
constexpr uint64_t max_xattr_value = 65536;

// Bytes that the metadata blocks from `start` to `end` have room for when they are unpacked. Ends at what is no block.
uint64_t metadata_room(sqfs_file_t* file, uint64_t start, uint64_t end);

class SquashfsLimits {
 public:
  SquashfsLimits() = default;
  // What metadata_room() said of inodes and listings.
  SquashfsLimits(uint64_t inodes, uint64_t listings) : inodes_(inodes), listings_(listings) {}

  // Each returns false when there is no room for it.
  bool take_inode(const sqfs_inode_generic_t& inode) { return take(&inodes_, 16U + inode.payload_bytes_used); }
  bool take_entry(uint64_t name_size) {
    names_++;
    return take(&listings_, 8 + name_size);
  }
  bool take_xattr(uint64_t name_size, uint64_t value_size) {
    return name_size <= max_xattr_name && value_size <= max_xattr_value &&
           take(&xattrs_, xattr_overhead + name_size + value_size);
  }
  bool too_many() const { return names_ > max_names; }

 private:
  static constexpr uint64_t xattr_overhead = 64;  // two strings

  static bool take(uint64_t* room, uint64_t size) {
    if (size > *room) return false;
    *room -= size;
    return true;
  }

  uint64_t inodes_ = 0;
  uint64_t listings_ = 0;
  uint64_t xattrs_ = max_xattr_bytes;
  uint64_t names_ = 0;
};

}  // namespace davit::image
