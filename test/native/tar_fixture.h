// Tars made by hand, also ones that no program would write, and images made of them.
#pragma once
#include <zlib.h>

#include <map>
#include <string>
#include <vector>

#include "image/decompress.h"
#include "image/layers.h"
#include "image_fixture.h"

namespace fixture {

// Gives bytes in pieces of a few, so that everything lies across an edge once.
class Pieces : public davit::image::ByteSource {
 public:
  Pieces(std::string bytes, size_t size) : bytes_(std::move(bytes)), size_(size) {}
  davit::image::Outcome next(const uint8_t** data, size_t* size) override {
    *data = reinterpret_cast<const uint8_t*>(bytes_.data()) + at_;
    *size = std::min(size_, bytes_.size() - at_);
    at_ += *size;
    return {};
  }

 private:
  std::string bytes_;
  size_t size_, at_ = 0;
};

struct TarFields {
  char type = '0';
  std::string link;
  unsigned mode = 0644;
  uint64_t uid = 0, gid = 0;
  std::string size;  // as it stands in the header; the content's when empty
  std::string mtime = "0";
  unsigned major_number = 0, minor_number = 0;
  std::vector<std::pair<std::string, std::string>> pax;
};

class Tar {
 public:
  Tar& add(const std::string& name, const std::string& content = {}, const TarFields& fields = {}) {
    if (!fields.pax.empty()) add_header("pax", records(fields.pax), {.type = 'x'});
    add_header(name, content, fields);
    return *this;
  }
  Tar& directory(const std::string& name, unsigned mode = 0755) { return add(name, "", {.type = '5', .mode = mode}); }
  Tar& symlink(const std::string& name, const std::string& to) { return add(name, "", {.type = '2', .link = to}); }
  Tar& link(const std::string& name, const std::string& to) { return add(name, "", {.type = '1', .link = to}); }
  Tar& raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  // With the two blocks of zeros that end a tar.
  std::string end() const { return bytes_ + std::string(1024, '\0'); }
  const std::string& bytes() const { return bytes_; }

 private:
  static std::string records(const std::vector<std::pair<std::string, std::string>>& list) {
    std::string all;
    for (auto& [key, value] : list) {
      std::string body = " " + key + "=" + value + "\n";
      size_t size = body.size() + 1;
      while (std::to_string(size).size() + body.size() != size) size = std::to_string(size).size() + body.size();
      all += std::to_string(size) + body;
    }
    return all;
  }

  void add_header(const std::string& name, const std::string& content, const TarFields& fields) {
    std::string header(512, '\0');
    auto put = [&](size_t at, size_t size, const std::string& text) {
      header.replace(at, std::min(size, text.size()), text, 0, std::min(size, text.size()));
    };
    auto octal = [](uint64_t value, int digits) {
      char text[32];
      snprintf(text, sizeof text, "%0*lo", digits, static_cast<unsigned long>(value));
      return std::string(text);
    };
    put(0, 100, name);
    put(100, 8, octal(fields.mode, 7));
    put(108, 8, octal(fields.uid, 7));
    put(116, 8, octal(fields.gid, 7));
    put(124, 12, fields.size.empty() ? octal(content.size(), 11) : fields.size);
    put(136, 12, fields.mtime);
    put(148, 8, "        ");
    header[156] = fields.type;
    put(157, 100, fields.link);
    put(257, 8, std::string("ustar\00000", 8));
    put(329, 8, octal(fields.major_number, 7));
    put(337, 8, octal(fields.minor_number, 7));
    unsigned sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    put(148, 8, octal(sum, 6) + std::string("\0 ", 2));
    bytes_ += header + content + std::string((512 - content.size() % 512) % 512, '\0');
  }

  std::string bytes_;
};

inline std::string gzip(const std::string& bytes) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string digest_of(const std::string& bytes) {
  davit::image::Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.digest();
}

// A lowest layer to put others on.
inline std::string base() {
  return Tar()
      .directory("usr/")
      .directory("usr/lib/")
      .add("usr/lib/old", "old")
      .symlink("lib", "usr/lib")
      .symlink("lib2", "usr/lib")
      .symlink("absolute", "/usr/lib")
      .symlink("upwards", "../../../usr/lib")
      .symlink("dangling", "nowhere/deep")
      .symlink("loop", "loop")
      .add("file", "f")
      .add("orig", "orig")
      .directory("dir/", 0750)
      .add("dir/a", "1")
      .add("dir/b", "2")
      .directory("dir/sub/")
      .add("dir/sub/c", "3")
      .end();
}

// The layers, lowest first, as an image, read back as "path" -> "type mode owner:group links content".
struct Image {
  davit::image::Outcome failure;
  davit::image::ConvertResult result;
  std::map<std::string, std::string> files;

  std::string at(const std::string& path) const {
    auto found = files.find(path);
    return found == files.end() ? "" : found->second;
  }
  bool has(const std::string& path) const { return files.count(path) > 0; }
  std::string reason() const { return failure ? failure->step + " " + failure->object + ": " + failure->detail : ""; }
  bool fails_with(const std::string& words) const { return reason().find(words) != std::string::npos; }
};

inline char letter(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFREG: return 'f';
    case S_IFLNK: return 'l';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    case S_IFIFO: return 'p';
    default: return '?';
  }
}

inline void list(davit::image::Source* source, const davit::image::Node* node, Image* image) {
  const davit::image::Inode& inode = *node->inode;
  char text[64];
  snprintf(text, sizeof text, "%c %o %u:%u %u", letter(inode.mode), inode.mode & 07777, inode.uid, inode.gid,
           inode.links);
  std::string all = text;
  if (S_ISLNK(inode.mode)) all += " " + inode.target;
  if (S_ISREG(inode.mode) && inode.size < 1000) {
    std::string content(inode.size, '\0');
    size_t got = 0;
    if (source->content->open(node)) all += " unreadable";
    if (inode.size > 0 && (source->content->read(content.data(), content.size(), &got) || got != inode.size))
      all += " unreadable";
    all += " " + content;
  }
  for (auto& xattr : inode.xattrs) all += " " + xattr.key + "=" + xattr.value;
  image->files[davit::image::path_of(node)] = all;
  for (const davit::image::Node* child : node->children) list(source, child, image);
}

// `options` may say anything but the layers; digests are right unless `digest` is given for the last one.
inline Image convert(const std::vector<std::string>& blobs, davit::image::ConvertOptions options = {},
                     const std::string& digest = {}) {
  TempDir dir;
  Image image;
  davit::image::Counter cancelled = 0, packed = 0;
  std::vector<davit::image::Counter> counters(blobs.size());
  davit::image::ConvertProgress progress = {&cancelled, &packed, {}};
  for (size_t i = 0; i < blobs.size(); i++) {
    std::string path = dir / std::to_string(i);
    std::ofstream(path, std::ios::binary) << blobs[i];
    options.layers.push_back({path, digest_of(blobs[i]), ""});
    progress.layers.push_back(&counters[i]);
  }
  if (!digest.empty()) options.layers.back().digest = digest;
  options.write.workers = 2;
  options.write.mtime = 1700000000;
  davit::Fd fd(open((dir / "out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  image.failure = convert_layers(options, progress, fd.get(), 4096, &image.result);
  if (image.failure) return image;
  davit::image::Source source;
  image.failure = source.open_squashfs((dir / "out").c_str(), 4096, image.result.squashfs.size, true, "out");
  if (!image.failure) list(&source, source.tree.root, &image);
  return image;
}

}  // namespace fixture
