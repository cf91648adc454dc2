#include "state/plan_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "davit_fields.h"
#include "state/instance_dir.h"
#include "state/sight.h"
#include "sys/small_file.h"
#include "timing/clock.h"
#include "wire/wire.h"

namespace davit {
namespace {

namespace f = fields::CachedPlan;

constexpr uint32_t kFormat = 1;
constexpr std::string_view kMagic = "davitpc1";
constexpr size_t kHead = 16;
constexpr size_t kMaxWords = 64;     // an image further behind is not looked for
constexpr size_t kMaxEntries = 256;  // more than that are removed, all of them

// FNV-1a, 64 bits (RFC 9923).
class Hash {
 public:
  Hash& add(std::string_view bytes) {
    for (char c : bytes) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    return *this;
  }
  // A word and its end.
  Hash& add_word(std::string_view word) { return add(word).add({"", 1}); }
  uint64_t value() const { return value_; }
  void name(Text<32>* out) const {
    out->clear();
    for (int shift = 60; shift >= 0; shift -= 4) out->add_char("0123456789abcdef"[value_ >> shift & 15]);
  }

 private:
  uint64_t value_ = 0xcbf29ce484222325ull;
};

// What two callers of one command line differ in most: so that both can be remembered.
bool start_hash(const char* compiler, const char* const* environment, Hash* hash) {
  char cwd[PATH_MAX];
  Seen messages;  // where they go: those of a terminal have colours
  if (!getcwd(cwd, sizeof cwd) || !look(fields::SightKind::TERMINAL, "2", &messages)) return false;
  Text<16> mask;
  mask.add_number(file_mask());
  hash->add_word(compiler).add_word(cwd).add_word(mask.view()).add_word(messages.text.view());
  for (; *environment; environment++) {
    std::string_view entry = *environment;
    for (std::string_view prefix : {"PWD=", "DAVIT", "APPTAINER", "SINGULARITY"})
      if (entry.substr(0, prefix.size()) == prefix && !is_private_variable(entry)) hash->add_word(entry);
  }
  return true;
}

Fd open_plans(int state, bool make) {
  if (make) mkdirat(state, "plans", 0700);
  Fd plans(openat(state, "plans", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st;
  if (plans.valid() && fstat(plans.get(), &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 077)) return plans;
  errno = plans.valid() ? EPERM : errno;
  return Fd();
}

// Reads a file into memory of our own: what was compared must be what is executed.
bool read_entry(int plans, FoundPlan* found, std::string_view* entry) {
  Fd fd(openat(plans, found->name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st;
  if (!fd.valid() || fstat(fd.get(), &st) != 0) return false;
  if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) return false;
  if (st.st_size <= static_cast<off_t>(kHead) || st.st_size > static_cast<off_t>(kMaxCachedPlan)) return false;
  size_t size = static_cast<size_t>(st.st_size);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  found->memory = memory;
  found->memory_size = size;
  std::string_view bytes(static_cast<char*>(memory), size);
  if (retry([&] { return read(fd.get(), memory, size); }) != static_cast<ssize_t>(size)) return false;
  uint64_t sum;
  memcpy(&sum, bytes.data() + kMagic.size(), sizeof sum);
  *entry = bytes.substr(kHead);
  return bytes.substr(0, kMagic.size()) == kMagic && sum == Hash().add(*entry).value();
}

bool sight_holds(std::string_view message, const char* const* environment, bool* caller) {
  char object[PATH_MAX];
  uint64_t kind = 0;
  std::string_view name, seen;
  wire::Reader reader(message);
  wire::Field field;
  while (reader.next(&field)) {
    if (field.number == fields::Sight::kind) kind = field.value;
    if (field.number == fields::Sight::object) name = field.bytes;
    if (field.number == fields::Sight::seen) seen = field.bytes;
  }
  if (reader.failed() || name.size() >= sizeof object || kind > fields::SightKind::EXPIRY) return false;
  if (!name.empty()) memcpy(object, name.data(), name.size());
  object[name.size()] = 0;
  if (strlen(object) != name.size()) return false;
  *caller = *caller || kind == fields::SightKind::CALLER;
  return still_true(static_cast<unsigned>(kind), object, seen, environment);
}

bool parameters_fit(unsigned parameters, const CommandLine& line, size_t word_count) {
  size_t rest = line.count - word_count;
  switch (parameters) {
    case fields::Parameters::NONE: return rest == 0;
    case fields::Parameters::ANY: return true;
    case fields::Parameters::COMMAND: return rest > 0;
    case fields::Parameters::NAME: return rest > 0 && valid_instance_name(line.words[word_count]);
    default: return false;
  }
}

// Whether an option could have stood wherever one was taken out: `places` are the indexes at which one may.
bool options_fit(std::string_view places, const CommandLine& line) {
  for (size_t i = 0; i < line.removed_count; i++)
    if (line.removed[i] > 255 || places.find(static_cast<char>(line.removed[i])) == places.npos) return false;
  return true;
}

// The words first: what an entry of another command line says does not matter.
bool words_match(std::string_view entry, const CommandLine& line, FoundPlan* found) {
  uint64_t format = 0, parameters = 0;
  bool same = true, compiler = false, joins = false;
  std::string_view places;
  found->word_count = 0;
  found->instance = nullptr;
  found->plan = {};
  wire::Reader reader(entry);
  wire::Field field;
  while (same && reader.next(&field)) {
    switch (field.number) {
      case f::format: format = field.value; break;
      case f::words:
        // Of instance://NAME the scheme alone is compared: the name is a parameter. It is the last word.
        same = !found->instance && found->word_count < line.count;
        if (!same) break;
        joins = field.bytes == kInstanceScheme;
        found->instance = joins ? instance_of(line.words[found->word_count]) : nullptr;
        same = found->instance || field.bytes == line.words[found->word_count];
        found->word_count++;
        break;
      case f::parameters: parameters = field.value; break;
      case f::compiler: compiler = field.bytes == line.compiler; break;
      case f::plan: found->plan = field.bytes; break;
      case f::places: places = field.bytes; break;
    }
  }
  if (reader.failed() || !same || !compiler || format != kFormat || parameters > fields::Parameters::NAME) return false;
  if (joins && !found->instance) return false;
  if (!options_fit(places, line)) return false;
  found->parameters = static_cast<unsigned>(parameters);
  return found->word_count && !found->plan.empty() && parameters_fit(found->parameters, line, found->word_count);
}

// A cache that has grown this large is not used well; it is quicker to begin again than to know which plans are old.
void remove_all_if_many(int plans) {
  DIR* listing = fdopendir(openat(plans, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listing) return;
  size_t count = 0;
  while (readdir(listing)) count++;
  if (count > kMaxEntries) {
    rewinddir(listing);
    while (const struct dirent* entry = readdir(listing)) unlinkat(plans, entry->d_name, 0);
  }
  closedir(listing);
}

}  // namespace

bool entry_holds(std::string_view entry, const CommandLine& line, const char* const* environment, FoundPlan* found) {
  if (!words_match(entry, line, found)) return false;
  timing::Span span("sights");
  bool holds = true, caller = false;
  wire::Reader reader(entry);
  wire::Field field;
  while (holds && reader.next(&field))
    if (field.number == f::sights) holds = sight_holds(field.bytes, environment, &caller);
  return holds && caller && !reader.failed();
}

const char* instance_of(const char* word) {
  if (strncmp(word, kInstanceScheme.data(), kInstanceScheme.size()) != 0) return nullptr;
  const char* name = word + kInstanceScheme.size();
  return valid_instance_name(name) ? name : nullptr;
}

bool find_plan(const char* state_dir, const CommandLine& line, const char* const* environment, FoundPlan* found) {
  Fd state = open_own_directory(state_dir);
  Fd plans = state.valid() ? open_plans(state.get(), false) : Fd();
  Hash hash;
  if (!plans.valid() || !start_hash(line.compiler, environment, &hash)) return false;
  for (size_t i = 0; i < line.count && i < kMaxWords; i++) {
    Hash with_last = hash;
    with_last.add_word(instance_of(line.words[i]) ? kInstanceScheme : line.words[i]).name(&found->name);
    hash.add_word(line.words[i]);
    std::string_view entry;
    if (read_entry(plans.get(), found, &entry) && entry_holds(entry, line, environment, found)) return true;
    if (found->memory) munmap(found->memory, found->memory_size);
    found->memory = nullptr;
  }
  return false;
}

int store_plan(const char* state_dir, std::string_view entry, const char* const* environment) {
  if (entry.empty() || entry.size() > kMaxCachedPlan - kHead) return EFBIG;
  Fd state;
  Text<400> why;
  if (int error = open_state_dir(state_dir, &state, &why)) return error;
  Fd plans = open_plans(state.get(), true);
  if (!plans.valid()) return errno;
  Text<PATH_MAX> compiler;
  wire::Reader reader(entry);
  wire::Field field;
  while (reader.next(&field))
    if (field.number == f::compiler) compiler.add(field.bytes);
  Hash hash;
  if (!start_hash(compiler.c_str(), environment, &hash)) return errno;
  reader = wire::Reader(entry);
  while (reader.next(&field))
    if (field.number == f::words) hash.add_word(field.bytes);
  Text<32> name;
  hash.name(&name);
  uint64_t sum = Hash().add(entry).value();
  void* memory = mmap(nullptr, kHead + entry.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  char* bytes = static_cast<char*>(memory);
  memcpy(bytes, kMagic.data(), kMagic.size());
  memcpy(bytes + kMagic.size(), &sum, sizeof sum);
  memcpy(bytes + kHead, entry.data(), entry.size());
  remove_all_if_many(plans.get());
  int error = replace_file(plans.get(), name.c_str(), {bytes, kHead + entry.size()}, 0600);
  munmap(memory, kHead + entry.size());
  return error;
}

void forget_plan(const char* state_dir, const FoundPlan& found) {
  Fd state = open_own_directory(state_dir);
  Fd plans = state.valid() ? open_plans(state.get(), false) : Fd();
  if (plans.valid()) unlinkat(plans.get(), found.name.c_str(), 0);
}

}  // namespace davit
