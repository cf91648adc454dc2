// The embedded shell on its own: what it hands back, where it gives up, and that it always ends. Whether it does what a
// shell does is asked in shell_diff_test.cc.
#include <sys/resource.h>

#include <thread>

#include "check.h"
#include "shell_fixture.h"

namespace {

using davit::Arena;
using davit::ShellInput;
using davit::ShellOutcome;
using davit::ShellResult;
using fixture::Ending;
using fixture::World;

class Room {
 public:
  explicit Room(size_t size) : size_(size), memory_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Room() { munmap(memory_, size_); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  void* memory() const { return memory_; }
  size_t size() const { return size_; }

 private:
  size_t size_;
  void* memory_;
};

ShellResult run(std::string_view script, Arena& arena, std::vector<const char*> env = {"A=1"}) {
  ShellInput input{script, "here", {}, "sh", env, AT_FDCWD, &arena};
  return davit::run_shell(input);
}

void results() {
  Room room(1 << 20);
  Arena arena(room.memory(), room.size());
  const char* entry = "KEPT=as it is";
  ShellResult r = run("exec a '' \"$KEPT\"", arena, {entry, "no name=x", "B"});
  CHECK(r.outcome == ShellOutcome::Exec);
  CHECK(std::string_view(r.argv[0]) == "a" && !*r.argv[1] && std::string_view(r.argv[2]) == "as it is" && !r.argv[3]);
  CHECK(r.envp[0] == entry);  // not copied
  CHECK(std::string_view(r.envp[1]).starts_with("PWD=/") && !r.envp[2]);
  CHECK(r.output_count == 0);

  r = run("echo 1; echo 2 >&2; printf 3 >&2; echo 4; exit 260", arena);
  CHECK(r.outcome == ShellOutcome::Exit && r.status == 4);
  CHECK(r.output_count == 3);
  CHECK(r.outputs[0].fd == 1 && r.outputs[0].bytes == "1\n");
  CHECK(r.outputs[1].fd == 2 && r.outputs[1].bytes == "2\n3");
  CHECK(r.outputs[2].fd == 1 && r.outputs[2].bytes == "4\n");

  r = run("echo x", arena);
  CHECK(r.outcome == ShellOutcome::Exit && r.status == 0 && !r.argv && !r.envp);

  ShellInput nameless{"echo \"$0 $#\"; : ${x?}", "here", {}, nullptr, {}, AT_FDCWD, &arena};
  r = davit::run_shell(nameless);
  CHECK(r.outcome == ShellOutcome::Exit && r.status == 2);
  CHECK(r.outputs[0].bytes == "sh 0\n" && r.outputs[1].bytes == "sh: 1: x: parameter not set\n");
}

void places() {
  World world;
  fixture::write_file("deep.sh", ":\n\nf() {\n  x=$(date)\n}\n");
  fixture::write_file("bad.sh", "echo a\nif true; then\n");
  auto place = [&](const char* script) { return world.interpret(script).place; };
  CHECK(place("echo a\necho b | cat\n") == "script:2: a pipe");
  CHECK(place("\n\nx=`date`") == "script:3: command substitution");
  CHECK(place(". ./deep.sh\n:\nf") == "./deep.sh:4: command substitution");
  CHECK(place(". ./bad.sh").starts_with("./bad.sh:3: syntax error"));
  CHECK(place(":\nif :\nthen sleep 1 &\nfi") == "script:3: a command in the background");
  CHECK(place(":\neval ':\nls'").ends_with("a program that is run without exec"));
  CHECK(place(std::string("echo a\0b", 8).c_str()).empty());
  CHECK(world.interpret(std::string("echo a\0b", 8)).place == "script:1: a NUL byte in a script");
  CHECK(place("echo a\\").ends_with("a backslash at the end of a script"));
  CHECK(place("\n'a\nb").starts_with("script:2: syntax error"));
}

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
  ShellResult r = run("f() { set -- \"$@\" z; }; x=0123456789; x=$x$x$x$x; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); "
                      "y=\"$x$i\"; set -- $y a; f b; eval 'z=$y'; case $z in *0) ;; esac; done; echo $z", arena);
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
  ShellResult r = run("BIG=${BIG%:tail}y; V39999=$V1; unset V7; B2=${BIG##x}; echo ${#BIG}; exec p \"${V39999}\"", arena, env);
  CHECK(r.outcome == ShellOutcome::Exec);
  CHECK(std::string_view(r.argv[1]) == "some value 1" && r.outputs[0].bytes == "1048577\n");
  size_t count = 0;
  while (r.envp[count]) count++;
  CHECK(count == storage.size() - 1 + 1);  // without V7, with PWD
  CHECK(std::string_view(r.envp[0]).ends_with("xxxy") && strlen(r.envp[0]) == 4 + (1 << 20) + 1);

