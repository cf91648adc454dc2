// davit-ready: the payload of `davit bench`, which says from inside a container that it runs.
//
//   davit-ready FIFO [hold]
//
// Writes the time of CLOCK_MONOTONIC at its first instruction to FIFO, as 8 bytes in nanoseconds, native byte order.
// Then it ends; with "hold" at SIGTERM, SIGINT or SIGHUP, also as process 1 of a PID namespace: blocked signals reach
// an init that would otherwise ignore them (kernel/signal.c, sig_ignored()).
//
// No C library: it runs in images that have none, is mapped with three pages, and spends no time before main().
#include <linux/fcntl.h>
#include <linux/time.h>
#include <stdint.h>
#include <sys/syscall.h>

namespace {

constexpr int kUsage = 2;
constexpr int kNoFifo = 3;
constexpr long kNanosPerSecond = 1000000000;

#if defined(__x86_64__)
long call(long number, long a, long b, long c, long d) {
  register long r10 asm("r10") = d;
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
asm(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall davit_ready\n");
#elif defined(__aarch64__)
long call(long number, long a, long b, long c, long d) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
asm(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl davit_ready\n");
#else
#error "davit-ready knows the system calls of x86_64 and aarch64"
#endif

long address(const void* pointer) { return reinterpret_cast<long>(pointer); }

[[noreturn]] void end(int status) {
  for (;;) call(SYS_exit_group, status, 0, 0, 0);
}

// Bits of a signal set: SIGHUP 1, SIGINT 2, SIGTERM 15 (signal(7)).
constexpr uint64_t kEndSignals = 1u << 0 | 1u << 1 | 1u << 14;

}  // namespace

extern "C" [[noreturn, gnu::used]] void davit_ready(const uintptr_t* stack) {
  __kernel_timespec now = {};
  call(SYS_clock_gettime, 1 /* CLOCK_MONOTONIC */, address(&now), 0, 0);
  const uint64_t nanos = static_cast<uint64_t>(now.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(now.tv_nsec);

  const uintptr_t argc = stack[0];
  if (argc < 2) end(kUsage);
  const bool hold = argc > 2;
  // Before the word is out: whoever has read it may send the signal at once.
  if (hold) call(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, address(&kEndSignals), 0, sizeof kEndSignals);
  const long fifo = call(SYS_openat, AT_FDCWD, static_cast<long>(stack[2]), O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (fifo < 0 || call(SYS_write, fifo, address(&nanos), sizeof nanos, 0) != sizeof nanos) end(kNoFifo);
  call(SYS_close, fifo, 0, 0, 0);
  if (hold) {
    while (call(SYS_rt_sigtimedwait, address(&kEndSignals), 0, 0, sizeof kEndSignals) < 0) {
    }
  }
  end(0);
}
