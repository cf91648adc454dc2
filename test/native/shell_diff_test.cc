// Every script of shell_corpus by the embedded shell and by dash: the same output, status, arguments and environment.
// What the embedded shell leaves to a real one is marked [unsupported] there, and nothing else may be left to it.
#include <dirent.h>

#include <random>

#include "check.h"
#include "shell_fixture.h"

namespace {

using fixture::Case;
using fixture::Ending;
using fixture::World;

void fail(const std::string& name, const std::string& what) {
  check::failed++;
  printf("failed: %s\n%s\n", name.c_str(), what.c_str());
}

void compare(const World& world, const std::string& file, const Case& c) {
  std::string name = file + ": " + c.name;
  Ending ours = world.interpret(c.script, c.tail);
  int root = open("/", O_PATH | O_CLOEXEC);
  Ending rooted = world.interpret(c.script, c.tail, root);
  close(root);
  if (c.unsupported) {
    if (ours.supported) return fail(name, "should not be supported, but " + ours.text());
    if (!ours.out.empty() || !ours.err.empty()) return fail(name, "wrote although it is not supported");
    if (ours.place != rooted.place) return fail(name, "differs with a root: " + rooted.place);
    check::passed++;
    return;
  }
  if (!ours.supported) return fail(name, ours.place);
  Ending theirs = world.real(c.script);
  if (!(ours == theirs)) return fail(name, c.script + "embedded: " + ours.text() + "dash:     " + theirs.text());
  if (!(rooted == theirs)) return fail(name, c.script + "with a root: " + rooted.text() + "dash: " + theirs.text());
  check::passed++;
}

// Field splitting is where shells are subtle: random values, separators and neighbours, always the same ones.
void compare_splitting(const World& world) {
  std::mt19937 random(20240611);
  auto pick = [&](const char* set, size_t most) {
    std::string s;
    for (size_t n = random() % (most + 1); n; n--) s += set[random() % strlen(set)];
    return s;
  };
  std::vector<std::string> scripts;
  std::string all;
  for (int i = 0; i < 400; i++) {
    std::string s = "IFS='" + pick(" :,\t", 3) + "'; a='" + pick("xy :,", 7) + "' b='" + pick("z :,", 4) + "'; set -- ";
    for (int n = 1 + random() % 2; n; n--) {
      const char* forms[] = {"$a",       "$b",     "\"$a\"",  "x",          "$a$b", "\"\"",
                             "$a\"$b\"", "${a#x}", "${u-$a}", "${a:+$b q}", "$a:$b"};
      for (int k = 1 + random() % 3; k; k--) s += forms[random() % 11];
      s += " ";
    }
    s += "; unset IFS; printf '<%s>' \"$@\"; echo \"$#\"\n";
    scripts.push_back(s);
    all += s;
  }
  std::string theirs = world.real(all).out;
  int supported = 0;
  for (const std::string& script : scripts) {
    size_t line = theirs.find('\n') + 1;
    std::string expected = theirs.substr(0, line);
    theirs.erase(0, line);
    Ending ours = world.interpret(script);
    if (!ours.supported) continue;
    supported++;
    if (ours.out != expected) fail("splitting", script + "embedded: " + ours.out + "dash:     " + expected);
  }
  CHECK(theirs.empty());
  CHECK(supported > 300);
}

}  // namespace

int main(int, char** argv, char** environment) {
  if (fixture::is_probe(argv[0])) return fixture::probe(argv, environment);
  if (access("/bin/dash", X_OK) != 0) return check::skip("dash");
  const char* given = getenv("DAVIT_SHELL_CORPUS");
  char* directory = realpath(given ? given : "test/native/shell_corpus", nullptr);
  if (!directory) return check::skip("test/native/shell_corpus (run me in the project's root)");
  fixture::Strings files;
  DIR* list = opendir(directory);
  while (const dirent* entry = readdir(list)) {
    if (std::string_view(entry->d_name).ends_with(".sh")) files.emplace_back(entry->d_name);
  }
  closedir(list);
  std::sort(files.begin(), files.end());
  World world;
  for (const std::string& file : files) {
    for (const Case& c : fixture::read_corpus(std::string(directory) + "/" + file)) compare(world, file, c);
  }
  compare_splitting(world);
  free(directory);
  CHECK(check::passed > 300);
  return check::finish();
}
