// Order on disk: superblock, compressor options, data and fragment blocks, inodes, directories, fragment table, export
// table, owners, extended attributes, padding. The superblock is written again at the end, when all places are known.
#include "image/squashfs_writer.h"

#include <sqfs/block.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

#include <memory>
#include <utility>

#include "image/compressor.h"
#include "image/fd_file.h"
#include "image/squashfs_inode.h"

namespace davit::image {
namespace {

constexpr size_t read_size = 1 << 20;
constexpr uint64_t padding = 4096;
constexpr unsigned blocks_in_flight = 10;  // for each thread; what tar2sqfs uses

class Writer {
 public:
  Writer(Tree* tree, ContentReader* content, int fd, uint64_t offset, const WriteOptions& options)
      : tree_(tree), content_(content), options_(options) {
    fd_file_init(&file_, fd, offset, 0, true);
  }
  ~Writer() {
    processor_.reset();  // its threads know where the inodes lie
    for (Inode& inode : tree_->inodes()) free(std::exchange(inode.written, nullptr));  // left over after a failure
  }

  Outcome run(WriteResult* result) {
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
  sqfs_file_t* file() { return &file_.interface; }

  Outcome failure(const char* step, int code, const Node* node = nullptr) const {
    std::string object = node ? path_of(node) : "squashfs";
    if (code == SQFS_ERROR_IO) return system_failure(step, object, file_.err);
    return logic_failure(step, object, sqfs_error_text(code));
  }

  int set_up() {
    if (int code = sqfs_super_init(&super_, options_.block_size, options_.mtime,
                                   static_cast<SQFS_COMPRESSOR>(options_.compressor)))
      return code;
    if (int code = sqfs_super_write(&super_, file())) return code;
    sqfs_compressor_t* compressor = nullptr;
    if (int code = create_compressor(options_.compressor, options_.block_size, options_.level, &compressor))
      return code;
    compressor_.reset(compressor);
    if (int code = create_decompressor(options_.compressor, options_.block_size, &compressor)) return code;
    decompressor_.reset(compressor);
    int written = compressor_->write_options(compressor_.get(), file());
    if (written < 0) return written;
    if (written > 0) super_.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;

    block_writer_.reset(sqfs_block_writer_create(file(), padding, 0));
    fragments_.reset(sqfs_frag_table_create(0));
    ids_.reset(sqfs_id_table_create(0));
    xattrs_.reset(sqfs_xattr_writer_create(0));
    if (!block_writer_ || !fragments_ || !ids_ || !xattrs_) return SQFS_ERROR_ALLOC;
    return set_up_processor();
  }

  int set_up_processor() {
    sqfs_block_processor_desc_t description = {};
    description.size = sizeof description;
    description.max_block_size = options_.block_size;
    description.num_workers = options_.workers;
    description.max_backlog = options_.workers * blocks_in_flight;
    description.cmp = compressor_.get();
    description.wr = block_writer_.get();
    description.tbl = fragments_.get();
    description.file = file();  // equal checksums are compared byte by byte
    description.uncmp = decompressor_.get();
    sqfs_block_processor_t* processor = nullptr;
    int code = sqfs_block_processor_create_ex(&description, &processor);
    processor_.reset(processor);
    return code;
  }

  // Data first, in the order of the names: what lies together is read together.
  Outcome write_content() {
    if (auto bad = write_files(tree_->root)) return bad;
    if (int code = sqfs_block_processor_finish(processor_.get())) return failure("write data", code);
    return {};
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
    // The end of a file larger than a block is a block of its own, as mksquashfs does it: reading it then needs nothing
    // but itself.
    sqfs_u32 flags = inode->size > options_.block_size ? SQFS_BLK_DONT_FRAGMENT : 0;
    if (int code = sqfs_block_processor_begin_file(processor_.get(), &inode->written, nullptr, flags))
      return failure("write", code, node);
    if (inode->in_memory) {
      if (auto bad = append(node, inode->memory.data(), inode->memory.size())) return bad;
    } else if (auto bad = copy_content(node)) {
      return bad;
    }
    if (int code = sqfs_block_processor_end_file(processor_.get())) return failure("write", code, node);
    return {};
  }

  Outcome copy_content(const Node* node) {
    if (auto bad = content_->open(node)) return bad;
    for (;;) {
      size_t got = 0;
      if (auto bad = content_->read(buffer_.data(), buffer_.size(), &got)) return bad;
      if (got == 0) return {};
      if (auto bad = append(node, buffer_.data(), got)) return bad;
    }
  }

  Outcome append(const Node* node, const void* data, size_t size) {
    if (size == 0) return {};  // libsquashfs 1.2 crashes when it is given nothing
    int code = sqfs_block_processor_append(processor_.get(), data, size);
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
    Owned<sqfs_meta_writer_t> inodes(sqfs_meta_writer_create(file(), compressor_.get(), 0));
    listings_.reset(sqfs_meta_writer_create(file(), compressor_.get(), SQFS_META_WRITER_KEEP_IN_MEMORY));
    if (!inodes || !listings_) return failure("write inodes", SQFS_ERROR_ALLOC);
    directory_writer_.reset(sqfs_dir_writer_create(listings_.get(), SQFS_DIR_WRITER_CREATE_EXPORT_TABLE));
    if (!directory_writer_) return failure("write inodes", SQFS_ERROR_ALLOC);
    super_.inode_table_start = file_.size;
    for (Node* node : order_)
      if (int code = write_inode(node, inodes.get())) return failure("write inode", code, node);
    int code = sqfs_meta_writer_flush(inodes.get());
    if (code == 0) code = sqfs_meta_writer_flush(listings_.get());
    if (code != 0) return failure("write inodes", code);
    super_.root_inode_ref = tree_->root->inode->reference;
    super_.directory_table_start = file_.size;
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
    sqfs_compressor_t* compressor = compressor_.get();
    if (int code = sqfs_frag_table_write(fragments_.get(), file(), &super_, compressor)) return code;
    if (int code = sqfs_dir_writer_write_export_table(directory_writer_.get(), file(), compressor, root.number,
                                                      root.reference, &super_))
      return code;
    if (int code = sqfs_id_table_write(ids_.get(), file(), &super_, compressor)) return code;
    return sqfs_xattr_writer_flush(xattrs_.get(), file(), &super_, compressor);
  }

  Outcome finish(WriteResult* result) {
    super_.bytes_used = file_.size;
    uint64_t padded = (file_.size + padding - 1) / padding * padding;
    int code = file_.interface.truncate(file(), padded);
    if (code == 0) code = sqfs_super_write(&super_, file());
    if (code != 0) return failure("write superblock", code);
    *result = {padded, super_.bytes_used, super_.inode_count};
    return {};
  }

  Tree* tree_;
  ContentReader* content_;
  const WriteOptions& options_;
  FdFile file_;
  sqfs_super_t super_ = {};
  Owned<sqfs_compressor_t> compressor_;
  Owned<sqfs_compressor_t> decompressor_;
  Owned<sqfs_block_writer_t> block_writer_;
  Owned<sqfs_frag_table_t> fragments_;
  Owned<sqfs_id_table_t> ids_;
  Owned<sqfs_xattr_writer_t> xattrs_;
  Owned<sqfs_block_processor_t> processor_;  // after what it uses, so that it is destroyed first
  Owned<sqfs_meta_writer_t> listings_;
  Owned<sqfs_dir_writer_t> directory_writer_;
  std::vector<Node*> order_;  // by inode number
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(read_size);
};

}  // namespace

Outcome write_squashfs(Tree* tree, ContentReader* content, int fd, uint64_t offset, const WriteOptions& options,
                       WriteResult* result) {
  return Writer(tree, content, fd, offset, options).run(result);
}

}  // namespace davit::image
