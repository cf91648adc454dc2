#include "timing/report.h"

#include <string.h>

#include <algorithm>

#include "sys/small_file.h"
#include "sys/text.h"
#include "timing/rows.h"

namespace davit::timing {
namespace {

constexpr size_t kNarrowest = 24, kWidest = 60;  // columns of names
constexpr size_t kTimeWidth = 12;

bool reports_before_exec = false;

const char* outcome_name(Outcome outcome) {
  return outcome == Outcome::Hit ? "hit" : outcome == Outcome::Compiled ? "compiled" : "none";
}

// Strings of shared memory end where their room ends.
std::string_view name_of(const Record& record) { return {record.name, strnlen(record.name, sizeof record.name)}; }
std::string_view detail_of(const Record& record) {
  return {record.detail, strnlen(record.detail, sizeof record.detail)};
}

Text<160> label(const Record& record) {
  Text<160> text;
  for (unsigned i = 0; i < record.depth && i < 8; i++) text.add("  ");
  text.add(name_of(record));
  if (!detail_of(record).empty()) text.add(" ").add(detail_of(record));
  return text;
}

void line(Stream& out, std::string_view name, size_t width, uint64_t start_ns, uint64_t took_ns) {
  bool cut = name.size() > width;
  out.add_visible(cut ? name.substr(0, width - 3) : name).add(cut ? "..." : "");
  for (size_t n = name.size(); n < width; n++) out.add(" ");
  out.add_millis(start_ns, kTimeWidth).add_millis(took_ns, kTimeWidth);
}

// Starts lie beside each other: events of one thread must not overlap.
class Lanes {
 public:
  // That of a row, from 1 on; rows come in the order of their beginnings.
  size_t of(const Row& row) {
    size_t part = static_cast<size_t>(row.record->part);
    if (row.record->part != Part::Start) return part + 1;
    size_t lane = 0;
    while (lane + 1 < kMost && ends_[lane] > row.start_ns) lane++;
    ends_[lane] = row.end_ns;
    return part + 1 + lane;
  }

 private:
  static constexpr size_t kMost = 64;  // launches of a batch at one time
  uint64_t ends_[kMost] = {};
};

void event(Stream& out, const Shared& noted, const Row& row, size_t lane) {
  const Record& record = *row.record;
  out.add("{\"name\":\"").add_json(name_of(record));
  if (record.depth && !detail_of(record).empty()) out.add(" ").add_json(detail_of(record));
  out.add("\",\"cat\":\"").add(phase_name(record.phase)).add("\",\"ph\":\"X\",\"ts\":").add_micros(row.start_ns);
  out.add(",\"dur\":").add_micros(row.end_ns - row.start_ns).add(",\"pid\":").add_number(noted.process);
  out.add(",\"tid\":").add_number(lane).add(",\"args\":{\"depth\":");
  out.add_number(record.depth);
  if (record.depth) out.add(",\"step\":\"").add_json(name_of(record)).add("\"");
  if (!detail_of(record).empty()) out.add(",\"object\":\"").add_json(detail_of(record)).add("\"");
  if (record.failed) out.add(",\"failed\":true");
  out.add("}}");
}

void name_event(Stream& out, const Shared& noted, const char* what, size_t tid, const char* name) {
  out.add("{\"name\":\"").add(what).add("\",\"ph\":\"M\",\"pid\":").add_number(noted.process).add(",\"tid\":");
  out.add_number(tid).add(",\"args\":{\"name\":\"").add(name).add("\"}},\n");
}

void warn(int error) {
  Text<200> text;
  text.add("WARNING: write the trace file: ").add(errno_name(error)).add(" (").add(errno_text(error)).add(")\n");
  write_all(2, text.view());
}

}  // namespace

int write_table(const Shared& noted, int fd) {
  Rows rows(noted);
  Stream out(fd);
  size_t width = kNarrowest;
  for (const Row& row : rows) width = std::max(width, std::min(label(*row.record).size(), kWidest));
  out.add("phase");
  for (size_t n = 5; n < width; n++) out.add(" ");
  out.add("    start ms     took ms\n");
  for (const Row& row : rows) {
    line(out, label(*row.record).view(), width, row.start_ns, row.end_ns - row.start_ns);
    out.add(row.record->failed ? "  failed\n" : "\n");
  }
  line(out, "total", width, 0, rows.total_ns());
  out.add("  plan: ").add(outcome_name(noted.outcome));
  if (rows.lost()) out.add("; ").add_number(rows.lost()).add(" more spans had no room");
  return out.add("\n").flush();
}

int write_trace(const Shared& noted, int fd) {
  Rows rows(noted);
  Stream out(fd);
  out.add("{\"traceEvents\":[\n");
  name_event(out, noted, "process_name", 0, "davit");
  bool seen[80] = {};
  Lanes named, lanes;
  for (const Row& row : rows) {
    size_t lane = named.of(row);
    if (lane >= sizeof seen || seen[lane]) continue;
    seen[lane] = true;
    name_event(out, noted, "thread_name", lane, part_name(row.record->part));
  }
  bool first = true;
  for (const Row& row : rows) {
    out.add(first ? "" : ",\n");
    event(out, noted, row, lanes.of(row));
    first = false;
  }
  out.add("\n],\"displayTimeUnit\":\"ms\",\"otherData\":{\"format\":1,\"plan\":\"").add(outcome_name(noted.outcome));
  out.add("\",\"failed\":").add(noted.failed ? "true" : "false").add(",\"totalUs\":").add_micros(rows.total_ns());
  out.add(",\"startMonotonicNs\":").add_number(rows.first_ns()).add(",\"lost\":").add_number(rows.lost());
  return out.add("}}\n").flush();
}

void report(bool failed) {
  if (!shared) return;
  if (descriptor() < 0) return forget();
  uint32_t current = shared->current;
  if (failed && current && current <= kMaxRecords) shared->records[current - 1].failed = 1;
  shared->failed = failed;
  end();
  if (shared->table) write_table(*shared, 2);
  int error = trace_descriptor() >= 0 ? write_trace(*shared, trace_descriptor()) : 0;
  if (error) warn(error);
  forget();
}

void report_before_exec() { reports_before_exec = on(); }

void executing(std::string_view program) {
  enter(Phase::Exec, program);
  if (reports_before_exec) report();
}

}  // namespace davit::timing
