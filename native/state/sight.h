// What a compiled launch depends on (docs/plan-cache.md), as text that can be compared. One function looks, for the
// addon before the compiler reads and for the launcher before it executes a remembered plan.
#pragma once
#include <string_view>

#include "sys/text.h"

namespace davit {

// The longest text of a sight; what is longer is not relied upon.
constexpr size_t kMaxSight = 8192;

struct Seen {
  Text<kMaxSight> text;
  bool settled = true;  // false: a file that has just been changed, and may change again without a difference to see
};

// Looks. `kind` is a fields::SightKind other than those of variables and EXPIRY. False: it cannot be compared, and no
// plan may depend on it.
bool look(unsigned kind, const char* object, Seen* seen);
// Whether all is as it was.
bool still_true(unsigned kind, const char* object, std::string_view seen, const char* const* environment);
// The caller's mask of new files.
unsigned file_mask();
// Variables of our own that have no influence on a plan; they belong to no prefix.
bool is_private_variable(std::string_view entry);

}  // namespace davit
