// Order on disk: superblock, compressor options, data and fragment blocks, inodes, directories, fragment table, export
// table, owners, extended attributes, padding. The superblock is written again at the end, when all places are known.
#include "image/squashfs_writer.h"

#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

#include <algorithm>
#include <memory>

#include "image/squashfs_inode.h"

namespace davit::image {
namespace {

constexpr size_t read_size = 1 << 20;
constexpr uint64_t hole_step = 64 << 20;  // zeros between two steps of the progress
constexpr uint64_t padding = 4096;

class Writer {
 public:
  Writer(Tree* tree, SquashfsData* data, const WriteProgress& progress)
      : tree_(tree), data_(data), super_(*data->super()), progress_(progress) {}

  // `content` may be null when all files have their content or carry it.
  Outcome run(ContentReader* content, WriteResult* result) {
    content_ = content;
    if (int code = set_up()) return failure("set up squashfs", code);
    if (auto bad = write_content()) return bad;
    number(tree_->root);
    if (int code = collect_xattrs()) return failure("collect extended attributes", code);
    if (auto bad = write_inodes()) return bad;
    if (int code = write_tables()) return failure("write tables", code);
    return finish(result);
  }

 private:
  template <typename T>
  using Owned = std::unique_ptr<T, SqfsDeleter>;
  sqfs_file_t* file() { return data_->file(); }
  sqfs_compressor_t* compressor() { return data_->compressor(); }

  Outcome failure(const char* step, int code, const Node* node = nullptr) const {
    return data_->failure(step, code, node ? path_of(node) : "squashfs");
  }

  int set_up() {
    ids_.reset(sqfs_id_table_create(0));
    xattrs_.reset(sqfs_xattr_writer_create(0));
    return ids_ && xattrs_ ? 0 : SQFS_ERROR_ALLOC;
  }

  // Data first, in the order of the names: what lies together is read together.
  Outcome write_content() {
    if (progress_.total) progress_.total->store(total_bytes(), std::memory_order_relaxed);
    if (auto bad = write_files(tree_->root)) return bad;
    if (int code = data_->finish()) return failure("write data", code);
    return {};
  }

  int64_t total_bytes() const {
    uint64_t total = 0;
    for (const Inode& inode : tree_->inodes())
      if (S_ISREG(inode.mode) && !inode.written) total += inode.in_memory ? inode.memory.size() : inode.size;
    return static_cast<int64_t>(total);
  }

  Outcome write_files(const Node* directory) {
    for (const Node* child : directory->children) {
      if (child->is_directory()) {
        if (auto bad = write_files(child)) return bad;
      } else if (S_ISREG(child->inode->mode) && !child->inode->written) {
        if (auto bad = write_file(child)) return bad;
      }
    }
    return {};
  }

  Outcome write_file(const Node* node) {
    Inode* inode = node->inode;
    if (int code = data_->begin_file(inode)) return failure("write", code, node);
    if (inode->in_memory) {
      if (auto bad = append(node, inode->memory.data(), inode->memory.size())) return bad;
    } else if (auto bad = copy_content(node)) {
      return bad;
    }
    if (int code = data_->end_file()) return failure("write", code, node);
    return {};
  }

  Outcome copy_content(const Node* node) {
    if (!content_) return logic_failure("write", path_of(node), "its content was not handed over");
    if (auto bad = content_->open(node)) return bad;
    for (;;) {
      if (auto bad = copy_hole(node)) return bad;
      size_t got = 0;
      if (auto bad = content_->read(buffer_.data(), buffer_.size(), &got)) return bad;
      if (got == 0) return {};
      if (auto bad = append(node, buffer_.data(), got)) return bad;
    }
  }

  // What a file does not hold is not read: it takes the compressor's threads alone.
  Outcome copy_hole(const Node* node) {
    uint64_t left = 0;
    do {
      if (auto bad = content_->skip_hole(&left)) return bad;
      for (uint64_t rest = left; rest > 0;) {
        uint64_t size = std::min<uint64_t>(rest, hole_step);
        if (auto bad = appended(node, data_->append_zeros(size), size)) return bad;
        rest -= size;
      }
    } while (left > 0);
    return {};
  }

  Outcome append(const Node* node, const void* data, size_t size) {
    return appended(node, data_->append(data, size), size);
  }
  Outcome appended(const Node* node, int code, uint64_t size) {
    if (progress_.packed) progress_.packed->fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
    return code == 0 ? Outcome{} : failure("write", code, node);
  }

  // Children of a directory get numbers one after the other, before the directory itself: its listing holds where they
  // are, and stores numbers as small differences.
  void number(Node* directory) {
    for (Node* child : directory->children)
      if (child->is_directory()) number(child);
    for (Node* child : directory->children)
      if (!child->inode->number || child->is_directory()) assign_number(child);
    if (!directory->parent) assign_number(directory);
  }
  void assign_number(Node* node) {
    order_.push_back(node);
    node->inode->number = static_cast<uint32_t>(order_.size());
  }

  int collect_xattrs() {
    for (Node* node : order_) {
      Inode* inode = node->inode;
      if (inode->xattrs.empty()) continue;
      if (int code = sqfs_xattr_writer_begin(xattrs_.get(), 0)) return code;
      for (const Xattr& xattr : inode->xattrs)
        if (int code = sqfs_xattr_writer_add(xattrs_.get(), xattr.key.c_str(), xattr.value.data(), xattr.value.size()))
          return code;
      if (int code = sqfs_xattr_writer_end(xattrs_.get(), &inode->xattr_index)) return code;
    }
    return 0;
  }

