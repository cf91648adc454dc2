// Remembered plans and records that are damaged: those of test/native/plan_corpus as they are, then mutations of them,
// and files of the plan cache with a right checksum over wrong content.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "check.h"
#include "plan_trial.h"
#include "state/sight.h"

namespace {

constexpr int kMutations = 60000;
constexpr int kFiles = 300;

std::vector<std::string> read_corpus() {
  std::vector<std::string> all;
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator("test/native/plan_corpus", none)) {
    std::ifstream in(entry.path(), std::ios::binary);
    all.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return all;
}

void append_varint(std::string* bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *bytes += static_cast<char>(value | 0x80);
  *bytes += static_cast<char>(value);
}

// A sight of what the kernel says of this very process; a plan in the corpus has none, since it is another's.
std::string with_caller(const std::string& entry) {
  davit::Seen seen;
  CHECK(davit::look(davit::fields::SightKind::CALLER, "", &seen));
  std::string sight;
  append_varint(&sight, davit::fields::Sight::seen << 3 | davit::wire::kBytes);
  append_varint(&sight, seen.text.size());
  sight += seen.text.view();
  std::string whole = entry;
  append_varint(&whole, davit::fields::CachedPlan::sights << 3 | davit::wire::kBytes);
  append_varint(&whole, sight.size());
  return whole + sight;
}

std::string mutate(std::string bytes, const std::string& other, std::mt19937& random) {
  if (bytes.empty()) return other;
  auto at = [&](const std::string& text) { return random() % (text.size() + 1); };
  for (unsigned i = random() % 4 + 1; i && !bytes.empty(); i--) {
    switch (random() % 6) {
      case 0: bytes[random() % bytes.size()] = static_cast<char>(random()); break;
      case 1: bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8); break;
      case 2: bytes.resize(at(bytes)); break;
      case 3: bytes.insert(at(bytes), bytes, at(bytes), random() % 64); break;
      case 4: bytes.insert(at(bytes), other, at(other), random() % 200); break;
      case 5: bytes.erase(at(bytes), random() % 16); break;
    }
  }
  return bytes;
}

void mutations_are_read_or_refused(const std::vector<std::string>& corpus) {
  std::mt19937 random(7);
  int sound = 0;
  for (const std::string& bytes : corpus) sound += fixture::try_plan(bytes);
  CHECK(sound >= 2 && sound < static_cast<int>(corpus.size()));
  for (int i = 0; i < kMutations; i++)
    fixture::try_plan(mutate(corpus[random() % corpus.size()], corpus[random() % corpus.size()], random));
  CHECK(fixture::try_plan(corpus.back()));
}

// FNV-1a, as plan_cache.cc has it.
uint64_t checksum(std::string_view bytes) {
  uint64_t value = 0xcbf29ce484222325ull;
  for (char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return value;
}

void write_whole(const std::string& path, std::string_view bytes) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  close(fd);
}

std::string as_file(std::string_view entry) {
  uint64_t sum = checksum(entry);
  return "davitpc1" + std::string(reinterpret_cast<char*>(&sum), sizeof sum) + std::string(entry);
}

void files_are_read_or_refused(const std::string& state, const std::string& entry,
                               const std::vector<std::string>& corpus) {
  davit::CommandLine line = {fixture::kTrialWords, 3, fixture::kTrialCompiler};
  auto finds = [&] {
    davit::FoundPlan found;
    return davit::find_plan(state.c_str(), line, fixture::kTrialEnvironment, &found);
  };
  CHECK(davit::store_plan(state.c_str(), entry, fixture::kTrialEnvironment) == 0);
  CHECK(finds());
  std::string path = std::filesystem::directory_iterator(state + "/plans")->path();
  write_whole(path, as_file(entry));
  CHECK(finds());
  std::mt19937 random(11);
  for (int i = 0; i < kFiles; i++) {
    write_whole(path, as_file(mutate(entry, corpus[random() % corpus.size()], random)));
    finds();
    write_whole(path, mutate(as_file(entry), corpus[random() % corpus.size()], random));
    finds();
  }

  write_whole(path, as_file(entry));
  CHECK(truncate(path.c_str(), davit::kMaxCachedPlan + 1) == 0 && !finds());
  CHECK(truncate(path.c_str(), off_t{1} << 40) == 0 && !finds());
  for (off_t size : {0, 1, 15, 16, 17}) CHECK(truncate(path.c_str(), size) == 0 && !finds());
  // A second name for it is no harm; what it leads through is.
  write_whole(path, as_file(entry));
  CHECK(link(path.c_str(), (state + "/second").c_str()) == 0 && finds());
  CHECK(rename(path.c_str(), (state + "/real").c_str()) == 0 && symlink("../real", path.c_str()) == 0 && !finds());
  CHECK(unlink(path.c_str()) == 0 && mkfifo(path.c_str(), 0600) == 0 && !finds());
  CHECK(unlink(path.c_str()) == 0 && mkdir(path.c_str(), 0700) == 0 && !finds());
  CHECK(rmdir(path.c_str()) == 0 && rename((state + "/real").c_str(), path.c_str()) == 0 && finds());
  for (mode_t mode : {0640, 0604, 0620, 0602, 0666}) CHECK(chmod(path.c_str(), mode) == 0 && !finds());
  CHECK(chmod(path.c_str(), 0600) == 0 && finds());
  if (geteuid() == 0) {
    CHECK(chown(path.c_str(), 65534, 0) == 0 && !finds());
    CHECK(chown(path.c_str(), 0, 65534) == 0 && finds());
  }
  std::string plans = state + "/plans", moved = state + "/moved";
  CHECK(rename(plans.c_str(), moved.c_str()) == 0 && symlink("moved", plans.c_str()) == 0 && !finds());
  CHECK(davit::store_plan(state.c_str(), entry, fixture::kTrialEnvironment) != 0);
  CHECK(unlink(plans.c_str()) == 0 && rename(moved.c_str(), plans.c_str()) == 0 && finds());
}

}  // namespace

int main() {
  std::vector<std::string> corpus = read_corpus();
  if (corpus.empty()) return check::skip("test/native/plan_corpus (run me in the project's root)");
  size_t kept = corpus.size();
  for (size_t i = 0; i < kept; i++) corpus.push_back(with_caller(corpus[i]));
  char name[] = "/tmp/davit-plan-fuzz-XXXXXX";
  if (!mkdtemp(name)) return 1;
  std::string entry;
  for (const std::string& bytes : corpus)
    if (fixture::try_plan(bytes)) entry = bytes;
  corpus.push_back(entry);
  mutations_are_read_or_refused(corpus);
  files_are_read_or_refused(std::string(name) + "/state", entry, corpus);
  std::filesystem::remove_all(name);
  return check::finish();
}
