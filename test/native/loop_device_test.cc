// Loop devices: one for each image, none for a changed one, none left behind.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "sys/loop_device.h"

namespace {

std::string base;

davit::Fd image(const char* name, char fill) {
  davit::Fd fd(open((base + "/" + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  std::string text(64 << 10, fill);
  CHECK(fd.valid() && pwrite(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return fd;
}

int attach(const davit::Fd& fd, davit::LoopDevice* device, const std::string& memory, uint64_t offset = 4096) {
  davit::Text<200> what;
  return davit::loop_for_image(fd.get(), (base + "/image").c_str(), offset, 32 << 10, memory.c_str(), device, &what);
}

char first_byte(const davit::LoopDevice& device) {
  char byte = 0;
  return pread(device.fd.get(), &byte, 1, 0) == 1 ? byte : 0;
}

// Whether no loop device has a file of ours.
bool all_released() {
  for (int i = 0; i < 256; i++) {
    std::string path = "/sys/block/loop" + std::to_string(i) + "/loop/backing_file";
    davit::Fd fd(open(path.c_str(), O_RDONLY));
    char text[512] = "";
    if (fd.valid() && read(fd.get(), text, sizeof text - 1) > 0 && std::string(text).find(base) == 0) return false;
  }
  return true;
}

void shared_while_unchanged() {
  std::string memory = base + "/loops";
  davit::Fd file = image("image", 'a');
  davit::LoopDevice one, two, other, changed;
  CHECK(attach(file, &one, memory) == 0 && attach(file, &two, memory) == 0);
  CHECK(one.path.view() == two.path.view() && first_byte(two) == 'a');
  CHECK(attach(file, &other, memory, 8192) == 0 && other.path.view() != one.path.view());
  // Written to in place: the same inode, other contents.
  usleep(20000);
  file = image("image", 'b');
  CHECK(attach(file, &changed, memory) == 0 && changed.path.view() != one.path.view() && first_byte(changed) == 'b');
}

void memories_that_are_not_ours() {
  davit::Fd file = image("image2", 'c');
  std::string foreign = base + "/foreign", link = base + "/link", open_to_all = base + "/open";
  CHECK(mkdir(foreign.c_str(), 0700) == 0 && chown(foreign.c_str(), 12345, 12345) == 0);
  CHECK(mkdir(open_to_all.c_str(), 0700) == 0 && chmod(open_to_all.c_str(), 0777) == 0);
  CHECK(symlink(foreign.c_str(), link.c_str()) == 0);
  for (const std::string& memory : {foreign, link, open_to_all, std::string("")}) {
    davit::LoopDevice one, two;
    CHECK(attach(file, &one, memory) == 0 && attach(file, &two, memory) == 0);
    CHECK(one.path.view() != two.path.view());
    if (!memory.empty() && memory != link) CHECK(rmdir(memory.c_str()) == 0);  // nothing was written there
  }
  unlink(link.c_str());
}

void memories_that_lie() {
  std::string memory = base + "/lies";
  davit::Fd file = image("image3", 'd');
  davit::LoopDevice device;
  CHECK(attach(file, &device, memory) == 0);
  device.fd.reset();
  // The device has cleared itself; what is remembered is not believed.
  CHECK(attach(file, &device, memory) == 0 && first_byte(device) == 'd');
  struct stat st;
  CHECK(fstat(file.get(), &st) == 0);
  std::string name = memory + "/" + std::to_string(st.st_dev) + "-" + std::to_string(st.st_ino) + "-4096";
  for (size_t size : {0u, 3u, 24u, 4096u}) {
    davit::Fd fd(open(name.c_str(), O_WRONLY | O_TRUNC));
    std::string noise(size, '\x01');
    CHECK(fd.valid() && write(fd.get(), noise.data(), noise.size()) == static_cast<ssize_t>(size));
    davit::LoopDevice again;
    CHECK(attach(file, &again, memory) == 0 && first_byte(again) == 'd');
  }
}

void writable_with_its_lock() {
  davit::Fd file = image("image4", 'e');
  davit::LoopDevice device;
  davit::Text<200> what;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_start = 4096;
  CHECK(fcntl(file.get(), F_OFD_SETLK, &lock) == 0);
  CHECK(davit::loop_for_writing(file.get(), (base + "/image4").c_str(), 4096, 0, &device, &what) == 0);
  file.reset();
  davit::Fd writer(open(device.path.c_str(), O_WRONLY | O_CLOEXEC));
  CHECK(writer.valid() && pwrite(writer.get(), "z", 1, 0) == 1 && fsync(writer.get()) == 0);
  writer.reset();
  // The device holds the open file, and with it the lock; both go together.
  davit::Fd other(open((base + "/image4").c_str(), O_RDWR | O_CLOEXEC));
  char byte = 0;
  CHECK(pread(other.get(), &byte, 1, 4096) == 1 && byte == 'z');
  CHECK(fcntl(other.get(), F_OFD_SETLK, &lock) != 0 && errno == EAGAIN);
  device.fd.reset();
  int error = EAGAIN;
  for (int i = 0; i < 1000 && error; i++) {
    error = fcntl(other.get(), F_OFD_SETLK, &lock) == 0 ? 0 : errno;
    if (error) usleep(20000);
  }
  CHECK(error == 0);
}

}  // namespace

int main() {
  if (geteuid() != 0) return check::skip("root: loop devices are root's");
  if (access("/dev/loop-control", R_OK | W_OK) != 0) return check::skip("loop devices: no /dev/loop-control");
  char name[] = "/var/tmp/davit-loop-test-XXXXXX";
  if (!mkdtemp(name)) return 1;
  base = name;
  shared_while_unchanged();
  memories_that_are_not_ours();
  memories_that_lie();
  writable_with_its_lock();
  for (int i = 0; i < 1000 && !all_released(); i++) usleep(20000);
  CHECK(all_released());
  CHECK(system(("rm -rf " + base).c_str()) == 0);
  return check::finish();
}
