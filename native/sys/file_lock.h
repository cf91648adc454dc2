// Open file description locks of single bytes (fcntl(2), F_OFD_SETLK): they belong to the open file, children inherit
// them with it, and the kernel releases them when the last descriptor of it is closed, however its holders end.
#pragma once
#include <sys/types.h>

namespace davit {

// Takes (F_RDLCK, F_WRLCK) or releases (F_UNLCK) the lock of one byte without waiting. 0 or an errno; EAGAIN: somebody
// else holds it.
int set_lock(int fd, off_t byte, short type);
// Like set_lock, tried again every millisecond for at most `wait_ms`: its holder may have been suspended.
int set_lock_within(int fd, off_t byte, short type, int wait_ms);
// Waits for the lock for ever, through signals.
int wait_for_lock(int fd, off_t byte, short type);
// True while somebody else holds the byte, for reading or writing. Takes no lock.
bool lock_held(int fd, off_t byte);

}  // namespace davit
