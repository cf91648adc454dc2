#include "usage/format.h"

#include <math.h>
#include <string.h>

#include "sys/text.h"

namespace davit::usage {
namespace {

using Cell = Text<80>;

// A number with this many digits behind the point, without zeros at the end where `shortest`.
void add_decimal(Cell* out, double value, int decimals, bool shortest) {
  int64_t scale = 1;
  for (int i = 0; i < decimals; i++) scale *= 10;
  int64_t scaled = llround(value * static_cast<double>(scale)), fraction = scaled % scale;
  out->add_number(scaled / scale);
  if (decimals == 0 || (shortest && fraction == 0)) return;
  out->add(".");
  for (int64_t digit = scale / 10; digit > 0 && (!shortest || fraction > 0); digit /= 10) {
    out->add_number(fraction / digit);
    fraction %= digit;
  }
}

// Four digits that count, without zeros at the end: `7.934MiB`, `116KiB`.
void add_bytes(Cell* out, uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  double value = static_cast<double>(bytes);
  for (; value >= 1024 && unit + 1 < sizeof kUnits / sizeof *kUnits; unit++) value /= 1024;
  add_decimal(out, value, value < 10 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0, true);
  out->add(kUnits[unit]);
}

void add_percent(Cell* out, double value) {
  add_decimal(out, value, 2, false);
  out->add("%");
}

// Writes JSON at the end of an arena that nobody else uses meanwhile.
class Json {
 public:
  explicit Json(Arena& arena) : arena_(arena), begin_(static_cast<char*>(arena.alloc(0, 1))) {}

  void open(std::string_view name, char bracket = '{') {
    key(name);
    raw({&bracket, 1});
    depth_++;
    first_ = true;
  }
  void close(char bracket = '}') {
    depth_--;
    if (!first_) new_line();
    raw({&bracket, 1});
    first_ = false;
  }
  void number(std::string_view name, uint64_t value) {
    char digits[24];
    size_t at = sizeof digits;
    do digits[--at] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    plain(name, {digits + at, sizeof digits - at});
  }
  // One that needs no escapes.
  void text(std::string_view name, std::string_view value) {
    key(name);
    raw("\"");
    raw(value);
    raw("\"");
  }
  void plain(std::string_view name, std::string_view value) {
    key(name);
    raw(value);
  }
  void numbers(std::string_view name, const List<NamedNumber>& numbers) {
    open(name);
    for (const NamedNumber& one : numbers) number(one.name, one.value);
    close();
  }
  // Everything; empty when there was no memory.
  std::string_view finish() {
    raw("\n");
    return failed_ ? std::string_view() : std::string_view(begin_, size_);
  }

 private:
  // The name of a member, on a line of its own; of an element, and of the whole, there is none.
  void key(std::string_view name) {
    if (depth_ == 0) return;
    if (!first_) raw(",");
    first_ = false;
    new_line();
    if (name.empty()) return;
    raw("\"");
    raw(name);
    raw("\": ");
  }
  void new_line() {
    raw("\n");
    for (int i = 0; i < depth_; i++) raw("\t");
  }
  void raw(std::string_view text) {
    char* at = static_cast<char*>(arena_.alloc(text.size(), 1));
    failed_ = failed_ || !at;
    if (failed_) return;
    memcpy(at, text.data(), text.size());
    size_ += text.size();
  }

