// Two ways of libarchive 3.6 are worked around here.
// * Names in pax headers are UTF-8 to it: it composes characters ("e" and an accent become one), and replaces what does
//   not exist in the locale. In the locale "C" the conversion of any other name fails, and then it gives the bytes as
//   they are, with a warning.
// * It loses the target of the first link of an archive when that stands in a pax header alone. So it is given a link
//   to begin with, which also makes an empty tar a tar.
#include "image/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace davit::image {
namespace {

constexpr size_t block_size = 512;
// Headers of one entry: libarchive takes up to 1 MiB for each long name and for each pax header, but any number of
// extents of a sparse file.
constexpr uint64_t max_header_bytes = 8 << 20;
// The kernel's own limits, xattr(7).
constexpr size_t max_xattr_name = 255;
constexpr size_t max_xattr_size = 65536;

struct PrimingHeader {
  uint8_t bytes[block_size] = {};
  PrimingHeader() {
    auto put = [&](size_t at, const char* text) { memcpy(bytes + at, text, strlen(text)); };
    put(0, "davit");
    put(100, "0000777");      // mode
    put(108, "0000000");      // uid
    put(116, "0000000");      // gid
    put(124, "00000000000");  // size
    put(136, "00000000000");  // mtime
    put(156, "2");            // symbolic link
    put(157, "davit");        // its target
    put(257, "ustar");        // with a NUL: POSIX
    put(263, "00");
    unsigned sum = 8 * ' ';  // the checksum itself counts as spaces
    for (uint8_t byte : bytes) sum += byte;
    for (int i = 0; i < 6; i++) bytes[148 + i] = static_cast<uint8_t>('0' + ((sum >> (3 * (5 - i))) & 7));
    bytes[155] = ' ';
  }
};
const PrimingHeader priming_header;
const uint8_t zeros[block_size] = {};

// libarchive asks the thread's locale; Node's other code in this thread may want another one.
class InLocale {
 public:
  explicit InLocale(locale_t locale) : before_(uselocale(locale)) {}
  ~InLocale() { uselocale(before_); }

 private:
  locale_t before_;
};

const char* text_or_empty(const char* text) { return text ? text : ""; }

}  // namespace

void TarReader::FreeArchive::operator()(archive* object) const { archive_read_free(object); }

TarReader::TarReader(ByteSource* source, std::string name)
    : source_(source), name_(std::move(name)), locale_(newlocale(LC_ALL_MASK, "C", nullptr)) {}

TarReader::~TarReader() {
  archive_.reset();
  if (locale_) freelocale(locale_);
}

Failure TarReader::failure(std::string_view detail) const {
  return logic_failure("read layer", path_.empty() ? name_ : name_ + ": " + path_, detail);
}

Failure TarReader::archive_failure() {
  if (source_failure_) return *source_failure_;
  std::string_view words = text_or_empty(archive_error_string(archive_.get()));
  return failure(words.empty() ? "the tar is damaged" : words);  // libarchive does not always say why
}

ssize_t TarReader::give(archive* object, void* self, const void** data) {
  auto* reader = static_cast<TarReader*>(self);
  if (!reader->primed_) {
    reader->primed_ = true;
    *data = priming_header.bytes;
    return block_size;
  }
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  reader->source_failure_ = reader->source_->next(&bytes, &size);
  if (reader->source_failure_) {
    archive_set_error(object, reader->source_failure_->err, "source");
    return -1;
  }
  if (reader->in_header_ && (reader->header_bytes_ += size) > max_header_bytes) {
    archive_set_error(object, 0, "an entry with more than 8 MiB of headers");
    return -1;
  }
  // umoci 0.4 writes layers that end with the last byte of their last file. Other readers take the rest of that block
  // for granted.
  if (size == 0 && reader->streamed_ == reader->content_end_ && reader->streamed_ % block_size != 0) {
    bytes = zeros;
    size = block_size - reader->streamed_ % block_size;
  }
  reader->streamed_ += size;
  *data = bytes;
  return static_cast<ssize_t>(size);
}

Outcome TarReader::open() {
  archive_.reset(archive_read_new());
  if (!archive_ || !locale_) return failure("out of memory");
  archive_read_support_format_tar(archive_.get());
  archive_entry* first = nullptr;
  if (archive_read_open(archive_.get(), this, nullptr, give, nullptr) != ARCHIVE_OK ||
      archive_read_next_header(archive_.get(), &first) != ARCHIVE_OK)
    return archive_failure();
  return {};
}

