// --timing and --trace: what is noted, by whom, and what is told of it.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "check.h"
#include "state/timing_options.h"
#include "sys/small_file.h"
#include "timing/report.h"
#include "timing/rows.h"

namespace timing = davit::timing;
using timing::Phase;

namespace {

std::string told(int (*write)(const timing::Shared&, int), const timing::Shared& noted) {
  int fd = memfd_create("told", MFD_CLOEXEC);
  CHECK(write(noted, fd) == 0);
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), 0);
  CHECK(pread(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  close(fd);
  return text;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

// A launch with known times: 0 to 3.5 ms.
timing::Shared* example() {
  timing::forget();
  CHECK(timing::begin() == 0);
  constexpr uint64_t ms = 1000000, first = 5 * ms;
  timing::enter(Phase::Door, {}, first);
  timing::enter(Phase::Mount, {}, first + ms);
  timing::add("bind", "/tmp", first + ms + 250000, first + 2 * ms);
  timing::add("bind", "/a\"\\\n\xff\xc3\xa4", first + 2 * ms, 0);
  timing::enter(Phase::Exec, "/bin/true", first + 3 * ms);
  timing::shared->records[timing::shared->current - 1].end_ns = first + 3 * ms + 500000;
  timing::shared->current = 0;
  timing::shared->process = 77;
  timing::shared->outcome = timing::Outcome::Hit;
  return timing::shared;
}

void check_table() {
  std::string table = told(timing::write_table, *example());
  CHECK(table ==
        "phase                       start ms     took ms\n"
        "door                           0.000       1.000\n"
        "mount                          1.000       2.000\n"
        "  bind /tmp                    1.250       0.750\n"
        "  bind /a\"\\?\xff\xc3\xa4                2.000       1.000\n"
        "exec /bin/true                 3.000       0.500\n"
        "total                          0.000       3.500  plan: hit\n");
}

void check_trace() {
  std::string trace = told(timing::write_trace, *example());
  CHECK(has(trace, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":77,\"tid\":0,\"args\":{\"name\":\"davit\"}}"));
  CHECK(has(trace,
            "{\"name\":\"door\",\"cat\":\"door\",\"ph\":\"X\",\"ts\":0.000,\"dur\":1000.000,\"pid\":77,\"tid\":1,"
            "\"args\":{\"depth\":0}}"));
  CHECK(
      has(trace,
          "{\"name\":\"bind /tmp\",\"cat\":\"mount\",\"ph\":\"X\",\"ts\":1250.000,\"dur\":750.000,\"pid\":77,\"tid\":1,"
          "\"args\":{\"depth\":1,\"step\":\"bind\",\"object\":\"/tmp\"}}"));
  // Quotes and control characters are escaped, bytes that are not UTF-8 replaced.
  CHECK(has(trace, "\"object\":\"/a\\\"\\\\\\u000a\xef\xbf\xbd\xc3\xa4\""));
  CHECK(has(trace, "\"otherData\":{\"format\":1,\"plan\":\"hit\",\"failed\":false,\"totalUs\":3500.000,"));
}

// A process that dies in a span leaves it open; more spans than there is room for are counted.
void check_incomplete() {
  timing::Shared* noted = example();
  noted->records[2].start_ns = 0;
  std::string table = told(timing::write_table, *noted);
  CHECK(!has(table, "bind /tmp"));
  for (uint32_t i = 0; i < timing::kMaxRecords; i++) timing::add("more", {}, 6000000, 7000000);
  timing::Span none("no room");
  CHECK(has(told(timing::write_table, *noted), "plan: hit; 6 more spans had no room\n"));
}

// Who carries the launch on ends what another process has begun.
void check_processes() {
  timing::forget();
  CHECK(timing::begin() == 0);
  timing::enter(Phase::Clone);
  if (pid_t child = fork(); child == 0) {
    timing::become(timing::Part::Init);
    timing::enter(Phase::Mount);
    { timing::Span span("bind", "/dev"); }
    timing::report(true);  // not its business: nothing is told
    _exit(timing::on());
  } else {
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  timing::end();
  const timing::Record* records = timing::shared->records;
  CHECK(timing::shared->used == 3 && !timing::shared->failed);
  CHECK(records[0].phase == Phase::Clone && records[0].part == timing::Part::Command);
  CHECK(records[0].end_ns == records[1].start_ns && records[1].phase == Phase::Mount);
  CHECK(records[1].part == timing::Part::Init && records[1].end_ns >= records[2].end_ns);
  CHECK(records[2].depth == 1 && records[2].start_ns >= records[1].start_ns);
}

void check_attach() {
  timing::forget();
  CHECK(timing::begin() == 0);
  timing::enter(Phase::Door, "mine");
  int copy = dup(timing::descriptor());
  timing::forget();
  CHECK(timing::attach(copy) && std::string_view(timing::shared->records[0].detail) == "mine");
  timing::forget();
  CHECK(fcntl(copy, F_GETFD) < 0);
  int other = memfd_create("other", MFD_CLOEXEC);
  CHECK(!timing::attach(other) && !timing::attach(-1) && !timing::attach(2) && !timing::attach(4000));
  CHECK(ftruncate(other, sizeof(timing::Shared)) == 0 && !timing::attach(other) && !timing::on());
  close(other);
}

void check_trace_file() {
  CHECK(timing::begin() == 0);
  CHECK(timing::open_trace("/nonexistent/file") == ENOENT && timing::trace_descriptor() < 0);
  char name[] = "/tmp/davit-timing-XXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0 && write(fd, "old", 3) == 3 && timing::open_trace(name) == 0);
  CHECK(lseek(fd, 0, SEEK_END) == 0 && timing::trace_descriptor() > 2);
  timing::enter(Phase::Door);
  timing::report(true);
  CHECK(!timing::on() && lseek(fd, 0, SEEK_END) > 200);
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), 0);
  CHECK(pread(fd, text.data(), text.size(), 0) > 0);
  CHECK(has(text, "\"failed\":true}}") && has(text, "\"failed\":true,\"totalUs\""));
  close(fd);
  unlink(name);
}

using Words = std::vector<const char*>;

// What is left of the words without the first `count` options; and where they were.
std::string without(const Words& words, size_t count) {
  davit::TimingOptions options(words.data(), words.size());
  std::vector<const char*> left(words.size() + 1);
  size_t removed[8] = {};
  davit::CommandLine line =
      davit::without_options({words.data(), words.size(), "/davit.cjs"}, options, count, left.data(), removed);
  std::string text;
  for (size_t i = 0; i < line.count; i++) text += std::string(line.words[i]) + " ";
  for (size_t i = 0; i < line.removed_count; i++) text += "@" + std::to_string(line.removed[i]);
  return text;
}

// Starts beside each other have threads of their own; one that begins when another has ended takes its place.
void check_starts() {
  timing::Shared* noted = example();
  constexpr uint64_t ms = 1000000, first = 5 * ms;
  timing::add_start("web-1", first + ms, first + 3 * ms, false);
  timing::add_start("web-2", first + 2 * ms, first + 4 * ms, true);
  timing::add_start("web-3", first + 3 * ms, first + 4 * ms, false);
  timing::end();
  std::string table = told(timing::write_table, *noted), trace = told(timing::write_trace, *noted);
  CHECK(has(table, "  start web-2") && has(trace, "\"name\":\"thread_name\",\"ph\":\"M\""));
  auto thread_of = [&](const char* name) {
    size_t at = trace.find("\"tid\":", trace.find(std::string("\"name\":\"start ") + name));
    return atoi(trace.c_str() + at + 6);
  };
  CHECK(thread_of("web-1") == 6 && thread_of("web-2") == 7 && thread_of("web-3") == 6);
  // More than there are threads for share the last one.
  for (int i = 0; i < 100; i++) timing::add_start("many", first + 2 * ms, first + 9 * ms, false);
  CHECK(has(told(timing::write_trace, *noted), "\"tid\":69,") && !has(told(timing::write_trace, *noted), "\"tid\":70"));
}

void check_options() {
  Words before = {"--timing", "--trace", "f", "exec", "a.sif", "true"};
  Words other = {"--trace=f", "--timing", "exec", "a.sif", "true"};
  Words behind = {"exec", "--trace", "--timing", "--timing", "a.sif", "--timing"};
  for (const Words& words : {before, other}) {
    davit::TimingOptions options(words.data(), words.size());
    CHECK(options.count() == 2);
    const char* trace = options[0].trace ? options[0].trace : options[1].trace;
    CHECK(trace && std::string_view(trace) == "f" && (!options[0].trace || !options[1].trace));
    CHECK(without(words, 2) == "exec a.sif true @0@0");
  }
  davit::TimingOptions options(behind.data(), behind.size());
  CHECK(options.count() == 3 && std::string_view(options[0].trace) == "--timing" && !options[1].trace);
  CHECK(without(behind, 3) == "exec a.sif @1@1@2");
  CHECK(without(behind, 2) == "exec a.sif --timing @1@1");
  CHECK(without(behind, 0) == "exec --trace --timing --timing a.sif --timing ");
  for (const Words& words : {Words{"exec", "--", "--timing"}, Words{"exec", "--trace"}, Words{"--timings", "--tracer"},
                             Words{"--timing=yes"}, Words{}})
    CHECK(davit::TimingOptions(words.data(), words.size()).count() == 0);
  Words many(20, "--timing");
  CHECK(davit::TimingOptions(many.data(), many.size()).count() == 8);
}

}  // namespace

int main() {
  check_options();
  CHECK(!timing::on() && timing::descriptor() < 0);
  { timing::Span nothing("asked for"); }
  timing::report();
  check_table();
  check_trace();
  check_starts();
  check_incomplete();
  check_processes();
  check_attach();
  check_trace_file();
  return check::finish();
}
