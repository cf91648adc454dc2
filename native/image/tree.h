// A file system tree in memory, between a source (a directory, a squashfs) and a sink (a squashfs, a directory).
#pragma once
#include <sqfs/inode.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "image/failure.h"

namespace davit::image {

// Directories deeper than this are refused: each level holds a descriptor and a stack frame.
constexpr unsigned max_depth = 256;

struct Xattr {
  std::string key;
  std::string value;
};

struct FreeDeleter {
  void operator()(void* memory) const { free(memory); }
};
using SqfsInode = std::unique_ptr<sqfs_inode_generic_t, FreeDeleter>;

// One file; hard links share it.
struct Inode {
  mode_t mode = 0;  // type and permissions
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t mtime = 0;  // seconds, as squashfs stores them
  uint32_t rdev = 0;   // as squashfs stores it: new_encode_dev of the kernel
  uint32_t links = 0;  // names in this tree
  uint64_t size = 0;   // of a regular file, as the source says it
  std::string target;  // of a symbolic link
  std::vector<Xattr> xattrs;

  bool in_memory = false;  // content is `memory` instead of the source's
  std::string memory;
  SqfsInode source;         // set by the squashfs reader
  uint64_t source_dev = 0;  // set by the directory reader: what was seen must be what is read later
  uint64_t source_ino = 0;

  // Set by the squashfs writer.
  sqfs_inode_generic_t* written = nullptr;
  uint32_t number = 0;
  uint64_t reference = 0;
  uint32_t xattr_index = 0xffffffff;
};

struct Node {
  std::string name;
  Inode* inode = nullptr;
  Node* parent = nullptr;  // null for the root
  std::vector<Node*> children;
  uint32_t layer = 0;   // of an image made of layers: the one that put this here
  uint32_t pruned = 0;  // and the last one that hid what those below it have in this directory

  bool is_directory() const { return S_ISDIR(inode->mode); }
};

// Something to add to a tree: a file, a directory or a symbolic link, with its parents where they are missing.
struct Injection {
  std::string path;      // relative, without "." and ".."
  mode_t mode = 0;       // type and permissions
  std::string content;   // of a file; target of a symbolic link
  bool replace = false;  // otherwise what is there stays
};

class Tree {
 public:
  Tree() = default;
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  Node* root = nullptr;

  Inode* add_inode() { return &inodes_.emplace_back(); }
  // What an injection puts there; it belongs to uid and gid 0.
  Inode* add_inode(const Injection& injection, uint32_t mtime);
  // `parent` null makes the root.
  Node* add_node(Node* parent, std::string_view name, Inode* inode);
  size_t node_count() const { return nodes_.size(); }
  std::deque<Inode>& inodes() { return inodes_; }

  // Applies the rules of Injection; new files belong to uid and gid 0 and carry `mtime`. A path that leads through
  // something other than a directory is left alone.
  void inject(const Injection& injection, uint32_t mtime);
  // Sorts every directory as squashfs wants it: by bytes.
  void sort();
  // Files with a later date get `latest`.
  void clamp_times(uint32_t latest);
  // The node at a path below the root, symbolic links followed within the tree; null when there is none.
  Node* find(std::string_view path) const;

 private:
  std::deque<Inode> inodes_;
  std::deque<Node> nodes_;
};

Node* child_named(const Node* directory, std::string_view name);
// Cuts the first component off a path; empty when there is none.
std::string_view next_component(std::string_view* path);
// "usr/bin/env"; "." for the root.
std::string path_of(const Node* node);
// A name that can stand in a directory: not empty, not "." or "..", no slash, no NUL, at most 255 bytes.
bool valid_name(std::string_view name);

// Gives the content of a tree's regular files, in whatever order is asked.
class ContentReader {
 public:
  virtual ~ContentReader() = default;
  virtual Outcome open(const Node* file) = 0;
  // The next bytes of the open file; 0 in *got at its end.
  virtual Outcome read(void* buffer, size_t size, size_t* got) = 0;
  // Passes over zeros that come next and are stored nowhere; 0 in *size where there are none, or at the end.
  virtual Outcome skip_hole(uint64_t* size) = 0;
};

}  // namespace davit::image
