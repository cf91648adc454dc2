#include "launcher/way_back.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace davit {

void WayBack::prepare(const Namespaces& entered) {
  if (entered.user || entered.pid || !entered.mount) return;
  const struct {
    bool entered;
    int type;
    const char* path;
  } all[] = {{entered.mount, CLONE_NEWNS, "/proc/self/ns/mnt"},
             {entered.ipc, CLONE_NEWIPC, "/proc/self/ns/ipc"},
             {entered.uts, CLONE_NEWUTS, "/proc/self/ns/uts"},
             {entered.net, CLONE_NEWNET, "/proc/self/ns/net"}};
  root_.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  directory_.reset(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const auto& each : all) {
    if (!each.entered) continue;
    left_[count_].type = each.type;
    left_[count_++].fd.reset(open(each.path, O_RDONLY | O_CLOEXEC));
  }
}

bool WayBack::take() {
  if (!count_ || !root_.valid() || !directory_.valid()) return false;
  for (unsigned i = 0; i < count_; i++)
    if (!left_[i].fd.valid()) return false;
  for (unsigned i = 0; i < count_; i++)
    if (setns(left_[i].fd.get(), left_[i].type) != 0) return false;
  // setns(2) has put both at the root of the mount namespace; a caller may have another one (chroot(2)).
  return fchdir(root_.get()) == 0 && chroot(".") == 0 && fchdir(directory_.get()) == 0;
}

}  // namespace davit
