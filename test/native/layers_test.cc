// Layers upon each other: what is seen of them.
#include "check.h"
#include "tar_fixture.h"

using fixture::base;
using fixture::convert;
using fixture::Image;
using fixture::Tar;

namespace {

bool notes_contain(const Image& image, const std::string& words) {
  for (const std::string& note : image.result.notes)
    if (note.find(words) != std::string::npos) return true;
  return false;
}

void one_layer() {
  Image image = convert({base()});
  CHECK(!image.failure);
  CHECK(image.at(".") == "d 755 0:0 1");
  CHECK(image.at("usr/lib/old") == "f 644 0:0 1 old");
  CHECK(image.at("lib") == "l 644 0:0 1 usr/lib");
  CHECK(image.at("dir") == "d 750 0:0 1");
  CHECK(image.files.size() == 17);
  CHECK(image.result.diff_ids.at(0) == fixture::digest_of(base()));
  CHECK(image.result.notes.empty());
}

void upper_layers_win() {
  Image image = convert({base(), Tar().add("orig", "new").directory("dir/", 0700).add("dir/a", "one").end(),
                         Tar().add("usr/lib/more", "m").end()});
  CHECK(image.at("orig") == "f 644 0:0 1 new");
  CHECK(image.at("dir") == "d 700 0:0 1");
  CHECK(image.at("dir/a") == "f 644 0:0 1 one");
  CHECK(image.at("dir/b") == "f 644 0:0 1 2");
  CHECK(image.at("usr/lib/more") == "f 644 0:0 1 m");
  CHECK(image.at("usr/lib") == "d 755 0:0 1");
}

void whiteouts() {
  Image image = convert({base(), Tar().add("dir/.wh.a").add(".wh.orig").add(".wh.never").add("x/.wh.y").end()});
  CHECK(!image.failure && !image.has("dir/a") && image.has("dir/b") && !image.has("orig") && !image.has("x"));
  image = convert({base(), Tar().add(".wh.dir").end()});
  CHECK(!image.has("dir") && !image.has("dir/sub/c"));
  // What the same layer brings stays, wherever the whiteout stands.
  image = convert({base(), Tar().add("dir/new", "n").add(".wh.dir").end()});
  CHECK(image.has("dir/new") && !image.has("dir/a") && !image.has("dir/sub"));
  image = convert({base(), Tar().add(".wh.dir").directory("dir/", 0711).add("dir/new", "n").end()});
  CHECK(image.has("dir/new") && !image.has("dir/a") && image.at("dir") == "d 711 0:0 1");
  image = convert({base(), Tar().add("dir/sub/new", "n").add("dir/.wh..wh..opq").end()});
  CHECK(image.has("dir/sub/new") && !image.has("dir/a") && !image.has("dir/sub/c"));
  image = convert({base(), Tar().add(".wh..wh..opq").add("only", "1").end()});
  CHECK(image.files.size() == 2 && image.has("only"));
  // Removed and made again.
  image = convert({base(), Tar().add(".wh.dir").end(), Tar().directory("dir/").add("dir/b", "again").end()});
  CHECK(image.at("dir/b") == "f 644 0:0 1 again" && !image.has("dir/a"));
  image = convert({base(), Tar().add("lib/.wh.old").end()});
  CHECK(!image.has("usr/lib/old") && image.has("lib"));
}

void files_directories_and_back() {
  std::string file = Tar().add("dir", "now a file").end();
  std::string directory = Tar().directory("dir/").add("dir/z", "z").end();
  Image image = convert({base(), file});
  CHECK(image.at("dir") == "f 644 0:0 1 now a file" && !image.has("dir/a"));
  image = convert({base(), file, directory});
  CHECK(image.has("dir/z") && !image.has("dir/a") && !image.has("dir/sub"));
  image = convert({base(), file, directory, file});
  CHECK(image.at("dir") == "f 644 0:0 1 now a file" && !image.has("dir/z"));
  // Within one layer.
  image = convert({Tar().directory("d/").add("d/a", "1").add("d", "file").directory("d/").add("d/b", "2").end()});
  CHECK(image.has("d/b") && !image.has("d/a"));
  image = convert({base(), Tar().add("file/x", "x").end()});
  CHECK(image.at("file") == "d 755 0:0 1" && image.has("file/x"));
}

void links_in_paths() {
  for (const char* through : {"lib/x", "absolute/x", "upwards/x"}) {
    Image image = convert({base(), Tar().add(through, "x").end()});
    CHECK(image.at("usr/lib/x") == "f 644 0:0 1 x");
    CHECK(image.has("lib") && image.at("lib")[0] == 'l');
  }
  Image image = convert({base(), Tar().add("dangling/x", "x").end()});
  CHECK(image.at("nowhere/deep/x") == "f 644 0:0 1 x" && image.at("nowhere") == "d 755 0:0 1");
  image = convert({base(), Tar().directory("lib2/").add("lib2/x", "x").end()});
  CHECK(image.at("lib2") == "d 755 0:0 1" && image.has("lib2/x") && !image.has("usr/lib/x"));
  CHECK(convert({base(), Tar().add("loop/x", "x").end()}).fails_with("too many levels of symbolic links"));
  // In one layer: the link, then through it. It leads to the image's own /etc, not to the machine's.
  image = convert({Tar().symlink("evil", "/etc").add("evil/passwd", "root").end()});
  CHECK(image.at("etc/passwd") == "f 644 0:0 1 root");
}

void hard_links() {
  Image image = convert({Tar().add("a", "1").link("b", "a").link("c", "./b").end()});
  CHECK(image.at("a") == "f 644 0:0 3 1" && image.at("c") == "f 644 0:0 3 1");
  image = convert({base(), Tar().link("hl", "orig").link("hl2", "lib/old").end()});
  CHECK(image.at("hl") == "f 644 0:0 2 orig" && image.at("orig") == "f 644 0:0 2 orig");
  CHECK(image.at("hl2") == "f 644 0:0 2 old");
  image = convert({base(), Tar().link("hl", "lib").end()});
  CHECK(image.at("hl") == "l 644 0:0 2 usr/lib");
  // The target's own name goes later: its content must not be lost.
  image = convert({base(), Tar().link("hl", "orig").end(), Tar().add(".wh.orig").end()});
  CHECK(image.at("hl") == "f 644 0:0 1 orig" && !image.has("orig"));
  // Here the content was taken for hidden, and its layer is read twice.
  image = convert({Tar().add("a", "kept").link("b", "a").end(), Tar().add(".wh.a").end()});
  CHECK(image.at("b") == "f 644 0:0 1 kept");
  image = convert({fixture::gzip(Tar().directory("d/").add("d/a", "kept").link("b", "d/a").add("d/z", "no").end()),
                   Tar().add("d", "file").end()});
  CHECK(image.at("b") == "f 644 0:0 1 kept" && image.at("d") == "f 644 0:0 1 file");
  // The later file does not change what the link was made to.
  image = convert({Tar().add("a", "one").link("b", "a").add("a", "two").end()});
  CHECK(image.at("a") == "f 644 0:0 1 two" && image.at("b") == "f 644 0:0 1 one");
}

void devices_and_owners() {
  std::string tar = Tar()
                        .add("null", "", {.type = '3', .mode = 0666, .major_number = 1, .minor_number = 3})
                        .add("fifo", "", {.type = '6', .uid = 5, .gid = 6})
                        .add("tool", "x", {.mode = 06755, .uid = 1000, .gid = 100})
                        .end();
  Image image = convert({tar});
  CHECK(image.at("null") == "c 666 0:0 1" && image.at("fifo") == "p 644 5:6 1");
  CHECK(image.at("tool") == "f 6755 1000:100 1 x");
  davit::image::ConvertOptions as_user;
  as_user.all_root = true;
  as_user.devices = false;
  image = convert({tar}, as_user);
  CHECK(!image.has("null") && image.at("tool") == "f 6755 0:0 1 x");
  CHECK(notes_contain(image, "1 device node left out"));
  CHECK(convert({Tar().add("d", "", {.type = '4', .pax = {{"SCHILY.devmajor", "70000"}}}).end()})
            .fails_with("a device number that cannot exist"));
  CHECK(convert({Tar().add("o", "", {.pax = {{"uid", "4294967295"}}}).end()}).fails_with("an owner that cannot exist"));
}

void attributes() {
  std::string capability("\x01\0\0\x02\0\x04\0\0", 8);
  std::string tar = Tar()
                        .add("ping", "x",
                             {.pax = {{"SCHILY.xattr.security.capability", capability},
                                      {"SCHILY.xattr.user.colour", "blue"},
                                      {"SCHILY.xattr.security.selinux", "label"},
                                      {"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                                      {"SCHILY.xattr.user.overlay.opaque", "y"},
                                      {"SCHILY.xattr.system.posix_acl_access", "acl"}}})
                        .end();
  Image image = convert({tar});
  CHECK(image.at("ping") == "f 644 0:0 1 x security.capability=" + capability + " user.colour=blue");
  CHECK(notes_contain(image, "system.posix_acl_access left out"));
  CHECK(!notes_contain(image, "overlay"));
}

void generated_files() {
  davit::image::ConvertOptions options;
  options.generated = {{".singularity.d/runscript", S_IFREG | 0755, "#!/bin/sh\n", true},
                       {".singularity.d/env", S_IFDIR | 0755, "", true},
                       {"singularity", S_IFLNK | 0777, ".singularity.d/runscript", true},
                       {"dir/a", S_IFREG | 0600, "kept as it is", false},
                       {"lib/generated", S_IFREG | 0600, "", false}};
  std::string hostile = Tar().symlink(".singularity.d", "/etc").directory("singularity/").end();
  Image image = convert({base(), hostile}, options);
  CHECK(image.at(".singularity.d") == "d 755 0:0 1");
  CHECK(image.at(".singularity.d/runscript") == "f 755 0:0 1 #!/bin/sh\n");
  CHECK(image.at("singularity") == "l 777 0:0 1 .singularity.d/runscript");
  CHECK(image.at("dir/a") == "f 644 0:0 1 1");
  CHECK(!image.has("usr/lib/generated") && image.at("lib")[0] == 'l');
}

void nothing_at_all() {
  for (const std::string& empty :
       {std::string(), std::string(1024, '\0'), fixture::gzip(std::string(1024, '\0')), fixture::gzip("")}) {
    Image image = convert({empty});
    CHECK(!image.failure && image.files.size() == 1);
    image = convert({base(), empty});
    CHECK(!image.failure && image.files.size() == 17);
  }
  CHECK(convert({}).files.size() == 1);
}

}  // namespace

int main() {
  one_layer();
  upper_layers_win();
  whiteouts();
  files_directories_and_back();
  links_in_paths();
  hard_links();
  devices_and_owners();
  attributes();
  generated_files();
  nothing_at_all();
  return check::finish();
}