  Arena& arena_;
  char* begin_;
  size_t size_ = 0;
  int depth_ = 0;
  bool first_ = true, failed_ = false;
};

void add_cpu(Json& json, const CpuUsage& cpu) {
  json.open("cpu_stats");
  json.open("cpu_usage");
  json.number("total_usage", cpu.total_ns);
  json.number("usage_in_kernelmode", cpu.system_ns);
  json.number("usage_in_usermode", cpu.user_ns);
  json.close();
  json.open("throttling_data");
  if (cpu.source == Source::Group) {
    json.number("periods", cpu.throttling.periods);
    json.number("throttled_periods", cpu.throttling.throttled_periods);
    json.number("throttled_time", cpu.throttling.throttled_ns);
  }
  json.close();
  json.close();
}

void add_memory(Json& json, const MemoryUsage& memory) {
  const NamedNumber* cache = nullptr;
  for (const NamedNumber& one : memory.details)
    if (one.name == "cache" || (one.name == "file" && !cache)) cache = &one;
  json.open("memory_stats");
  if (cache) json.number("cache", cache->value);
  json.open("usage");
  json.number("usage", memory.bytes);
  if (memory.source == Source::Group) {
    if (memory.max_bytes != kNoLimit) json.number("max_usage", memory.max_bytes);
    json.number("failcnt", memory.failures);
  }
  if (memory.limit_bytes == kNoLimit)
    json.plain("limit", "null");
  else
    json.number("limit", memory.limit_bytes);
  json.close();
  json.numbers("stats", memory.details);
  json.close();
}

void add_transfer(Json& json, const DeviceTransfers* device, const char* operation, uint64_t bytes) {
  json.open("");
  if (device) {
    json.number("major", device->major);
    json.number("minor", device->minor);
  }
  json.text("op", operation);
  json.number("value", bytes);
  json.close();
}

// A pair for each device; without device numbers where only the sum is known.
void add_block(Json& json, const BlockUsage& block) {
  json.open("blkio_stats");
  if (block.transfers.counted) {
    json.open("io_service_bytes_recursive", '[');
    for (const DeviceTransfers& device : block.devices) {
      add_transfer(json, &device, "Read", device.read_bytes);
      add_transfer(json, &device, "Write", device.written_bytes);
    }
    if (block.source != Source::Group) {
      add_transfer(json, nullptr, "Read", block.transfers.read_bytes);
      add_transfer(json, nullptr, "Write", block.transfers.written_bytes);
    }
    json.close(']');
  }
  json.close();
}

}  // namespace

bool format_row(const char* name, const Usage& usage, double cpu_percent, Arena& arena,
                const char* (*cells)[kColumns]) {
  const auto& [bytes, limit, max, failures, details, source] = usage.memory;
  Cell cpu, memory, share, block, tasks;
  add_percent(&cpu, cpu_percent);
  add_bytes(&memory, bytes);
  memory.add(" / ");
  add_bytes(&memory, limit);
  add_percent(&share, static_cast<double>(bytes) / static_cast<double>(limit) * 100);
  if (usage.block.transfers.counted) {
    add_bytes(&block, usage.block.transfers.read_bytes);
    block.add(" / ");
    add_bytes(&block, usage.block.transfers.written_bytes);
  } else {
    block.add("-");
  }
  tasks.add_number(static_cast<int64_t>(usage.tasks));
  size_t i = 0;
  (*cells)[i++] = arena.copy(name);
  for (const Cell* cell : {&cpu, &memory, &share, &block, &tasks}) (*cells)[i++] = arena.copy(cell->view());
  for (const char* cell : *cells)
    if (!cell) return false;
  return true;
}

std::string_view format_json(const char* name, pid_t pid, const Usage& usage, Arena& arena) {
  Json json(arena);
  json.open("");
  add_cpu(json, usage.cpu);
  add_memory(json, usage.memory);
  json.open("pids_stats");
  json.number("current", usage.tasks);
  json.close();
  add_block(json, usage.block);
  json.open("hugetlb_stats");
  for (const NamedNumber& one : usage.hugepages.by_size) {
    json.open(one.name);
    json.number("usage", one.value);
    json.close();
  }
  json.close();
  json.text("instance", name);
  json.number("pid", static_cast<uint64_t>(pid));
  json.open("sources");
  json.text("cpu", source_name(usage.cpu.source));
  json.text("memory", source_name(usage.memory.source));
  json.text("hugepages", source_name(usage.hugepages.source));
  if (usage.block.transfers.counted)
    json.text("blkio", source_name(usage.block.source));
  else
    json.plain("blkio", "null");
  json.close();
  json.close();
  return json.finish();
}

}  // namespace davit::usage
