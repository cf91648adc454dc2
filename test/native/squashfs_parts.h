// A squashfs taken apart: its tables as they are when nothing is compressed. Put together again, every table is
// compressed and every place is right, except where a part says otherwise: damage then reaches the code behind the
// decompressor. The corpus in test/native/squashfs_corpus consists of such parts.
#pragma once
#include <sqfs/block.h>
#include <sqfs/super.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "image/compressor.h"

namespace fixture {

enum Table {
  t_data,
  t_inodes,
  t_directories,
  t_fragments,
  t_exports,
  t_ids,
  t_xattrs,
  t_xattr_ids,
  t_patches,
  t_count
};

constexpr size_t metadata_block = 8192;
constexpr size_t patch_bytes = 5;  // where (counted from the end when above 2^31), and the byte that stands there then

struct Parts {
  sqfs_super_t super = {};   // counts and flags as on disk; places and sizes as differences to the right ones
  uint32_t xattr_count = 0;  // a difference, too
  std::array<std::string, t_count> tables;
};

template <typename T>
T load(const std::string& bytes, size_t at) {
  T value{};
  if (at <= bytes.size()) memcpy(&value, bytes.data() + at, std::min(sizeof value, bytes.size() - at));
  return value;
}
template <typename T>
void append_value(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline std::string to_bytes(const Parts& parts) {
  std::string out(reinterpret_cast<const char*>(&parts.super), sizeof parts.super);
  append_value(&out, parts.xattr_count);
  for (const std::string& table : parts.tables) append_value(&out, static_cast<uint32_t>(table.size()));
  for (const std::string& table : parts.tables) out += table;
  return out;
}

// Any bytes are parts of something.
inline Parts from_bytes(const std::string& bytes) {
  Parts parts;
  parts.super = load<sqfs_super_t>(bytes, 0);
  parts.xattr_count = load<uint32_t>(bytes, sizeof parts.super);
  size_t sizes = sizeof parts.super + 4;
  size_t at = std::min(bytes.size(), sizes + 4 * t_count);
  for (size_t i = 0; i < t_count; i++) {
    parts.tables[i] = bytes.substr(at, load<uint32_t>(bytes, sizes + 4 * i));
    at += parts.tables[i].size();
  }
  return parts;
}

class Assembler {
 public:
  explicit Assembler(const Parts& parts) : parts_(parts), super_(parts.super) {}

  std::string image() {
    sqfs_compressor_t* compressor = nullptr;
    uint32_t block_size = std::clamp<uint32_t>(super_.block_size, 4096, 1 << 20);
    if (super_.compression_id != SQFS_COMP_LZO &&
        davit::image::create_compressor(super_.compression_id, block_size, 0, &compressor) == 0)
      compressor_.reset(compressor);
    out_.assign(sizeof super_, '\0');
    out_ += parts_.tables[t_data];
    super_.inode_table_start += out_.size();
    append_blocks(t_inodes, SQFS_FLAG_UNCOMPRESSED_INODES);
    super_.directory_table_start += out_.size();
    append_blocks(t_directories, SQFS_FLAG_UNCOMPRESSED_INODES);
    super_.fragment_table_start = indexed(t_fragments, super_.fragment_table_start);
    super_.export_table_start = indexed(t_exports, super_.export_table_start);
    super_.id_table_start = indexed(t_ids, super_.id_table_start);
    append_xattrs();
    super_.bytes_used += out_.size();
    memcpy(out_.data(), &super_, sizeof super_);
    for (size_t at = 0; at + patch_bytes <= parts_.tables[t_patches].size(); at += patch_bytes) {
      auto where = load<int32_t>(parts_.tables[t_patches], at);
      size_t distance = static_cast<uint32_t>(where < 0 ? -(where + 1) : where) % out_.size();
      out_[where < 0 ? out_.size() - 1 - distance : distance] = parts_.tables[t_patches][at + 4];
    }
    return out_;
  }

 private:
  // Returns where each metadata block begins.
  std::vector<uint64_t> append_blocks(Table table, unsigned plain_flag) {
    const std::string& bytes = parts_.tables[table];
    std::vector<uint64_t> starts;
    for (size_t at = 0; at < bytes.size(); at += metadata_block) {
      auto size = static_cast<sqfs_u32>(std::min(metadata_block, bytes.size() - at));
      starts.push_back(out_.size());
      std::array<sqfs_u8, metadata_block> packed;
      const auto* in = reinterpret_cast<const sqfs_u8*>(bytes.data() + at);
      sqfs_s32 packed_size = 0;
      if (compressor_ && !(super_.flags & plain_flag))
        packed_size = compressor_->do_block(compressor_.get(), in, size, packed.data(), metadata_block);
      bool smaller = packed_size > 0 && static_cast<sqfs_u32>(packed_size) < size;
      append_value(&out_, static_cast<uint16_t>(smaller ? packed_size : static_cast<int>(size | 0x8000)));
      out_.append(smaller ? reinterpret_cast<const char*>(packed.data()) : bytes.data() + at,
                  smaller ? static_cast<size_t>(packed_size) : size);
    }
    return starts;
  }

  // Blocks, then where they are. Returns the place of a table that has its index behind it.
  uint64_t indexed(Table table, uint64_t difference) {
    if (parts_.tables[table].empty() && difference == 0) return UINT64_MAX;
    std::vector<uint64_t> starts = append_blocks(table, table == t_ids ? SQFS_FLAG_UNCOMPRESSED_IDS : 0);
    uint64_t place = out_.size() + difference;
    for (uint64_t start : starts) append_value(&out_, start);
    return place;
  }

  void append_xattrs() {
    uint64_t difference = super_.xattr_id_table_start;
    super_.xattr_id_table_start = UINT64_MAX;
    if (parts_.tables[t_xattr_ids].empty() && difference == 0) return;
    uint64_t values = out_.size();
    append_blocks(t_xattrs, SQFS_FLAG_UNCOMPRESSED_XATTRS);
    std::vector<uint64_t> starts = append_blocks(t_xattr_ids, SQFS_FLAG_UNCOMPRESSED_XATTRS);
    super_.xattr_id_table_start = out_.size() + difference;
    append_value(&out_, values);
    append_value(&out_, static_cast<uint32_t>(parts_.tables[t_xattr_ids].size() / 16 + parts_.xattr_count));
    append_value(&out_, uint32_t{0});
    for (uint64_t start : starts) append_value(&out_, start);
  }

  const Parts& parts_;
  sqfs_super_t super_;
  std::unique_ptr<sqfs_compressor_t, davit::image::SqfsDeleter> compressor_;
  std::string out_;
};

inline std::string to_image(const Parts& parts) { return Assembler(parts).image(); }

// Takes a sound image apart.
class Dismantler {
 public:
  explicit Dismantler(const std::string& image) : image_(image), super_(load<sqfs_super_t>(image, 0)) {}

  Parts parts() {
    sqfs_compressor_t* decompressor = nullptr;
    if (davit::image::create_decompressor(super_.compression_id, super_.block_size, &decompressor) != 0) abort();
    decompressor_.reset(decompressor);
    Parts parts;
    parts.super = super_;
    parts.super.inode_table_start = parts.super.directory_table_start = parts.super.bytes_used = 0;
    parts.super.fragment_table_start = parts.super.export_table_start = 0;
    parts.super.id_table_start = parts.super.xattr_id_table_start = 0;
    parts.tables[t_data] = image_.substr(sizeof super_, super_.inode_table_start - sizeof super_);
    parts.tables[t_inodes] = blocks(super_.inode_table_start, super_.directory_table_start);
    size_t ids = super_.id_count * size_t{4}, fragments = super_.fragment_entry_count * size_t{16};
    if (fragments > 0) parts.tables[t_fragments] = indexed(super_.fragment_table_start, fragments);
    if (super_.export_table_start != UINT64_MAX)
      parts.tables[t_exports] = indexed(super_.export_table_start, super_.inode_count * size_t{8});
    parts.tables[t_ids] = indexed(super_.id_table_start, ids);
    parts.tables[t_directories] = blocks(super_.directory_table_start, first_);
    if (super_.xattr_id_table_start == UINT64_MAX) return parts;
    first_ = UINT64_MAX;
    size_t count = load<uint32_t>(image_, super_.xattr_id_table_start + 8);
    parts.tables[t_xattr_ids] = indexed(super_.xattr_id_table_start + 16, count * 16);
    parts.tables[t_xattrs] = blocks(load<uint64_t>(image_, super_.xattr_id_table_start), first_);
    return parts;
  }

 private:
  std::string blocks(uint64_t from, uint64_t to) {
    std::string all;
    while (from + 2 < to) all += block(&from);
    return all;
  }

  std::string indexed(uint64_t index, size_t size) {
    std::string all;
    for (size_t i = 0; all.size() < size; i++) {
      auto at = load<uint64_t>(image_, index + 8 * i);
      first_ = std::min(first_, at);
      std::string bytes = block(&at);
      if (bytes.empty()) abort();
      all += bytes;
    }
    return all.substr(0, size);
  }

  std::string block(uint64_t* at) {
    auto header = load<uint16_t>(image_, *at);
    std::string bytes = image_.substr(*at + 2, header & 0x7fff);
    *at += 2 + bytes.size();
    if (header & 0x8000) return bytes;
    std::array<sqfs_u8, metadata_block> plain;
    sqfs_s32 size = decompressor_->do_block(decompressor_.get(), reinterpret_cast<const sqfs_u8*>(bytes.data()),
                                            static_cast<sqfs_u32>(bytes.size()), plain.data(), metadata_block);
    if (size < 0) abort();
    return std::string(reinterpret_cast<const char*>(plain.data()), static_cast<size_t>(size));
  }

  const std::string& image_;
  sqfs_super_t super_;
  std::unique_ptr<sqfs_compressor_t, davit::image::SqfsDeleter> decompressor_;
  uint64_t first_ = UINT64_MAX;  // the first metadata block of the tables read so far
};

}  // namespace fixture
