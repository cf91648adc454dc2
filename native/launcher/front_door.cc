// bin/davit: executes Node with the bundle. What Node changes for itself and a payload must not see changed is handed
// along in DAVIT_FRONT=SOFT_NOFILE:IGNORED_SIGNALS[:CLOCK] (a mask, decimal; the descriptor of native/timing), and what
// would slow Node down under another name (kHiddenPrefix); the launcher restores both before it does anything.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "launcher/roles.h"
#include "state/timing_options.h"
#include "sys/process_title.h"
#include "sys/small_file.h"
#include "timing/clock.h"

namespace davit {
namespace {

int complain(std::string_view text) {
  Text<PATH_MAX + 200> line;
  line.add("FATAL:   ").add(text).add("\n");
  write_all(2, line.view());
  return kFatalStatus;
}

uint64_t ignored_signals() {
  uint64_t mask = 0;
  for (int signal = 1; signal < 64; signal++) {
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) mask |= 1ull << signal;
  }
  return mask;
}

// The bundle lies in dist/ beside the directory of this program, or one above (build/Release).
bool find_bundle(Text<PATH_MAX>* out) {
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  self[n > 0 ? n : 0] = 0;
  // Without /proc: the path that execve(2) was given.
  const char* executed = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (n <= 0 && (!executed || !realpath(executed, self))) return false;
  for (int up = 0; up < 3; up++) {
    char* slash = strrchr(self, '/');
    if (!slash) return false;
    *slash = 0;
    out->clear();
    out->add(self).add("/dist/davit.cjs");
    if (access(out->c_str(), R_OK) == 0) return true;
  }
  return false;
}

bool find_node(Text<PATH_MAX>* out) {
  const char* chosen = getenv("DAVIT_NODE");
  if (chosen && *chosen) {
    out->add(chosen);
    return true;
  }
  const char* path = getenv("PATH");
  if (!path || !*path) path = "/usr/local/bin:/usr/bin:/bin";
  while (*path) {
    size_t n = strcspn(path, ":");
    out->clear();
    out->add(n ? std::string_view(path, n) : ".").add("/node");
    struct stat st;
    if (stat(out->c_str(), &st) == 0 && S_ISREG(st.st_mode) && access(out->c_str(), X_OK) == 0) return true;
    path += n + (path[n] == ':');
  }
  return false;
}

bool starts_with(const char* text, const char* prefix) { return !strncmp(text, prefix, strlen(prefix)); }

// Commands that work on this machine alone; an image that is named by a URI has to be fetched first.
bool needs_network(const char* const* words, size_t count) {
  TimingOptions options(words, count);
  for (size_t i = 0, at = 0; i < options.count() && options[i].at == at; i++) {
    words += options[i].word_count;
    at += options[i].word_count;
  }
  bool local = false;
  if (!*words) return true;
  for (const char* name : {"exec", "run", "shell", "test", "instance"}) local = local || !strcmp(words[0], name);
  for (; *words; words++) local = local && (!strstr(*words, "://") || starts_with(*words, "instance://"));
  return !local;
}

// Node parses every certificate of NODE_EXTRA_CA_CERTS before its first line of JavaScript (40 ms for a system's
// bundle), and NODE_OPTIONS may preload anything. The entries keep their places, so that they can be given back
// exactly.
void hide_from_node() {
  for (char** entry = environ; *entry; entry++) {
    if (!starts_with(*entry, "NODE_EXTRA_CA_CERTS=") && !starts_with(*entry, "NODE_OPTIONS=")) continue;
    size_t size = strlen(kHiddenPrefix) + strlen(*entry) + 1;
    char* hidden = static_cast<char*>(malloc(size));
    if (!hidden) return;
    strcpy(hidden, kHiddenPrefix);
    strcat(hidden, *entry);
    *entry = hidden;
  }
}

struct Door {
  Text<PATH_MAX> bundle, node;
  const char** words = nullptr;  // Node's: its program, its options, the bundle, the command line
  size_t count = 0;
  size_t command = 0;  // where the command line begins
};
Door door;

// Executes Node; returns, saying why, when that is impossible.
void compile() {
  if (!find_node(&door.node)) {
    complain("no \"node\" on PATH\n         hint: install Node.js 20.17 or newer, or set DAVIT_NODE to its path");
    return;
  }
  struct rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  Text<80> front;
  front.add_number(static_cast<int64_t>(files.rlim_cur)).add(":").add_number(static_cast<int64_t>(ignored_signals()));
  if (timing::on()) {
    front.add(":").add_number(timing::descriptor());
    timing::shared->outcome = timing::Outcome::None;  // until a plan is compiled
    timing::enter(timing::Phase::Node);
  }
  setenv("DAVIT_FRONT", front.c_str(), 1);
  if (door.command < door.count && !needs_network(door.words + door.command, door.count - door.command))
    hide_from_node();
  timing::keep_across_exec(true);
  execv(door.node.c_str(), const_cast<char* const*>(door.words));
  Text<PATH_MAX + 100> message;
  message.add("execute \"").add(door.node.view()).add("\": ").add(errno_name(errno));
  complain(message.view());
}

bool list_words(int argc, char** argv) {
  door.words = static_cast<const char**>(calloc(static_cast<size_t>(argc) + 6, sizeof *door.words));
  if (!door.words) return false;
  auto add = [&](const char* word) { door.words[door.count++] = word; };
  add(door.node.c_str());
  // Node's snapshot keeps the hash seed it was built with: 3 to 4 of 24 ms. The seed guards servers against crafted
  // keys; this process reads its caller's own input and ends. dist/cli.cache is made with the same flag
  // (scripts/code-cache.mjs).
  add("--no-rehash-snapshot");
  // Node looks for its own --env-file in all words up to "--", those of the script too.
  add("--");
  add(door.bundle.c_str());
  door.command = door.count;
  // The launch line of a SIF is "#!/usr/bin/env run-singularity": `./image.sif args` is `run image.sif args`.
  const char* base = argc ? strrchr(argv[0], '/') : nullptr;
  base = base ? base + 1 : argc ? argv[0] : "";
  if (!strcmp(base, "run-singularity")) add("run");
  for (int i = 1; i < argc; i++) add(argv[i]);
  return true;
}

}  // namespace

int front_door(int argc, char** argv) {
  uint64_t start_ns = timing::now_ns();
  if (!find_bundle(&door.bundle))
    return complain(
        "davit is not built: no dist/davit.cjs beside this program\n         hint: run \"npm ci && npm run build\" in "
        "the davit directory");
  if (!list_words(argc, argv)) return complain("out of memory");
  if (door.command < door.count) {
    CommandLine line = {door.words + door.command, door.count - door.command, door.bundle.c_str()};
    TimingOptions timing_options(line.words, line.count);
    if (timing_options.count() && timing::begin() == 0) timing::enter(timing::Phase::Door, {}, start_ns);
    list_instances(line, timing_options);
    stop_instances(line);
    show_stats(line, timing_options);
    remember_arguments(argc, argv);
    replay(line, timing_options, compile);
  }
  compile();
  return kFatalStatus;
}

}  // namespace davit
