// One descriptor over a Unix socket (unix(7), SCM_RIGHTS).
#pragma once

namespace davit {

// 0 or an errno.
int send_fd(int socket, int fd);
// The descriptor (close-on-exec), or -1: errno, which is 0 when the other side closed.
int receive_fd(int socket);

}  // namespace davit
