// Everything that davit does with a squashfs which is not its own: read it, every file of it, pack it again, unpack it.
#pragma once
#include <sys/mman.h>

#include "image/unpack.h"
#include "image_fixture.h"

namespace fixture {

// A file in memory that ends with its owner.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& bytes = {}) : fd_(memfd_create("squashfs", MFD_CLOEXEC)) {
    if (write(fd_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) abort();
    path_ = "/proc/self/fd/" + std::to_string(fd_.get());
  }
  int fd() const { return fd_.get(); }
  const char* path() const { return path_.c_str(); }

 private:
  davit::Fd fd_;
  std::string path_;
};

constexpr uint64_t readable_bytes = 32 << 20;  // of all files, in one trial

inline davit::image::Outcome read_files(davit::image::Source* source, const davit::image::Node* directory,
                                        std::vector<char>* buffer, uint64_t* budget) {
  for (const davit::image::Node* child : directory->children) {
    if (child->is_directory()) {
      if (auto bad = read_files(source, child, buffer, budget)) return bad;
    }
    if (!S_ISREG(child->inode->mode)) continue;
    if (auto bad = source->content->open(child)) return bad;
    uint64_t total = 0;
    for (;;) {
      size_t got = 0;
      if (auto bad = source->content->read(buffer->data(), std::min(buffer->size(), size_t{*budget}), &got)) return bad;
      total += got;
      *budget -= got;
      if (got == 0) break;
    }
    if (*budget == 0) return davit::image::logic_failure("read", "all files", "larger than a trial reads");
    if (total != child->inode->size) abort();  // a file that ends early is damaged, and must be refused
  }
  return {};
}

// A sound image packed again has the same files.
inline void repack(davit::image::Source* source) {
  davit::image::WriteOptions options;
  options.block_size = 4096;
  davit::image::WriteResult result;
  size_t nodes = source->tree.node_count();
  MemoryFile packed;
  if (davit::image::write_squashfs(&source->tree, source->content.get(), packed.fd(), 0, options, &result)) return;
  davit::image::Source again;
  auto bad = again.open_squashfs(packed.path(), 0, result.size, true, "packed");
  if (bad || again.tree.node_count() != nodes) abort();
}

// Returns what is wrong with an image; nothing when all of it can be read. `again`: a readable one is packed again.
inline davit::image::Outcome try_image(const std::string& bytes, bool again) {
  MemoryFile file(bytes);
  davit::image::Source source;
  davit::image::Outcome bad = source.open_squashfs(file.path(), 0, bytes.size(), true, "image");
  if (!bad) {
    std::vector<char> buffer(1 << 16);
    uint64_t budget = readable_bytes;
    bad = read_files(&source, source.tree.root, &buffer, &budget);
    source.tree.find("usr/../etc/./hosts/x");
  }
  if (!bad && again) repack(&source);
  if (bad && bad->err == 0 && bad->detail.empty()) abort();  // no words for it
  return bad;
}

}  // namespace fixture
