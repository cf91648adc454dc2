// <state>/plans: remembered launches (docs/plan-cache.md), a file each:
//   8 bytes "davitpc1", 8 bytes FNV-1a of the rest (little-endian), CachedPlan (src/schema/plan-cache.proto)
// The hash tells a file that a crash has cut off; who may write there is told by owner and mode.
#pragma once
#include <string_view>

#include "sys/fd.h"
#include "sys/text.h"
#include "wire/plan.h"

namespace davit {

constexpr size_t kMaxCachedPlan = 1 << 20;
constexpr std::string_view kInstanceScheme = "instance://";

// The words behind the program's name, and who would compile them.
struct CommandLine {
  const char* const* words;
  size_t count;
  const char* compiler;  // absolute path of the bundle
  // Indexes in `words` in front of which options were taken out that are no part of a plan.
  const size_t* removed = nullptr;
  size_t removed_count = 0;
};

struct FoundPlan {
  void* memory = nullptr;  // a mapping of the caller's, which holds what is below
  size_t memory_size = 0;
  std::string_view plan;           // an encoded LaunchPlan
  size_t word_count = 0;           // words that were compared; the others are parameters
  unsigned parameters = 0;         // fields::Parameters; the number of words has been checked against it
  const char* instance = nullptr;  // of instance://NAME, where that is the last of the words
  Text<32> name;                   // of the file
};

// NAME of a word instance://NAME, in it; nullptr for any other word, and where that is no name of an instance.
const char* instance_of(const char* word);

// A remembered plan of this command line that everything still holds for. `state_dir` must be the caller's own.
bool find_plan(const char* state_dir, const CommandLine& line, const char* const* environment, FoundPlan* found);
// Keeps `entry`, an encoded CachedPlan, in the place of an older one. 0 or an errno.
int store_plan(const char* state_dir, std::string_view entry, const char* const* environment);
// Removes what find_plan has found.
void forget_plan(const char* state_dir, const FoundPlan& found);

// Whether an entry is of this command line and still holds; for find_plan, and for tests. Fills plan and word_count.
bool entry_holds(std::string_view entry, const CommandLine& line, const char* const* environment, FoundPlan* found);

}  // namespace davit
