// What tars can say, and streams that are cut off, damaged or too long.
#include <zstd.h>

#include "check.h"
#include "image/tar_reader.h"
#include "tar_fixture.h"

using namespace davit::image;
using fixture::Pieces;
using fixture::Tar;

namespace {

struct Read {
  std::vector<TarEntry> entries;
  std::vector<std::string> contents;  // holes as dots
  Outcome failure;

  const TarEntry& only() const { return entries.at(0); }
};

Read read(const std::string& tar, size_t piece = 700) {
  Pieces source(tar, piece);
  TarReader reader(&source, "test");
  Read all;
  for (bool more = true; more;) {
    TarEntry entry;
    all.failure = reader.next(&entry, &more);
    if (all.failure || !more) break;
    std::string content;
    for (size_t size = 1; size > 0;) {
      const void* data = nullptr;
      uint64_t offset = 0;
      all.failure = reader.content(&data, &size, &offset);
      if (all.failure) return all;
      if (size == 0 || offset > 1000000) continue;
      content.resize(offset, '.');
      content.append(static_cast<const char*>(data), size);
    }
    all.entries.push_back(std::move(entry));
    all.contents.push_back(std::move(content));
  }
  return all;
}

void names() {
  const std::string composed = "caf\xc3\xa9", decomposed = "cafe\xcc\x81", no_text = "\xff\xfe\x80";
  for (const std::string& name : {composed, decomposed, no_text, std::string("\xe6\x97\xa5")}) {
    Read plain = read(Tar().add(name, "x").end());
    CHECK(plain.only().path == name && plain.contents.at(0) == "x");
    Read pax = read(Tar().add("short", "x", {.pax = {{"path", name}}}).end());
    CHECK(pax.only().path == name && pax.only().complaint.empty());
    // The target of the very first link stands in the pax header alone.
    Read link = read(Tar().add("link", "", {.type = '2', .pax = {{"linkpath", name}}}).end());
    CHECK(link.only().target == name && S_ISLNK(link.only().mode) && !link.only().hard_link);
    link = read(Tar().add("link", "", {.type = '1', .pax = {{"linkpath", name}}}).end());
    CHECK(link.only().target == name && link.only().hard_link);
  }
  std::string longest(4000, 'n');
  CHECK(read(Tar().add("x", "", {.pax = {{"path", longest}}}).end()).only().path == longest);
  Tar gnu;
  gnu.add("././@LongLink", longest + std::string(1, '\0'), {.type = 'L'});
  gnu.add("././@LongLink", longest + std::string(1, '\0'), {.type = 'K'});
  gnu.add("cut", "", {.type = '2', .link = "cut"});
  CHECK(read(gnu.end()).only().path == longest && read(gnu.end()).only().target == longest);
}

void numbers() {
  std::string minus_100 = std::string(11, '\xff') + "\x9c";
  CHECK(read(Tar().add("old", "", {.mtime = minus_100}).end()).only().mtime == -100);
  CHECK(read(Tar().add("old", "", {.pax = {{"mtime", "-100.5"}}}).end()).only().mtime == -100);
  CHECK(read(Tar().add("new", "", {.pax = {{"mtime", "5000000000.25"}}}).end()).only().mtime == 5000000000);
  CHECK(read(Tar().add("own", "", {.pax = {{"uid", "4000000000"}, {"gid", "3"}}}).end()).only().uid == 4000000000);
  // 9 GiB, in both ways of saying so; the content is missing.
  std::string nine_gib = std::string("\x80\0\0\0\0\0\0\x02\x40\0\0\0", 12);
  for (const fixture::TarFields& fields :
       {fixture::TarFields{.size = nine_gib}, fixture::TarFields{.pax = {{"size", "9663676416"}}}}) {
    std::string tar = Tar().add("big", "begin", fields).bytes();
    Pieces source(tar, 512);
    TarReader reader(&source, "test");
    TarEntry entry;
    bool more = false;
    CHECK(!reader.next(&entry, &more) && more && entry.size == 9663676416);
    CHECK(read(tar).failure.has_value());
  }
  CHECK(read(Tar().add("x", "", {.pax = {{"uid", "99999999999"}}}).end()).failure.has_value());
}

void sparse_files() {
  auto pieces = [](const char* version, std::string map, std::string content) {
    std::vector<std::pair<std::string, std::string>> pax = {{"GNU.sparse.major", "1"},
                                                            {"GNU.sparse.minor", "0"},
                                                            {"GNU.sparse.name", "s"},
                                                            {"GNU.sparse.realsize", "2000"}};
    if (!strcmp(version, "0.1"))
      pax = {{"GNU.sparse.size", "2000"},
             {"GNU.sparse.numblocks", "2"},
             {"GNU.sparse.map", map},
             {"GNU.sparse.name", "s"}};
    if (!strcmp(version, "1.0")) {
      map.resize(512, '\0');
      content = map + content;
    }
    return read(Tar().add("x", content, {.pax = pax}).end());
  };
  std::string expected = std::string(100, '.') + "abc" + std::string(397, '.') + "defg";
  Read old = pieces("0.1", "100,3,500,4", "abcdefg");
  CHECK(old.only().path == "s" && old.only().size == 2000 && old.contents.at(0) == expected);
  Read current = pieces("1.0", "2\n100\n3\n500\n4\n", "abcdefg");
  CHECK(current.only().path == "s" && current.only().size == 2000 && current.contents.at(0) == expected);
  CHECK(pieces("1.0", "2\n500\n3\n100\n4\n", "abcdefg").failure.has_value());   // backwards
  CHECK(pieces("1.0", "2\n100\n3\n1999\n4\n", "abcdefg").failure.has_value());  // beyond the end
  CHECK(pieces("1.0", "1\n100\n300\n", "abc").failure.has_value());             // more than there is
  // A map without an end.
  std::string endless;
  while (endless.size() < (20 << 20)) endless += "1\n";
  CHECK(read(Tar()
                 .add("x", "9999999\n" + endless,
                      {.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "9"}}})
                 .end(),
             262144)
            .failure.has_value());
}

