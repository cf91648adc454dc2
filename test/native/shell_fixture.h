// What the tests of the embedded shell share: a directory with files to look at, a fixed environment, one call that
// interprets a script, and one that gives the same script to a real dash.
#pragma once
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "shell/shell.h"

namespace fixture {

using Strings = std::vector<std::string>;

// How a script ended, in a form in which two shells can be compared.
struct Ending {
  bool supported = true;
  bool executed = false;
  int status = 0;
  Strings argv, environment;  // sorted
  std::string out, err;
  std::string place;  // FILE:LINE: what, when it is not supported

  bool operator==(const Ending& other) const {
    return executed == other.executed && status == other.status && argv == other.argv &&
           environment == other.environment && out == other.out && err == other.err;
  }

  std::string text() const {
    std::string s = supported ? executed ? "executed" : "exited " + std::to_string(status) : "unsupported " + place;
    for (const std::string& a : argv) s += " [" + a + "]";
    s += "\n  out: " + out + "\n  err: " + err + "\n  env:";
    for (const std::string& e : environment) s += " [" + e + "]";
    return s + "\n";
  }
};

inline void write_file(const std::string& path, std::string_view text, mode_t mode = 0644) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
  close(fd);
}

inline std::string read_whole(int fd) {
  std::string text;
  char buffer[65536];
  if (lseek(fd, 0, SEEK_SET) != 0) return text;
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  return text;
}