  // 1 MiB of script, of which little is run.
  std::string script = "x=1\n";
  while (script.size() < 1 << 20) script += "# a comment line of the usual length, more or less\nif [ -z \"$x\" ]; then y=$x; fi\n";
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

std::string repeat(const std::string& piece, int count) {
  std::string all;
  while (count--) all += piece;
  return all;
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
  Ending ending = world.interpret("x=" + many + "; case $x in *a*a*a*a*a*a*a*a*a*a*b) echo no;; *) echo yes;; esac; y=${x%%*a*a*a*b*}; echo ${#y}");
  CHECK(ending.supported && ending.out == "yes\n3000\n");
}

void roots() {
  World world;
  for (const char* d : {"root", "root/sub", "root/tmp"}) CHECK(mkdir(d, 0755) == 0);
  fixture::write_file("root/sub/a.sh", "echo inside \"$1\"\n");
  fixture::write_file("root/sub/b.sh", "", 0755);
  fixture::write_file("outside.sh", "echo outside\n");
  CHECK(symlink("/sub/a.sh", "root/absolute") == 0);
  CHECK(symlink("../../../../../../../sub/a.sh", "root/sub/upwards") == 0);
  CHECK(symlink((world.directory + "/outside.sh").c_str(), "root/escape") == 0);
  int root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
  auto inside = [&](const std::string& script) { return world.interpret(script, false, root); };
  CHECK(inside(". /sub/a.sh").out == "inside one\n");
  CHECK(inside(". /absolute; . /sub/upwards; . /sub/../absolute; . /../sub/a.sh").out == repeat("inside one\n", 4));
  CHECK(inside("PATH=/sub; . a.sh").out == "inside one\n");
  CHECK(!inside(". /escape").supported);
  CHECK(inside("[ -e /escape ] || [ -e /outside.sh ] || echo gone; [ -L /escape ] && echo link; [ -e /absolute ] && echo there").out ==
        "gone\nlink\nthere\n");
  CHECK(inside("echo /s*/* /*b*").out == "/sub/a.sh /sub/b.sh /sub/upwards /absolute /sub\n");
  CHECK(inside("for f in /sub/b.sh /sub/a.sh /sub /none; do [ -x $f ] && echo $f; done").out == "/sub/b.sh\n/sub\n");
  CHECK(inside("[ -f /etc/passwd ] || echo none").out == "none\n");
  CHECK(inside("echo a >/dev/null").place.ends_with("a /dev/null that is not the null device"));
  // The working directory is not known by a path beneath the root.
  CHECK(inside("echo \"$PWD\"").out == world.directory + "\n");
  world.environment = {"A=1"};
  CHECK(inside("echo \"${PWD-unset}\"").out == "unset\n");
  CHECK(world.interpret("echo \"$PWD\"").out == world.directory + "\n");
  world.environment = {"PWD=/nowhere"};
  CHECK(world.interpret("echo \"$PWD\"").out == world.directory + "\n");
  close(root);
}

// No descriptor is left open, whatever the end.
void descriptors() {
  World world;
  auto lowest = [] {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
  };
  int before = lowest();
  for (const char* script : {". ./env/literal.sh; exit 1", ". ./env/self.sh", "echo * */* */*/*", ". ./dir", "[ -r a.txt ]",
                             "for f in *; do x=$(cat $f); done", "while :; do . ./env/params.sh; done"}) {
    world.interpret(script);
    CHECK(lowest() == before);
  }
}

// Differences from dash that are meant; see shell.h.
void own_choices() {
  World world;
  CHECK(world.interpret("echo \"${PS1-unset} ${PS2-unset} ${PS4-unset}\"").out == "unset unset unset\n");
  CHECK(world.interpret("source ./env/literal.sh; echo $LITERAL").out == "value of it\n");
  fixture::write_file("env/kept.sh", "echo \"${RANDOM-none}\"\n");
  CHECK(!world.interpret(". ./env/kept.sh").supported);
  CHECK(world.interpret("RANDOM=4; . ./env/kept.sh").out == "4\n");
  CHECK(!world.interpret("echo $RANDOM").supported && !world.interpret("LINENO=3; echo ${LINENO-x}").supported);
  CHECK(world.interpret("echo \"${SHLVL-unset}${UID+set}\"").out == "unset\n");  // the caller's own script, asking
}

// The environment scripts of real images, when their tree is at hand.
void real_images() {
  const char* tree = getenv("DAVIT_TEST_IMAGE_TREE");
  if (!tree) {
    printf("skipped: real images (DAVIT_TEST_IMAGE_TREE is not set)\n");
    return;
  }
  World world;
  int root = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
  Ending ending = world.interpret("for f in /.singularity.d/env/*.sh; do [ -f \"$f\" ] && . \"$f\"; done; exec probe \"$f\"", false, root);
  printf("%s", ending.supported ? "" : (ending.place + "\n").c_str());
  CHECK(ending.supported && ending.executed && ending.argv[1].starts_with("/.singularity.d/env/99"));
  CHECK(std::find(ending.environment.begin(), ending.environment.end(), "PS1=Apptainer> ") != ending.environment.end());
  close(root);
}

}  // namespace

int main(int, char** argv, char** environment) {
  if (fixture::is_probe(argv[0])) return fixture::probe(argv, environment);
  results();
  places();
  memory();
  sizes();
  depths();
  loops();
  roots();
  descriptors();
  own_choices();
  real_images();
  return check::finish();
}
