#include "sys/fd_passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/fd.h"

namespace davit {

int send_fd(int socket, int fd) {
  char byte = 'f';
  struct iovec data = {&byte, 1};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return retry([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }) < 0 ? errno : 0;
}

int receive_fd(int socket) {
  char byte;
  struct iovec data = {&byte, 1};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  errno = 0;
  if (retry([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); }) <= 0) return -1;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

int send_message(int socket, const void* bytes, size_t size, const int* fds, size_t fd_count) {
  if (fd_count > kMaxPassedFds) return E2BIG;
  struct iovec data = {const_cast<void*>(bytes), size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxPassedFds * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fd_count) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
  }
  return retry([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }) < 0 ? errno : 0;
}

bool receive_message(int socket, void* bytes, size_t size, int* fds, size_t* fd_count) {
  struct iovec data = {bytes, size};
  alignas(struct cmsghdr) char control[CMSG_SPACE(kMaxPassedFds * sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  *fd_count = 0;
  ssize_t n = retry([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  struct cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    *fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(header), *fd_count * sizeof(int));
  }
  if (n == static_cast<ssize_t>(size) && !(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) return true;
  for (size_t i = 0; i < *fd_count; i++) close(fds[i]);
  *fd_count = 0;
  return false;
}

}  // namespace davit
