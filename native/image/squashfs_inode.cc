#include "image/squashfs_inode.h"

#include <sqfs/error.h>

#include <utility>

namespace davit::image {
namespace {

int make_regular(Inode* inode, SqfsInode* out) {
  out->reset(std::exchange(inode->written, nullptr));
  if (inode->links == 1) return 0;
  int code = sqfs_inode_make_extended(out->get());
  (*out)->data.file_ext.nlink = inode->links;
  return code;
}

}  // namespace

int make_file_inode(Inode* inode, SqfsInode* out) {
  if (S_ISREG(inode->mode)) return make_regular(inode, out);
  size_t extra = S_ISLNK(inode->mode) ? inode->target.size() : 0;
  auto* generic = static_cast<sqfs_inode_generic_t*>(calloc(1, sizeof(sqfs_inode_generic_t) + extra + 1));
  if (!generic) return SQFS_ERROR_ALLOC;
  out->reset(generic);
  generic->payload_bytes_available = static_cast<sqfs_u32>(extra);
  generic->payload_bytes_used = static_cast<sqfs_u32>(extra);
  if (S_ISLNK(inode->mode)) {
    generic->base.type = SQFS_INODE_SLINK;
    generic->data.slink.nlink = inode->links;
    generic->data.slink.target_size = static_cast<sqfs_u32>(extra);
    inode->target.copy(reinterpret_cast<char*>(generic->extra), extra);
  } else if (S_ISFIFO(inode->mode) || S_ISSOCK(inode->mode)) {
    generic->base.type = S_ISFIFO(inode->mode) ? SQFS_INODE_FIFO : SQFS_INODE_SOCKET;
    generic->data.ipc.nlink = inode->links;
  } else {
    generic->base.type = S_ISBLK(inode->mode) ? SQFS_INODE_BDEV : SQFS_INODE_CDEV;
    generic->data.dev.nlink = inode->links;
    generic->data.dev.devno = inode->rdev;
  }
  return 0;
}

}  // namespace davit::image
