#include "image/layer_merge.h"

#include <algorithm>

#include "image/layer_hash.h"

namespace davit::image {
namespace {

constexpr unsigned max_links_followed = 40;  // as the kernel's own limit, path_resolution(7)
// Path components that links may add in all: with 40 links of 2,000 components in every path, a small layer could keep
// us busy for hours.
constexpr uint64_t max_components_of_links = 20'000'000;
// AUFS kept its own files in the root of a layer; hard links may lead to them.
constexpr std::string_view aufs_files[] = {".wh..wh.plnk", ".wh..wh.orph", ".wh..wh.aufs"};

unsigned depth_of(const Node* node) {
  unsigned depth = 0;
  for (; node->parent; node = node->parent) depth++;
  return depth;
}

}  // namespace

size_t LayerMerge::Hash::operator()(const Key& key) const {
  return static_cast<size_t>(keyed_hash(key.name, reinterpret_cast<uintptr_t>(key.parent)));
}

LayerMerge::LayerMerge(Tree* tree, uint32_t mtime) : tree_(tree), mtime_(mtime) {
  tree_->add_node(nullptr, "", new_directory());
}

Failure LayerMerge::failure(std::string_view path, std::string_view detail) const {
  return logic_failure("apply layer", *name_ + ": " + std::string(path), detail);
}

Inode* LayerMerge::new_directory() { return tree_->add_inode({"", S_IFDIR | 0755, "", false}, mtime_); }

Node* LayerMerge::find(const Node* parent, std::string_view name) const {
  auto found = index_.find(Key{parent, name});
  return found == index_.end() ? nullptr : *found;
}

Node* LayerMerge::add(Node* parent, std::string_view name, Inode* inode) {
  Node* node = tree_->add_node(parent, name, inode);
  node->layer = layer_;
  index_.insert(node);
  return node;
}

void LayerMerge::set_inode(Node* node, Inode* inode) {
  node->inode->links--;
  node->inode = inode;
  inode->links++;
  node->layer = layer_;
}

// Takes a node and all below out of the tree. Its parent still lists it, without an inode, until finish().
void LayerMerge::kill(Node* node) {
  for (Node* child : node->children)
    if (child->inode) kill(child);
  node->children.clear();
  index_.erase(node);
  node->inode->links--;
  node->inode = nullptr;
}

// Takes away what lower layers put here, and says whether nothing is left.
bool LayerMerge::prune(Node* node) {
  if (node->is_directory()) prune_children(node);
  if (node->layer == layer_ || !node->children.empty()) return false;
  kill(node);
  return true;
}

void LayerMerge::prune_children(Node* directory) {
  if (directory->pruned == layer_) return;
  directory->pruned = layer_;
  std::erase_if(directory->children, [&](Node* child) { return !child->inode || prune(child); });
}

Outcome LayerMerge::apply(const LayerJournal& layer) {
  layer_++;
  name_ = &layer.name();
  for (const LayerEntry& entry : layer.entries())
    if (auto bad = apply_entry(entry)) return bad;
  drop_aufs_files();
  return {};
}

void LayerMerge::drop_aufs_files() {
  for (std::string_view name : aufs_files)
    if (Node* node = find(tree_->root, name)) kill(node);
}

Outcome LayerMerge::apply_entry(const LayerEntry& entry) {
  switch (entry.kind) {
    case EntryKind::directory: return add_directory(entry);
    case EntryKind::file: return add_file(entry.path, entry.inode);
    case EntryKind::hard_link: return add_link(entry);
    case EntryKind::whiteout:
    case EntryKind::opaque: return hide(entry);
    case EntryKind::ignored: break;
  }
  return {};
}

Outcome LayerMerge::add_directory(const LayerEntry& entry) {
  if (entry.path.empty()) {
    set_inode(tree_->root, entry.inode);
    return {};
  }
  Node* parent = nullptr;
  std::string_view name;
  if (auto bad = parent_of(entry.path, Missing::make, &parent, &name)) return bad;
  Node* there = find(parent, name);
  if (there && there->is_directory()) {
    set_inode(there, entry.inode);
    return {};
  }
  if (there) kill(there);
  if (depth_of(parent) >= max_depth) return failure(entry.path, "nested too deeply (256 levels)");
  add(parent, name, entry.inode);
  return {};
}

Outcome LayerMerge::add_file(std::string_view path, Inode* inode) {
  Node* parent = nullptr;
  std::string_view name;
  if (auto bad = parent_of(path, Missing::make, &parent, &name)) return bad;
  if (Node* there = find(parent, name)) kill(there);
  add(parent, name, inode);
  return {};
}

Outcome LayerMerge::add_link(const LayerEntry& entry) {
  Node* parent = nullptr;
  std::string_view name;
  if (auto bad = parent_of(entry.target, Missing::stop, &parent, &name)) return bad;
  Node* target = parent && !entry.target.empty() ? find(parent, name) : nullptr;
  if (!target) return failure(entry.path, "a hard link to " + std::string(entry.target) + ", which is not there");
  if (target->is_directory()) return failure(entry.path, "a hard link to a directory");
  Inode* inode = target->inode;
  if (auto bad = parent_of(entry.path, Missing::make, &parent, &name)) return bad;
  Node* there = find(parent, name);
  if (there == target) return failure(entry.path, "a hard link to itself");
  // What is in the way goes first, and the target may have been in it.
  if (there) kill(there);
  if (inode->links == 0) return failure(entry.path, "a hard link to something inside of what it replaces");
  add(parent, name, inode);
  return {};
}

Outcome LayerMerge::hide(const LayerEntry& entry) {
  Node* directory = nullptr;
  if (entry.kind == EntryKind::opaque) {
    if (auto bad = walk(entry.path, Missing::stop, &directory)) return bad;
    if (directory) prune_children(directory);
    return {};
  }
  std::string_view name;
  if (auto bad = parent_of(entry.path, Missing::stop, &directory, &name)) return bad;
  if (Node* node = directory ? find(directory, name) : nullptr) prune(node);
  return {};
}

Outcome LayerMerge::parent_of(std::string_view path, Missing missing, Node** parent, std::string_view* name) {
  size_t slash = path.rfind('/');
  *name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return walk(slash == std::string_view::npos ? "" : path.substr(0, slash), missing, parent);
}

// The directory at a path. Null in *out when there is none and none is to be made.
Outcome LayerMerge::walk(std::string_view path, Missing missing, Node** out) {
  std::string behind_link;  // what is still to be walked, once a link was met
  std::string_view rest = path;
  unsigned followed = 0;
  *out = tree_->root;
  for (std::string_view name; *out && !(name = next_component(&rest)).empty();) {
    if (followed > 0 && ++links_walked_ > max_components_of_links)
      return failure(path, "symbolic links lead on and on");
    if (name == ".") continue;
    if (name == "..") {
      if ((*out)->parent) *out = (*out)->parent;
      continue;
    }
    Node* child = find(*out, name);
    if (child && S_ISLNK(child->inode->mode)) {
      if (++followed > max_links_followed) return failure(path, "too many levels of symbolic links");
      const std::string& target = child->inode->target;
      behind_link = target + "/" + std::string(rest);
      rest = behind_link;
      if (target.starts_with('/')) *out = tree_->root;
      continue;
    }
    if (child && !child->is_directory() && missing == Missing::make) {
      kill(child);
      child = nullptr;
    }
    if (!child && missing == Missing::make) {
      if (depth_of(*out) >= max_depth) return failure(path, "nested too deeply (256 levels)");
      child = add(*out, name, new_directory());
    }
    *out = child && child->is_directory() ? child : nullptr;
  }
  return {};
}

void LayerMerge::put(const Injection& injection) {
  std::string_view rest = injection.path;
  Node* at = tree_->root;
  std::string_view name = next_component(&rest);
  if (name.empty()) return;
  for (std::string_view next; !(next = next_component(&rest)).empty(); name = next) {
    Node* child = find(at, name);
    if (child && !child->is_directory()) {
      if (!injection.replace) return;
      kill(child);
      child = nullptr;
    }
    at = child ? child : add(at, name, new_directory());
  }
  Node* there = find(at, name);
  if (there && (!injection.replace || (there->is_directory() && S_ISDIR(injection.mode)))) return;
  if (there) kill(there);
  add(at, name, tree_->add_inode(injection, mtime_));
}

void LayerMerge::finish(bool devices, unsigned* left_out) {
  std::vector<Node*> directories = {tree_->root};
  auto unwanted = [&](Node* node) {
    if (!node->inode) return true;
    if (node->is_directory()) directories.push_back(node);
    if (devices || !(S_ISCHR(node->inode->mode) || S_ISBLK(node->inode->mode))) return false;
    ++*left_out;
    return true;
  };
  while (!directories.empty()) {
    Node* directory = directories.back();
    directories.pop_back();
    std::erase_if(directory->children, unwanted);
  }
  index_.clear();
  tree_->sort();
}

}  // namespace davit::image
