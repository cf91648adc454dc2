#include "image/layer_entry.h"

#include <string.h>

#include <algorithm>
#include <span>

namespace davit::image {
namespace {

constexpr size_t max_path = 4096;  // PATH_MAX: longer ones cannot be opened anyway
constexpr size_t text_block = 64 << 10;
constexpr uint64_t max_text_bytes = 256 << 20;
constexpr size_t max_notes = 50;
constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view aufs_prefix = ".wh..wh.";
constexpr std::string_view opaque_name = ".wh..wh..opq";
// What overlay and SELinux of the machine the layer came from have left there. An image's own overlay attributes would
// be obeyed by the kernel when the image is the lower layer of a mount; labels mean nothing on another machine.
constexpr std::string_view foreign_xattrs[] = {"trusted.overlay.", "user.overlay.", "security.selinux"};
constexpr std::string_view squashfs_xattrs[] = {"user.", "trusted.", "security."};

bool begins_with_one_of(std::string_view key, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](auto prefix) { return key.starts_with(prefix); });
}

// new_encode_dev of the kernel, which squashfs stores.
uint32_t encode_device(uint32_t major_number, uint32_t minor_number) {
  return (minor_number & 0xff) | (major_number << 8) | ((minor_number & ~0xffU) << 12);
}

struct Split {
  std::string_view parent, name;
};
Split split(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

bool clean_path(std::string_view given, std::string* out) {
  out->clear();
  if (given.size() > max_path) return false;
  while (!given.empty()) {
    size_t end = std::min(given.find('/'), given.size());
    std::string_view name = given.substr(0, end);
    given.remove_prefix(std::min(end + 1, given.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (out->empty()) return false;
      size_t slash = out->rfind('/');
      out->resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (!valid_name(name)) return false;
    if (!out->empty()) out->push_back('/');
    out->append(name);
  }
  return true;
}

void add_note(std::vector<std::string>* notes, std::string note) {
  if (notes->size() < max_notes) notes->push_back(std::move(note));
  if (notes->size() == max_notes) notes->push_back("and more of that kind");
}

Failure LayerJournal::failure(const TarEntry& entry, std::string_view detail, FailureKind kind) const {
  return logic_failure("read layer", name_ + ": " + entry.path, detail, kind);
}

Outcome LayerJournal::add(const TarEntry& entry) {
  if (auto bad = count(entry)) return bad;
  if (!entry.complaint.empty()) add_note(notes_, entry.path + ": " + entry.complaint);
  std::string path;
  if (!clean_path(entry.path, &path)) return failure(entry, "a name that leads out of the image, or is too long");
  LayerEntry added;
  if (auto bad = interpret(entry, path, &added)) return bad;
  entries_.push_back(added);
  return {};
}

Outcome LayerJournal::count(const TarEntry& entry) {
  auto over = [&](std::string what, uint64_t limit) {
    return failure(entry, "the layers have more than " + std::to_string(limit) + what, FailureKind::limit);
  };
  totals_->text_bytes += entry.path.size() + entry.target.size();
  for (const Xattr& xattr : entry.xattrs) totals_->text_bytes += xattr.key.size() + xattr.value.size();
  if (++totals_->entries > rules_.max_entries) return over(" entries", rules_.max_entries);
  if (totals_->text_bytes > max_text_bytes) return over(" bytes of names and attributes", max_text_bytes);
  if (entry.size > rules_.max_file_bytes - totals_->file_bytes) return over(" bytes in files", rules_.max_file_bytes);
  totals_->file_bytes += entry.size;
  return {};
}

Outcome LayerJournal::interpret(const TarEntry& entry, std::string_view path, LayerEntry* out) {
  auto [parent, name] = split(path);
  if (name.starts_with(whiteout_prefix)) return interpret_whiteout(entry, parent, name, out);
  out->path = keep(path);
  if (S_ISDIR(entry.mode) && !entry.hard_link) {
    out->kind = EntryKind::directory;
    return make_inode(entry, &out->inode);
  }
  if (path.empty()) return failure(entry, "the root of an image must be a directory");
  if (entry.hard_link) {
    std::string target;
    if (!clean_path(entry.target, &target)) return failure(entry, "a hard link to something outside of the image");
    out->kind = EntryKind::hard_link;
    out->target = keep(target);
    return {};
  }
  out->kind = EntryKind::file;
  return make_inode(entry, &out->inode);
}

// OCI image specification, layer.md, "Whiteouts". Other names with ".wh..wh." are AUFS' own.
Outcome LayerJournal::interpret_whiteout(const TarEntry& entry, std::string_view parent, std::string_view name,
                                         LayerEntry* out) {
  if (name == opaque_name) {
    out->kind = EntryKind::opaque;
    out->path = keep(parent);
    return {};
  }
  if (name.starts_with(aufs_prefix)) return {};
  std::string_view hidden = name.substr(whiteout_prefix.size());
  if (!valid_name(hidden)) return failure(entry, "a whiteout of something that is no file name");
  out->kind = EntryKind::whiteout;
  out->path = keep(parent.empty() ? std::string(hidden) : std::string(parent) + "/" + std::string(hidden));
  return {};
}

Outcome LayerJournal::make_inode(const TarEntry& entry, Inode** out) {
  mode_t type = entry.mode & S_IFMT;
  if (type == 0 || type == S_IFSOCK) return failure(entry, "an entry of a type that files do not have");
  if (type == S_IFLNK && (entry.target.empty() || entry.target.size() >= max_path))
    return failure(entry, "a symbolic link with a target that is empty or too long");
  bool device = type == S_IFCHR || type == S_IFBLK;
  if (device && (entry.major_number > 0xfff || entry.minor_number > 0xfffff))
    return failure(entry, "a device number that cannot exist");
  Inode* inode = *out = tree_->add_inode();
  inode->mode = entry.mode & (S_IFMT | 07777);
  inode->uid = rules_.all_root ? 0 : entry.uid;
  inode->gid = rules_.all_root ? 0 : entry.gid;
  inode->mtime = static_cast<uint32_t>(std::clamp<int64_t>(entry.mtime, 0, UINT32_MAX));
  if (device) inode->rdev = encode_device(entry.major_number, entry.minor_number);
  if (type == S_IFLNK) inode->target = entry.target;
  inode->size = entry.size;
  take_xattrs(entry, inode);
  return {};
}

void LayerJournal::take_xattrs(const TarEntry& entry, Inode* inode) {
  for (const Xattr& xattr : entry.xattrs) {
    if (begins_with_one_of(xattr.key, foreign_xattrs)) continue;
    if (begins_with_one_of(xattr.key, squashfs_xattrs)) {
      inode->xattrs.push_back(xattr);
    } else {
      add_note(notes_, entry.path + ": extended attribute " + xattr.key + " left out: squashfs cannot hold it");
    }
  }
}

std::string_view LayerJournal::keep(std::string_view text) {
  if (text.size() > text_left_) {
    text_left_ = std::max(text_block, text.size());
    texts_.emplace_back(new char[text_left_]);
    text_at_ = texts_.back().get();
  }
  char* at = text_at_;
  if (!text.empty()) memcpy(at, text.data(), text.size());
  text_at_ += text.size();
  text_left_ -= text.size();
  return {at, text.size()};
}

}  // namespace davit::image
