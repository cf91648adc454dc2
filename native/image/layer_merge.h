// Layers applied one upon the other, from the lowest up, in memory.
//
// The result is what unpacking them into a directory would give, as umoci (and with it Apptainer) does it:
// * Directories of an entry's path that are symbolic links are followed, within the image; those that are missing are
//   made. A directory entry over a symbolic link replaces it.
// * Within a layer the last entry of a name counts; a hard link keeps the file it was made to.
// * Whiteouts hide what lower layers have, wherever in their layer they stand.
// Other than umoci, a file in the way of a path is replaced by a directory, as every overlay would show it.
#pragma once
#include <stdint.h>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "image/layer_entry.h"
#include "image/tree.h"

namespace davit::image {

class LayerMerge {
 public:
  // `mtime`: of directories that no layer describes.
  LayerMerge(Tree* tree, uint32_t mtime);
  LayerMerge(const LayerMerge&) = delete;
  LayerMerge& operator=(const LayerMerge&) = delete;

  // The next layer, above those before.
  Outcome apply(const LayerJournal& layer);
  // Adds something to the result. With `replace`, whatever is in its way goes; links are not followed.
  void put(const Injection& injection);
  // Leaves the tree tidy and sorted; nothing may be applied any more. Without `devices` those are left out and counted.
  void finish(bool devices, unsigned* left_out);

 private:
  struct Key {
    const Node* parent;
    std::string_view name;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const;
    size_t operator()(const Node* node) const { return (*this)(Key{node->parent, node->name}); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Key& a, const Node* b) const { return a.parent == b->parent && a.name == b->name; }
    bool operator()(const Node* a, const Key& b) const { return (*this)(b, a); }
    bool operator()(const Node* a, const Node* b) const { return a == b; }
  };
  enum class Missing { stop, make };

  Outcome apply_entry(const LayerEntry& entry);
  Outcome add_directory(const LayerEntry& entry);
  Outcome add_file(std::string_view path, Inode* inode);
  Outcome add_link(const LayerEntry& entry);
  Outcome hide(const LayerEntry& entry);
  Outcome walk(std::string_view path, Missing missing, Node** out);
  Outcome enter(Node** at, std::string_view name, Missing missing, std::string* rest);
  Outcome parent_of(std::string_view path, Missing missing, Node** parent, std::string_view* name);

  Node* find(const Node* parent, std::string_view name) const;
  Node* add(Node* parent, std::string_view name, Inode* inode);
  void set_inode(Node* node, Inode* inode);
  Inode* new_directory();
  void kill(Node* node);
  bool prune(Node* node);
  void prune_children(Node* directory);
  void drop_aufs_files();
  Failure failure(std::string_view path, std::string_view detail) const;

  Tree* tree_;
  const uint32_t mtime_;
  uint32_t layer_ = 0;
  const std::string* name_ = nullptr;  // of the layer
  std::unordered_set<Node*, Hash, Same> index_;
  uint64_t links_walked_ = 0;
};

}  // namespace davit::image
