// Descriptors over a Unix socket (unix(7), SCM_RIGHTS).
#pragma once
#include <stddef.h>

namespace davit {

// 0 or an errno.
int send_fd(int socket, int fd);
// The descriptor (close-on-exec), or -1: errno, which is 0 when the other side closed.
int receive_fd(int socket);

constexpr size_t kMaxPassedFds = 48;

// One message of a SOCK_SEQPACKET socket: bytes and up to kMaxPassedFds descriptors. 0 or an errno; it never raises
// SIGPIPE.
int send_message(int socket, const void* bytes, size_t size, const int* fds, size_t fd_count);
// The whole message, of exactly `size` bytes; what it carried is in fds (room for kMaxPassedFds), close-on-exec. False:
// the other side is closed, or what came is nothing of ours.
bool receive_message(int socket, void* bytes, size_t size, int* fds, size_t* fd_count);

}  // namespace davit
