// Remembered plans: what an entry depends on is compared, each part of it; a damaged one is none.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "davit_fields.h"
#include "state/plan_cache.h"
#include "state/sight.h"
#include "wire/wire.h"

namespace f = davit::fields;
namespace K = davit::fields::SightKind;
using davit::CommandLine;
using davit::FoundPlan;
using davit::Seen;

namespace {

std::string base;

struct Message {
  std::string bytes;
  Message& number(unsigned field, uint64_t value) { return put(field << 3 | davit::wire::kVarint).put(value); }
  Message& text(unsigned field, std::string_view value) {
    put(field << 3 | davit::wire::kBytes).put(value.size());
    bytes += value;
    return *this;
  }
  Message& put(uint64_t value) {
    char buffer[16];
    davit::wire::Writer w(buffer, sizeof buffer);
    w.number(1, value);
    bytes += w.view().substr(1);
    return *this;
  }
};

std::string path(const char* name) { return base + "/" + name; }

void write(const std::string& name, std::string_view text) {
  int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  close(fd);
}

// As if nothing had happened to it for long.
void age(const std::string& name) {
  struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
  CHECK(utimensat(AT_FDCWD, name.c_str(), times, 0) == 0);
}

Message sight(unsigned kind, const std::string& object) {
  Seen seen;
  CHECK(davit::look(kind, object.c_str(), &seen));
  return Message().number(f::Sight::kind, kind).text(f::Sight::object, object).text(f::Sight::seen, seen.text.view());
}

Message variable(unsigned kind, const char* object, std::string_view seen) {
  return Message().number(f::Sight::kind, kind).text(f::Sight::object, object).text(f::Sight::seen, seen);
}

Message entry(const std::vector<Message>& sights, unsigned parameters = f::Parameters::ANY) {
  Message m = Message().number(f::CachedPlan::format, 1).text(f::CachedPlan::words, "exec");
  m.text(f::CachedPlan::words, "lab.sif").number(f::CachedPlan::parameters, parameters);
  m.text(f::CachedPlan::compiler, "/davit.cjs")
      .text(f::CachedPlan::plan, "plan")
      .text(f::CachedPlan::sights, sight(K::CALLER, "").bytes);
  for (const Message& s : sights) m.text(f::CachedPlan::sights, s.bytes);
  return m;
}

const char* const kWords[] = {"exec", "lab.sif", "true", "x"};
const char* const kEnvironment[] = {"A=1", "DAVIT_B=2", "DAVIT_NODE=n", "DAVITENV_C=3", "EMPTY=", nullptr};

bool holds(const Message& m, CommandLine line = {kWords, 4, "/davit.cjs"},
           const char* const* environment = kEnvironment) {
  FoundPlan found;
  return davit::entry_holds(m.bytes, line, environment, &found) && found.plan == "plan" && found.word_count == 2;
}

void words_are_compared() {
  Message m = entry({});
  CHECK(holds(m));
  CHECK(holds(m, {kWords, 2, "/davit.cjs"}));
  CHECK(!holds(m, {kWords, 1, "/davit.cjs"}));
  CHECK(!holds(m, {kWords + 1, 3, "/davit.cjs"}));
  CHECK(!holds(m, {kWords, 4, "/other.cjs"}));
  CHECK(!holds(entry({}, f::Parameters::NONE)));
  CHECK(holds(entry({}, f::Parameters::NONE), {kWords, 2, "/davit.cjs"}));
  CHECK(!holds(entry({}, f::Parameters::COMMAND), {kWords, 2, "/davit.cjs"}));
  CHECK(holds(entry({}, f::Parameters::NAME)));
  const char* const bad[] = {"exec", "lab.sif", "../x"};
  CHECK(!holds(entry({}, f::Parameters::NAME), {bad, 3, "/davit.cjs"}));
  CHECK(!holds(entry({}, 9)));
  Message without = Message().number(f::CachedPlan::format, 1).text(f::CachedPlan::words, "exec");
  without.text(f::CachedPlan::words, "lab.sif").text(f::CachedPlan::compiler, "/davit.cjs");
  without.number(f::CachedPlan::parameters, 1).text(f::CachedPlan::plan, "plan");
  CHECK(!holds(without));  // nothing of the caller
  // Options that were taken out: only where the plan says that one may stand.
  const size_t front[] = {0, 0, 1}, behind[] = {0, 2}, far[] = {300};
  Message places = entry({}).text(f::CachedPlan::places, {"\0\1", 2});
  CHECK(holds(places, {kWords, 4, "/davit.cjs", front, 3}) && holds(places, {kWords, 4, "/davit.cjs", front, 0}));
  CHECK(!holds(places, {kWords, 4, "/davit.cjs", behind, 2}) && !holds(places, {kWords, 4, "/davit.cjs", far, 1}));
  CHECK(!holds(m, {kWords, 4, "/davit.cjs", front, 1}));
}

void names_of_instances_are_parameters() {
  Message m = Message().number(f::CachedPlan::format, 1).text(f::CachedPlan::words, "exec");
  m.text(f::CachedPlan::words, "instance://").number(f::CachedPlan::parameters, f::Parameters::COMMAND);
  m.text(f::CachedPlan::compiler, "/davit.cjs").text(f::CachedPlan::plan, "plan");
  m.text(f::CachedPlan::sights, sight(K::CALLER, "").bytes);
  auto instance = [&](const char* word) -> std::string {
    const char* const words[] = {"exec", word, "true"};
    FoundPlan found;
    bool hit = davit::entry_holds(m.bytes, {words, 3, "/davit.cjs"}, kEnvironment, &found);
    return hit && found.instance ? found.instance : hit ? "(none)" : "";
  };
  CHECK(instance("instance://web-1") == "web-1");
  CHECK(instance("instance://..a") == "..a");
  for (const char* word : {"instance://", "instance://..", "instance://a/b", "instance://a b", "instance:", "web", ""})
    CHECK(instance(word).empty());
  // As the value of an option the word is one like any other.
  Message option = Message().number(f::CachedPlan::format, 1).text(f::CachedPlan::words, "exec");
  for (const char* word : {"--app", "instance://", "lab.sif"}) option.text(f::CachedPlan::words, word);
  option.number(f::CachedPlan::parameters, 1).text(f::CachedPlan::compiler, "/davit.cjs");
  option.text(f::CachedPlan::plan, "plan").text(f::CachedPlan::sights, sight(K::CALLER, "").bytes);
  const char* const same[] = {"exec", "--app", "instance://", "lab.sif"};
  const char* const other[] = {"exec", "--app", "instance://x", "lab.sif"};
  FoundPlan found;
  CHECK(davit::entry_holds(option.bytes, {same, 4, "/davit.cjs"}, kEnvironment, &found) && !found.instance);
  CHECK(!davit::entry_holds(option.bytes, {other, 4, "/davit.cjs"}, kEnvironment, &found));

  std::string state = path("joins");
  CHECK(davit::store_plan(state.c_str(), m.bytes, kEnvironment) == 0);
  const char* const words[] = {"exec", "instance://web-2", "true"};
  CHECK(davit::find_plan(state.c_str(), {words, 3, "/davit.cjs"}, kEnvironment, &found));
  CHECK(found.instance && !strcmp(found.instance, "web-2"));
}

void variables_are_compared() {
  CHECK(holds(entry(
      {variable(K::VARIABLE, "A", "=1"), variable(K::VARIABLE, "EMPTY", "="), variable(K::VARIABLE, "NONE", "")})));
  for (const char* seen : {"", "=", "=2", "=11", "1"}) CHECK(!holds(entry({variable(K::VARIABLE, "A", seen)})));
  CHECK(!holds(entry({variable(K::VARIABLE, "EMPTY", "")})));
  CHECK(!holds(entry({variable(K::VARIABLE, "NONE", "=")})));
  using namespace std::string_view_literals;
  std::string_view all = "DAVIT_B=2\0DAVITENV_C=3\0"sv;
  CHECK(holds(entry({variable(K::VARIABLES, "DAVIT", all)})));
  CHECK(holds(entry({variable(K::VARIABLES, "OTHER", "")})));
  CHECK(!holds(entry({variable(K::VARIABLES, "A", "")})));
  for (size_t n = 0; n < all.size(); n++) CHECK(!holds(entry({variable(K::VARIABLES, "DAVIT", all.substr(0, n))})));
  CHECK(!holds(entry({variable(K::VARIABLES, "DAVIT", "DAVIT_B=2\0DAVITENV_C=3\0X=\0"sv)})));
  CHECK(!holds(entry({variable(K::VARIABLES, "DAVIT", "DAVITENV_C=3\0DAVIT_B=2\0"sv)})));
}

void files_are_compared() {
  std::string file = path("file"), link = path("link"), none = path("none"), large = path("large");
  write(file, "one");
  write(large, std::string(5000, 'x'));
  CHECK(symlink("file", link.c_str()) == 0);
  Message all = entry({sight(K::STATUS, link), sight(K::LINK_STATUS, link), sight(K::CONTENT, file),
                       sight(K::CONTENT, none), sight(K::ACCESS, "4" + file), sight(K::RESOLVED, link),
                       sight(K::STATUS, none), sight(K::CONTENT, "/proc/self/uid_map")});
  CHECK(holds(all));
  write(file, "two");
  CHECK(!holds(all));
  write(file, "one");
  CHECK(holds(all));
  CHECK(chmod(file.c_str(), 0640) == 0);
  CHECK(!holds(all));
  CHECK(chmod(file.c_str(), 0600) == 0);
  write(none, "");
  CHECK(!holds(all));
  CHECK(unlink(none.c_str()) == 0);
  CHECK(rename(file.c_str(), path("moved").c_str()) == 0);
  CHECK(!holds(all));
  CHECK(rename(path("moved").c_str(), file.c_str()) == 0);
  CHECK(holds(all));
  write(path("twin"), "one");
  CHECK(unlink(link.c_str()) == 0 && symlink("twin", link.c_str()) == 0);
  CHECK(!holds(all));

  Message identity = entry({sight(K::IDENTITY, large)});
  CHECK(holds(identity));
  age(large);
  CHECK(!holds(identity));
  Message by_content = entry({sight(K::CONTENT, large)});
  write(large, std::string(5000, 'x'));
  CHECK(!holds(by_content));
}

void what_cannot_be_compared_is_refused() {
  Seen seen;
  std::string fifo = path("fifo");
  CHECK(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(!davit::look(K::CONTENT, fifo.c_str(), &seen));
  CHECK(!davit::look(K::CONTENT, "/dev/null", &seen));
  CHECK(!davit::look(99, "", &seen));
  CHECK(!davit::look(K::ACCESS, "x", &seen));
  std::string fresh = path("fresh");
  write(fresh, std::string(5000, 'y'));
  CHECK(davit::look(K::IDENTITY, fresh.c_str(), &seen) && !seen.settled);
  CHECK(davit::look(K::IDENTITY, "/proc/self/exe", &seen));
  CHECK(!holds(entry({variable(K::EXPIRY, "", "0 1")})));
  CHECK(!holds(entry({variable(K::EXPIRY, "", "99999999990 99999999999")})));
  CHECK(!holds(entry({variable(K::EXPIRY, "", "0 99999999999x")})));
  CHECK(holds(entry({variable(K::EXPIRY, "", "0 99999999999")})));
}

void files_are_found_again() {
  std::string state = path("state");
  CommandLine line = {kWords, 4, "/davit.cjs"};
  Message m = entry({});
  FoundPlan found;
  CHECK(!davit::find_plan(state.c_str(), line, kEnvironment, &found));
  CHECK(davit::store_plan(state.c_str(), m.bytes, kEnvironment) == 0);
  CHECK(davit::find_plan(state.c_str(), line, kEnvironment, &found) && found.plan == "plan");
  CHECK(chdir("/") == 0);
  CHECK(!davit::find_plan(state.c_str(), line, kEnvironment, &found));
  CHECK(chdir(base.c_str()) == 0);
  CHECK(davit::find_plan(state.c_str(), line, kEnvironment, &found));
  davit::forget_plan(state.c_str(), found);
  CHECK(!davit::find_plan(state.c_str(), line, kEnvironment, &found));
  CHECK(davit::store_plan(state.c_str(), "", kEnvironment) != 0);
  CHECK(davit::store_plan(state.c_str(), std::string(davit::kMaxCachedPlan, 'x'), kEnvironment) != 0);
}

// No entry may be read beyond its end, and one whose sights are gone or changed must not hold.
void damaged_entries_are_read_or_refused() {
  std::string file = path("fuzzed");
  write(file, "content");
  Message m = entry({sight(K::CONTENT, file), sight(K::STATUS, file), variable(K::VARIABLE, "A", "=1")});
  std::mt19937 random(1);
  for (int round = 0; round < 20000; round++) {
    std::string bytes = m.bytes;
    for (unsigned i = random() % 4 + 1; i; i--) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    std::vector<char> exact(bytes.begin(), bytes.end());
    FoundPlan found;
    CommandLine line = {kWords, 4, "/davit.cjs"};
    (void)davit::entry_holds({exact.data(), exact.size()}, line, kEnvironment, &found);
  }
  CHECK(holds(m));
}

}  // namespace

int main() {
  char name[] = "/tmp/davit-plan-cache-XXXXXX";
  if (!mkdtemp(name) || chdir(name) != 0) return 1;
  base = name;
  words_are_compared();
  names_of_instances_are_parameters();
  variables_are_compared();
  files_are_compared();
  what_cannot_be_compared_is_refused();
  files_are_found_again();
  damaged_entries_are_read_or_refused();
  if (system(("rm -r " + base).c_str()) != 0) return 1;
  return check::finish();
}
