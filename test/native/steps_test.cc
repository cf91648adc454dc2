// The steps in namespaces of their own: mount points, links, hostile trees, thousands of binds, failures.
#include <dirent.h>
#include <sys/resource.h>

#include <filesystem>
#include <memory>

#include "steps_fixture.h"

using davit::Context;
using fixture::carry_out;
using fixture::Plan;
namespace fs = std::filesystem;
namespace S = fixture::S;

namespace {

std::string base;

void write(const std::string& path, const std::string& text) {
  davit::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
  CHECK(fd.valid() && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

std::string read(const std::string& path) {
  davit::Fd fd(open(path.c_str(), O_RDONLY));
  std::string text(1 << 16, 0);
  ssize_t n = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// A small image, a host with something to bind, and nothing else.
std::string image(const std::string& name) {
  std::string root = base + "/" + name;
  for (const char* directory : {"/etc", "/usr/bin", "/run", "/var"}) fs::create_directories(root + directory);
  write(root + "/etc/keep", "of the image\n");
  fs::create_symlink("/run", root + "/var/run");
  return root;
}

int open_descriptors() {
  int count = 0;
  DIR* list = opendir("/proc/self/fd");
  while (list && readdir(list)) count++;
  if (list) closedir(list);
  return count - 3;  // ".", ".." and the list's own
}

void missing_mount_points_are_made() {
  std::string root = image("plain");
  Plan plan;
  plan.layer(root).root().bind(base + "/host", "/new/deep/place").bind(base + "/host/file", "/etc/file");
  plan.bind(base + "/host", "/var/run/linked").pivot();
  carry_out(plan, [](bool done, Context& ctx) {
    CHECK(done);
    if (!done) printf("%s: %d\n", ctx.failure.message.c_str(), ctx.failure.error);
    CHECK(read("/etc/keep") == "of the image\n");
    CHECK(read("/new/deep/place/file") == "of the host\n" && read("/etc/file") == "of the host\n");
    CHECK(read("/run/linked/file") == "of the host\n");
    CHECK(mkdir("/etc/more", 0755) != 0 && errno == EROFS);
  });
  CHECK(!fs::exists(root + "/new") && !fs::exists(root + "/run/linked"));
}

void links_stay_inside() {
  std::string root = image("links");
  fs::create_directory_symlink("../../../../../../../.." + base + "/host", root + "/out");
  fs::create_symlink("../run/nobody/there", root + "/etc/dangling");
  fs::create_symlink("circle", root + "/etc/circle");
  Plan plan;
  plan.layer(root).root().bind(base + "/host/file", "/out/file").bind(base + "/host/file", "/etc/dangling");
  plan.bind(base + "/host/file", "/etc/circle", true).bind(base + "/host/file", "/../../up").pivot();
  carry_out(plan, [](bool done, Context& ctx) {
    CHECK(done);
    if (!done) printf("%s: %d\n", ctx.failure.message.c_str(), ctx.failure.error);
    CHECK(read(base + "/host/file") == "of the host\n" && read("/run/nobody/there") == "of the host\n");
    CHECK(read("/etc/dangling") == "of the host\n" && read("/up") == "of the host\n");
  });
  CHECK(fs::directory_iterator(base + "/host") != fs::directory_iterator());
  CHECK(!fs::exists(base + "/host/up") && !fs::exists(base + "/up"));
}

void deep_and_odd_paths() {
  std::string deep;
  for (int i = 0; i < 1500; i++) deep += "/d";
  Plan plan;
  plan.layer(image("deep"))
      .root(true)
      .bind(base + "/host/file", deep)
      .bind(base + "/host/file", "/a b/\xff\n/x")
      .pivot();
  carry_out(plan, [&](bool done, Context&) {
    CHECK(done);
    CHECK(read(deep) == "of the host\n" && read("/a b/\xff\n/x") == "of the host\n");
  });
  Plan too_long;
  too_long.layer(image("deep2")).root().bind(base + "/host/file", "/" + std::string(5000, 'x')).pivot();
  carry_out(too_long, [](bool done, Context& ctx) {
    CHECK(!done && ctx.failure.error == ENAMETOOLONG && ctx.failure.step == 5);
  });
}

void ten_thousand_binds() {
  constexpr int kBinds = 10000;
  Plan plan;
  plan.layer(image("many")).root();
  for (int i = 0; i < kBinds; i++)
    plan.bind(base + "/host/file", "/b/" + std::to_string(i % 100) + "/" + std::to_string(i));
  plan.pivot();
  carry_out(plan, [](bool done, Context& ctx) {
    struct rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    if (!done && ctx.failure.error == EMFILE && files.rlim_max < kBinds + 100) return;  // this machine allows no more
    CHECK(done);
    CHECK(read("/b/99/9999") == "of the host\n" && read("/b/0/0") == "of the host\n");
  });
}

void nothing_stays_open() {
  Plan plan;
  plan.layer(image("closed")).layer(image("closed2")).root(true).bind("/proc", "/proc").pivot();
  int before = open_descriptors();
  carry_out(plan, [before](bool done, Context&) {
    CHECK(done);
    CHECK(open_descriptors() == before);
  });
}

davit::File passwd_of(const char* name) {
  davit::File file{};
  file.target = "/etc/passwd";
  file.content = davit::File::Content::Passwd;
  file.passwd = {1234, 5678, name, "gecos", "/home/x", "/bin/sh", false};
  file.optional = true;
  return file;
}

void accounts_from_odd_files() {
  struct Case {
    const char* name;
    std::function<void(const std::string&)> make;
    const char* line;  // what /etc/passwd holds then; nullptr: no such file, or it is left alone
  };
  std::string huge;
  for (int i = 0; i < 90000; i++) huge += "user:x:" + std::to_string(100000 + i) + ":1::/:/bin/sh\n";
  const Case cases[] = {
      {"regular", [](const std::string& p) { write(p, "root:x:0:0::/root:/bin/ash\nold:y:1234:1::/o:/bin/zsh\n"); },
       "caller:x:1234:5678:gecos:/home/x:/bin/zsh\n"},
      {"unended", [](const std::string& p) { write(p, "root:x:0:0::/root:/bin/ash"); },
       "caller:x:1234:5678:gecos:/home/x:/bin/sh\n"},
      {"huge", [&](const std::string& p) { write(p, huge); }, nullptr},
      {"fifo", [](const std::string& p) { CHECK(mkfifo(p.c_str(), 0644) == 0); }, nullptr},
      {"directory", [](const std::string& p) { fs::create_directory(p); }, nullptr},
      {"loop", [](const std::string& p) { fs::create_symlink("passwd", p); }, nullptr},
      {"absent", [](const std::string&) {}, nullptr}};
  for (const Case& c : cases) {
    std::string root = image(std::string("passwd-") + c.name);
    c.make(root + "/etc/passwd");
    Plan plan;
    plan.layer(root).root().add(S::file, passwd_of("caller")).add(S::file, passwd_of("caller")).pivot();
    carry_out(plan, [&](bool done, Context& ctx) {
      CHECK(done);
      CHECK(ctx.arena.used() < 1 << 20);  // what a step has used is given back
      if (c.line) CHECK(read("/etc/passwd").find(c.line) != std::string::npos);
    });
  }
}

void failures_name_their_step() {
  Plan missing;
  missing.layer(image("fail")).root().bind(base + "/nowhere", "/etc").pivot();
  carry_out(missing, [](bool done, Context& ctx) {
    CHECK(!done && ctx.failure.step == 5 && ctx.failure.error == ENOENT);
    CHECK(ctx.failure.message.view().find("/nowhere") != std::string_view::npos);
  });
  Plan optional;
  optional.layer(image("fail2")).root().bind(base + "/nowhere", "/etc", true).pivot();
  carry_out(optional, [](bool done, Context&) { CHECK(done); });
  Plan file_for_directory;
  file_for_directory.layer(image("fail3")).root().bind(base + "/host", "/etc/keep").pivot();
  carry_out(file_for_directory, [](bool done, Context& ctx) { CHECK(!done && ctx.failure.hint.size() > 0); });
  Plan no_layer;
  no_layer.root().pivot();
  carry_out(no_layer,
            [](bool done, Context& ctx) { CHECK(!done && ctx.failure.error == EINVAL && ctx.failure.step == 3); });
}

void failures_are_repaired_and_may_quote_themselves() {
  davit::Failure failure;
  memset(static_cast<void*>(&failure), 0xff, sizeof failure);
  failure.repair();
  CHECK(failure.message.size() == 599 && failure.hint.size() == 399);
  CHECK(failure.message.c_str()[599] == 0);
  davit::LaunchPlan plan;
  char memory[64];
  davit::Arena arena(memory, sizeof memory);
  Context ctx(plan, arena);
  ctx.fail(EINVAL, "mount fuse", "a way out");
  ctx.fail(EPERM, ctx.failure.message.view(), ctx.failure.hint.view());
  CHECK(ctx.failure.message.view() == "mount fuse" && ctx.failure.hint.view() == "a way out");
}

}  // namespace

int main() {
  failures_are_repaired_and_may_quote_themselves();
  if (!fixture::namespaces_work()) return check::skip("userns: unshare(CLONE_NEWUSER | CLONE_NEWNS) is refused");
  char name[] = "/var/tmp/davit-steps-test-XXXXXX";
  if (!mkdtemp(name)) return 1;
  base = name;
  fs::create_directory(base + "/host");
  write(base + "/host/file", "of the host\n");
  missing_mount_points_are_made();
  links_stay_inside();
  deep_and_odd_paths();
  ten_thousand_binds();
  nothing_stays_open();
  accounts_from_odd_files();
  failures_name_their_step();
  CHECK(fs::file_size(base + "/host/file") == 12);
  fs::remove_all(base);
  return check::finish();
}
