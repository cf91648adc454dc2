#include "binding/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <limits>
#include <string>

#include "binding/errors.h"
#include "usage/usage.h"

namespace davit {
namespace {

// Addresses; what is not touched costs nothing.
constexpr size_t kRoom = size_t{1} << 30;

class Memory {
 public:
  Memory() : base_(mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Memory() {
    if (valid()) munmap(base_, kRoom);
  }
  bool valid() const { return base_ != MAP_FAILED; }
  void* base() const { return base_; }

 private:
  void* base_;
};

// Fills objects; every number is a double, as JavaScript has no other.
struct Maker {
  Napi::Env env;

  Napi::Object object() const { return Napi::Object::New(env); }
  Napi::Value number(uint64_t value) const {
    double shown = value == usage::kNoLimit ? std::numeric_limits<double>::infinity() : static_cast<double>(value);
    return Napi::Number::New(env, shown);
  }
  Napi::Object numbers(const List<usage::NamedNumber>& list) const {
    Napi::Object all = object();
    for (const usage::NamedNumber& one : list) all.Set(std::string(one.name), number(one.value));
    return all;
  }

  Napi::Object cpu(const usage::CpuUsage& cpu) const {
    Napi::Object made = object();
    made.Set("totalNs", number(cpu.total_ns));
    made.Set("userNs", number(cpu.user_ns));
    made.Set("systemNs", number(cpu.system_ns));
    made.Set("processesNs", number(cpu.processes_ns));
    if (cpu.source == usage::Source::Group) {
      Napi::Object throttling = object();
      throttling.Set("periods", number(cpu.throttling.periods));
      throttling.Set("throttledPeriods", number(cpu.throttling.throttled_periods));
      throttling.Set("throttledNs", number(cpu.throttling.throttled_ns));
      made.Set("throttling", throttling);
    }
    made.Set("source", usage::source_name(cpu.source));
    return made;
  }

  Napi::Object memory(const usage::MemoryUsage& memory) const {
    Napi::Object made = object();
    made.Set("usageBytes", number(memory.bytes));
    made.Set("limitBytes", number(memory.limit_bytes));
    if (memory.max_bytes != usage::kNoLimit) made.Set("maxUsageBytes", number(memory.max_bytes));
    if (memory.source == usage::Source::Group) made.Set("failures", number(memory.failures));
    made.Set("details", numbers(memory.details));
    made.Set("source", usage::source_name(memory.source));
    return made;
  }

  Napi::Object hugepages(const usage::Hugepages& hugepages) const {
    Napi::Object made = object();
    made.Set("bySize", numbers(hugepages.by_size));
    made.Set("source", usage::source_name(hugepages.source));
    return made;
  }

  Napi::Value block(const usage::BlockUsage& block) const {
    if (!block.transfers.counted) return env.Null();
    Napi::Object made = object();
    made.Set("readBytes", number(block.transfers.read_bytes));
    made.Set("writtenBytes", number(block.transfers.written_bytes));
    if (block.source == usage::Source::Group) made.Set("devices", devices(block.devices));
    made.Set("source", usage::source_name(block.source));
    return made;
  }

  Napi::Array devices(const List<usage::DeviceTransfers>& list) const {
    Napi::Array all = Napi::Array::New(env, list.size);
    for (uint32_t i = 0; i < list.size; i++) {
      const usage::DeviceTransfers& device = list.data[i];
      Napi::Object made = object();
      made.Set("major", number(device.major));
      made.Set("minor", number(device.minor));
      made.Set("readBytes", number(device.read_bytes));
      made.Set("writtenBytes", number(device.written_bytes));
      all.Set(i, made);
    }
    return all;
  }
};

// ({proc, pid, startTime, keeperPid, foreignUid}) => the usage, null when the instance has ended, or the uid whose
// process that PID is
Napi::Value instance_usage(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object asked = info[0].As<Napi::Object>();
  std::string proc = asked.Get("proc").As<Napi::String>();
  std::string start_time = asked.Get("startTime").As<Napi::String>();
  Napi::Value foreign = asked.Get("foreignUid");
  usage::Subject subject;
  subject.proc = proc.c_str();
  subject.init = asked.Get("pid").As<Napi::Number>().Int32Value();
  subject.keeper = asked.Get("keeperPid").As<Napi::Number>().Int32Value();
  subject.init_start_time = strtoull(start_time.c_str(), nullptr, 10);
  subject.foreign = foreign.IsNumber();
  if (subject.foreign) subject.foreign_uid = foreign.As<Napi::Number>().Uint32Value();
  Memory memory;
  Arena arena(memory.base(), memory.valid() ? kRoom : 0);
  usage::Usage usage;
  uid_t owner = 0;
  switch (usage::read_usage(subject, arena, &usage, &owner)) {
    case usage::Found::Ended: return env.Null();
    case usage::Found::NotTheirs: return Napi::Number::New(env, owner);
    case usage::Found::NoMemory: throw_errno(env, ENOMEM, "look at an instance"); return env.Undefined();
    case usage::Found::Whole: break;
  }
  Maker make{env};
  Napi::Object made = make.object();
  made.Set("atMs", Napi::Number::New(env, static_cast<double>(usage.at_ns) / 1e6));
  made.Set("cpu", make.cpu(usage.cpu));
  made.Set("memory", make.memory(usage.memory));
  made.Set("hugepages", make.hugepages(usage.hugepages));
  made.Set("tasks", make.number(usage.tasks));
  made.Set("blockIo", make.block(usage.block));
  return made;
}

}  // namespace

void add_usage(Napi::Env env, Napi::Object exports) {
  exports.Set("instanceUsage", Napi::Function::New(env, instance_usage, "instanceUsage"));
}

}  // namespace davit
