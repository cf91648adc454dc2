// System calls that glibc 2.36 lacks or wraps with more than we want. All return -1 and set errno, as syscall(2) does.
// The numbers and structures are the kernel's ABI (linux/mount.h, linux/sched.h, linux/openat2.h).
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace davit::sys {

inline int fsopen(const char* type, unsigned flags) { return syscall(SYS_fsopen, type, flags); }
inline int fsconfig(int fd, unsigned cmd, const char* key, const void* value, int aux) {
  return syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}
inline int fsmount(int fd, unsigned flags, unsigned attrs) { return syscall(SYS_fsmount, fd, flags, attrs); }
inline int open_tree(int dir, const char* path, unsigned flags) { return syscall(SYS_open_tree, dir, path, flags); }
inline int move_mount(int from, const char* from_path, int to, const char* to_path, unsigned flags) {
  return syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}
inline int mount_setattr(int dir, const char* path, unsigned flags, struct mount_attr* attr) {
  return syscall(SYS_mount_setattr, dir, path, flags, attr, sizeof *attr);
}
inline int pivot_root(const char* new_root, const char* put_old) { return syscall(SYS_pivot_root, new_root, put_old); }
inline int pidfd_open(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
inline int pidfd_send_signal(int fd, int signal) { return syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0); }
inline int close_range(unsigned first, unsigned last, unsigned flags) {
  return syscall(SYS_close_range, first, last, flags);
}
// openat2(2): EAGAIN means that some rename or mount on the machine raced with the resolution of a "..", and that the
// caller may try again. With hundreds of launches at once that is no rare event.
inline int openat2(int dir, const char* path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  struct open_how how = {flags, mode, resolve};
  for (int tries = 0;; tries++) {
    int fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || tries == 128) return fd;
  }
}
// fork with namespaces. The child runs on a copy of this stack, as after fork(2).
inline pid_t clone3_fork(uint64_t flags, int* pidfd, int exit_signal) {
  struct clone_args args = {};
  args.flags = flags | (pidfd ? CLONE_PIDFD : 0);
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  args.exit_signal = static_cast<uint64_t>(exit_signal);
  pid_t pid = syscall(SYS_clone3, &args, sizeof args);
  // Container engines' filters answer ENOSYS, since they cannot look into the structure. clone(2) has the same flags.
  if (pid == -1 && errno == ENOSYS)
    pid = syscall(SYS_clone, args.flags | static_cast<uint64_t>(exit_signal), nullptr, pidfd, nullptr, nullptr);
  return pid;
}

}  // namespace davit::sys
