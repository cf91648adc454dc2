// Layers that are damaged, hostile, or more than is allowed.
#include "check.h"
#include "tar_fixture.h"

using fixture::base;
using fixture::convert;
using fixture::Image;
using fixture::Tar;

namespace {

void compressed_layers_and_digests() {
  Image image = convert({fixture::gzip(base()), Tar().add("x", "x").end()});
  CHECK(!image.failure);
  CHECK(image.result.diff_ids.at(0) == fixture::digest_of(base()));
  CHECK(image.at("x") == "f 644 0:0 1 x");
  Image wrong = convert({fixture::gzip(base())}, {}, "sha256:" + std::string(64, '0'));
  CHECK(wrong.failure && wrong.failure->kind == davit::image::FailureKind::integrity);
  // The wrong digest explains damage as well.
  std::string damaged = fixture::gzip(base());
  damaged[damaged.size() / 2] ^= 0x55;
  wrong = convert({damaged}, {}, fixture::digest_of("what was announced"));
  CHECK(wrong.failure && wrong.failure->kind == davit::image::FailureKind::integrity);
  wrong = convert({damaged});
  CHECK(wrong.failure && wrong.failure->kind == davit::image::FailureKind::other);
  wrong = convert({"no tar at all, but as long as a tar is at least" + std::string(2000, 'x')}, {},
                  fixture::digest_of("other"));
  CHECK(wrong.failure && wrong.failure->kind == davit::image::FailureKind::integrity);
}

void whiteouts_that_are_refused() {
  for (const char* name : {"dir/.wh...", "dir/.wh..", "dir/.wh.", ".wh..", ".wh...", ".wh."})
    CHECK(convert({base(), Tar().add(name).end()}).fails_with("a whiteout of something that is no file name"));
}

void names_that_lead_out() {
  for (const char* name : {"../x", "a/../../x", "/../x", "..", "dir/../../../etc/passwd"})
    CHECK(convert({Tar().add(name, "x").end()}).fails_with("a name that leads out of the image"));
  Image image = convert({Tar().add("/absolute", "1").add("./a/./b//c", "2").add("a/x/../y", "3").end()});
  CHECK(image.has("absolute") && image.has("a/b/c") && image.has("a/y") && !image.has("a/x"));
  CHECK(convert({Tar().add("./", "").end()}).failure.has_value() == false);
  CHECK(convert({Tar().symlink("./", "x").end()}).fails_with("the root of an image must be a directory"));
  CHECK(convert({Tar().add("", "x", {.pax = {{"path", std::string(300, 'n')}}}).end()}).fails_with("too long"));
}

void hard_links_that_are_refused() {
  CHECK(convert({base(), Tar().link("x", "nope").end()}).fails_with("a hard link to nope, which is not there"));
  CHECK(convert({base(), Tar().link("x", "../etc/passwd").end()}).fails_with("a hard link to something outside"));
  CHECK(convert({base(), Tar().link("x", "/").end()}).fails_with("which is not there"));
  CHECK(convert({base(), Tar().link("x", "dir").end()}).fails_with("a hard link to a directory"));
  CHECK(convert({base(), Tar().link("orig", "orig").end()}).fails_with("a hard link to itself"));
  CHECK(convert({Tar().link("a", "b").link("b", "a").end()}).fails_with("which is not there"));
  CHECK(convert({base(), Tar().link("dir", "dir/a").end()}).fails_with("inside of what it replaces"));
}

void limits() {
  Tar many;
  for (int i = 0; i < 101; i++) many.add("f" + std::to_string(i));
  davit::image::ConvertOptions options;
  options.max_entries = 100;
  Image image = convert({many.end()}, options);
  CHECK(image.failure && image.failure->kind == davit::image::FailureKind::limit);
  CHECK(image.fails_with("more than 100 entries"));
  options.max_entries = 101;
  CHECK(!convert({many.end()}, options).failure);
  CHECK(convert({many.end(), Tar().add("x").end()}, options).fails_with("more than 101 entries"));
  // 20 MB of zeros in 20 kB.
  options.max_bytes = 1 << 20;
  image = convert({fixture::gzip(Tar().add("zeros", std::string(20 << 20, '\0')).end())}, options);
  CHECK(image.failure && image.failure->kind == davit::image::FailureKind::limit);
  // A terabyte of holes in a few hundred bytes.
  std::string claim =
      Tar()
          .add("GNUSparseFile.0/hole", "1\n1099511623680\n4096\n" + std::string(489, '\0') + std::string(4096, 'z'),
               {.pax = {{"GNU.sparse.major", "1"},
                        {"GNU.sparse.minor", "0"},
                        {"GNU.sparse.name", "hole"},
                        {"GNU.sparse.realsize", "1099511627776"}}})
          .end();
  options.max_bytes = 1ULL << 36;
  image = convert({claim}, options);
  CHECK(image.failure && image.failure->kind == davit::image::FailureKind::limit);
}

void deep_paths() {
  std::string deep;
  for (int i = 0; i < 255; i++) deep += "d/";
  CHECK(convert({Tar().add("x", "", {.pax = {{"path", deep + "f"}}}).end()}).has(deep + "f"));
  CHECK(convert({Tar().add("x", "", {.pax = {{"path", deep + deep + "f"}}}).end()}).fails_with("nested too deeply"));
  // Links make paths deeper than their text.
  Tar climbing;
  climbing.add("x", "", {.pax = {{"path", deep + "f"}}}).add("y", "", {.type = '2', .pax = {{"linkpath", deep}}});
  climbing.add("y/1/2/3/4/f", "");
  CHECK(convert({climbing.end()}).fails_with("nested too deeply"));
}

void links_that_lead_on() {
  Tar tar;
  std::string target;
  for (int i = 0; i < 2000; i++) target += "./";
  for (int i = 0; i < 39; i++)
    tar.add("l" + std::to_string(i), "", {.type = '2', .pax = {{"linkpath", target + "l" + std::to_string(i + 1)}}});
  tar.directory("l39/");
  for (int i = 0; i < 1000; i++) tar.add("l0/f" + std::to_string(i));
  CHECK(convert({tar.end()}).fails_with("symbolic links lead on and on"));
}

}  // namespace

int main() {
  compressed_layers_and_digests();
  whiteouts_that_are_refused();
  names_that_lead_out();
  hard_links_that_are_refused();
  limits();
  deep_paths();
  links_that_lead_on();
  return check::finish();
}
