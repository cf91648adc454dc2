// The instance record (src/schema/record.proto) as native code needs it.
#pragma once
#include <stdint.h>

#include <string_view>

#include "sys/arena.h"

namespace davit {

constexpr uint32_t kRecordFormat = 1;

// The fields that a join uses.
struct JoinRecord {
  uint32_t format = 0;
  uint32_t pid = 0;
  uint64_t pid_start_time = 0;
  uint64_t namespaces = 0;  // CLONE_NEW* to join
  bool user_namespace = false;
  bool no_new_privs = false;
  bool drop_all_capabilities = false;
  uint64_t keep_capabilities = 0;  // mask; 0: all
  std::string_view boot_id, name;
  // What the program of a join is told of the instance.
  std::string_view image, image_name, bind_list, home;
};

// What the keeper adds to the compiler's part.
struct RecordTail {
  const char* name = "";
  uint32_t pid = 0, keeper_pid = 0, server_pid = 0, program_pid = 0;
  uint64_t pid_start_time = 0, keeper_start_time = 0, namespaces = 0;
  int64_t started_at_ms = 0, exited_at_ms = 0;
  const char* boot_id = "";
  const char* log_out = "";
  const char* log_err = "";
  bool exited = false;
  int32_t exit_status = 0;
};

// False for a malformed record or one of another format.
bool decode_record(std::string_view bytes, JoinRecord* out);
// `head` (the compiler's fields) and the tail, in `buffer`. Empty when it does not fit.
std::string_view encode_record(std::string_view head, const RecordTail& tail, char* buffer, size_t size);

}  // namespace davit