Outcome TarReader::next(TarEntry* entry, bool* more) {
  InLocale in_locale(locale_);
  *more = false;
  path_.clear();
  if (!archive_)
    if (auto bad = open()) return bad;
  if (archive_read_data_skip(archive_.get()) < ARCHIVE_WARN) return archive_failure();
  header_bytes_ = 0;
  in_header_ = true;
  int code = archive_read_next_header(archive_.get(), &entry_);
  in_header_ = false;
  if (code == ARCHIVE_EOF) return {};
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return archive_failure();
  *entry = {};
  if (code == ARCHIVE_WARN) entry->complaint = text_or_empty(archive_error_string(archive_.get()));
  if (entry->complaint.ends_with("to current locale.")) entry->complaint.clear();
  *more = true;
  return read_entry(entry);
}

Outcome TarReader::read_entry(TarEntry* entry) {
  entry->path = path_ = text_or_empty(archive_entry_pathname(entry_));
  entry->mode = archive_entry_filetype(entry_) | archive_entry_perm(entry_);
  if (const char* target = archive_entry_hardlink(entry_)) {
    entry->hard_link = true;
    entry->target = target;
  } else if (S_ISLNK(entry->mode)) {
    entry->target = text_or_empty(archive_entry_symlink(entry_));
  }
  if (auto bad = read_numbers(entry)) return bad;
  read_xattrs(entry);
  return {};
}

Outcome TarReader::read_numbers(TarEntry* entry) {
  int64_t uid = archive_entry_uid(entry_), gid = archive_entry_gid(entry_), size = archive_entry_size(entry_);
  // The highest number means "no change" to chown(2) and belongs to nobody.
  if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX) return failure("an owner that cannot exist");
  if (size < 0) return failure("a size that cannot be");
  entry->uid = static_cast<uint32_t>(uid);
  entry->gid = static_cast<uint32_t>(gid);
  entry->mtime = archive_entry_mtime(entry_);
  entry->major_number = static_cast<uint32_t>(archive_entry_rdevmajor(entry_));
  entry->minor_number = static_cast<uint32_t>(archive_entry_rdevminor(entry_));
  entry->size = size_ = S_ISREG(entry->mode) && !entry->hard_link ? static_cast<uint64_t>(size) : 0;
  expect_content();
  return {};
}

// libarchive does not mind when the content of a sparse file ends before its map does.
void TarReader::expect_content() {
  position_ = expected_ = given_ = 0;
  int64_t offset = 0, length = 0;
  for (archive_entry_sparse_reset(entry_); archive_entry_sparse_next(entry_, &offset, &length) == ARCHIVE_OK;)
    expected_ += static_cast<uint64_t>(std::max<int64_t>(length, 0));
  // What libarchive has consumed, the priming header among it, is everything up to the content.
  bool dense = expected_ == 0 || expected_ == size_;
  uint64_t content = static_cast<uint64_t>(archive_filter_bytes(archive_.get(), 0)) - block_size;
  content_end_ = dense && size_ ? content + size_ : 0;
}

void TarReader::read_xattrs(TarEntry* entry) {
  const char* key = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  // libarchive gives the last first.
  for (archive_entry_xattr_reset(entry_); archive_entry_xattr_next(entry_, &key, &value, &size) == ARCHIVE_OK;) {
    if (!key || strlen(key) > max_xattr_name || size > max_xattr_size) {
      entry->complaint = "an extended attribute that is too large was left out";
      continue;
    }
    auto same = [&](const Xattr& other) { return other.key == key; };
    if (std::none_of(entry->xattrs.begin(), entry->xattrs.end(), same))
      entry->xattrs.push_back({key, std::string(static_cast<const char*>(value), size)});
  }
  std::reverse(entry->xattrs.begin(), entry->xattrs.end());
}

Outcome TarReader::content(const void** data, size_t* size, uint64_t* offset) {
  InLocale in_locale(locale_);
  *size = 0;
  int64_t at = 0;
  do {
    int code = archive_read_data_block(archive_.get(), data, size, &at);
    if (code == ARCHIVE_EOF) return given_ < expected_ ? failure("less content than announced") : Outcome{};
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return archive_failure();
  } while (*size == 0);
  *offset = static_cast<uint64_t>(at);
  if (at < 0 || *offset < position_ || *offset > size_ || *size > size_ - *offset)
    return failure("extents of a sparse file that overlap or lie outside");
  position_ = *offset + *size;
  given_ += *size;
  return {};
}

}  // namespace davit::image
