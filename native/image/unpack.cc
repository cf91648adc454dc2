#include "image/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <unordered_map>

#include "sys/fd.h"
#include "sys/text.h"

namespace davit::image {
namespace {

constexpr mode_t set_id_bits = 06000;

dev_t device_of(uint32_t rdev) { return makedev((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)); }

class Unpacker {
 public:
  Unpacker(SquashfsReader* content, int root, const UnpackOptions& options)
      : content_(content), root_(root), options_(options) {}

  Outcome run(const Node* node, std::vector<std::string>* notes) {
    if (auto bad = fill_directory(root_, node)) return bad;
    if (devices_ > 0) notes->push_back(counted(devices_, "device node", "left out: only root can make them"));
    if (owners_ > 0) notes->push_back(counted(owners_, "file", "without its owner: the id is not mapped here"));
    if (xattrs_ > 0) notes->push_back(counted(xattrs_, "extended attribute", "left out: not possible here"));
    return {};
  }

 private:
  static std::string counted(unsigned count, const char* noun, const char* text) {
    return std::to_string(count) + " " + noun + (count == 1 ? " " : "s ") + text;
  }

  // Entries first, then the attributes of the directory itself: entries change its time, and its mode may forbid them.
  Outcome fill_directory(int fd, const Node* directory) {
    for (const Node* child : directory->children)
      if (auto bad = add(fd, child)) return bad;
    const Inode& inode = *directory->inode;
    mode_t mode = options_.faithful ? inode.mode & 07777 : (inode.mode & 01777) | 0700;
    return finish(fd, directory, mode);
  }

  Outcome add(int parent, const Node* node) {
    if (node->inode->links > 1 && !node->is_directory()) {
      auto [first, fresh] = names_.try_emplace(node->inode, node);
      if (!fresh) return add_link(parent, node, first->second);
    }
    switch (node->inode->mode & S_IFMT) {
      case S_IFDIR: return add_directory(parent, node);
      case S_IFREG: return add_file(parent, node);
      case S_IFLNK: return add_symlink(parent, node);
      case S_IFIFO:
      case S_IFSOCK: return add_special(parent, node, 0);
      case S_IFCHR:
      case S_IFBLK: return add_special(parent, node, device_of(node->inode->rdev));
      default: return logic_failure("unpack", path_of(node), "a file of unknown type");
    }
  }

  Outcome add_directory(int parent, const Node* node) {
    const char* name = node->name.c_str();
    if (mkdirat(parent, name, 0700) != 0) return system_failure("create directory", path_of(node));
    Fd fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return system_failure("open directory", path_of(node));
    return fill_directory(fd.get(), node);
  }

