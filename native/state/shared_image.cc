#include "state/shared_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#include "sys/file_lock.h"
#include "sys/process.h"

namespace davit {
namespace {

constexpr off_t kAlive = 0, kUsed = 1, kMutation = 2, kHolder = 3;
constexpr int kMutationWaitMs = 5000;
constexpr int kUnwatchedMs = 2000;  // the user has no inotify instance left: look again
constexpr int kTries = 100;         // the holder of that moment was just ending
// Two numbers of 16 digits, each with a blank behind it, so that one can be written without the other.
constexpr size_t kDigits = 16, kUntilAt = 0, kBehindAt = kDigits + 1;
constexpr int64_t kMaxTime = 9'000'000'000'000'000;
constexpr size_t kFileBytes = 1400 + PATH_MAX;

uint64_t hash(std::string_view text) {  // FNV-1a, 64 bits
  uint64_t value = 14695981039346656037ULL;
  for (char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return value;
}

Text<24> file_name(const ShareKey& key) {
  Text<24> name;
  uint64_t value = hash(key.view());
  for (int shift = 60; shift >= 0; shift -= 4) name.add_char("0123456789abcdef"[value >> shift & 15]);
  return name;
}

// The directory is the caller's own and closed to others, or it is not used.
Fd open_share_dir(const char* path) {
  mkdir(path, 0700);
  Fd dir(retry([&] { return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
  struct stat st;
  if (!dir.valid() || fstat(dir.get(), &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 077)) return Fd();
  return dir;
}

bool still_there(const SharedImage& image) {
  struct stat named, opened;
  return fstatat(image.dir.get(), image.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(image.file.get(), &opened) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

Fd open_file(const SharedImage& image, bool make) {
  int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (make ? O_CREAT : 0);
  Fd file(retry([&] { return openat(image.dir.get(), image.name.c_str(), flags, 0600); }));
  struct stat st;
  if (!file.valid() || fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode)) return Fd();
  return file;
}

// Sixteen digits; negative where there is something else.
int64_t read_time(int fd, size_t at) {
  char digits[kDigits + 1] = {};
  if (pread(fd, digits, kDigits, static_cast<off_t>(at)) != static_cast<ssize_t>(kDigits)) return -1;
  char* end;
  int64_t value = strtoll(digits, &end, 10);
  return end == digits + kDigits ? value : -1;
}

Text<kDigits + 1> time_text(int64_t value) {
  value = value < 0 ? 0 : value > kMaxTime ? kMaxTime : value;
  Text<kDigits + 1> text;
  for (int64_t unit = 1'000'000'000'000'000; unit; unit /= 10)
    text.add_char(static_cast<char>('0' + value / unit % 10));
  return text;
}

int write_time(int fd, size_t at, int64_t value) {
  Text<kDigits + 1> text = time_text(value);
  ssize_t written = pwrite(fd, text.view().data(), text.size(), static_cast<off_t>(at));
  return written == static_cast<ssize_t>(text.size()) ? 0 : written < 0 ? errno : ENOSPC;
}

// "UNTIL BEHIND HOLDER START SERVER START LENGTH\nPATHKEY"
bool read_holder(const ShareKey& key, SharedImage* image) {
  char text[kFileBytes];
  ssize_t n = pread(image->file.get(), text, sizeof text - 1, 0);
  if (n <= 0) return false;
  text[n] = 0;
  char* line_end = strchr(text, '\n');
  if (!line_end) return false;
  char* at = text;
  for (int times = 0; times < 2; times++) strtoll(at, &at, 10);
  image->holder = static_cast<pid_t>(strtol(at, &at, 10));
  image->holder_start = strtoull(at, &at, 10);
  image->server = static_cast<pid_t>(strtol(at, &at, 10));
  image->server_start = strtoull(at, &at, 10);
  uint64_t path = strtoull(at, &at, 10);
  if (at != line_end || path > static_cast<size_t>(text + n - line_end - 1)) return false;
  return key.view() == line_end + 1 + path && image->holder > 0;
}

// A line for each hierarchy (cgroups(7)): with the first version of control groups, and deep ones, that is much.
void add_control_groups(const char* path, ShareKey* key) {
  Fd file(open(path, O_RDONLY | O_CLOEXEC));
  char text[600];
  uint64_t all = 0;
  bool first = true;
  for (;;) {
    ssize_t n = file.valid() ? retry([&] { return read(file.get(), text, sizeof text); }) : 0;
    if (n <= 0) break;
    std::string_view piece(text, static_cast<size_t>(n));
    if (first) key->add(piece);
    all = all * 1099511628211ULL + hash(piece);
    first = false;
  }
  key->add("#").add_number(static_cast<int64_t>(all));
}

// Its server is dead, and the holder has not noticed yet: it may be suspended. Nobody is to find it any more. A holder
// of another PID namespace cannot be asked about.
bool forget_serverless(SharedImage* image) {
  auto is_there = [](pid_t pid, uint64_t start_time) { return process_start_time(pid) == start_time; };
  bool serverless = image->server > 0 && !is_there(image->server, image->server_start) &&
                    is_there(image->holder, image->holder_start);
  if (!serverless) return false;
  if (set_lock_within(image->file.get(), kMutation, F_WRLCK, kMutationWaitMs) == 0) forget_holder(*image);
  image->holder = image->server = 0;
  return true;
}

}  // namespace

ShareKey share_key(const struct stat& image, const char* const* server_argv, size_t words, const char* groups_file) {
  ShareKey key;
  auto number = [&](uint64_t value) { key.add_number(static_cast<int64_t>(value)).add(" "); };
  auto time = [&](const struct timespec& t) {
    number(static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec));
  };
  number(image.st_dev);
  number(image.st_ino);
  number(static_cast<uint64_t>(image.st_size));
  time(image.st_mtim);
  time(image.st_ctim);
  number(geteuid());
  number(getegid());
  for (size_t i = 0; i < words; i++) key.add(server_argv[i]).add(" ");
  if (!groups_file) return key;
  for (auto resource :
       {RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK, RLIMIT_CPU, RLIMIT_AS, RLIMIT_DATA}) {
    struct rlimit limit = {};
    getrlimit(resource, &limit);
    number(limit.rlim_cur);
  }
  add_control_groups(groups_file, &key);
  return key;
}

Share share_image(const char* dir, const ShareKey& key, bool make, SharedImage* out) {
  if (key.full()) return Share::None;
  out->dir = open_share_dir(dir);
  if (!out->dir.valid()) return Share::None;
  out->name = file_name(key);
  for (int tries = 0; tries < kTries; tries++) {
    out->file = open_file(*out, make);
    if (!out->file.valid()) return make ? Share::None : Share::Absent;
    int fd = out->file.get();
    // The holder that is about to end has byte 1 for itself, and removes the file before it lets go of it.
    int error = set_lock_within(fd, kUsed, F_RDLCK, 100);
    if (error && error != EAGAIN) return Share::None;
    if (error || !still_there(*out)) continue;
    if (!lock_held(fd, kAlive)) {
      if (!make) return Share::Absent;
      if (set_lock_within(fd, kMutation, F_WRLCK, kMutationWaitMs) != 0) return Share::None;
      if (!still_there(*out)) continue;
      if (!lock_held(fd, kAlive)) return Share::Absent;
      set_lock(fd, kMutation, F_UNLCK);
    }
    if (!read_holder(key, out)) return Share::None;
    if (!forget_serverless(out)) return Share::Alive;
  }
  return Share::None;
}

bool holder_made(const ShareKey& key, SharedImage* out) {
  set_lock(out->file.get(), kMutation, F_UNLCK);
  return lock_held(out->file.get(), kAlive) && read_holder(key, out);
}

void let_go_of_file(SharedImage* image) {
  struct stat st = {};
  fstat(image->file.get(), &st);
  image->file_device = st.st_dev;
  image->file_inode = st.st_ino;
  image->file.reset();
}

int become_holder(const ShareKey& key, SharedImage* image, int report, std::string_view path) {
  image->file = open_file(*image, false);
  struct stat st;
  if (!image->file.valid() || fstat(image->file.get(), &st) != 0) return errno ? errno : EINVAL;
  if (st.st_dev != image->file_device || st.st_ino != image->file_inode) return ESTALE;
  if (int error = set_lock(image->file.get(), kHolder, F_WRLCK)) return error;
  // After byte 3: a maker that gives up from here on has a successor that finds the byte taken.
  struct pollfd reader = {report, 0, 0};
  if (poll(&reader, 1, 0) != 0) {
    if (set_lock(image->file.get(), kUsed, F_WRLCK) == 0) forget_holder(*image);
    return EPIPE;
  }
  Text<kFileBytes> text;
  for (int times = 0; times < 2; times++) text.add(time_text(0).view()).add(" ");
  text.add_number(image->holder).add(" ").add_number(static_cast<int64_t>(image->holder_start)).add(" ");
  text.add_number(image->server).add(" ").add_number(static_cast<int64_t>(image->server_start)).add(" ");
  text.add_number(static_cast<int64_t>(path.size())).add("\n").add(path).add(key.view());
  int fd = image->file.get();
  if (ftruncate(fd, 0) != 0) return errno;
  ssize_t written = pwrite(fd, text.view().data(), text.size(), 0);
  if (written < 0) return errno;
  if (static_cast<size_t>(written) != text.size()) return ENOSPC;
  return set_lock(fd, kAlive, F_WRLCK);
}

int keep_until(const SharedImage& image, int64_t until_ms) { return write_time(image.file.get(), kUntilAt, until_ms); }

int keep_behind_last_user(const SharedImage& image, int64_t for_ms) {
  if (read_time(image.file.get(), kBehindAt) == for_ms && !for_ms) return 0;
  // Also when it says so already: the holder is told that there has been a user.
  return write_time(image.file.get(), kBehindAt, for_ms);
}

namespace {

int64_t kept_until(int fd, int64_t last_use) {
  int64_t until = read_time(fd, kUntilAt), behind = last_use + read_time(fd, kBehindAt);
  return until > behind ? until : behind;
}

// Tells of changes of the file, and of its end. From a directory: the holder of a FUSE mount sees no path of the host.
Fd watch_file(const SharedImage& image) {
  Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  bool there = watch.valid() && fchdir(image.dir.get()) == 0 &&
               inotify_add_watch(watch.get(), image.name.c_str(), IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF) >= 0;
  (void)!chdir("/");
  return there ? static_cast<Fd&&>(watch) : Fd();
}

// Waits until the time is over; true when something has happened to the file before. A user may have no watch left.
bool sleep_until(int64_t until_ms, const Fd& watch) {
  int64_t left = until_ms - now_ms();
  if (!watch.valid() && left > kUnwatchedMs) left = kUnwatchedMs;
  if (left > INT_MAX) left = INT_MAX;
  struct pollfd wait = {watch.get(), POLLIN, 0};
  if (left <= 0 || poll(&wait, 1, static_cast<int>(left)) <= 0) return false;
  char events[1024];
  while (read(watch.get(), events, sizeof events) > 0) continue;
  return true;
}

}  // namespace

void await_end(SharedImage* image) {
  int fd = image->file.get();
  Fd watch;
  int64_t last_use = now_ms();
  for (bool changed = true, watched = false;; changed = sleep_until(kept_until(fd, last_use), watch)) {
    bool used = set_lock(fd, kUsed, F_WRLCK) != 0;
    if (used) wait_for_lock(fd, kUsed, F_WRLCK);
    if (used || changed) last_use = now_ms();
    if (!still_there(*image)) return;
    if (kept_until(fd, last_use) <= now_ms()) break;
    if (!watched) watch = watch_file(*image);  // and what was said before it was there is read again
    watched = true;
    set_lock(fd, kUsed, F_UNLCK);
  }
  forget_holder(*image);
}

void forget_holder(const SharedImage& image) {
  if (still_there(image)) unlinkat(image.dir.get(), image.name.c_str(), 0);
}

}  // namespace davit