  Outcome write_inodes() {
    Owned<sqfs_meta_writer_t> inodes(sqfs_meta_writer_create(file(), compressor(), 0));
    listings_.reset(sqfs_meta_writer_create(file(), compressor(), SQFS_META_WRITER_KEEP_IN_MEMORY));
    if (!inodes || !listings_) return failure("write inodes", SQFS_ERROR_ALLOC);
    directory_writer_.reset(sqfs_dir_writer_create(listings_.get(), SQFS_DIR_WRITER_CREATE_EXPORT_TABLE));
    if (!directory_writer_) return failure("write inodes", SQFS_ERROR_ALLOC);
    super_.inode_table_start = data_->end();
    for (Node* node : order_)
      if (int code = write_inode(node, inodes.get())) return failure("write inode", code, node);
    int code = sqfs_meta_writer_flush(inodes.get());
    if (code == 0) code = sqfs_meta_writer_flush(listings_.get());
    if (code != 0) return failure("write inodes", code);
    super_.root_inode_ref = tree_->root->inode->reference;
    super_.directory_table_start = data_->end();
    code = sqfs_meta_write_write_to_file(listings_.get());
    return code == 0 ? Outcome{} : failure("write directories", code);
  }

  int write_inode(Node* node, sqfs_meta_writer_t* out) {
    Inode* inode = node->inode;
    SqfsInode generic;
    if (int code = (node->is_directory() ? make_directory(node, &generic) : make_file_inode(inode, &generic)))
      return code;
    generic->base.mode = static_cast<sqfs_u16>(inode->mode & 07777);
    generic->base.mod_time = inode->mtime;
    generic->base.inode_number = inode->number;
    if (int code = sqfs_id_table_id_to_index(ids_.get(), inode->uid, &generic->base.uid_idx)) return code;
    if (int code = sqfs_id_table_id_to_index(ids_.get(), inode->gid, &generic->base.gid_idx)) return code;
    if (int code = sqfs_inode_set_xattr_index(generic.get(), inode->xattr_index)) return code;
    sqfs_u64 block = 0;
    sqfs_u32 offset = 0;
    sqfs_meta_writer_get_position(out, &block, &offset);
    inode->reference = (block << 16) | offset;
    return sqfs_meta_writer_write_inode(out, generic.get());
  }

  int make_directory(Node* node, SqfsInode* out) {
    uint32_t links = 2;  // its name and its own "."; every directory below adds its ".."
    if (int code = sqfs_dir_writer_begin(directory_writer_.get(), 0)) return code;
    for (const Node* child : node->children) {
      const Inode& inode = *child->inode;
      if (child->is_directory()) links++;
      if (int code = sqfs_dir_writer_add_entry(directory_writer_.get(), child->name.c_str(), inode.number,
                                               inode.reference, static_cast<sqfs_u16>(inode.mode)))
        return code;
    }
    if (int code = sqfs_dir_writer_end(directory_writer_.get())) return code;
    // The root's parent is a number nobody has, as mksquashfs writes it.
    uint32_t parent = node->parent ? node->parent->inode->number : static_cast<uint32_t>(order_.size()) + 1;
    out->reset(sqfs_dir_writer_create_inode(directory_writer_.get(), 0, node->inode->xattr_index, parent));
    if (!*out) return SQFS_ERROR_ALLOC;
    // libsquashfs counts every entry, not directories alone.
    bool extended = (*out)->base.type == SQFS_INODE_EXT_DIR;
    (extended ? (*out)->data.dir_ext.nlink : (*out)->data.dir.nlink) = links;
    return 0;
  }

  int write_tables() {
    super_.inode_count = static_cast<sqfs_u32>(order_.size());
    const Inode& root = *tree_->root->inode;
    sqfs_compressor_t* with = compressor();
    if (int code = sqfs_frag_table_write(data_->fragments(), file(), &super_, with)) return code;
    if (int code = sqfs_dir_writer_write_export_table(directory_writer_.get(), file(), with, root.number,
                                                      root.reference, &super_))
      return code;
    if (int code = sqfs_id_table_write(ids_.get(), file(), &super_, with)) return code;
    return sqfs_xattr_writer_flush(xattrs_.get(), file(), &super_, with);
  }

  Outcome finish(WriteResult* result) {
    super_.bytes_used = data_->end();
    uint64_t padded = (data_->end() + padding - 1) / padding * padding;
    int code = file()->truncate(file(), padded);
    if (code == 0) code = sqfs_super_write(&super_, file());
    if (code != 0) return failure("write superblock", code);
    *result = {padded, super_.bytes_used, super_.inode_count};
    return {};
  }

  Tree* tree_;
  SquashfsData* data_;
  sqfs_super_t& super_;
  const WriteProgress progress_;
  ContentReader* content_ = nullptr;
  Owned<sqfs_id_table_t> ids_;
  Owned<sqfs_xattr_writer_t> xattrs_;
  Owned<sqfs_meta_writer_t> listings_;
  Owned<sqfs_dir_writer_t> directory_writer_;
  std::vector<Node*> order_;  // by inode number
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(read_size);
};

}  // namespace

Outcome write_squashfs(Tree* tree, ContentReader* content, int fd, uint64_t offset, const WriteOptions& options,
                       WriteResult* result, const WriteProgress& progress) {
  SquashfsData data(tree, fd, offset, options);
  if (int code = data.start()) return data.failure("set up squashfs", code, "squashfs");
  return Writer(tree, &data, progress).run(content, result);
}

Outcome finish_squashfs(Tree* tree, SquashfsData* data, WriteResult* result) {
  return Writer(tree, data, {}).run(nullptr, result);
}

}  // namespace davit::image
