#include "image/scan_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "sys/text.h"

namespace davit::image {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

class Scanner {
 public:
  Scanner(const ScanOptions& options, Tree* tree, std::vector<std::string>* notes)
      : options_(options), tree_(tree), notes_(notes) {}

  Outcome run(int directory) {
    struct stat st;
    if (fstat(directory, &st) != 0) return system_failure("read", ".");
    Node* root = tree_->add_node(nullptr, "", inode_from(st));
    if (auto failure = read_xattrs(directory, nullptr, root)) return failure;
    Fd copy(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!copy.valid()) return system_failure("open directory", ".");
    return scan(std::move(copy), root, 0);
  }

 private:
  Outcome scan(Fd directory, Node* node, unsigned depth) {
    if (depth > max_depth) return logic_failure("read directory", path_of(node), "nested too deeply (256 levels)");
    std::unique_ptr<DIR, CloseDir> stream(fdopendir(directory.get()));
    if (!stream) return system_failure("read directory", path_of(node));
    int fd = directory.release();  // the stream owns it now
    std::vector<std::string> names;
    if (auto failure = list(stream.get(), node, &names)) return failure;
    for (const std::string& name : names)
      if (auto failure = add(fd, name, node, depth)) return failure;
    return {};
  }

  Outcome list(DIR* stream, const Node* node, std::vector<std::string>* names) {
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (!entry) break;
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names->emplace_back(entry->d_name);
    }
    if (errno != 0) return system_failure("read directory", path_of(node));
    std::sort(names->begin(), names->end());  // the same tree always gives the same image
    return {};
  }

  Outcome add(int parent_fd, const std::string& name, Node* parent, unsigned depth) {
    struct stat st;
    if (fstatat(parent_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};  // removed since it was listed
      return system_failure("read", child_path(parent, name));
    }
    if (st.st_dev == options_.exclude_dev && st.st_ino == options_.exclude_ino) return {};
    if (S_ISSOCK(st.st_mode)) {
      notes_->push_back("socket left out: " + child_path(parent, name));
      return {};
    }
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      auto [known, fresh] = links_.try_emplace({st.st_dev, st.st_ino}, nullptr);
      if (!fresh) {
        tree_->add_node(parent, name, known->second);
        return {};
      }
      known->second = inode_from(st);
      return describe(parent_fd, tree_->add_node(parent, name, known->second), depth);
    }
    return describe(parent_fd, tree_->add_node(parent, name, inode_from(st)), depth);
  }

  Inode* inode_from(const struct stat& st) {
    Inode* inode = tree_->add_inode();
    inode->mode = st.st_mode;
    inode->uid = options_.all_root ? 0 : st.st_uid;
    inode->gid = options_.all_root ? 0 : st.st_gid;
    inode->mtime = static_cast<uint32_t>(std::clamp<int64_t>(st.st_mtime, 0, UINT32_MAX));
    unsigned minor_number = minor(st.st_rdev);
    inode->rdev = (minor_number & 0xff) | (major(st.st_rdev) << 8) | ((minor_number & ~0xffU) << 12);
    inode->size = static_cast<uint64_t>(st.st_size);
    inode->source_dev = st.st_dev;
    inode->source_ino = st.st_ino;
    return inode;
  }

  // Link target, attributes, and everything below.
  Outcome describe(int parent_fd, Node* node, unsigned depth) {
    const char* name = node->name.c_str();
    if (S_ISLNK(node->inode->mode)) {
      ssize_t length = readlinkat(parent_fd, name, buffer_.data(), buffer_.size());
      if (length < 0) return system_failure("read link", path_of(node));
      node->inode->target.assign(buffer_.data(), static_cast<size_t>(length));
    }
    if (auto failure = read_xattrs(parent_fd, name, node)) return failure;
    if (!node->is_directory()) return {};
    Fd directory(openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid()) return system_failure("open directory", path_of(node));
    return scan(std::move(directory), node, depth + 1);
  }

  // There is no lgetxattrat(2) on older kernels: /proc leads to the entry without walking the host's path again.
  Outcome read_xattrs(int parent_fd, const char* name, Node* node) {
    if (!options_.xattrs) return {};
    std::string path = FdPath(parent_fd).c_str();
    if (name) path.append("/").append(name);
    auto* list_call = name ? llistxattr : listxattr;
    auto* get_call = name ? lgetxattr : getxattr;
    ssize_t length = list_call(path.c_str(), keys_.data(), keys_.size());
    if (length <= 0) return {};  // none, or a file system without them
    for (const char* key = keys_.data(); key < keys_.data() + length; key += strlen(key) + 1) {
      // The three families squashfs can hold; POSIX ACLs ("system.") are not among them.
      if (strncmp(key, "user.", 5) != 0 && strncmp(key, "trusted.", 8) != 0 && strncmp(key, "security.", 9) != 0) {
        note_once("extended attributes that squashfs cannot hold were left out: ", key, node);
        continue;
      }
      ssize_t size = get_call(path.c_str(), key, buffer_.data(), buffer_.size());
      if (size < 0) continue;  // not ours to read, or gone
      node->inode->xattrs.push_back({key, std::string(buffer_.data(), static_cast<size_t>(size))});
    }
    return {};
  }

  void note_once(const char* text, const char* key, const Node* node) {
    if (noted_xattr_) return;
    noted_xattr_ = true;
    notes_->push_back(std::string(text) + key + " of " + path_of(node));
  }

  static std::string child_path(const Node* parent, const std::string& name) {
    return parent->parent ? path_of(parent) + "/" + name : name;
  }

  const ScanOptions& options_;
  Tree* tree_;
  std::vector<std::string>* notes_;
  std::map<std::pair<dev_t, ino_t>, Inode*> links_;
  bool noted_xattr_ = false;
  // Not on the stack: the functions above call each other once a level. 65536 is the most the kernel gives, xattr(7).
  std::vector<char> keys_ = std::vector<char>(65536);
  std::vector<char> buffer_ = std::vector<char>(65536);
};

}  // namespace

