// Inodes of everything but directories, in the shape libsquashfs writes them.
#pragma once
#include "image/tree.h"

namespace davit::image {

// Makes the inode; of a regular file it takes over `inode->written`, which the block processor has filled in.
// Owner, permissions, time and number are the caller's to set. Returns 0 or an SQFS_ERROR.
int make_file_inode(Inode* inode, SqfsInode* out);

}  // namespace davit::image
