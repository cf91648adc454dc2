// What went wrong, for people: the step, the object and the reason. No failure is the normal case.
#pragma once
#include <errno.h>

#include <optional>
#include <string>
#include <string_view>

namespace davit::image {

// Failures that programs tell apart; most are told apart by `err`.
enum class FailureKind {
  other,
  integrity,  // not the bytes that were announced
  limit,      // more than the caller allows
  cancelled,  // by the caller
};

struct Failure {
  std::string step;    // what was being done: "read", "write squashfs"
  std::string object;  // to what: a path in the image or on the host
  int err = 0;         // errno; 0 when the reason is not a system call
  std::string detail;  // in words, when err is 0
  FailureKind kind = FailureKind::other;
};

using Outcome = std::optional<Failure>;

inline Failure system_failure(std::string_view step, std::string_view object, int err = errno) {
  return Failure{std::string(step), std::string(object), err, {}, FailureKind::other};
}
inline Failure logic_failure(std::string_view step, std::string_view object, std::string_view detail,
                             FailureKind kind = FailureKind::other) {
  return Failure{std::string(step), std::string(object), 0, std::string(detail), kind};
}

// Words for an SQFS_ERROR of libsquashfs.
const char* sqfs_error_text(int code);

}  // namespace davit::image
