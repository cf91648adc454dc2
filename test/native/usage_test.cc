// What an instance uses: processes that change while they are looked at, the table and the JSON. The look itself is
// tested on made-up machines (test/unit/instance/usage*.test.ts).
#include "usage/usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "check.h"
#include "sys/small_file.h"
#include "usage/control_groups.h"
#include "usage/format.h"
#include "usage/process_usage.h"

using namespace davit;
using namespace davit::usage;

namespace {

alignas(16) char room[1 << 20];

// A directory that looks like /proc.
class Machine {
 public:
  Machine() {
    char path[] = "/tmp/davit-usage-XXXXXX";
    directory = mkdtemp(path);
  }
  ~Machine() { CHECK(system(("rm -r " + directory).c_str()) == 0); }

  void write(pid_t pid, const char* name, const std::string& text) const {
    std::string own = directory + "/" + std::to_string(pid);
    mkdir(own.c_str(), 0755);
    Fd fd(open((own + "/" + name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
    CHECK(write_all(fd.get(), text) == 0);
  }
  void process(pid_t pid, std::vector<int> ticks) const {
    std::string times;
    for (int one : ticks) times += std::to_string(one) + " ";
    write(pid, "stat", std::to_string(pid) + " (it) S 1 1 1 0 -1 0 0 0 0 0 " + times + "20 0 1 0 77 4096 100\n");
    write(pid, "io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n");
  }
  void end(pid_t pid) const { CHECK(system(("rm -r " + directory + "/" + std::to_string(pid)).c_str()) == 0); }

  std::string directory;
};

// Processes that change whenever they are listed.
class Changing : public ProcessList {
 public:
  Changing(const Machine& machine, std::function<std::vector<pid_t>(int)> look) : machine_(machine), look_(look) {}
  const char* directory() const override { return machine_.directory.c_str(); }
  bool pids(Arena& arena, List<pid_t>* found) override {
    GrowingList<pid_t> list;
    for (pid_t pid : look_(++looks)) list.push(arena, pid);
    *found = list;
    return true;
  }
  int looks = 0;

 private:
  const Machine& machine_;
  std::function<std::vector<pid_t>(int)> look_;
};

// A child that is reaped while it is looked at counts once, in whichever order they are read.
void reaped_in_between() {
  Machine machine;
  machine.process(10, {1, 2, 0, 0});
  machine.process(11, {50, 50, 0, 0});
  Changing list(machine, [&](int look) -> std::vector<pid_t> {
    if (look == 1) return {10, 11};
    machine.process(10, {1, 2, 50, 50});
    if (look == 2) machine.end(11);
    return {10};
  });
  Arena arena(room, sizeof room);
  ProcessTimes times;
  CHECK(read_times(list, arena, &times));
  CHECK(times.user_ns == 51 * kNsPerTick && times.system_ns == 52 * kNsPerTick);
  CHECK(times.tasks == 1 && times.transfers.read_bytes == 4096 && times.transfers.written_bytes == 8192);
}

// Where something ends at every look, the last look counts.
void never_at_rest() {
  Machine machine;
  machine.process(10, {1, 0, 0, 0});
  Changing list(machine, [](int look) -> std::vector<pid_t> { return {10, 100 + look}; });
  Arena arena(room, sizeof room);
  ProcessTimes times;
  CHECK(read_times(list, arena, &times));
  CHECK(times.user_ns == kNsPerTick && times.tasks == 1 && list.looks < 10);
}

void no_memory() {
  Machine machine;
  machine.process(10, {1, 0, 0, 0});
  char little[64];
  Arena arena(little, sizeof little);
  Subject subject{machine.directory.c_str(), 10, 9, 77};
  Usage usage;
  uid_t owner;
  CHECK(read_usage(subject, arena, &usage, &owner) != Found::Whole);
}

void numbers() {
  uint64_t number = 7;
  CHECK(parse_number("  42 kB", &number) && number == 42);
  CHECK(parse_number("99999999999999999999999", &number) && number == UINT64_MAX);
  CHECK(!parse_number("max", &number) && !parse_number("", &number) && !parse_number("-1", &number));
  CHECK(number_behind("Pss_Dirty: 1\nPss:  20 kB\n", "Pss", &number) && number == 20);
  CHECK(!number_behind("xPss: 1\nPss 2\n", "Pss", &number));
}

Usage sample() {
  static NamedNumber details[] = {{"anon", 8000000}, {"file", 318976}, {"shmem", 0}, {"swap", 0}};
  static NamedNumber sizes[] = {{"2MB", 4194304}};
  Usage usage;
  usage.cpu = {70000000, 50000000, 20000000, 70000000, {}, Source::Processes};
  usage.memory.bytes = 8318976;
  usage.memory.limit_bytes = 64 << 20;
  usage.memory.details = {details, 4};
  usage.hugepages.by_size = {sizes, 1};
  usage.block.transfers = {true, 118784, 0};
  usage.tasks = 8;
  return usage;
}

std::string row(const Usage& usage, double percent) {
  Arena arena(room, sizeof room);
  const char* cells[kColumns];
  CHECK(format_row("web", usage, percent, arena, &cells));
  std::string line;
  for (const char* cell : cells) line += std::string(cell) + "|";
  return line;
}

std::string size_of(uint64_t bytes) {
  Usage usage = sample();
  usage.block.transfers.written_bytes = bytes;
  std::string line = row(usage, 0);
  size_t from = line.find(" / ", line.find("MiB|") + 4) + 3;
  return line.substr(from, line.find('|', from) - from);
}

void table() {
  CHECK(row(sample(), 3.1449) == "web|3.14%|7.934MiB / 64MiB|12.40%|116KiB / 0B|8|");
  Usage none = sample();
  none.block.transfers.counted = false;
  CHECK(row(none, 0) == "web|0.00%|7.934MiB / 64MiB|12.40%|-|8|");
  CHECK(row(sample(), 399.996) == "web|400.00%|7.934MiB / 64MiB|12.40%|116KiB / 0B|8|");
  CHECK(size_of(0) == "0B" && size_of(1023) == "1023B" && size_of(1024) == "1KiB" && size_of(118784) == "116KiB");
  CHECK(size_of(9895936) == "9.438MiB" && size_of((1ull << 30) - 1) == "1024MiB" && size_of(1ull << 63) == "8EiB");
  CHECK(size_of(10752) == "10.5KiB" && size_of(1025) == "1.001KiB" && size_of(102451) == "100KiB");
}

std::string json(const Usage& usage) {
  Arena arena(room, sizeof room);
  return std::string(format_json("web", 4242, usage, arena));
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void json_of_processes() {
  CHECK(
      json(sample()) ==
      "{\n\t\"cpu_stats\": {\n\t\t\"cpu_usage\": {\n\t\t\t\"total_usage\": 70000000,\n\t\t\t\"usage_in_kernelmode\": "
      "20000000,\n\t\t\t\"usage_in_usermode\": 50000000\n\t\t},\n\t\t\"throttling_data\": {}\n\t},\n"
      "\t\"memory_stats\": {\n\t\t\"cache\": 318976,\n\t\t\"usage\": {\n\t\t\t\"usage\": 8318976,\n\t\t\t\"limit\": "
      "67108864\n\t\t},\n\t\t\"stats\": {\n\t\t\t\"anon\": 8000000,\n\t\t\t\"file\": 318976,\n\t\t\t\"shmem\": 0,\n"
      "\t\t\t\"swap\": 0\n\t\t}\n\t},\n\t\"pids_stats\": {\n\t\t\"current\": 8\n\t},\n\t\"blkio_stats\": {\n"
      "\t\t\"io_service_bytes_recursive\": [\n\t\t\t{\n\t\t\t\t\"op\": \"Read\",\n\t\t\t\t\"value\": 118784\n\t\t\t},\n"
      "\t\t\t{\n\t\t\t\t\"op\": \"Write\",\n\t\t\t\t\"value\": 0\n\t\t\t}\n\t\t]\n\t},\n\t\"hugetlb_stats\": {\n"
      "\t\t\"2MB\": {\n\t\t\t\"usage\": 4194304\n\t\t}\n\t},\n\t\"instance\": \"web\",\n\t\"pid\": 4242,\n"
      "\t\"sources\": {\n\t\t\"cpu\": \"proc\",\n\t\t\"memory\": \"pss\",\n\t\t\"hugepages\": "
      "\"proc\",\n\t\t\"blkio\": "
      "\"proc\"\n\t}\n}\n");
  Usage bare = sample();
  bare.block.transfers.counted = false;
  bare.memory.limit_bytes = kNoLimit;
  CHECK(has(json(bare), "\"blkio_stats\": {},") && has(json(bare), "\"blkio\": null"));
  CHECK(has(json(bare), "\"limit\": null"));
}

void json_of_a_group() {
  NamedNumber details[] = {{"file", 5}, {"cache", 1}};
  DeviceTransfers devices[] = {{254, 1, 1, 2}};
  Usage usage = sample();
  usage.cpu.throttling = {9, 2, 50};
  usage.cpu.source = usage.memory.source = usage.block.source = Source::Group;
  usage.memory.max_bytes = 3;
  usage.memory.failures = 2;
  usage.memory.details = {details, 2};
  usage.block.devices = {devices, 1};
  std::string text = json(usage);
  CHECK(has(text, "\"periods\": 9,\n\t\t\t\"throttled_periods\": 2,\n\t\t\t\"throttled_time\": 50\n"));
  CHECK(has(text, "\"cache\": 1,") && has(text, "\"max_usage\": 3,\n\t\t\t\"failcnt\": 2,\n"));
  CHECK(has(text, "\"major\": 254,\n\t\t\t\t\"minor\": 1,\n\t\t\t\t\"op\": \"Write\",\n\t\t\t\t\"value\": 2\n"));
  CHECK(!has(text, "118784") && has(text, "\"memory\": \"cgroup\""));
  usage.block.devices = {};
  CHECK(has(json(usage), "\"io_service_bytes_recursive\": []"));
}

}  // namespace

int main() {
  reaped_in_between();
  never_at_rest();
  no_memory();
  numbers();
  table();
  json_of_processes();
  json_of_a_group();
  return check::finish();
}
