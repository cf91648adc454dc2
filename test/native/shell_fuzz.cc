// libFuzzer: any bytes as a script. scripts/fuzz.mjs builds and runs it.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "shell/shell.h"

namespace {

constexpr size_t kArena = 4 << 20;

// A directory of its own, so that a script finds a few files and nothing of the machine.
char name[] = "/tmp/davit-shell-fuzz-XXXXXX";

void remove_root() {
  for (const char* file : {"/env/a.sh", "/env/b.sh", "/a.txt"}) unlink((std::string(name) + file).c_str());
  rmdir((std::string(name) + "/env").c_str());
  rmdir(name);
}

int make_root() {
  int root = mkdtemp(name) ? open(name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (root < 0 || mkdirat(root, "env", 0755) != 0) abort();
  const char* files[][2] = {
      {"env/a.sh", "x=1; f() { echo \"$@\"; }\n"}, {"env/b.sh", "export y=$x\nreturn 3\n"}, {"a.txt", ""}};
  for (auto& file : files) {
    int fd = openat(root, file[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (write(fd, file[1], strlen(file[1])) < 0) abort();
    close(fd);
  }
  atexit(remove_root);
  return root;
}

size_t total(const char* const* strings) {
  size_t n = 0;
  for (; *strings; strings++) n += strlen(*strings);
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static int root = make_root();
  static char* memory = static_cast<char*>(malloc(kArena));
  const char* env[] = {"HOME=/h", "PATH=/bin", "A=a b", "IFS=:", "1x=bad", "E="};
  const char* args[] = {"one", "t w o", ""};
  // The last byte chooses the settings, so that mutations of the rest keep them.
  uint8_t settings = size ? data[size - 1] : 0;
  davit::Arena arena(memory, settings & 2 ? kArena : 256 << 10);
  davit::ShellInput input{{reinterpret_cast<const char*>(data), size ? size - 1 : 0},
                          "fuzz",
                          args,
                          "sh",
                          env,
                          root,
                          &arena,
                          (settings & 1) != 0};
  davit::ShellResult result = davit::run_shell(input);
  // Reads all that came back, for AddressSanitizer to see.
  volatile size_t sum = 0;
  for (size_t i = 0; i < result.output_count; i++) {
    for (char c : result.outputs[i].bytes) sum = sum + static_cast<unsigned char>(c);
  }
  switch (result.outcome) {
    case davit::ShellOutcome::Exec:
      if (!result.argv || !result.argv[0] || !result.envp) abort();
      sum = sum + total(result.argv) + total(result.envp);
      break;
    case davit::ShellOutcome::Exit:
      if (result.status < 0 || result.status > 255) abort();
      break;
    case davit::ShellOutcome::Unsupported:
      if (!result.unsupported || result.output_count) abort();
      sum = sum + strlen(result.unsupported) + result.where_file.size();
      break;
  }
  return 0;
}
