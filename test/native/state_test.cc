// The instance directory and its lock: what no order of deaths may break.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "state/instance_dir.h"
#include "state/record.h"
#include "sys/process.h"

using davit::Claim;
using davit::Fd;
using davit::InstanceDir;

namespace {

std::string base;

Fd state_dir() {
  Fd state;
  davit::Text<400> why;
  CHECK(davit::open_state_dir((base + "/state").c_str(), &state, &why) == 0);
  return state;
}

bool exists(const std::string& path) { return access((base + "/state/instances/" + path).c_str(), F_OK) == 0; }

void a_name_is_claimed_once() {
  Fd state = state_dir();
  InstanceDir first, second;
  int error = 0;
  CHECK(davit::claim_instance(state.get(), "web", &first, &error) == Claim::Ok);
  CHECK(davit::instance_locked(state.get(), "web"));
  CHECK(davit::claim_instance(state.get(), "web", &second, &error) == Claim::Busy);
  CHECK(!davit::remove_dead_instance(state.get(), "web"));
  CHECK(exists("web/lock"));
  davit::remove_instance(&first);
  CHECK(!exists("web"));
  CHECK(!davit::instance_locked(state.get(), "web"));
  second = {};
  CHECK(davit::claim_instance(state.get(), "web", &second, &error) == Claim::Ok);
  davit::remove_instance(&second);
}

void asking_disturbs_nobody() {
  Fd state = state_dir();
  InstanceDir instance;
  int error = 0;
  CHECK(davit::claim_instance(state.get(), "asked", &instance, &error) == Claim::Ok);
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 2000; i++)
      if (!davit::instance_locked(state.get(), "asked")) _exit(1);
    _exit(0);
  }
  InstanceDir other;
  for (int i = 0; i < 500; i++) {
    CHECK(davit::claim_instance(state.get(), "free", &other, &error) == Claim::Ok);
    davit::remove_instance(&other);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  davit::remove_instance(&instance);
}

