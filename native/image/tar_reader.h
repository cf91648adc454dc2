// The entries of a tar, read by libarchive: ustar, pax, GNU and old tars with long names, sparse files, extended
// attributes, large numbers. Names come out as the bytes they are; none of them is trusted.
#pragma once
#include <locale.h>
#include <stdint.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "image/decompress.h"
#include "image/tree.h"

struct archive;
struct archive_entry;

namespace davit::image {

struct TarEntry {
  std::string path;  // as it stands in the archive
  bool hard_link = false;
  std::string target;  // of a hard or symbolic link
  mode_t mode = 0;     // type and permissions; only these of a hard link are meaningless
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t mtime = 0;  // seconds
  uint32_t major_number = 0;
  uint32_t minor_number = 0;
  uint64_t size = 0;  // of a regular file, holes included
  std::vector<Xattr> xattrs;
  std::string complaint;  // what libarchive could not make sense of, in its words
};

class TarReader {
 public:
  // `source` must outlive the reader; `name` stands in failures.
  TarReader(ByteSource* source, std::string name);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  // The next entry; what is left of the content of the one before is skipped. *more is false after the last.
  Outcome next(TarEntry* entry, bool* more);

  // The next piece of the entry's content, which starts at `offset` in the file; size 0 after the last. Bytes of no
  // piece are zeros. Pieces are in order and within the entry's size.
  Outcome content(const void** data, size_t* size, uint64_t* offset);

 private:
  Outcome open();
  Outcome read_entry(TarEntry* entry);
  Outcome read_numbers(TarEntry* entry);
  void expect_content();
  void read_xattrs(TarEntry* entry);
  Failure failure(std::string_view detail) const;
  Failure archive_failure();
  static ssize_t give(archive*, void* self, const void** data);

  struct FreeArchive {
    void operator()(archive* object) const;
  };

  ByteSource* source_;
  std::string name_;
  std::string path_;  // of the current entry, for failures
  std::unique_ptr<archive, FreeArchive> archive_;
  archive_entry* entry_ = nullptr;
  locale_t locale_ = nullptr;
  Outcome source_failure_;
  uint64_t header_bytes_ = 0;  // handed to libarchive since it began with this entry
  bool in_header_ = false;
  uint64_t streamed_ = 0;     // bytes of the tar so far
  uint64_t content_end_ = 0;  // where the content of the current file ends among them; 0: it has none, or holes
  bool primed_ = false;
  uint64_t size_ = 0;
  uint64_t position_ = 0;
  uint64_t expected_ = 0;  // bytes that are not in holes
  uint64_t given_ = 0;
};

}  // namespace davit::image
