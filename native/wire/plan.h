// The launch plan as native code sees it: src/schema/launch.proto, field for field, where every field is explained.
// Strings are NUL-terminated copies in an arena; an absent string is "".
#pragma once
#include <stdint.h>

#include <string_view>

#include "sys/list.h"

namespace davit {

enum class Mode : uint32_t { InPlace = 0, Child = 1, Instance = 2, Join = 3, Warm = 4, Stats = 5 };
enum class StatsForm : uint32_t { Tables = 0, Table = 1, Json = 2 };

// One line a message where it fits: this is read beside the schema.
// clang-format off
struct IdRange { uint32_t inside, outside, count; };
struct IdMap { List<IdRange> uid, gid; const char *uid_helper, *gid_helper; };
struct Namespaces { bool user, mount, pid, ipc, uts, net; IdMap id_map; };

struct Propagation { bool is_private; };
struct Session { uint64_t size_bytes; };
struct MountSquashfs {
  const char* image;
  uint64_t offset_bytes, size_bytes;
  const char *loop_dir, *share_dir;
  uint64_t warm_ms;
};
struct MountFuse {
  const char* image;
  List<const char*> server_argv;
  const char *source, *subtype, *share_dir;
  bool share_make;
  uint64_t warm_ms;
};
struct MountDirectory { const char* path; };
struct MountExt3 {
  const char* image;
  uint64_t offset_bytes, size_bytes;
  const char* loop_dir;
  bool writable, embedded;
  List<const char*> server_argv, check_argv;
};
struct Rootfs {
  bool writable, session_upper, user_xattr, allow_setuid;
  const char *upper_dir, *work_dir, *overlay_server = "";
};
struct Bind {
  const char *source, *target, *origin;
  bool read_only, recursive, optional, skip_if_visible, keep_suid_dev, host_user_text;
  uint32_t make_source_mode;
};
struct Tmpfs { const char *target, *options; bool nosuid, nodev, noexec, optional; };
struct Proc { const char* target; bool fallback_bind; };
struct Devpts { const char *target, *options; };
struct Mqueue { const char* target; };
struct SessionDirectory { const char* target; uint32_t mode; };
struct PasswdEdit { uint32_t uid, gid; const char *name, *gecos, *home, *shell; bool keep_name; };
struct GroupEntry { uint32_t gid; const char* name; };
struct GroupEdit { const char* user; List<GroupEntry> groups; };
struct File {
  const char* target;
  enum class Content { Bytes, CopyOf, Passwd, Group } content;
  std::string_view bytes;
  const char* copy_of;
  PasswdEdit passwd;
  GroupEdit group;
  bool optional;
  uint32_t mode;
};
struct Symlink { const char *target, *text; };
struct PivotRoot {};
struct Hostname { const char* name; };
struct Privileges { bool no_new_privs, drop_all; uint64_t keep_mask; };
struct Rlimit { uint32_t resource; uint64_t soft, hard; };
struct UserNamespace { IdMap id_map; };

struct Step {
  unsigned kind = 0;  // field number within message Step: fields::Step::*
  const void* body = nullptr;
  template <typename T>
  const T& as() const {
    return *static_cast<const T*>(body);
  }
};
const char* step_name(unsigned kind);

struct Variable { const char *name, *value, *from_host; bool from_instance_name; unsigned from_record; };
struct Environment { bool only_allowed; List<const char*> allow, block, block_prefixes; List<Variable> set; };
struct WorkingDirectory { const char* path; bool fatal, of_caller; List<const char*> fallbacks; };
struct Program {
  Environment environment;
  std::string_view script;
  List<const char*> arguments;
  const char* shell;
  WorkingDirectory working_directory;
  bool set_umask, init_is_program, own_group;
  uint32_t umask;
};

struct Instance {
  const char *state_dir, *name, *log_dir, *pid_file;
  std::string_view record;
  double wait_seconds;
};
struct Join { const char *state_dir, *name; };
// path is empty for images that stay.
struct TemporaryImage { const char* path; int descriptor; };
struct Batch { List<const char*> names; uint32_t jobs; bool atomic; };
struct Stats {
  const char* name;
  uint32_t pid;
  uint64_t pid_start_time;
  uint32_t keeper_pid;
  bool foreign;
  uint32_t uid;
  StatsForm form;
};
struct Output { int32_t message_level; bool color; int32_t report_fd; const char* image; };

// clang-format on
struct LaunchPlan {
  uint32_t format = 0;
  const char* davit_version = "";
  Mode mode = Mode::InPlace;
  Namespaces namespaces{};
  List<Step> steps;
  Program program{};
  Instance instance{};
  Join join{};
  Output output{};
  TemporaryImage temporary_image{};
  Batch batch{};
  uint64_t warm_ms = 0;
  Stats stats{};
};

constexpr uint32_t kPlanFormat = 1;

// nullptr, or what is wrong with the message. `message` must outlive the plan.
const char* decode_plan(std::string_view message, Arena& arena, LaunchPlan* plan);

}  // namespace davit
