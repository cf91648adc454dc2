// Damage to a squashfs that was taken apart: fields of its records get values at the edges or those of other records,
// records are copied, moved, left out. The records are found as a reader finds them, from the beginning of a table.
#pragma once
#include <random>

#include "squashfs_parts.h"

namespace fixture {

struct Field {
  size_t at;
  size_t width;  // bytes
};

struct Records {
  std::vector<size_t> starts;
  std::vector<Field> fields;
};

// Widths of the fields of an inode behind its first 16 bytes, by type from 1; and of what is extended, from 8.
inline const std::vector<size_t>& inode_fields(unsigned type) {
  static const std::vector<size_t> widths[] = {
      {},    {4, 4, 2, 2, 4},       {4, 4, 4, 4},          {4, 4}, {4, 4},    {4, 4},    {4},
      {4},   {4, 4, 4, 4, 2, 2, 4}, {8, 8, 8, 4, 4, 4, 4}, {4, 4}, {4, 4, 4}, {4, 4, 4}, {4, 4},
      {4, 4}};
  return widths[type < std::size(widths) ? type : 0];
}

// Bytes behind the fields: block sizes, a link's target, a directory's index (whose entries it does not look into).
inline size_t inode_tail(const std::string& table, size_t at, unsigned type, uint32_t block_size) {
  auto blocks = [&](uint64_t size, uint32_t fragment) {
    uint64_t full = size / std::max<uint32_t>(block_size, 1);
    return 4 * (full + (fragment == UINT32_MAX && size % std::max<uint32_t>(block_size, 1) != 0));
  };
  switch (type) {
    case 2: return blocks(load<uint32_t>(table, at + 28), load<uint32_t>(table, at + 20));
    case 9: return blocks(load<uint64_t>(table, at + 24), load<uint32_t>(table, at + 44));
    case 3: return load<uint32_t>(table, at + 20);
    case 10: return load<uint32_t>(table, at + 20) + size_t{4};
    default: return 0;
  }
}

inline Records inode_records(const Parts& parts) {
  const std::string& table = parts.tables[t_inodes];
  Records found;
  for (size_t at = 0; at + 16 < table.size() && found.starts.size() < 4000;) {
    auto type = load<uint16_t>(table, at);
    found.starts.push_back(at);
    size_t next = at;
    for (size_t width : {2, 2, 2, 2, 4, 4}) found.fields.push_back({next, width}), next += width;
    for (size_t width : inode_fields(type)) found.fields.push_back({next, width}), next += width;
    size_t tail = std::min(inode_tail(table, at, type, parts.super.block_size), table.size());
    for (size_t i = 0; i + 4 <= tail && i < 16; i += 4) found.fields.push_back({next + i, 4});
    at = next + tail;
  }
  return found;
}

inline Records directory_records(const std::string& table) {
  Records found;
  for (size_t at = 0; at + 12 < table.size() && found.starts.size() < 4000;) {
    size_t entries = std::min<size_t>(load<uint32_t>(table, at), 255) + 1;
    for (size_t i = 0; i < 3; i++) found.fields.push_back({at + 4 * i, 4});
    at += 12;
    for (; entries > 0 && at + 8 < table.size(); entries--) {
      found.starts.push_back(at);
      for (size_t i = 0; i < 4; i++) found.fields.push_back({at + 2 * i, 2});
      found.fields.push_back({at + 8, 1});
      at += 8 + load<uint16_t>(table, at + 6) + size_t{1};
    }
  }
  return found;
}

inline Records xattr_records(const std::string& table) {
  Records found;
  for (size_t at = 0; at + 4 < table.size() && found.starts.size() < 4000;) {
    found.starts.push_back(at);
    found.fields.push_back({at, 2});
    found.fields.push_back({at + 2, 2});
    at += 4 + load<uint16_t>(table, at + 2);
    found.fields.push_back({at, 4});
    found.fields.push_back({at + 4, 8});  // where a value is that lies elsewhere
    at += 4 + size_t{load<uint32_t>(table, at)};
  }
  return found;
}

inline Records fixed_records(const std::string& table, const std::vector<size_t>& widths) {
  Records found;
  for (size_t at = 0; at < table.size() && found.starts.size() < 4000;) {
    found.starts.push_back(at);
    for (size_t width : widths) found.fields.push_back({at, width}), at += width;
  }
  return found;
}

inline Records records(const Parts& parts, Table table) {
  const std::string& bytes = parts.tables[table];
  switch (table) {
    case t_inodes: return inode_records(parts);
    case t_directories: return directory_records(bytes);
    case t_xattrs: return xattr_records(bytes);
    case t_fragments: return fixed_records(bytes, {8, 4, 4});
    case t_exports: return fixed_records(bytes, {8});
    case t_ids: return fixed_records(bytes, {4});
    case t_xattr_ids: return fixed_records(bytes, {8, 4, 4});
    case t_patches: return fixed_records(bytes, {4, 1});
    default: return fixed_records(bytes, {1});
  }
}

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  void mutate(Parts* parts) {
    for (size_t n = 1 + pick(pick(4) ? 2 : 6); n > 0; n--) {
      switch (pick(8)) {
        case 0: mutate_super(parts); break;
        case 1: add_patch(&parts->tables[t_patches]); break;
        default: mutate_table(parts, table());
      }
    }
  }