void extended_attributes() {
  std::string value("\x01\0\xff", 3);
  Read all = read(Tar()
                      .add("x", "",
                           {.pax = {{"SCHILY.xattr.user.a", value},
                                    {"SCHILY.xattr.user.b", ""},
                                    {"LIBARCHIVE.xattr.user.%63", "aGVsbG8="},
                                    {"SCHILY.xattr.user.a", "later"},
                                    {"SCHILY.xattr.user.big", std::string(70000, 'v')}}})
                      .end());
  CHECK(all.only().xattrs.size() == 3);
  for (const Xattr& xattr : all.only().xattrs) {
    if (xattr.key == "user.a") CHECK(xattr.value == "later");
    if (xattr.key == "user.b") CHECK(xattr.value.empty());
    if (xattr.key == "user.c") CHECK(xattr.value == "hello");
  }
  CHECK(!all.only().complaint.empty());
}

void damage() {
  std::string good = Tar().add("a", std::string(3000, 'a')).add("b", "b").bytes();
  for (size_t size = 1; size < good.size(); size += 97) {
    Read cut = read(good.substr(0, size));
    bool at_an_end = size % 512 == 0 && cut.entries.size() == 1;
    CHECK(cut.failure.has_value() || at_an_end);
  }
  // umoci leaves out what only fills the last block; a byte less is damage, and so is a byte in between.
  size_t end = 512 + 3072 + 512 + 1;
  CHECK(!read(good.substr(0, end)).failure && read(good.substr(0, end)).entries.size() == 2);
  CHECK(read(good.substr(0, end + 100)).failure.has_value());
  CHECK(read(good.substr(0, end - 1)).failure.has_value());
  CHECK(!read(good.substr(0, 512 + 3000)).failure && read(good.substr(0, 512 + 3000)).entries.size() == 1);
  CHECK(read(good.substr(0, 512 + 2999)).failure.has_value());
  CHECK(!read(good).failure);                                      // no end marker: many programs leave it out
  CHECK(read(good + std::string(1024, 'x')).failure.has_value());  // no header either
  CHECK(!read(Tar().add("a").end() + "anything after the end").failure);
  std::string wrong_sum = good;
  wrong_sum[0] = 'z';
  CHECK(read(wrong_sum).failure.has_value());
  CHECK(read(std::string(4096, 'x')).failure.has_value());
  CHECK(read("short").failure.has_value());
  CHECK(!read("").failure && read("").entries.empty());
}

std::string decompress(const std::string& bytes, size_t piece, Outcome* failure) {
  Pieces source(bytes, piece);
  std::unique_ptr<Decompressor> decompressor;
  std::string all(1 << 20, '\0');
  size_t got = 0;
  *failure = open_decompressor(&source, "test", &decompressor);
  if (!*failure) *failure = decompressor->read(reinterpret_cast<uint8_t*>(all.data()), all.size(), &got);
  all.resize(got);
  return all;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

void compressed_streams() {
  const std::string text = Tar().add("file", std::string(50000, 'c')).end();
  Outcome failure;
  for (auto* compress : {fixture::gzip, zstd}) {
    const std::string packed = compress(text);
    for (size_t piece : {size_t{7}, size_t{100}, size_t{1} << 20}) {
      CHECK(decompress(packed, piece, &failure) == text && !failure);
      CHECK(decompress(packed + packed, piece, &failure) == text + text && !failure);
      for (size_t cut : {size_t{8}, packed.size() / 2, packed.size() - 1}) {
        decompress(packed.substr(0, cut), piece, &failure);
        CHECK(failure && failure->detail.find("cut off") != std::string::npos);
      }
      decompress(packed + "garbage", piece, &failure);
      CHECK(failure.has_value());
      std::string damaged = packed;
      damaged[packed.size() / 2] ^= 0x40;
      CHECK(decompress(damaged, piece, &failure) != text || failure);
    }
  }
  CHECK(decompress(fixture::gzip(text) + std::string(100, '\0'), 9, &failure) == text && !failure);
  decompress(fixture::gzip(text) + std::string(100, '\0') + fixture::gzip("x"), 9, &failure);
  CHECK(failure.has_value());
  std::string skippable = std::string("\x50\x2a\x4d\x18\x04\0\0\0abcd", 12);
  CHECK(decompress(skippable + zstd(text), 5000, &failure) == text && !failure);
  decompress(
      "\xfd"
      "7zXZ and so on",
      100, &failure);
  CHECK(failure && failure->detail.find("xz") != std::string::npos);
  decompress("BZh9 and so on", 100, &failure);
  CHECK(failure && failure->detail.find("bzip2") != std::string::npos);
  std::string misleading = Tar().add("BZh", "x").end();
  CHECK(decompress(misleading, 5000, &failure) == misleading && !failure);
}

}  // namespace

int main() {
  names();
  numbers();
  sparse_files();
  extended_attributes();
  damage();
  compressed_streams();
  return check::finish();
}
