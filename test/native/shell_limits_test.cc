// Limits of the embedded shell: whatever the script, the memory and the environment, it ends, and says how.
#include <pthread.h>

#include "check.h"
#include "shell_fixture.h"

namespace {

using davit::Arena;
using davit::ShellOutcome;
using davit::ShellResult;
using fixture::Ending;
using fixture::repeat;
using fixture::Room;
using fixture::run;
using fixture::World;

// Every amount of memory ends in a result, and from some amount on in the right one.
void memory() {
  const char* script =
      "f() { local l=$1; x=\"$x $l\"; }; x=; for i in 1 2 3 4 5 6 7 8; do f $i; done; set -- $x; "
      "case $x in *8) printf '%s ' \"$@\"; echo \"${x%8}\" >&2;; esac; export x; eval 'y=${x#*1}'; exec prog \"$y\"";
  bool succeeded = false;
  size_t enough = 0;
  for (size_t size = 0; size < 400'000; size += size < 4096 ? 64 : 4096) {
    std::unique_ptr<char[]> exact(new char[size]);  // so that AddressSanitizer sees its end
    Arena arena(exact.get(), size);
    ShellResult r = run(script, arena);
    if (r.outcome == ShellOutcome::Unsupported) {
      CHECK(!succeeded && r.unsupported && r.where_file == "here");
      continue;
    }
    if (!succeeded) enough = size;
    succeeded = true;
    CHECK(r.outcome == ShellOutcome::Exec && std::string_view(r.argv[1]) == " 2 3 4 5 6 7 8");
  }
  CHECK(succeeded && enough < 200'000);

  // What a loop throws away is used again; only the texts of functions stay.
  Room room(1 << 20);
  Arena arena(room.memory(), room.size());
  ShellResult r =
      run("f() { set -- \"$@\" z; }; x=0123456789; x=$x$x$x$x; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); "
          "y=\"$x$i\"; set -- $y a; f b; eval 'z=$y'; case $z in *0) ;; esac; done; echo $z",
          arena);
  CHECK(r.outcome == ShellOutcome::Exit && r.outputs[0].bytes.ends_with("920000\n"));
}

void sizes() {
  // 2 MiB of environment in one large and many small variables.
  std::vector<std::string> storage = {"BIG=" + std::string(1 << 20, 'x') + ":tail"};
  for (int i = 0; i < 40'000; i++) storage.push_back("V" + std::to_string(i) + "=some value " + std::to_string(i));
  std::vector<const char*> env;
  for (const std::string& s : storage) env.push_back(s.c_str());
  Room room(24 << 20);
  Arena arena(room.memory(), room.size());
  ShellResult r =
      run("BIG=${BIG%:tail}y; V39999=$V1; unset V7; B2=${BIG##x}; echo ${#BIG}; exec p \"${V39999}\"", arena, env);
  CHECK(r.outcome == ShellOutcome::Exec);
  CHECK(std::string_view(r.argv[1]) == "some value 1" && r.outputs[0].bytes == "1048577\n");
  size_t count = 0;
  while (r.envp[count]) count++;
  CHECK(count == storage.size() - 1 + 1);  // without V7, with PWD
  CHECK(std::string_view(r.envp[0]).ends_with("xxxy") && strlen(r.envp[0]) == 4 + (1 << 20) + 1);

  // 1 MiB of script, of which little is run.
  std::string script = "x=1\n";
  while (script.size() < 1 << 20)
    script += "# a comment line of the usual length, more or less\nif [ -z \"$x\" ]; then y=$x; fi\n";
  script += "exec p $x\n";
  Room second(8 << 20);
  Arena again(second.memory(), second.size());
  r = run(script, again);
  CHECK(r.outcome == ShellOutcome::Exec && std::string_view(r.argv[1]) == "1");
  Room third(8 << 20);
  Arena lazy(third.memory(), third.size());
  r = run("exit 3\n" + std::string(4 << 20, '('), lazy);
  CHECK(r.outcome == ShellOutcome::Exit && r.status == 3);
}

// Whatever nests deeply ends on a small stack.
void depths() {
  std::vector<std::string> scripts = {
      "f() { f; }; f",
      "f() { eval f; }; f",
      "f() { if true; then for i in 1; do case a in a) { f; };; esac; done; fi; }; f",
      repeat("{ ", 5000) + ":" + repeat("; }", 5000),
      repeat("if :; then ", 5000) + ":" + repeat("; fi", 5000),
      repeat("if :; then :; el", 5000),
      repeat("! ", 5000) + ":",
      "x=" + repeat("${y:-", 5000) + repeat("}", 5000),
      "x=\"" + repeat("${y:-", 5000) + repeat("}", 5000) + "\"",
      "x=" + repeat("$(", 5000),
      "x=" + repeat("$((", 5000),
      "x=$((" + repeat("(", 5000) + "1" + repeat(")", 5000) + "))",
      "x=$((" + repeat("-", 1) + repeat(" -", 5000) + "1))",
      "x=$((" + repeat("1?", 5000) + "1" + repeat(":1", 5000) + "))",
      repeat("(", 5000),
      repeat("case a in a) ", 5000),
      "x=y; f() { x=\"eval \\\"$x\\\"\"; eval f; }; f",
      "x=*" + repeat("/*", 5000) + "; echo $x",
      repeat("`", 5000),
      repeat("\"${x-", 5000),
      ". ./env/self.sh",
      "f() { . ./env/f.sh; }; f",
  };
  World world;
  fixture::write_file("env/f.sh", "f\n");
  int unsupported = 0;
  // The documented 512 KiB; sanitizers need several times that.
#if defined(__SANITIZE_ADDRESS__)
  constexpr size_t kStack = 4 << 20;
#else
  constexpr size_t kStack = 512 << 10;
#endif
  for (const std::string& script : scripts) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStack);
    struct Job {
      const World* world;
      const std::string* script;
      Ending ending;
    } job{&world, &script, {}};
    pthread_t thread;
    auto body = [](void* data) -> void* {
      Job* j = static_cast<Job*>(data);
      j->ending = j->world->interpret(*j->script);
      return nullptr;
    };
    CHECK(pthread_create(&thread, &attributes, body, &job) == 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    unsupported += !job.ending.supported;
  }
  CHECK(unsupported == static_cast<int>(scripts.size()) - 1);  // the pattern of many stars merely matches nothing
}

// Whatever goes on for ever is stopped.
void loops() {
  World world;
  for (const char* script : {
           "while :; do :; done",
           "until false; do x=1; done",
           "for i in 1 2 3 4 5 6 7 8 9 10; do while :; do continue; done; done",
           "x=a; while :; do x=$x$x; done",
           "while :; do set -- \"$@\" \"$@\" a; done",
           "while :; do echo forever; done",
           "while :; do eval ':'; done",
           "while :; do export V$i=1; i=$((i+1)); done",
       }) {
    CHECK(!world.interpret(script).supported);
  }
  // Patterns that make a backtracking matcher slow.
  std::string many = repeat("a", 3000);
  Ending ending = world.interpret(
      "x=" + many + "; case $x in *a*a*a*a*a*a*a*a*a*a*b) echo no;; *) echo yes;; esac; y=${x%%*a*a*a*b*}; echo ${#y}");
  CHECK(ending.supported && ending.out == "yes\n3000\n");
}

}  // namespace

int main() {
  memory();
  sizes();
  depths();
  loops();
  return check::finish();
}