 private:
  size_t pick(size_t below) { return below == 0 ? 0 : random_() % below; }

  // Inodes and directories are where most code is.
  Table table() {
    static constexpr Table often[] = {t_inodes, t_inodes, t_inodes,    t_directories, t_directories, t_fragments,
                                      t_xattrs, t_xattrs, t_xattr_ids, t_ids,         t_data,        t_exports};
    return often[pick(std::size(often))];
  }

  uint64_t value(uint64_t old, size_t width) {
    uint64_t top = uint64_t{1} << (8 * width - 1);
    switch (pick(9)) {
      case 0: return 0;
      case 1: return pick(17);
      case 2: return ~uint64_t{0} - pick(17);
      case 3: return top - 1 + pick(3);
      case 4: return old + 1;
      case 5: return old - 1;
      case 6: return (uint64_t{1} << pick(8 * width)) - pick(2);
      case 7: return old ^ (uint64_t{1} << pick(8 * width));
      default: return (uint64_t{random_()} << 32) | random_();
    }
  }

  void set(std::string* bytes, Field field, uint64_t number) {
    if (field.at < bytes->size())
      memcpy(bytes->data() + field.at, &number, std::min(field.width, bytes->size() - field.at));
  }

  void mutate_super(Parts* parts) {
    static constexpr Field fields[] = {{4, 4},  {8, 4},  {12, 4}, {16, 4}, {20, 2}, {22, 2}, {24, 2}, {26, 2}, {32, 8},
                                       {32, 8}, {40, 8}, {48, 8}, {56, 8}, {64, 8}, {72, 8}, {80, 8}, {88, 8}};
    std::string bytes(reinterpret_cast<const char*>(&parts->super), sizeof parts->super);
    Field field = fields[pick(std::size(fields))];
    if (pick(8) == 0) {  // another block size
      size_t log = 12 + pick(9);
      set(&bytes, {12, 4}, uint64_t{1} << log);
      set(&bytes, {22, 2}, log);
    } else if (field.at == 20) {
      set(&bytes, field, 1 + pick(6));
    } else if (field.at == 32 && pick(2)) {
      set(&bytes, field, place(*parts, t_inodes));
    } else {
      set(&bytes, field, value(load<uint64_t>(bytes, field.at), field.width));
    }
    parts->super = load<sqfs_super_t>(bytes, 0);
    if (pick(16) == 0) parts->xattr_count = static_cast<uint32_t>(value(0, 4));
  }

  // The beginning of a record, as references in one metadata block say it.
  uint64_t place(const Parts& parts, Table table) {
    Records found = records(parts, table);
    return found.starts.empty() ? pick(metadata_block) : found.starts[pick(found.starts.size())];
  }

  void add_patch(std::string* patches) {
    append_value(patches, static_cast<uint32_t>(pick(2) ? pick(256) : ~pick(4096)));
    append_value(patches, static_cast<uint8_t>(pick(256)));
    if (patches->size() > 8 * patch_bytes) patches->erase(0, patch_bytes);
  }

  void mutate_table(Parts* parts, Table table) {
    std::string& bytes = parts->tables[table];
    Records found = records(*parts, table);
    if (found.fields.empty()) {
      bytes.append(1 + pick(32), static_cast<char>(pick(256)));
      return;
    }
    Field field = found.fields[pick(found.fields.size())];
    switch (pick(10)) {
      case 0: {  // what another record has there
        Field other = found.fields[pick(found.fields.size())];
        set(&bytes, field, load<uint64_t>(bytes, other.at));
        break;
      }
      case 1:  // refers to some inode or listing
        set(&bytes, field, place(*parts, pick(2) ? t_inodes : t_directories));
        break;
      case 2: copy_record(&bytes, found); break;
      case 3: bytes.erase(std::min(field.at, bytes.size()), 1 + pick(field.width)); break;
      case 4: bytes.insert(std::min(field.at, bytes.size()), 1 + pick(64), static_cast<char>(pick(256))); break;
      case 5:
        if (pick(8) == 0)
          grow(&bytes);
        else
          bytes[pick(bytes.size())] = static_cast<char>(pick(256));
        break;
      default: set(&bytes, field, value(load<uint64_t>(bytes, field.at), field.width));
    }
  }

  void copy_record(std::string* bytes, const Records& found) {
    size_t from = pick(found.starts.size()), to = pick(found.starts.size());
    if (found.starts.empty()) return;
    size_t end = from + 1 < found.starts.size() ? found.starts[from + 1] : bytes->size();
    std::string record = bytes->substr(found.starts[from], end - found.starts[from]);
    if (bytes->size() < 65536) bytes->insert(found.starts[to], record);
  }

  // Further metadata blocks.
  void grow(std::string* bytes) {
    while (!bytes->empty() && bytes->size() < 3 * metadata_block) *bytes += std::string(*bytes);
  }

  std::mt19937 random_;
};

}  // namespace fixture
