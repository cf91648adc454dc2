#include "image/squashfs_data.h"

#include <sqfs/block.h>
#include <sqfs/error.h>

#include <algorithm>
#include <utility>

namespace davit::image {
namespace {

constexpr uint64_t device_block = 4096;
constexpr unsigned blocks_in_flight = 10;  // for each thread; what tar2sqfs uses
constexpr uint8_t zeros[65536] = {};

}  // namespace

SquashfsData::~SquashfsData() {
  // libsquashfs 1.2 forgets blocks that are still with its threads.
  if (processor_) sqfs_block_processor_sync(processor_.get());
  processor_.reset();  // its threads know where the inodes lie
  for (Inode& inode : tree_->inodes()) free(std::exchange(inode.written, nullptr));
}

int SquashfsData::start() {
  if (int code = sqfs_super_init(&super_, options_.block_size, options_.mtime,
                                 static_cast<SQFS_COMPRESSOR>(options_.compressor)))
    return code;
  if (int code = sqfs_super_write(&super_, file())) return code;
  sqfs_compressor_t* compressor = nullptr;
  if (int code = create_compressor(options_.compressor, options_.block_size, options_.level, &compressor)) return code;
  compressor_.reset(compressor);
  if (int code = create_decompressor(options_.compressor, options_.block_size, &compressor)) return code;
  decompressor_.reset(compressor);
  int written = compressor_->write_options(compressor_.get(), file());
  if (written < 0) return written;
  if (written > 0) super_.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;

  block_writer_.reset(sqfs_block_writer_create(file(), device_block, 0));
  fragments_.reset(sqfs_frag_table_create(0));
  return block_writer_ && fragments_ ? start_processor() : SQFS_ERROR_ALLOC;
}

int SquashfsData::start_processor() {
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

int SquashfsData::begin_file(Inode* inode) {
  // The end of a file larger than a block is a block of its own, as mksquashfs does it: reading it then needs nothing
  // but itself.
  sqfs_u32 flags = inode->size > options_.block_size ? SQFS_BLK_DONT_FRAGMENT : 0;
  return sqfs_block_processor_begin_file(processor_.get(), &inode->written, nullptr, flags);
}

int SquashfsData::append(const void* data, size_t size) {
  // libsquashfs 1.2 crashes when it is given nothing.
  return size == 0 ? 0 : sqfs_block_processor_append(processor_.get(), data, size);
}

int SquashfsData::append_zeros(uint64_t size) {
  for (int code = 0; size > 0; size -= std::min<uint64_t>(size, sizeof zeros))
    if ((code = append(zeros, static_cast<size_t>(std::min<uint64_t>(size, sizeof zeros)))) != 0) return code;
  return 0;
}

int SquashfsData::end_file() { return sqfs_block_processor_end_file(processor_.get()); }

int SquashfsData::finish() { return sqfs_block_processor_finish(processor_.get()); }

Outcome SquashfsData::failure(std::string_view step, int code, std::string_view object) const {
  if (code == SQFS_ERROR_IO) return system_failure(step, object, file_.err);
  return logic_failure(step, object, sqfs_error_text(code));
}

}  // namespace davit::image
