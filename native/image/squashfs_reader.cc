#include "image/squashfs_reader.h"

#include <sqfs/dir.h>
#include <sqfs/error.h>
#include <sqfs/xattr.h>
#include <string.h>

#include <algorithm>
#include <utility>

namespace davit::image {

Outcome SquashfsReader::failure(const char* step, const Node* node, int code) const {
  std::string object = node ? name_ + ": " + path_of(node) : name_;
  if (code == SQFS_ERROR_IO) return system_failure(step, object, file_.err);
  return logic_failure(step, object, sqfs_error_text(code));
}

Outcome SquashfsReader::open_image(Fd fd, uint64_t offset, uint64_t size, std::string name) {
  name_ = std::move(name);
  fd_ = std::move(fd);
  fd_file_init(&file_, fd_.get(), offset, size, false);
  sqfs_file_t* file = &file_.interface;
  if (int code = sqfs_super_read(&super_, file)) return failure("read superblock", nullptr, code);
  if (super_.bytes_used > size) return failure("read superblock", nullptr, SQFS_ERROR_OUT_OF_BOUNDS);
  file_.size = super_.bytes_used;  // no table may reach into what follows

  sqfs_compressor_t* compressor = nullptr;
  if (int code = create_decompressor(super_.compression_id, super_.block_size, &compressor))
    return failure("read superblock", nullptr, code);
  compressor_.reset(compressor);
  if (super_.flags & SQFS_FLAG_COMPRESSOR_OPTIONS)
    if (int code = compressor->read_options(compressor, file)) return failure("read options", nullptr, code);

  return open_tables();
}

Outcome SquashfsReader::open_tables() {
  sqfs_file_t* file = &file_.interface;
  sqfs_compressor_t* compressor = compressor_.get();
  ids_.reset(sqfs_id_table_create(0));
  if (!ids_) return failure("read ids", nullptr, SQFS_ERROR_ALLOC);
  if (int code = sqfs_id_table_read(ids_.get(), file, &super_, compressor)) return failure("read ids", nullptr, code);
  const uint64_t inodes = super_.inode_table_start, listings = super_.directory_table_start;
  const uint64_t end = std::min({super_.id_table_start, super_.fragment_table_start, super_.export_table_start});
  inodes_.reset(sqfs_meta_reader_create(file, compressor, inodes, listings));
  listings_.reset(sqfs_meta_reader_create(file, compressor, listings, end));
  if (!inodes_ || !listings_) return failure("open", nullptr, SQFS_ERROR_ALLOC);
  limits_ = SquashfsLimits(metadata_room(file, inodes, listings), metadata_room(file, listings, end));
  if (int code = blocks_.load(file, super_, compressor)) return failure("read fragment table", nullptr, code);
  if (super_.flags & SQFS_FLAG_NO_XATTRS || super_.xattr_id_table_start == UINT64_MAX) return {};
  xattrs_.reset(sqfs_xattr_reader_create(0));
  if (!xattrs_) return failure("open", nullptr, SQFS_ERROR_ALLOC);
  if (int code = sqfs_xattr_reader_load(xattrs_.get(), &super_, file, compressor))
    return failure("read xattr table", nullptr, code);
  return {};
}

Outcome SquashfsReader::damaged(const char* step, const Node* node, const char* detail) const {
  return logic_failure(step, name_ + ": " + path_of(node), std::string(detail) + ": the image is damaged");
}

Outcome SquashfsReader::scan(bool xattrs, Tree* tree) {
  tree_ = tree;
  want_xattrs_ = xattrs;
  Inode* inode = tree->add_inode();
  Node* root = tree->add_node(nullptr, "", inode);
  SqfsInode source;
  if (auto bad = read_inode(super_.root_inode_ref, root, &source)) return bad;
  if (auto bad = fill(inode, *source, root)) return bad;
  if (!root->is_directory()) return failure("read root", nullptr, SQFS_ERROR_NOT_DIR);
  by_number_[source->base.inode_number] = inode;
  inode->source = std::move(source);
  return read_directory(root, 0);
}

// `reference`: where the metadata block begins in the table, and in the lower 16 bits the place within it.
Outcome SquashfsReader::read_inode(uint64_t reference, const Node* where, SqfsInode* out) {
  sqfs_inode_generic_t* raw = nullptr;
  // When this fails, `raw` may be left at memory that is free already (libsquashfs 1.2).
  if (int code = sqfs_meta_reader_read_inode(inodes_.get(), &super_, reference >> 16, reference & 0xffff, &raw))
    return failure("read inode", where, code);
  out->reset(raw);
  if (!limits_.take_inode(**out)) return damaged("read inode", where, "files that share their inodes");
  return {};
}

Outcome SquashfsReader::read_directory(Node* node, unsigned depth) {
  if (depth > max_depth)
    return logic_failure("read directory", name_ + ": " + path_of(node), "nested too deeply (256 levels)");
  // All entries first: the reader has one position, which reading a directory below would move.
  if (auto bad = list_directory(node)) return bad;
  for (Node* child : node->children) {
    if (!child->is_directory()) continue;
    if (auto bad = read_directory(child, depth + 1)) return bad;
  }
  return {};
}

Outcome SquashfsReader::list_directory(Node* node) {
  sqfs_readdir_state_t state;
  if (int code = sqfs_readdir_state_init(&state, &super_, node->inode->source.get()))
    return failure("read directory", node, code);
  for (;;) {
    sqfs_dir_entry_t* raw = nullptr;
    uint32_t number = 0;
    uint64_t reference = 0;
    int code = sqfs_meta_reader_readdir(listings_.get(), &state, &raw, &number, &reference);
    if (code > 0) return {};
    if (code < 0) return failure("read directory", node, code);
    std::unique_ptr<sqfs_dir_entry_t, FreeDeleter> entry(raw);
    // On disk the size is one less than the length; the reader ends the name with a NUL.
    std::string_view name(reinterpret_cast<const char*>(entry->name), entry->size + 1U);
    if (!limits_.take_entry(name.size()))
      return damaged("read directory", node, "directories that share their entries");
    if (limits_.too_many()) return logic_failure("read directory", name_, "more than 16 million names");
    if (auto bad = add_entry(node, name, number, reference)) return bad;
  }
}

Outcome SquashfsReader::add_entry(Node* parent, std::string_view name, uint32_t number, uint64_t reference) {
  if (!valid_name(name))
    return logic_failure("read directory", name_ + ": " + path_of(parent), "an entry whose name is no file name");
  // Names come sorted; one that does not come after its neighbour may be there twice.
  if (!parent->children.empty() && parent->children.back()->name >= name)
    return damaged("read directory", parent, "entries out of order");
  if (number == 0 || number > super_.inode_count) return damaged("read inode", parent, "inode number out of range");
  Inode*& known = by_number_[number];
  if (known && S_ISDIR(known->mode)) return failure("read directory", parent, SQFS_ERROR_LINK_LOOP);
  if (known) {  // a hard link, whose inode was read before
    tree_->add_node(parent, name, known);
    return {};
  }
  known = tree_->add_inode();
  Node* node = tree_->add_node(parent, name, known);
  SqfsInode source;
  if (auto bad = read_inode(reference, node, &source)) return bad;
  if (source->base.inode_number != number) return damaged("read inode", node, "an inode that has another number");
  if (auto bad = fill(known, *source, node)) return bad;
  // Directories are read and files are opened by their inode; of other files all is known now.
  if (S_ISDIR(known->mode) || S_ISREG(known->mode)) known->source = std::move(source);
  return {};
}

namespace {

mode_t type_of(uint16_t inode_type) {
  switch (inode_type) {
    case SQFS_INODE_DIR:
    case SQFS_INODE_EXT_DIR: return S_IFDIR;
    case SQFS_INODE_FILE:
    case SQFS_INODE_EXT_FILE: return S_IFREG;
    case SQFS_INODE_SLINK:
    case SQFS_INODE_EXT_SLINK: return S_IFLNK;
    case SQFS_INODE_BDEV:
    case SQFS_INODE_EXT_BDEV: return S_IFBLK;
    case SQFS_INODE_CDEV:
    case SQFS_INODE_EXT_CDEV: return S_IFCHR;
    case SQFS_INODE_FIFO:
    case SQFS_INODE_EXT_FIFO: return S_IFIFO;
    case SQFS_INODE_SOCKET:
    case SQFS_INODE_EXT_SOCKET: return S_IFSOCK;
    default: return 0;
  }
}

}  // namespace

Outcome SquashfsReader::fill(Inode* inode, const sqfs_inode_generic_t& source, const Node* where) {
  inode->mode = type_of(source.base.type) | (source.base.mode & 07777);
  inode->mtime = source.base.mod_time;
  int code = sqfs_id_table_index_to_id(ids_.get(), source.base.uid_idx, &inode->uid);
  if (code == 0) code = sqfs_id_table_index_to_id(ids_.get(), source.base.gid_idx, &inode->gid);
  if (code != 0) return failure("read owner", where, code);
  switch (source.base.type) {
    case SQFS_INODE_FILE:
    case SQFS_INODE_EXT_FILE: sqfs_inode_get_file_size(&source, &inode->size); break;
    case SQFS_INODE_SLINK:
    case SQFS_INODE_EXT_SLINK: {
      const char* target = reinterpret_cast<const char*>(source.extra);
      size_t size =
          source.base.type == SQFS_INODE_SLINK ? source.data.slink.target_size : source.data.slink_ext.target_size;
      inode->target.assign(target, strnlen(target, size));
      break;
    }
    case SQFS_INODE_BDEV:
    case SQFS_INODE_CDEV: inode->rdev = source.data.dev.devno; break;
    case SQFS_INODE_EXT_BDEV:
    case SQFS_INODE_EXT_CDEV: inode->rdev = source.data.dev_ext.devno; break;
    default: break;
  }
  return read_xattrs(inode, source, where);
}

Outcome SquashfsReader::read_xattrs(Inode* inode, const sqfs_inode_generic_t& source, const Node* where) {
  if (!want_xattrs_ || !xattrs_) return {};
  sqfs_u32 index = 0xffffffff;
  sqfs_inode_get_xattr_index(&source, &index);
  if (index == 0xffffffff) return {};
  sqfs_xattr_id_t description;
  int code = sqfs_xattr_reader_get_desc(xattrs_.get(), index, &description);
  if (code == 0) code = sqfs_xattr_reader_seek_kv(xattrs_.get(), &description);
  for (sqfs_u32 i = 0; code == 0 && i < description.count; i++) {
    sqfs_xattr_entry_t* key = nullptr;
    code = sqfs_xattr_reader_read_key(xattrs_.get(), &key);
    if (code != 0) break;
    std::unique_ptr<sqfs_xattr_entry_t, FreeDeleter> key_owner(key);
    sqfs_xattr_value_t* value = nullptr;
    code = sqfs_xattr_reader_read_value(xattrs_.get(), key, &value);
    if (code != 0) break;
    std::unique_ptr<sqfs_xattr_value_t, FreeDeleter> value_owner(value);
    if (!limits_.take_xattr(key->size, value->size))
      return damaged("read xattrs", where, "extended attributes beyond all measure");
    inode->xattrs.push_back({reinterpret_cast<const char*>(key->key),
                             std::string(reinterpret_cast<const char*>(value->value), value->size)});
  }
  return code == 0 ? Outcome{} : failure("read xattrs", where, code);
}

Outcome SquashfsReader::open(const Node* file) {
  node_ = file;
  blocks_.open(file->inode->source.get());
  pending_size_ = 0;
  return {};
}

Outcome SquashfsReader::next_block(const uint8_t** data, size_t* size) {
  int code = blocks_.next(data, size);
  return code == 0 ? Outcome{} : failure("read", node_, code);
}

Outcome SquashfsReader::read(void* buffer, size_t size, size_t* got) {
  if (pending_size_ == 0)
    if (auto bad = next_block(&pending_, &pending_size_)) return bad;
  size_t count = std::min(size, pending_size_);
  if (pending_) {
    memcpy(buffer, pending_, count);
    pending_ += count;
  } else {
    memset(buffer, 0, count);
  }
  pending_size_ -= count;
  *got = count;
  return {};
}

Outcome SquashfsReader::skip_hole(uint64_t* size) {
  *size = 0;
  if (pending_size_ == 0)
    if (auto bad = next_block(&pending_, &pending_size_)) return bad;
  if (!pending_) *size = std::exchange(pending_size_, 0);
  return {};
}

}  // namespace davit::image
