#include "timing/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/fd.h"

namespace davit::timing {

Shared* shared = nullptr;

namespace {

constexpr char kMagic[8] = {'d', 'a', 'v', 'i', 't', 't', 'm', '1'};
constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL of linux/memfd.h

int memory_fd = -1;
Part own_part = Part::Command;
uint8_t own_depth = 0;

template <size_t N>
void copy(char (&to)[N], std::string_view from) {
  size_t n = from.size() < N - 1 ? from.size() : N - 1;
  if (n) memcpy(to, from.data(), n);
  to[n] = 0;
}

Record* take(Phase phase, uint8_t depth, std::string_view name, std::string_view detail, uint64_t start_ns) {
  uint32_t index = shared->used.fetch_add(1, std::memory_order_relaxed);
  if (index >= kMaxRecords) return nullptr;
  Record* record = &shared->records[index];
  record->end_ns = 0;
  record->phase = phase;
  record->part = own_part;
  record->depth = depth;
  record->failed = 0;
  copy(record->name, name);
  copy(record->detail, detail);
  record->start_ns = start_ns;
  return record;
}

// Records of another process: an index is believed only within bounds.
Record* current_record() {
  uint32_t current = shared->current;
  return current && current <= kMaxRecords ? &shared->records[current - 1] : nullptr;
}

Phase current_phase() {
  Record* current = current_record();
  return current ? current->phase : Phase::Door;
}

bool map(int fd) {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  shared = static_cast<Shared*>(memory);
  memory_fd = fd;
  own_part = Part::Command;
  own_depth = 0;
  return true;
}

}  // namespace

const char* phase_name(Phase phase) {
  constexpr const char* names[] = {"door", "node", "plan", "clone", "mount", "pivot", "action", "exec", "ready"};
  size_t index = static_cast<size_t>(phase);
  return index < sizeof names / sizeof *names ? names[index] : "";
}

const char* part_name(Part part) {
  constexpr const char* names[] = {"davit", "keeper", "init", "program", "image holder", "start"};
  size_t index = static_cast<size_t>(part);
  return index < sizeof names / sizeof *names ? names[index] : "";
}

uint64_t now_ns() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

int begin() {
  // Linux 6.3: where vm.memfd_noexec is 2, a file that does not give up being executed is refused; older kernels do not
  // know the flag.
  Fd fd(memfd_create("davit-timing", MFD_CLOEXEC | kNoExecSeal));
  if (!fd.valid() && errno == EINVAL) fd.reset(memfd_create("davit-timing", MFD_CLOEXEC));
  // High, since the lowest numbers are those that a caller counts on.
  Fd high(fd.valid() ? fcntl(fd.get(), F_DUPFD_CLOEXEC, 64) : -1);
  if (!high.valid() && fd.valid()) high = static_cast<Fd&&>(fd);
  if (!high.valid() || ftruncate(high.get(), sizeof(Shared)) != 0 || !map(high.get())) return errno;
  high.release();
  memcpy(shared->magic, kMagic, sizeof kMagic);
  shared->process = static_cast<uint32_t>(getpid());
  shared->trace_fd = -1;
  return 0;
}

bool attach(int fd) {
  struct stat st;
  if (fd < 3 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != sizeof(Shared)) return false;
  if (!map(fd)) return false;
  if (memcmp(shared->magic, kMagic, sizeof kMagic) != 0) {
    munmap(shared, sizeof(Shared));
    shared = nullptr;
    memory_fd = -1;
    return false;
  }
  keep_across_exec(false);
  return true;
}

int descriptor() { return memory_fd; }

int open_trace(const char* path) {
  Fd fd(retry([&] { return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666); }));
  if (!fd.valid()) return errno;
  int high = fcntl(fd.get(), F_DUPFD_CLOEXEC, 64);
  if (trace_descriptor() >= 0) close(trace_descriptor());
  shared->trace_fd = high >= 0 ? high : fd.release();
  return 0;
}

int trace_descriptor() { return shared && own_part == Part::Command ? shared->trace_fd : -1; }

void keep_across_exec(bool kept) {
  if (!shared) return;
  for (int fd : {memory_fd, trace_descriptor()})
    if (fd > 2) fcntl(fd, F_SETFD, kept ? 0 : FD_CLOEXEC);
}

void enter(Phase phase, std::string_view detail, uint64_t at_ns) {
  if (!shared) return;
  uint64_t now = at_ns ? at_ns : now_ns();
  if (Record* ended = current_record()) ended->end_ns = now;
  Record* record = take(phase, 0, phase_name(phase), detail, now);
  shared->current = record ? static_cast<uint32_t>(record - shared->records) + 1 : 0;
}

void end() {
  if (!shared) return;
  if (Record* ended = current_record()) ended->end_ns = now_ns();
  shared->current = 0;
}

void add(std::string_view name, std::string_view detail, uint64_t start_ns, uint64_t end_ns) {
  if (!shared) return;
  Record* phase = current_record();
  uint64_t least = phase ? phase->start_ns : start_ns ? start_ns : now_ns();
  if (start_ns < least) start_ns = least;
  if (Record* record = take(current_phase(), 1, name, detail, start_ns)) record->end_ns = end_ns;
}

void add_start(std::string_view name, uint64_t start_ns, uint64_t end_ns, bool failed) {
  if (!shared) return;
  Record* record = take(current_phase(), 1, "start", name, start_ns);
  if (!record) return;
  record->end_ns = end_ns;
  record->part = Part::Start;
  record->failed = failed;
}

void become(Part part) {
  if (!shared) return;
  for (int fd : {memory_fd, trace_descriptor()})
    if (fd > 2) close(fd);
  memory_fd = -1;
  own_part = part;
}

void forget() {
  if (!shared) return;
  become(Part::Holder);
  munmap(shared, sizeof(Shared));
  shared = nullptr;
}

Record* Span::open(std::string_view name, std::string_view detail) {
  Record* record = take(current_phase(), static_cast<uint8_t>(own_depth + 1), name, detail, now_ns());
  if (record) own_depth++;
  return record;
}

void Span::close() {
  own_depth--;
  if (shared) record_->end_ns = now_ns();
}

}  // namespace davit::timing