  Outcome add_file(int parent, const Node* node) {
    Fd fd(openat(parent, node->name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid()) return system_failure("create", path_of(node));
    if (auto bad = write_content(fd.get(), node)) return bad;
    return finish(fd.get(), node, permissions(*node->inode));
  }

  Outcome write_content(int fd, const Node* node) {
    if (auto bad = content_->open(node)) return bad;
    bool hole = false;  // the file ends in one
    for (;;) {
      const uint8_t* data = nullptr;
      size_t size = 0;
      if (auto bad = content_->next_block(&data, &size)) return bad;
      if (size == 0) break;
      hole = data == nullptr;
      if (hole && lseek(fd, static_cast<off_t>(size), SEEK_CUR) < 0) return system_failure("write", path_of(node));
      for (size_t done = 0; data && done < size;) {
        ssize_t n = retry([&] { return write(fd, data + done, size - done); });
        if (n < 0) return system_failure("write", path_of(node));
        done += static_cast<size_t>(n);
      }
    }
    if (hole && ftruncate(fd, static_cast<off_t>(node->inode->size)) != 0)
      return system_failure("write", path_of(node));
    return {};
  }

  Outcome add_symlink(int parent, const Node* node) {
    if (symlinkat(node->inode->target.c_str(), parent, node->name.c_str()) != 0)
      return system_failure("create symbolic link", path_of(node));
    return finish_at(parent, node);
  }

  Outcome add_special(int parent, const Node* node, dev_t device) {
    mode_t type = node->inode->mode & S_IFMT;
    bool is_device = type == S_IFCHR || type == S_IFBLK;
    if (is_device && !options_.faithful) {
      devices_++;
      return {};
    }
    if (mknodat(parent, node->name.c_str(), type | 0600, device) != 0) {
      if (is_device && errno == EPERM) {  // root of a user namespace, or without CAP_MKNOD
        devices_++;
        return {};
      }
      return system_failure("create special file", path_of(node));
    }
    if (fchmodat(parent, node->name.c_str(), permissions(*node->inode), 0) != 0)
      return system_failure("set mode", path_of(node));
    return finish_at(parent, node);
  }

  // A further name of a file: the way to the first one is walked again without following links.
  Outcome add_link(int parent, const Node* node, const Node* first) {
    std::vector<const Node*> way;
    for (const Node* at = first->parent; at->parent; at = at->parent) way.insert(way.begin(), at);
    Fd directory(openat(root_, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const Node* at : way) {
      directory.reset(openat(directory.get(), at->name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!directory.valid()) break;
    }
    if (!directory.valid()) return system_failure("open directory", path_of(first->parent));
    if (linkat(directory.get(), first->name.c_str(), parent, node->name.c_str(), 0) == 0) return {};
    bool left_out = errno == ENOENT && devices_ > 0 && (S_ISCHR(node->inode->mode) || S_ISBLK(node->inode->mode));
    return left_out ? Outcome{} : system_failure("create hard link", path_of(node));
  }

  mode_t permissions(const Inode& inode) const {
    return options_.faithful ? inode.mode & 07777 : inode.mode & 07777 & ~set_id_bits;
  }

  // Owner, then mode (a new owner clears set-id bits), then attributes (capabilities are cleared as well), then time.
  Outcome finish(int fd, const Node* node, mode_t mode) {
    const Inode& inode = *node->inode;
    if (options_.faithful && fchown(fd, inode.uid, inode.gid) != 0 && !unmapped_owner())
      return system_failure("set owner", path_of(node));
    if (fchmod(fd, mode) != 0) return system_failure("set mode", path_of(node));
    for (const Xattr& xattr : inode.xattrs)
      if (wanted(xattr) && fsetxattr(fd, xattr.key.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0 &&
          !xattr_left_out())
        return system_failure("set extended attribute", path_of(node));
    timespec times[2] = {{inode.mtime, 0}, {inode.mtime, 0}};
    if (futimens(fd, times) != 0) return system_failure("set time", path_of(node));
    return {};
  }

  // The same for files that are not opened: symbolic links, devices. Their mode is set already, or has no meaning.
  Outcome finish_at(int parent, const Node* node) {
    const Inode& inode = *node->inode;
    const char* name = node->name.c_str();
    if (options_.faithful && fchownat(parent, name, inode.uid, inode.gid, AT_SYMLINK_NOFOLLOW) != 0 &&
        !unmapped_owner())
      return system_failure("set owner", path_of(node));
    std::string path = std::string(FdPath(parent).c_str()) + "/" + name;
    for (const Xattr& xattr : inode.xattrs)
      if (wanted(xattr) && lsetxattr(path.c_str(), xattr.key.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0 &&
          !xattr_left_out())
        return system_failure("set extended attribute", path_of(node));
    timespec times[2] = {{inode.mtime, 0}, {inode.mtime, 0}};
    if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) != 0) return system_failure("set time", path_of(node));
    return {};
  }

  // "user." attributes belong to whoever owns the file; the others are root's to set.
  bool wanted(const Xattr& xattr) const { return options_.faithful || xattr.key.starts_with("user."); }

  // In a user namespace only mapped ids exist: EINVAL, or EPERM without the capability.
  bool unmapped_owner() {
    if (errno != EINVAL && errno != EPERM) return false;
    owners_++;
    return true;
  }
  bool xattr_left_out() {
    if (errno != EOPNOTSUPP && errno != EPERM) return false;
    xattrs_++;
    return true;
  }

  SquashfsReader* content_;
  int root_;
  const UnpackOptions& options_;
  std::unordered_map<const Inode*, const Node*> names_;  // the first name of a file that has several
  unsigned devices_ = 0;
  unsigned owners_ = 0;
  unsigned xattrs_ = 0;
};

}  // namespace

Outcome unpack_tree(const Tree& tree, SquashfsReader* content, int directory, const UnpackOptions& options,
                    std::vector<std::string>* notes) {
  return Unpacker(content, directory, options).run(tree.root, notes);
}

}  // namespace davit::image
