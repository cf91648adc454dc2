// Who shares the FUSE server of an image: the locks of <state>/fuse/KEY.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "check.h"
#include "state/shared_image.h"
#include "sys/descriptors.h"
#include "sys/process.h"

using davit::Share;
using davit::SharedImage;
using davit::ShareKey;

namespace {

std::string directory;

size_t files() {
  DIR* dir = opendir(directory.c_str());
  size_t n = 0;
  while (struct dirent* entry = readdir(dir)) n += entry->d_name[0] != '.';
  closedir(dir);
  return n;
}

ShareKey key_of(const char* text) {
  ShareKey key;
  key.add(text);
  return key;
}

// A process that holds the image until nobody uses it; ready when this returns.
pid_t hold(const ShareKey& key, SharedImage* maker) {
  int ready[2];
  CHECK(pipe(ready) == 0);
  pid_t child = fork();
  if (child == 0) {
    // As the launcher does: a descriptor of a user's would be a user for ever.
    davit::let_go_of_file(maker);
    davit::close_all_but({maker->dir.get(), ready[1]});
    maker->holder = getpid();
    maker->holder_start = davit::process_start_time(getpid());
    maker->server = getppid();
    maker->server_start = davit::process_start_time(getppid());
    if (davit::become_holder(key, maker, ready[1], "/image") != 0) _exit(1);
    close(ready[1]);
    davit::await_end(maker);
    _exit(0);
  }
  close(ready[1]);
  char byte;
  CHECK(read(ready[0], &byte, 1) == 0);
  close(ready[0]);
  return child;
}

int status_of(pid_t pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

void the_first_makes_a_holder_and_the_last_ends_it() {
  ShareKey key = key_of("one image");
  SharedImage maker, second, other;
  CHECK(davit::share_image(directory.c_str(), key, false, &second) == Share::Absent);
  CHECK(files() == 0);
  CHECK(davit::share_image(directory.c_str(), key, true, &maker) == Share::Absent);
  pid_t holder = hold(key, &maker);
  CHECK(davit::holder_made(key, &maker));
  CHECK(maker.holder == holder && maker.server == getpid() && maker.server_start != 0);
  CHECK(davit::share_image(directory.c_str(), key, true, &second) == Share::Alive);
  CHECK(second.holder == holder);
  CHECK(davit::share_image(directory.c_str(), key_of("another image"), false, &other) == Share::Absent);
  maker = SharedImage();
  CHECK(kill(holder, 0) == 0 && files() == 1);
  second = SharedImage();
  CHECK(status_of(holder) == 0);
  CHECK(files() == 0);
}

void a_dead_holder_is_replaced() {
  ShareKey key = key_of("image");
  SharedImage user, next;
  CHECK(davit::share_image(directory.c_str(), key, true, &user) == Share::Absent);
  pid_t holder = hold(key, &user);
  CHECK(davit::holder_made(key, &user));
  kill(holder, SIGKILL);
  status_of(holder);
  CHECK(files() == 1);
  CHECK(davit::share_image(directory.c_str(), key, true, &next) == Share::Absent);
  holder = hold(key, &next);
  CHECK(davit::holder_made(key, &next) && next.holder == holder);
  user = SharedImage();
  next = SharedImage();
  CHECK(status_of(holder) == 0);
}

void a_maker_that_fails_leaves_nothing() {
  ShareKey key = key_of("image");
  SharedImage maker, next;
  CHECK(davit::share_image(directory.c_str(), key, true, &maker) == Share::Absent);
  davit::forget_holder(maker);
  maker = SharedImage();
  CHECK(files() == 0);
  CHECK(davit::share_image(directory.c_str(), key, true, &next) == Share::Absent);
  davit::forget_holder(next);
}

// One that its image's file system has kept for a while: whatever has happened since, it writes nothing.
void a_late_holder_changes_nothing() {
  ShareKey key = key_of("image");
  SharedImage maker, user;
  CHECK(davit::share_image(directory.c_str(), key, true, &maker) == Share::Absent);
  int report[2];
  CHECK(pipe(report) == 0);
  SharedImage late;
  late.dir.reset(dup(maker.dir.get()));
  late.name = maker.name;
  late.file.reset(dup(maker.file.get()));
  davit::let_go_of_file(&late);
  late.holder = late.server = 4711;
  // Another holder is there.
  pid_t holder = hold(key, &maker);
  CHECK(davit::holder_made(key, &maker));
  CHECK(davit::become_holder(key, &late, report[1], "/late") == EAGAIN);
  CHECK(davit::share_image(directory.c_str(), key, true, &user) == Share::Alive && user.holder == holder);
  // It has ended, and the maker has given up.
  kill(holder, SIGKILL);
  status_of(holder);
  close(report[0]);
  CHECK(davit::become_holder(key, &late, report[1], "/late") == EPIPE);
  late.file.reset();
  // The maker has removed the file, and there is another of that name.
  int other[2];
  CHECK(pipe(other) == 0);
  davit::forget_holder(maker);
  CHECK(davit::become_holder(key, &late, other[1], "/late") == ENOENT);
  CHECK(davit::share_image(directory.c_str(), key, true, &user) == Share::Absent);
  CHECK(davit::become_holder(key, &late, other[1], "/late") == ESTALE);
  late.file.reset();
  struct stat st;
  CHECK(fstat(user.file.get(), &st) == 0 && st.st_size == 0);
  davit::forget_holder(user);
  for (int fd : {report[1], other[0], other[1]}) close(fd);
}

// Nobody uses the image, and it is kept until the time that a user has named, or for as long behind the last one.
void kept_for_a_while() {
  constexpr int kWhileMs = 500;
  for (int behind : {0, 1}) {
    ShareKey key = key_of("warm image");
    SharedImage user;
    CHECK(davit::share_image(directory.c_str(), key, true, &user) == Share::Absent);
    pid_t holder = hold(key, &user);
    CHECK(davit::holder_made(key, &user));
    int64_t begin = davit::now_ms();
    if (behind) {
      CHECK(davit::keep_behind_last_user(user, kWhileMs) == 0);
      usleep(kWhileMs * 1000);
      begin = davit::now_ms();
    } else {
      CHECK(davit::keep_until(user, begin + kWhileMs) == 0);
    }
    user = SharedImage();
    SharedImage next;
    Share share = davit::share_image(directory.c_str(), key, false, &next);
    // Unless this process was kept from looking for so long.
    CHECK((share == Share::Alive && next.holder == holder) || davit::now_ms() - begin >= kWhileMs);
    next = SharedImage();
    CHECK(status_of(holder) == 0);
    CHECK(davit::now_ms() - begin >= kWhileMs);
    CHECK(files() == 0);
  }
}

// It sleeps, and is told that it need not, or that its file is gone.
void woken_early() {
  for (int how = 0; how < 3; how++) {
    ShareKey key = key_of("warm image");
    SharedImage user;
    CHECK(davit::share_image(directory.c_str(), key, true, &user) == Share::Absent);
    pid_t holder = hold(key, &user);
    CHECK(davit::holder_made(key, &user) && davit::keep_until(user, davit::now_ms() + 1000000) == 0);
    std::string file = directory + "/" + user.name.c_str();
    user = SharedImage();
    usleep(50000);
    CHECK(waitpid(holder, nullptr, WNOHANG) == 0);
    if (how == 0) CHECK(davit::share_image(directory.c_str(), key, false, &user) == Share::Alive);
    if (how == 0) CHECK(davit::keep_until(user, 0) == 0);
    user = SharedImage();
    if (how == 1) CHECK(unlink(file.c_str()) == 0);
    if (how == 2) CHECK(truncate(file.c_str(), 0) == 0);  // no time can be read there
    CHECK(status_of(holder) == 0);
    CHECK(files() == 0);
  }
}

// Many at once, each of which comes and goes: never two holders, and none is left.
void crowds() {
  ShareKey key = key_of("crowded image");
  pid_t users[16];
  for (pid_t& user : users) {
    user = fork();
    if (user) continue;
    for (int round = 0; round < 20; round++) {
      SharedImage image;
      Share share = davit::share_image(directory.c_str(), key, true, &image);
      if (share == Share::Absent) {
        hold(key, &image);
        share = davit::holder_made(key, &image) ? Share::Alive : Share::None;
      }
      if (share != Share::Alive || davit::process_start_time(image.holder) != image.holder_start) _exit(1);
    }
    _exit(0);
  }
  for (pid_t user : users) CHECK(status_of(user) == 0);
  for (int i = 0; i < 2000 && files(); i++) usleep(10000);
  CHECK(files() == 0);
}

void foreign_files_are_not_trusted() {
  ShareKey key = key_of("image");
  SharedImage maker, next;
  CHECK(davit::share_image(directory.c_str(), key, true, &maker) == Share::Absent);
  std::string path = directory + "/" + maker.name.c_str();
  davit::forget_holder(maker);
  maker = SharedImage();
  CHECK(symlink("/etc/passwd", path.c_str()) == 0);
  CHECK(davit::share_image(directory.c_str(), key, true, &next) == Share::None);
  CHECK(unlink(path.c_str()) == 0 && mkdir(path.c_str(), 0700) == 0);
  CHECK(davit::share_image(directory.c_str(), key, true, &next) == Share::None);
  CHECK(rmdir(path.c_str()) == 0);
  CHECK(chmod(directory.c_str(), 0755) == 0);
  CHECK(davit::share_image(directory.c_str(), key, true, &next) == Share::None);
  CHECK(chmod(directory.c_str(), 0700) == 0);
  CHECK(davit::share_image((directory + "/missing/deep").c_str(), key, true, &next) == Share::None);
}

void keys_tell_apart() {
  struct stat st = {};
  const char* argv[] = {"server", "-f"};
  ShareKey key = davit::share_key(st, argv, 2);
  CHECK(!key.full() && key.view() == davit::share_key(st, argv, 2).view());
  CHECK(key.view() != davit::share_key(st, argv, 1).view());
  for (int field = 0; field < 5; field++) {
    struct stat changed = st;
    if (field == 0) changed.st_dev = 1;
    if (field == 1) changed.st_ino = 1;
    if (field == 2) changed.st_size = 1;
    if (field == 3) changed.st_mtim.tv_nsec = 1;
    if (field == 4) changed.st_ctim.tv_nsec = 1;
    CHECK(key.view() != davit::share_key(changed, argv, 2).view());
  }
  struct rlimit before, lower;
  CHECK(getrlimit(RLIMIT_CPU, &before) == 0);
  lower = before;
  lower.rlim_cur = 1000;
  CHECK(setrlimit(RLIMIT_CPU, &lower) == 0);
  CHECK(key.view() != davit::share_key(st, argv, 2).view());
  CHECK(setrlimit(RLIMIT_CPU, &before) == 0);
}

// Of two jobs whose control groups differ only far behind.
void long_control_groups_tell_apart() {
  struct stat st = {};
  const char* argv[] = {"server"};
  std::string file = directory + "/cgroup";
  auto key_of = [&](const std::string& text) {
    int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && close(fd) == 0);
    return davit::share_key(st, argv, 1, file.c_str());
  };
  for (size_t length : {10, 590, 599, 600, 601, 1300, 5000}) {
    std::string text(length, 'g');
    ShareKey key = key_of(text + "job_1\n");
    CHECK(!key.full() && key.view() == key_of(text + "job_1\n").view());
    CHECK(key.view() != key_of(text + "job_2\n").view());
  }
  CHECK(unlink(file.c_str()) == 0);
}

}  // namespace

int main() {
  char base[] = "/tmp/davit-shared-XXXXXX";
  CHECK(mkdtemp(base) != nullptr);
  directory = std::string(base) + "/fuse";
  CHECK(mkdir(directory.c_str(), 0700) == 0);
  the_first_makes_a_holder_and_the_last_ends_it();
  a_dead_holder_is_replaced();
  a_maker_that_fails_leaves_nothing();
  a_late_holder_changes_nothing();
  kept_for_a_while();
  woken_early();
  crowds();
  foreign_files_are_not_trusted();
  keys_tell_apart();
  long_control_groups_tell_apart();
  CHECK(rmdir(directory.c_str()) == 0 && rmdir(base) == 0);
  return check::finish();
}
