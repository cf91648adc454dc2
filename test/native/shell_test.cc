// The embedded shell on its own: what it hands back, where it gives up, what it looks at. Whether it does what a shell
// does is asked in shell_diff_test.cc, whether it always ends in shell_limits_test.cc.
#include "check.h"
#include "shell_fixture.h"

namespace {

using davit::Arena;
using davit::ShellInput;
using davit::ShellOutcome;
using davit::ShellResult;
using fixture::Ending;
using fixture::repeat;
using fixture::Room;
using fixture::run;
using fixture::World;

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
  CHECK(place(("\n\n" + repeat("if :; then ", 5000)).c_str()) == "script:3: nested too deeply");
  CHECK(place("\n'a\nb").starts_with("script:2: syntax error"));
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
  CHECK(inside("[ -e /escape ] || [ -e /outside.sh ] || echo gone; [ -L /escape ] && echo link; [ -e /absolute ] && "
               "echo there")
            .out == "gone\nlink\nthere\n");
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
  for (const char* script :
       {". ./env/literal.sh; exit 1", ". ./env/self.sh", "echo * */* */*/*", ". ./dir", "[ -r a.txt ]",
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
  Ending ending = world.interpret(
      "for f in /.singularity.d/env/*.sh; do [ -f \"$f\" ] && . \"$f\"; done; exec probe \"$f\"", false, root);
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
  roots();
  descriptors();
  own_choices();
  real_images();
  return check::finish();
}
