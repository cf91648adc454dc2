#include "image/tree.h"

#include <algorithm>

namespace davit::image {

constexpr unsigned max_links_followed = 40;  // as the kernel's own limit, path_resolution(7)

Node* Tree::add_node(Node* parent, std::string_view name, Inode* inode) {
  Node* node = &nodes_.emplace_back();
  node->name = name;
  node->inode = inode;
  node->parent = parent;
  inode->links++;
  if (parent) {
    parent->children.push_back(node);
  } else {
    root = node;
  }
  return node;
}

Node* child_named(const Node* directory, std::string_view name) {
  for (Node* child : directory->children)
    if (child->name == name) return child;
  return nullptr;
}

std::string path_of(const Node* node) {
  if (!node->parent) return ".";
  std::string path = node->name;
  for (node = node->parent; node->parent; node = node->parent) path.insert(0, node->name + "/");
  return path;
}

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::string_view next_component(std::string_view* path) {
  size_t start = std::min(path->find_first_not_of('/'), path->size());
  size_t end = std::min(path->find('/', start), path->size());
  std::string_view name = path->substr(start, end - start);
  path->remove_prefix(end);
  return name;
}

Inode* Tree::add_inode(const Injection& injection, uint32_t mtime) {
  Inode* inode = add_inode();
  inode->mode = injection.mode;
  inode->mtime = mtime;
  if (S_ISLNK(inode->mode)) {
    inode->target = injection.content;
  } else if (S_ISREG(inode->mode)) {
    inode->in_memory = true;
    inode->memory = injection.content;
    inode->size = injection.content.size();
  }
  return inode;
}

void Tree::inject(const Injection& injection, uint32_t mtime) {
  std::string_view rest = injection.path;
  Node* at = root;
  for (std::string_view name = next_component(&rest); !name.empty(); name = next_component(&rest)) {
    if (!at->is_directory() || !valid_name(name)) return;
    Node* child = child_named(at, name);
    bool last = rest.find_first_not_of('/') == std::string_view::npos;
    if (!last) {
      at = child ? child : add_node(at, name, add_inode({"", S_IFDIR | 0755, "", false}, mtime));
      continue;
    }
    if (child && (!injection.replace || child->is_directory())) return;
    Inode* inode = add_inode(injection, mtime);
    if (child) {
      child->inode->links--;
      child->inode = inode;
      inode->links++;
    } else {
      add_node(at, name, inode);
    }
    return;
  }
}

void Tree::sort() {
  for (Node& node : nodes_)
    std::sort(node.children.begin(), node.children.end(), [](Node* a, Node* b) { return a->name < b->name; });
}

void Tree::clamp_times(uint32_t latest) {
  for (Inode& inode : inodes_) inode.mtime = std::min(inode.mtime, latest);
}

Node* Tree::find(std::string_view path) const {
  std::string rest(path);  // what is still to be walked; links put their target in front of it
  unsigned followed = 0;
  Node* at = root;
  for (;;) {
    std::string_view view = rest;
    std::string name(next_component(&view));
    std::string behind(view);
    if (name.empty()) return at;
    if (!at->is_directory()) return nullptr;
    if (name == "..") {
      if (at->parent) at = at->parent;
    } else if (name != ".") {
      Node* child = child_named(at, name);
      if (!child) return nullptr;
      if (S_ISLNK(child->inode->mode)) {
        if (++followed > max_links_followed) return nullptr;
        if (child->inode->target.starts_with('/')) at = root;
        behind = child->inode->target + "/" + behind;
      } else {
        at = child;
      }
    }
    rest = behind;
  }
}

}  // namespace davit::image
