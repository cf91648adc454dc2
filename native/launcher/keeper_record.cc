#include "launcher/keeper_record.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "davit_fields.h"
#include "executor/executor.h"
#include "state/instance_dir.h"
#include "sys/process.h"
#include "sys/small_file.h"
#include "wire/wire.h"

namespace davit {

constexpr size_t kTailRoom = 16 << 10;  // two log paths of PATH_MAX and small fields

// The compiler's part of the record and the arguments, which a remembered plan does not know. Outlives the arena.
bool KeeperRecord::keep_head(Context& ctx) {
  const List<const char*>& arguments = ctx.plan.program.arguments;
  size_t room = ctx.plan.instance.record.size();
  for (const char* argument : arguments) room += strlen(argument) + 16;
  void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ctx.fail(errno, "make room for the instance record");
  wire::Writer w(static_cast<char*>(memory), room);
  w.raw(ctx.plan.instance.record);
  for (const char* argument : arguments) w.text(fields::InstanceRecord::command, argument);
  head_ = w.view();
  return true;
}

bool KeeperRecord::describe(Context& ctx, pid_t init) {
  if (!keep_head(ctx)) return false;
  boot_ = boot_id();
  tail.pid = static_cast<uint32_t>(init);
  tail.pid_start_time = process_start_time(init);
  tail.keeper_pid = static_cast<uint32_t>(getpid());
  tail.keeper_start_time = process_start_time(getpid());
  tail.program_pid = static_cast<uint32_t>(first_child(init));
  tail.namespaces = clone_flags(ctx.plan.namespaces);
  tail.boot_id = boot_.c_str();
  if (tail.keeper_start_time && boot_.size()) {
    if (tail.pid_start_time) return true;
    return ctx.fail(0, "the container's init ended during the start");
  }
  return ctx.fail(0, "read the identity of the instance's processes from \"/proc\"", "is /proc mounted here?");
}

int KeeperRecord::write(int directory) const {
  size_t room = head_.size() + kTailRoom;
  void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  std::string_view bytes = encode_record(head_, tail, static_cast<char*>(memory), room);
  int error = bytes.empty() ? E2BIG : replace_file(directory, kRecordName, bytes, 0600);
  munmap(memory, room);
  return error;
}

}  // namespace davit