Outcome scan_directory(int directory, const ScanOptions& options, Tree* tree, std::vector<std::string>* notes) {
  return Scanner(options, tree, notes).run(directory);
}

Outcome DirectoryContent::enter(const Node* directory) {
  std::vector<const Node*> wanted;
  for (const Node* node = directory; node->parent; node = node->parent) wanted.insert(wanted.begin(), node);
  size_t shared = 0;
  while (shared < wanted.size() && shared < levels_.size() && levels_[shared].node == wanted[shared]) shared++;
  levels_.erase(levels_.begin() + static_cast<std::ptrdiff_t>(shared), levels_.end());
  for (size_t i = shared; i < wanted.size(); i++) {
    int parent = levels_.empty() ? root_ : levels_.back().fd.get();
    Fd fd(openat(parent, wanted[i]->name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return system_failure("open directory", path_of(wanted[i]));
    levels_.push_back({wanted[i], std::move(fd)});
  }
  return {};
}

Outcome DirectoryContent::open(const Node* file) {
  if (auto failure = enter(file->parent)) return failure;
  int parent = levels_.empty() ? root_ : levels_.back().fd.get();
  // O_NONBLOCK: should a FIFO have taken the file's place, opening it must not wait.
  file_.reset(openat(parent, file->name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file_.valid()) return system_failure("open", path_of(file));
  struct stat st;
  if (fstat(file_.get(), &st) != 0) return system_failure("read", path_of(file));
  if (st.st_dev != file->inode->source_dev || st.st_ino != file->inode->source_ino)
    return logic_failure("read", path_of(file), "it was replaced while the image was being built");
  constexpr int64_t block = 512;  // of st_blocks, stat(2)
  sparse_ = st.st_blocks < st.st_size / block;
  node_ = file;
  return {};
}

Outcome DirectoryContent::read(void* buffer, size_t size, size_t* got) {
  ssize_t n = retry([&] { return ::read(file_.get(), buffer, size); });
  if (n < 0) return system_failure("read", path_of(node_));
  *got = static_cast<size_t>(n);
  return {};
}

Outcome DirectoryContent::skip_hole(uint64_t* size) {
  *size = 0;
  if (!sparse_) return {};
  int fd = file_.get();
  off_t at = lseek(fd, 0, SEEK_CUR);
  off_t data = lseek(fd, at, SEEK_DATA);
  if (data < 0 && errno == ENXIO) data = lseek(fd, 0, SEEK_END);  // nothing but a hole up to the end
  if (at < 0 || data < 0) {                                       // a file system that does not say
    sparse_ = false;
    return {};
  }
  *size = static_cast<uint64_t>(std::max(data, at) - at);
  if (lseek(fd, std::max(data, at), SEEK_SET) < 0) return system_failure("read", path_of(node_));
  return {};
}

}  // namespace davit::image
