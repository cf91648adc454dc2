// Rules and a host environment in, the action script's environment out.
#include <vector>

#include "check.h"
#include "executor/environment.h"

namespace {

using davit::Environment;
using davit::Variable;

struct Result {
  std::vector<std::string> entries;
  bool has(const std::string& entry) const {
    for (const std::string& e : entries)
      if (e == entry) return true;
    return false;
  }
};

Result make(const Environment& rules, std::vector<const char*> host) {
  static char memory[1 << 16];
  davit::Arena arena(memory, sizeof memory);
  host.push_back(nullptr);
  davit::ScriptEnvironment made;
  Result result;
  CHECK(davit::make_environment(arena, rules, host.data(), "web1", "/work dir", &made));
  for (size_t i = 0; i < made.count; i++) result.entries.push_back(made.entries[i]);
  CHECK(made.entries[made.count] == nullptr);
  return result;
}

template <size_t N>
davit::List<const char*> list(const char* (&items)[N]) {
  return {items, N};
}

}  // namespace

int main() {
  const char* block[] = {"PATH", "HOME"};
  const char* prefixes[] = {"APPTAINER_", "DAVITENV_"};
  Variable set[] = {
      {"A", "1", "", false}, {"NAME", "", "", true}, {"FROM", "", "KEEP", false}, {"GONE", "", "NOSUCH", false}};
  Environment rules{};
  rules.block = list(block);
  rules.block_prefixes = list(prefixes);
  rules.set = {set, 4};
  std::vector<const char*> host = {
      "PATH=/bin", "HOME=/h", "APPTAINER_BIND=x", "DAVITENV_A=1", "KEEP=a=b c", "FROM=host", "BASH_FUNC_f%%=() { :; }",
      "1X=2",      "EMPTY=",  "MULTI=a\nb",       "noequals"};
  Result all = make(rules, host);
  CHECK(all.has("A=1") && all.has("NAME=web1") && all.has("FROM=a=b c") && all.has("PWD=/work dir"));
  CHECK(all.has("DAVIT_HOST_KEEP=a=b c") && all.has("DAVIT_HOST_EMPTY=") && all.has("DAVIT_HOST_MULTI=a\nb"));
  CHECK(all.has("DAVIT_HOST_NAMES=KEEP FROM EMPTY MULTI"));
  CHECK(all.entries.size() == 9);

  const char* allow[] = {"EMPTY", "TERM"};
  rules.only_allowed = true;
  rules.allow = list(allow);
  Result clean = make(rules, host);
  CHECK(clean.has("DAVIT_HOST_NAMES=EMPTY") && clean.has("DAVIT_HOST_EMPTY=") && !clean.has("DAVIT_HOST_KEEP=a=b c"));

  CHECK(make(Environment{}, {}).has("DAVIT_HOST_NAMES="));

  char small[64];
  davit::Arena arena(small, sizeof small);
  davit::ScriptEnvironment made;
  host.push_back(nullptr);
  CHECK(!davit::make_environment(arena, rules, host.data(), "", "/", &made));
  return check::finish();
}
