// Packing and unpacking: what goes in comes out, and what must not get in or out does not.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "check.h"
#include "image/elf.h"
#include "image/unpack.h"
#include "image_fixture.h"

using namespace davit::image;

namespace {

struct Unpacked {
  Source source;
  Outcome outcome;
};

Outcome unpack(const std::string& image, uint64_t offset, uint64_t size, const std::string& target, Source* source) {
  if (auto bad = source->open_squashfs(image.c_str(), offset, size, true, "image")) return bad;
  mkdir(target.c_str(), 0700);
  davit::Fd directory(open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return unpack_tree(source->tree, source->squashfs, directory.get(), {.faithful = false}, &source->notes);
}

struct stat stat_of(const std::string& path) {
  struct stat st = {};
  lstat(path.c_str(), &st);
  return st;
}

void round_trip(uint16_t compressor) {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  setxattr((dir / "tree/blocks").c_str(), "user.colour", "blue", 4, 0);
  const uint64_t offset = 36864;
  WriteResult written;
  CHECK(!fixture::pack(dir / "tree", dir / "image", offset, compressor, &written));
  CHECK(written.size % 4096 == 0);
  CHECK(written.inodes == 11);
  CHECK(static_cast<uint64_t>(stat_of(dir / "image").st_size) == offset + written.size);

  Source source;
  auto bad = unpack(dir / "image", offset, written.size, dir / "out", &source);
  if (bad) printf("%s %s %s\n", bad->step.c_str(), bad->object.c_str(), bad->detail.c_str());
  CHECK(!bad);
  for (const char* name : {"/etc/hosts", "/blocks", "/deep/er/sparse", "/etc/nothing"})
    CHECK(fixture::read_file(dir / "tree" + name) == fixture::read_file(dir / "out" + name));
  CHECK(stat_of(dir / "out/deep/hosts").st_ino == stat_of(dir / "out/etc/hosts").st_ino);
  CHECK(stat_of(dir / "out/deep/hosts").st_nlink == 2);
  CHECK(S_ISFIFO(stat_of(dir / "out/deep/fifo").st_mode));
  CHECK((stat_of(dir / "out/deep/er").st_mode & 07777) == 01777);
  CHECK((stat_of(dir / "out/etc/nothing").st_mode & 07777) == 0755);  // set-uid is dropped
  CHECK(stat_of(dir / "out/deep/er/sparse").st_blocks * 512 < 300000);
  CHECK(stat_of(dir / "out/blocks").st_mtime == stat_of(dir / "tree/blocks").st_mtime);
  char target[64] = {};
  CHECK(readlink((dir / "out/deep/link").c_str(), target, sizeof target - 1) == 12 && !strcmp(target, "../etc/hosts"));
  char value[8] = {};
  bool has_xattrs = getxattr((dir / "tree/blocks").c_str(), "user.colour", value, sizeof value) == 4;
  CHECK(!has_xattrs || getxattr((dir / "out/blocks").c_str(), "user.colour", value, sizeof value) == 4);
}

void injections() {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  if (symlink("/etc", (dir / "tree/outside").c_str()) != 0) abort();
  std::vector<Injection> list = {
      {"etc/hosts", S_IFREG | 0644, "injected", false},   // is there: stays
      {"etc/nothing", S_IFREG | 0600, "replaced", true},  // is there: replaced
      {"etc", S_IFREG | 0644, "x", true},                 // a directory is never replaced
      {"new/dir/file", S_IFREG | 0755, "new", false},     // parents are made
      {"new/empty", S_IFREG | 0644, "", false},
      {"new/link", S_IFLNK | 0777, "dir/file", false},
      {"outside/file", S_IFREG | 0644, "x", false},  // leads through a link: left alone
      {"../escape", S_IFREG | 0644, "x", false},
      {"new//dir/./x", S_IFREG | 0644, "x", false},
  };
  WriteResult written;
  CHECK(!fixture::pack(dir / "tree", dir / "image", 0, 6, &written, list));
  Source source;
  CHECK(!unpack(dir / "image", 0, written.size, dir / "out", &source));
  CHECK(fixture::read_file(dir / "out/etc/hosts") == "127.0.0.1 localhost\n");
  CHECK(fixture::read_file(dir / "out/etc/nothing") == "replaced");
  CHECK(fixture::read_file(dir / "out/new/dir/file") == "new");
  CHECK(fixture::read_file(dir / "out/new/link") == "new");
  CHECK(stat_of(dir / "out/new").st_mtime == 1700000000);
  CHECK(S_ISLNK(stat_of(dir / "out/outside").st_mode));
  CHECK(stat_of(dir / "escape").st_mode == 0);
  CHECK(fixture::read_file(dir / "tree/etc/nothing").empty());  // the source is as it was
}

void tree_lookup() {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  if (symlink("loop2", (dir / "tree/loop1").c_str()) != 0 || symlink("loop1", (dir / "tree/loop2").c_str()) != 0)
    abort();
  if (symlink("/../../deep/er/..", (dir / "tree/up").c_str()) != 0) abort();
  Source source;
  CHECK(!source.open_directory((dir / "tree").c_str(), {}));
  CHECK(source.tree.find("deep/link") == source.tree.find("/etc/hosts") ||
        source.tree.find("deep/link")->inode == source.tree.find("etc/hosts")->inode);
  CHECK(source.tree.find("up") == source.tree.find("deep"));
  CHECK(source.tree.find("loop1") == nullptr);
  CHECK(source.tree.find("etc/hosts/x") == nullptr);
  CHECK(source.tree.find("../../..") == source.tree.root);
  CHECK(machine_of(source.tree, source.content.get()).empty());
}

void sockets_and_own_output_are_left_out() {
  fixture::TempDir dir;
  mkdir((dir / "tree").c_str(), 0755);
  davit::Fd socket_fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, (dir / "tree/sock").c_str(), sizeof address.sun_path - 1);
  CHECK(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  fixture::write_file(dir / "tree/image.partial", "x");
  struct stat own = stat_of(dir / "tree/image.partial");
  ScanOptions options;
  options.exclude_dev = own.st_dev;
  options.exclude_ino = own.st_ino;
  Source source;
  CHECK(!source.open_directory((dir / "tree").c_str(), options));
  CHECK(source.tree.root->children.empty());
  CHECK(source.notes.size() == 1 && source.notes[0] == "socket left out: sock");
}

void replaced_files_are_noticed() {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  Source source;
  CHECK(!source.open_directory((dir / "tree").c_str(), {}));
  unlink((dir / "tree/blocks").c_str());
  if (symlink("/etc/passwd", (dir / "tree/blocks").c_str()) != 0) abort();
  source.tree.sort();
  WriteResult written;
  davit::Fd fd(open((dir / "image").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  auto bad = write_squashfs(&source.tree, source.content.get(), fd.get(), 0, {}, &written);
  CHECK(bad && bad->object == "blocks" && bad->err == ELOOP);
}

// Names of one file count once, and what is added counts, too.
void progress_reaches_its_total() {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  Source source;
  CHECK(!source.open_directory((dir / "tree").c_str(), {}));
  davit::image::Injection added{.path = "added", .mode = S_IFREG | 0644, .content = "seven b"};
  source.tree.inject(added, 1700000000);
  source.tree.sort();
  int64_t expected = 0;
  for (const auto& inode : source.tree.inodes())
    if (S_ISREG(inode.mode)) expected += static_cast<int64_t>(inode.in_memory ? inode.memory.size() : inode.size);
  WriteResult written;
  davit::Fd fd(open((dir / "image").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  davit::image::Counter packed = 0, total = 0;
  CHECK(!write_squashfs(&source.tree, source.content.get(), fd.get(), 0, {}, &written, {&packed, &total}));
  CHECK(expected > 7 && packed == expected && total == expected);
}

void too_deep() {
  fixture::TempDir dir;
  std::string path = dir / "tree";
  for (int i = 0; i < 300; i++) {
    mkdir(path.c_str(), 0755);
    path += "/d";
  }
  Source source;
  auto bad = source.open_directory((dir / "tree").c_str(), {});
  CHECK(bad && bad->detail.find("256 levels") != std::string::npos);
}

// Unpacking into a directory that has the names already must not touch what is there.
void existing_names_are_never_followed() {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  WriteResult written;
  CHECK(!fixture::pack(dir / "tree", dir / "image", 0, 6, &written));
  fixture::write_file(dir / "victim", "safe");
  mkdir((dir / "out").c_str(), 0755);
  if (symlink("../victim", (dir / "out/blocks").c_str()) != 0) abort();
  Source source;
  auto bad = unpack(dir / "image", 0, written.size, dir / "out", &source);
  CHECK(bad && bad->err == EEXIST && bad->object == "blocks");
  CHECK(fixture::read_file(dir / "victim") == "safe");
}

void unmodified_images_of_mksquashfs(const char* compressor) {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  if (!fixture::run(
          {"mksquashfs", (dir / "tree").c_str(), (dir / "image").c_str(), "-comp", compressor, "-b", "16384"})) {
    printf("not done: mksquashfs -comp %s\n", compressor);
    return;
  }
  Source source;
  CHECK(!unpack(dir / "image", 0, static_cast<uint64_t>(stat_of(dir / "image").st_size), dir / "out", &source));
  CHECK(fixture::read_file(dir / "tree/blocks") == fixture::read_file(dir / "out/blocks"));
  CHECK(fixture::read_file(dir / "tree/deep/er/sparse") == fixture::read_file(dir / "out/deep/er/sparse"));
}

void full_disk() {
  fixture::TempDir dir;
  fixture::make_tree(dir / "tree");
  Source source;
  CHECK(!source.open_directory((dir / "tree").c_str(), {}));
  source.tree.sort();
  davit::Fd full(open("/dev/full", O_RDWR | O_CLOEXEC));
  WriteResult written;
  auto bad = write_squashfs(&source.tree, source.content.get(), full.get(), 0, {}, &written);
  CHECK(bad && bad->err == ENOSPC);
}

}  // namespace

int main() {
  for (uint16_t compressor : {1, 4, 5, 6}) round_trip(compressor);
  injections();
  tree_lookup();
  sockets_and_own_output_are_left_out();
  replaced_files_are_noticed();
  progress_reaches_its_total();
  too_deep();
  existing_names_are_never_followed();
  for (const char* name : {"gzip", "xz", "lzo", "lz4", "zstd"}) unmodified_images_of_mksquashfs(name);
  full_disk();
  return check::finish();
}
