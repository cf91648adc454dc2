// In what order an instance directory goes.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "check.h"
#include "state/instance_dir.h"

using davit::Claim;
using davit::Fd;
using davit::InstanceDir;

namespace {

std::string last_removed(int watch) {
  alignas(struct inotify_event) char events[16384];
  ssize_t n = read(watch, events, sizeof events);
  std::string name;
  const struct inotify_event* event;
  for (ssize_t at = 0; at < n; at += static_cast<ssize_t>(sizeof *event + event->len)) {
    event = reinterpret_cast<const struct inotify_event*>(events + at);
    if (event->mask & IN_DELETE) name = event->name;
  }
  return name;
}

// Whoever claims the name waits for the lock that is there: behind it nothing may be removed, since it may be theirs.
void the_lock_is_removed_last(const std::string& base, bool dead) {
  Fd state(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  InstanceDir instance;
  int error = 0;
  CHECK(davit::claim_instance(state.get(), "web", &instance, &error) == Claim::Ok);
  // So many that no file system lists the lock behind all of them by chance.
  for (int i = 0; i < 40; i++) Fd(openat(instance.dir.get(), std::to_string(i).c_str(), O_WRONLY | O_CREAT, 0600));
  Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  CHECK(inotify_add_watch(watch.get(), (base + "/instances/web").c_str(), IN_DELETE) >= 0);
  if (!dead) davit::remove_instance(&instance);
  instance = {};
  if (dead) CHECK(davit::remove_dead_instance(state.get(), "web"));
  CHECK(last_removed(watch.get()) == "lock");
  CHECK(access((base + "/instances/web").c_str(), F_OK) != 0);
}

}  // namespace

int main() {
  char base[] = "/tmp/davit-removal-test-XXXXXX";
  if (!mkdtemp(base)) return 1;
  for (bool dead : {false, true}) the_lock_is_removed_last(base, dead);
  rmdir((std::string(base) + "/instances").c_str());
  CHECK(rmdir(base) == 0);
  return check::finish();
}
