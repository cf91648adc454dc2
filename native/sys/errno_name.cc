#include <errno.h>
#include <string.h>

#include "sys/text.h"

namespace davit {

const char* errno_name(int err) {
  const char* name = strerrorname_np(err);
  return name ? name : "unknown errno";
}

const char* errno_text(int err) {
  const char* text = strerrordesc_np(err);
  return text ? text : "unknown error";
}

}  // namespace davit