// The same program under the name "probe" writes its arguments and environment to descriptor 9.
constexpr int kProbeFd = 9;
inline bool is_probe(const char* argv0) { return std::string_view(argv0).ends_with("probe"); }
inline int probe(char** argv, char** environment) {
  std::string text;
  for (char** a = argv; *a; a++) text.append(*a).push_back(0);
  text.push_back(1);
  for (char** e = environment; *e; e++) text.append(*e).push_back(0);
  return write(kProbeFd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1;
}

// Memory as a launch has it: zeroed pages, of which the untouched ones cost nothing.
class Room {
 public:
  explicit Room(size_t size)
      : size_(size), memory_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Room() { munmap(memory_, size_); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  void* memory() const { return memory_; }
  size_t size() const { return size_; }

 private:
  size_t size_;
  void* memory_;
};

// A script under the name "here".
inline davit::ShellResult run(std::string_view script, davit::Arena& arena, std::vector<const char*> env = {"A=1"}) {
  davit::ShellInput input{script, "here", {}, "sh", env, AT_FDCWD, &arena};
  return davit::run_shell(input);
}

inline std::string repeat(const std::string& piece, int count) {
  std::string all;
  while (count--) all += piece;
  return all;
}

class World {
 public:
  World() {
    char name[] = "/tmp/davit-shell-XXXXXX";
    if (!mkdtemp(name)) abort();
    directory = name;
    if (chdir(name) != 0) abort();
    for (const char* d : {"dir", "bin", "env", "env.d", "order", "scif", "scif/apps", "scif/apps/foo",
                          "scif/apps/foo/bin", "scif/apps/foo/scif", "scif/apps/foo/scif/env"}) {
      if (mkdir(d, 0755) != 0) abort();
    }
    for (const char* f : {"b.txt", "c.txt", ".hidden", "sp ace", "empty", "dir/x", "dir/y.sh", "order/A", "order/B",
                          "order/a", "order/b", "order/_", "order/-", "order/1", "order/10", "order/2"}) {
      write_file(f, "");
    }
    write_file("a.txt", "text\n");
    write_file("exe", "", 0755);
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) abort();
    self[n] = 0;
    const char* links[][2] = {
        {"a.txt", "link"}, {"nowhere", "dangling"}, {"dir", "lnkdir"}, {self, "bin/probe"}, {self, "exe-probe"}};
    for (auto& link : links) {
      if (symlink(link[0], link[1]) != 0) abort();
    }
    write_scripts();
    environment = {"HOME=/h",          "PATH=" + directory + "/bin:/usr/bin:/bin",
                   "PWD=" + directory, "FOO=foo",
                   "EMPTY=",           "LIST=a b  c",
                   "not-a-name=1",     "IFS=:",
                   "noequals"};
  }

  ~World() {
    std::string command = "rm -rf " + directory;
    if (chdir("/") != 0 || system(command.c_str()) != 0) abort();
  }

  Ending interpret(const std::string& script, bool tail_exec = false, int root_fd = AT_FDCWD) const {
    constexpr size_t kArena = 24 << 20;
    Room room(kArena);
    davit::Arena arena(room.memory(), room.size());
    std::vector<const char*> env, args;
    for (const std::string& e : environment) env.push_back(e.c_str());
    for (const std::string& a : arguments) args.push_back(a.c_str());
    davit::ShellInput input{script, "script", args, "sh", env, root_fd, &arena, tail_exec};
    davit::ShellResult result = davit::run_shell(input);
    Ending ending;
    ending.supported = result.outcome != davit::ShellOutcome::Unsupported;
    ending.executed = result.outcome == davit::ShellOutcome::Exec;
    ending.status = result.status;
    for (auto p = result.argv; p && *p; p++) ending.argv.emplace_back(*p);
    for (auto p = result.envp; p && *p; p++) ending.environment.emplace_back(*p);
    std::sort(ending.environment.begin(), ending.environment.end());
    for (size_t i = 0; i < result.output_count; i++) {
      (result.outputs[i].fd == 1 ? ending.out : ending.err) += result.outputs[i].bytes;
    }
    if (!ending.supported) {
      ending.place =
          std::string(result.where_file) + ":" + std::to_string(result.where_line) + ": " + result.unsupported;
    }
    return ending;
  }

  Ending real(const std::string& script) const {
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    int dump = memfd_create("dump", MFD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
      dup2(open("/dev/null", O_RDONLY), 0);
      dup2(out, 1);
      dup2(err, 2);
      if (dup2(dump, kProbeFd) < 0 || dump == kProbeFd) fcntl(kProbeFd, F_SETFD, 0);
      std::vector<char*> argv, env;
      Strings words = {"dash", "-c", script, "sh"};
      words.insert(words.end(), arguments.begin(), arguments.end());
      for (std::string& w : words) argv.push_back(w.data());
      for (const std::string& e : environment) env.push_back(const_cast<char*>(e.c_str()));
      argv.push_back(nullptr);
      env.push_back(nullptr);
      execve("/bin/dash", argv.data(), env.data());
      _exit(126);
    }
    int status = 0;
    waitpid(child, &status, 0);
    Ending ending;
    ending.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    ending.out = read_whole(out);
    ending.err = read_whole(err);
    std::string dumped = read_whole(dump);
    ending.executed = !dumped.empty();
    Strings* list = &ending.argv;
    for (size_t at = 0; at < dumped.size();) {
      if (dumped[at] == 1) {
        list = &ending.environment;
        at++;
        continue;
      }
      list->push_back(dumped.c_str() + at);
      at += list->back().size() + 1;
    }
    std::sort(ending.environment.begin(), ending.environment.end());
    for (int fd : {out, err, dump}) close(fd);
    return ending;
  }

  std::string directory;
  Strings environment;
  Strings arguments = {"one", "two words", ""};

 private:
  static void write_scripts() {
    const char* scripts[][2] = {
        {"env/literal.sh", "# a comment\nLITERAL='value of it'\nexport LITERAL\n"},
        {"env/say.sh", "echo said\necho complained >&2"},
        {"env/status.sh", "LITERAL=x\n[ -f nothing ]\n"},
        {"env/empty.sh", ""},
        {"env/params.sh", "echo \"$? $# $*\"\n"},
        {"env/shifts.sh", "shift; set -- new \"$@\"\n"},
        {"env/returns.sh", "echo r\nif true; then return 4; fi\necho no\n"},
        {"env/exits.sh", "echo leaving\nexit 9\n"},
        {"env/nested.sh", ". ./env/literal.sh\nNESTED=1; export NESTED\n"},
        {"env/execs.sh", "exec probe from-file \"$@\"\n"},
        {"env/loop.sh", "for j in 1 2 3; do [ $j = 2 ] && break; echo $i$j; done\n"},
        {"env/function.sh", "from_file() {\n  FUNCTION_RAN=\"$# $1\"\n}\n# end\n"},
        {"env/fails.sh", "echo f\nfalse\necho no\n"},
        {"env/complains.sh", ":\n: ${NOPE?in file}\n"},
        {"env/tail.sh", "echo tail\nprobe from-file\n# end\n"},
        {"env/breaks.sh", "break\n"},
        {"env/self.sh", ". ./env/self.sh\n"},
        {"env.d/01-base.sh", "# nothing\n"},
        {"env.d/10-docker.sh", "export PATH=\"/opt/x:$PATH\"\nexport X_VERSION=\"${X_VERSION:-\"1.2\"}\"\n"},
        {"env.d/90-environment.sh",
         "#!/bin/sh\n# text\n\n    export MY_VAR=\"value one\"\n    export MY_PATH=/opt/bin:$PATH\n"},
        {"env.d/91-environment.sh", "export FROM_POST=yes\n"},
        {"env.d/99-base.sh",
         "if [ -z \"${LIBS:-}\" ]; then\n    LIBS=/l\nelse\n    LIBS=\"$LIBS:/l\"\nfi\nexport LIBS\n"},
        {"scif/apps/foo/scif/env/01-base.sh", "SCIF_SEEN=\"$#\"; export SCIF_SEEN\n"},
    };
    for (auto& script : scripts) write_file(script[0], script[1]);
  }
};

// One case of a file in shell_corpus: "#### NAME [FLAG]...", then its script.
struct Case {
  std::string name, script;
  bool raw = false;  // nothing is appended to it
  bool unsupported = false;
  bool tail = false;  // with tail_exec
};

inline std::vector<Case> read_corpus(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text = read_whole(fd);
  close(fd);
  std::vector<Case> cases;
  const std::string marker = "#### ";
  for (size_t at = text.find(marker); at != std::string::npos;) {
    size_t line_end = text.find('\n', at);
    size_t next = text.find("\n" + marker, at);
    Case c;
    c.name = text.substr(at + marker.size(), line_end - at - marker.size());
    c.script = text.substr(line_end + 1, next == std::string::npos ? next : next - line_end);
    for (auto [flag, member] :
         {std::pair{" [raw]", &Case::raw}, {" [unsupported]", &Case::unsupported}, {" [tail]", &Case::tail}}) {
      size_t found = c.name.find(flag);
      c.*member = found != std::string::npos;
      if (c.*member) c.name.erase(found, strlen(flag));
    }
    if (!c.raw && !c.unsupported && !c.tail) c.script += "exec probe \"$?\" \"$@\"\n";
    cases.push_back(c);
    at = next == std::string::npos ? next : next + 1;
  }
  return cases;
}

}  // namespace fixture
