#include "image/source.h"

#include <fcntl.h>

namespace davit::image {

Outcome Source::open_directory(const char* path, const ScanOptions& options) {
  directory.reset(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return system_failure("open directory", path);
  content = std::make_unique<DirectoryContent>(directory.get());
  return scan_directory(directory.get(), options, &tree, &notes);
}

Outcome Source::open_squashfs(const char* path, uint64_t offset, uint64_t size, bool xattrs, std::string name) {
  Fd fd(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return system_failure("open", name);
  auto reader = std::make_unique<SquashfsReader>();
  squashfs = reader.get();
  content = std::move(reader);
  if (auto bad = squashfs->open_image(std::move(fd), offset, size, std::move(name))) return bad;
  return squashfs->scan(xattrs, &tree);
}

}  // namespace davit::image
