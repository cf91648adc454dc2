// The smallest test harness that says what failed: CHECK(condition), a count at the end, exit status 1 on failure.
#pragma once
#include <stdio.h>
#include <string.h>

#include <string>
#include <string_view>

namespace check {

inline int passed = 0, failed = 0;

inline void that(bool ok, const char* what, const char* file, int line) {
  if (ok) {
    passed++;
    return;
  }
  failed++;
  printf("%s:%d: failed: %s\n", file, line, what);
}

inline int finish() {
  printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}

// 77 is what ctest counts as skipped.
inline int skip(const char* missing) {
  printf("skipped: no %s\n", missing);
  return 77;
}

}  // namespace check

#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