// The holder is killed: the lock is gone with it, the leftovers are removed, the name is free.
void death_releases_the_name() {
  Fd state = state_dir();
  int ready[2];
  CHECK(pipe(ready) == 0);
  pid_t child = fork();
  if (child == 0) {
    InstanceDir instance;
    int error = 0;
    if (davit::claim_instance(state.get(), "dead", &instance, &error) != Claim::Ok) _exit(1);
    Fd junk(openat(instance.dir.get(), ".record.pb.77", O_WRONLY | O_CREAT, 0600));
    (void)!write(ready[1], "r", 1);
    pause();
  }
  char byte;
  CHECK(read(ready[0], &byte, 1) == 1);
  CHECK(davit::instance_locked(state.get(), "dead"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(!davit::instance_locked(state.get(), "dead"));
  CHECK(exists("dead/.record.pb.77"));
  CHECK(davit::remove_dead_instance(state.get(), "dead"));
  CHECK(!exists("dead"));
}

// Many processes claim, hold for a moment and remove one name, others remove "dead" ones: never two holders.
void claims_exclude_each_other() {
  Fd state = state_dir();
  std::string marker = base + "/marker";
  pid_t children[6];
  for (int c = 0; c < 6; c++) {
    children[c] = fork();
    if (children[c] != 0) continue;
    int won = 0;
    // Each claims until it has won often enough; a machine under load is not fair.
    for (int i = 0; c == 0 ? i < 400 : won < 20 && i < 1'000'000; i++) {
      if (c == 0) {
        davit::remove_dead_instance(state.get(), "race");
        continue;
      }
      InstanceDir instance;
      int error = 0;
      Claim claim = davit::claim_instance(state.get(), "race", &instance, &error);
      if (claim == Claim::Error) _exit(2);
      if (claim == Claim::Busy) {
        sched_yield();
        continue;
      }
      won++;
      Fd exclusive(open(marker.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
      if (!exclusive.valid()) _exit(3);
      unlink(marker.c_str());
      if (i % 3) davit::remove_instance(&instance);  // otherwise left as a killed keeper leaves it
    }
    _exit(c == 0 || won == 20 ? 0 : 4);
  }
  for (pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    if (status) printf("child ended with %d\n", status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  davit::remove_dead_instance(state.get(), "race");
  CHECK(!exists("race"));
}

void state_directories_that_are_refused() {
  Fd state;
  davit::Text<400> why;
  CHECK(symlink("/tmp", (base + "/link").c_str()) == 0);
  CHECK(davit::open_state_dir((base + "/link").c_str(), &state, &why) != 0);
  CHECK(mkdir((base + "/open").c_str(), 0755) == 0 && chmod((base + "/open").c_str(), 0755) == 0);
  CHECK(davit::open_state_dir((base + "/open").c_str(), &state, &why) == EPERM);
  Fd file(open((base + "/file").c_str(), O_WRONLY | O_CREAT, 0600));
  CHECK(davit::open_state_dir((base + "/file").c_str(), &state, &why) != 0);
  CHECK(davit::open_state_dir((base + "/no/such").c_str(), &state, &why) == ENOENT);
  if (getuid() == 0) {
    CHECK(mkdir((base + "/foreign").c_str(), 0700) == 0 && chown((base + "/foreign").c_str(), 12345, 12345) == 0);
    CHECK(davit::open_state_dir((base + "/foreign").c_str(), &state, &why) == EPERM);
  }
}

void put_link(const std::string& path) { CHECK(symlink("/etc/passwd", path.c_str()) == 0); }
void put_fifo(const std::string& path) { CHECK(mkfifo(path.c_str(), 0600) == 0); }
void put_directory(const std::string& path) {
  CHECK(mkdir(path.c_str(), 0700) == 0 && mkdir((path + "/in").c_str(), 0700) == 0);
  Fd file(open((path + "/in/it").c_str(), O_WRONLY | O_CREAT, 0600));
}
void put_file(const std::string& path) { Fd file(open(path.c_str(), O_WRONLY | O_CREAT, 0600)); }

// What has taken the place of an instance, its lock or its record blocks neither claim nor removal.
void foreign_things_are_removed() {
  Fd state = state_dir();
  std::string place = base + "/state/instances/odd";
  using Put = void (*)(const std::string&);
  for (Put put : {put_link, put_fifo, put_directory, put_file}) {
    for (const char* where : {"", "/lock", "/record.pb", "/other"}) {
      for (bool claim : {false, true}) {
        if (*where) CHECK(mkdir(place.c_str(), 0700) == 0);
        put(place + where);
        CHECK(!davit::instance_locked(state.get(), "odd"));
        InstanceDir instance;
        int error = 0;
        if (!claim) {
          davit::remove_dead_instance(state.get(), "odd");
        } else {
          CHECK(davit::claim_instance(state.get(), "odd", &instance, &error) == Claim::Ok);
          CHECK(davit::instance_locked(state.get(), "odd"));
          davit::remove_instance(&instance);
        }
        CHECK(!exists("odd"));
      }
    }
  }
  CHECK(access("/etc/passwd", F_OK) == 0);
}

// Whoever holds byte 1 of the lock may be suspended: removal does not wait for it at all.
void a_suspended_process_blocks_nobody() {
  Fd state = state_dir();
  std::string place = base + "/state/instances/stuck";
  CHECK(mkdir(place.c_str(), 0700) == 0);
  Fd lock(open((place + "/lock").c_str(), O_RDWR | O_CREAT, 0600));
  struct flock byte = {};
  byte.l_type = F_WRLCK;
  byte.l_start = 1;
  byte.l_len = 1;
  CHECK(fcntl(lock.get(), F_OFD_SETLK, &byte) == 0);
  CHECK(!davit::remove_dead_instance(state.get(), "stuck") && exists("stuck"));
  CHECK(!davit::instance_locked(state.get(), "stuck"));
  lock.reset();
  CHECK(davit::remove_dead_instance(state.get(), "stuck") && !exists("stuck"));
}

// tmpfiles.d(5): a directory with a shared BSD lock is left alone by the cleaner.
void a_claim_protects_the_directory() {
  Fd state = state_dir();
  InstanceDir instance;
  int error = 0;
  CHECK(davit::claim_instance(state.get(), "kept", &instance, &error) == Claim::Ok);
  Fd cleaner = state_dir();
  CHECK(flock(cleaner.get(), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
  davit::remove_instance(&instance);
  instance = {};
  state.reset();  // its description is the one that was locked
  CHECK(flock(cleaner.get(), LOCK_EX | LOCK_NB) == 0);
}

void own_directories() {
  CHECK(davit::open_own_directory((base + "/state").c_str()).valid());
  for (const char* other : {"/link", "/open", "/file", "/nowhere"})
    CHECK(!davit::open_own_directory((base + other).c_str()).valid());
  if (getuid() == 0) CHECK(!davit::open_own_directory((base + "/foreign").c_str()).valid());
}

void names() {
  for (const char* good : {"web", "a.b_c-D9", "..."}) CHECK(davit::valid_instance_name(good));
  for (const char* bad : {"", ".", "..", "a/b", "a b", "\xc3\xa4", "a\nb"}) CHECK(!davit::valid_instance_name(bad));
  CHECK(!davit::valid_instance_name(std::string(129, 'x').c_str()));
}

void records() {
  char buffer[4096];
  davit::RecordTail tail;
  tail.name = "web";
  tail.pid = 4242;
  tail.pid_start_time = 99;
  tail.boot_id = "boot";
  tail.exited = true;
  tail.exit_status = 3;
  std::string_view bytes = davit::encode_record(std::string_view("\x08\x01", 2), tail, buffer, sizeof buffer);
  davit::JoinRecord record;
  CHECK(davit::decode_record(bytes, &record) && record.pid == 4242 && record.boot_id == "boot");
  for (size_t n = 0; n < bytes.size(); n++) {
    davit::JoinRecord half;
    bool whole = davit::decode_record(bytes.substr(0, n), &half);
    CHECK(!whole || half.pid == 4242);
  }
  CHECK(davit::encode_record("", tail, buffer, 8).empty());
  davit::JoinRecord newer;
  CHECK(!davit::decode_record(std::string("\x08\x02") + std::string(bytes.substr(2)), &newer));
}

void processes_are_more_than_a_pid() {
  uint64_t start = davit::process_start_time(getpid());
  CHECK(start > 0);
  CHECK(davit::open_process(getpid(), start).valid());
  CHECK(!davit::open_process(getpid(), start + 1).valid());
  pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  CHECK(davit::process_start_time(child) == 0);  // a zombie is dead
  waitpid(child, nullptr, 0);
  CHECK(davit::process_start_time(child) == 0);
}

}  // namespace

int main() {
  char name[] = "/tmp/davit-state-test-XXXXXX";
  if (!mkdtemp(name)) return 1;
  base = name;
  a_name_is_claimed_once();
  asking_disturbs_nobody();
  death_releases_the_name();
  claims_exclude_each_other();
  state_directories_that_are_refused();
  own_directories();
  foreign_things_are_removed();
  a_suspended_process_blocks_nobody();
  a_claim_protects_the_directory();
  names();
  records();
  processes_are_more_than_a_pid();
  for (const char* left : {"/link", "/file"}) unlink((base + left).c_str());
  for (const char* left : {"/open", "/foreign", "/state/instances", "/state", ""}) rmdir((base + left).c_str());
  CHECK(access(name, F_OK) != 0);
  return check::finish();
}
