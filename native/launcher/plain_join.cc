// Joins that were compiled when davit was built. A join without options depends on what its caller has, which the
// launcher has too, and on the record of the instance, which the launcher reads in any case: nothing is left that Node
// could find out. Whatever else might decide is doubt, and leads to the plan cache or to Node.
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "davit_fields.h"
#include "launcher/roles.h"
#include "state/sight.h"
#include "sys/fd.h"
#include "wire/wire.h"

namespace davit {
namespace {

namespace f = fields::PlainJoin;

constexpr off_t kMaxFile = 1 << 20;

// They name places: where the state is, which has been looked up, and where other things are, which no join looks at.
// Those of Apptainer are set for everybody at many sites.
bool names_a_place(std::string_view entry) {
  for (std::string_view name : {"DAVIT_STATE_DIR=", "DAVIT_CACHEDIR=", "DAVIT_CONFIGDIR=", "DAVIT_CONFIG_FILE=",
                                "APPTAINER_CACHEDIR=", "APPTAINER_CONFIGDIR=", "APPTAINER_TMPDIR="})
    if (entry.substr(0, name.size()) == name) return true;
  return false;
}

// Any other variable of davit's or Apptainer's may be an option, or one of the payload.
bool environment_decides(const char* const* environment) {
  for (; *environment; environment++) {
    std::string_view entry = *environment;
    for (std::string_view prefix : {"DAVIT", "APPTAINER", "SINGULARITY"}) {
      if (entry.substr(0, prefix.size()) != prefix) continue;
      if (!is_private_variable(entry) && !names_a_place(entry)) return true;
    }
  }
  return false;
}

enum class Color { No, Yes, Unknown };

// Messages have colours on a terminal (isTerminal() of src/cli/render.ts, which knows more kinds of them).
Color wanted_color() {
  constexpr unsigned kMemory = 1, kConsole = 4, kFirstPty = 136, kLastPty = 143;
  struct stat st;
  if (fstat(2, &st) != 0 || !S_ISCHR(st.st_mode) || major(st.st_rdev) == kMemory) return Color::No;
  unsigned kind = major(st.st_rdev);
  return kind == kConsole || (kind >= kFirstPty && kind <= kLastPty) ? Color::Yes : Color::Unknown;
}

// dist/joins.pb lies beside the bundle, and is as trustworthy.
std::string_view read_joins(const char* compiler) {
  const char* slash = strrchr(compiler, '/');
  Text<PATH_MAX> path;
  path.add({compiler, slash ? static_cast<size_t>(slash - compiler) : 0}).add("/joins.pb");
  Fd fd(path.full() ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  if (st.st_size <= 0 || st.st_size > kMaxFile) return {};
  size_t size = static_cast<size_t>(st.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  return bytes == MAP_FAILED ? std::string_view{} : std::string_view(static_cast<char*>(bytes), size);
}

bool arguments_fit(uint64_t parameters, size_t count) {
  switch (parameters) {
    case fields::Parameters::NONE: return count == 0;
    case fields::Parameters::ANY: return true;
    case fields::Parameters::COMMAND: return count > 0;
    default: return false;
  }
}

// The plan of one PlainJoin, or nothing when it is of another command line.
std::string_view matching_plan(std::string_view message, std::string_view action, size_t arguments, bool color) {
  wire::Reader reader(message);
  wire::Field field;
  std::string_view plan, its_action;
  uint64_t parameters = 0;
  bool its_color = false;
  while (reader.next(&field)) {
    switch (field.number) {
      case f::action: its_action = field.bytes; break;
      case f::parameters: parameters = field.value; break;
      case f::color: its_color = field.value; break;
      case f::plan: plan = field.bytes; break;
    }
  }
  if (reader.failed() || its_action != action || its_color != color || !arguments_fit(parameters, arguments)) return {};
  return plan;
}

}  // namespace

bool find_plain_join(const CommandLine& line, const char* const* environment, PlainJoin* found) {
  constexpr size_t kWords = 2;  // the action, instance://NAME
  if (line.count < kWords || !(found->name = instance_of(line.words[1]))) return false;
  Color color = wanted_color();
  if (color == Color::Unknown || environment_decides(environment)) return false;
  wire::Reader reader(read_joins(line.compiler));
  wire::Field field;
  while (reader.next(&field)) {
    if (field.number != fields::PlainJoins::joins) continue;
    found->plan = matching_plan(field.bytes, line.words[0], line.count - kWords, color == Color::Yes);
    if (!found->plan.empty()) break;
  }
  found->word_count = kWords;
  return !found->plan.empty();
}

}  // namespace davit
