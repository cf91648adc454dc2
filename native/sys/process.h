// Processes by identity: a PID alone may have been recycled, a PID with its start time has not.
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "sys/fd.h"
#include "sys/text.h"

namespace davit {

// Field 22 of /proc/PID/stat in clock ticks since boot; 0 when there is no such process or it is a zombie (Z, X).
uint64_t process_start_time(pid_t pid);
// It is on its way to its end, and may have given up its files and namespaces. False also for one that has ended.
bool process_is_ending(pid_t pid);
// A pidfd of exactly that process, checked after it was opened. Invalid (errno ESRCH) when it is gone.
Fd open_process(pid_t pid, uint64_t start_time);
// The oldest child of a process, in its parent's PID namespace; 0 when there is none or it cannot be known.
pid_t first_child(pid_t pid);
// /proc/sys/kernel/random/boot_id, without the newline. Empty when it cannot be read.
Text<40> boot_id();
// Unix time in milliseconds.
int64_t now_ms();

// Kills a child and waits for its end, but not for ever: a process that the kernel itself keeps waiting, on a file
// system whose server is dead, ends when that lets go of it, and must not hold the name of the instance until then.
void end_child(pid_t pid, int pidfd);

// From now on children of fork(2) have the page tables of this program's text. The kernel copies those of a mapped file
// only when some page of the mapping is the process's own; else each child faults its way through the text again (about
// ten faults, three children an instance). One page becomes our own: a byte of it is written as it is. Where that is
// forbidden nothing changes.
void hand_down_page_tables();

}  // namespace davit
