// The phases of one launch (docs/timing.md), noted by all of its processes in memory that they share. Phases follow
// each other without a gap: whoever carries the launch on ends one and begins the next. Spans lie within a phase.
// Where nobody has asked for it, `shared` is null and everything here is one branch.
#pragma once
#include <stdint.h>

#include <atomic>
#include <string_view>

namespace davit::timing {

// The values are part of the shared memory that src/timing.ts passes on; names by phase_name().
enum class Phase : uint8_t { Door, Node, Plan, Clone, Mount, Pivot, Action, Exec, Ready };
const char* phase_name(Phase phase);

// Whose time it is.
// Start: one of several instances that one command starts, beside others.
enum class Part : uint8_t { Command, Keeper, Init, Program, Holder, Start };
const char* part_name(Part part);

// How the launch came by its plan.
enum class Outcome : uint32_t { None, Hit, Compiled };

struct Record {
  uint64_t start_ns;  // CLOCK_MONOTONIC
  uint64_t end_ns;    // 0: not ended (yet)
  Phase phase;
  Part part;
  uint8_t depth;  // 0: the phase itself
  uint8_t failed;
  char name[28];
  char detail[80];
};
static_assert(sizeof(Record) == 128);

constexpr uint32_t kMaxRecords = 2047;

struct Shared {
  char magic[8];
  uint32_t process;  // the command's
  Outcome outcome;
  uint32_t table;              // --timing
  int32_t trace_fd;            // --trace, open; -1 without
  std::atomic<uint32_t> used;  // records taken; those beyond kMaxRecords are lost
  uint32_t current;            // 1-based record of the phase that goes on, 0 without
  uint32_t failed;             // the launch has failed
  Record records[kMaxRecords];
};

extern Shared* shared;
inline bool on() { return shared != nullptr; }

uint64_t now_ns();

// Begins to note, in memory of this process that others can be given. 0 or an errno.
int begin();
// Goes on with memory that another process has begun. False when the descriptor is none of that kind.
bool attach(int fd);
// The descriptor of the memory, for the next program on the way; -1 without. It closes on exec until told otherwise.
int descriptor();
// Opens the file for the trace: made with 0666 without the umask, emptied. 0 or an errno.
int open_trace(const char* path);
// The descriptor of the trace, -1 without.
int trace_descriptor();
// Whether the descriptors of memory and trace survive the next execve.
void keep_across_exec(bool kept);

// Ends the phase that goes on and begins another, now or at `at_ns`.
void enter(Phase phase, std::string_view detail = {}, uint64_t at_ns = 0);
// Ends the phase that goes on: what follows is not of the launch.
void end();
// A span of known times within the phase that goes on; 0 is the beginning or the end of the phase.
void add(std::string_view name, std::string_view detail, uint64_t start_ns, uint64_t end_ns);
// The start of one of several instances, from its beginning to its end.
void add_start(std::string_view name, uint64_t start_ns, uint64_t end_ns, bool failed);
// This process, just forked, is another part of the launch: what is told in the end is not its business.
void become(Part part);
// Notes nothing more here: for processes that outlive the launch.
void forget();

// A span of this process within the phase that goes on, as long as the object lives.
class Span {
 public:
  explicit Span(std::string_view name, std::string_view detail = {}) : record_(on() ? open(name, detail) : nullptr) {}
  ~Span() {
    if (record_) close();
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  // What it was about has failed. Returns false.
  bool fail() {
    if (record_) record_->failed = 1;
    return false;
  }

 private:
  static Record* open(std::string_view name, std::string_view detail);
  void close();
  Record* record_;
};

}  // namespace davit::timing
