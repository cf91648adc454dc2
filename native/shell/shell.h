// The embedded shell: interprets a POSIX script in this process, without forking, up to the point where it executes a
// program or exits. It is for action scripts and the environment scripts of images, which it lets run in images
// without /bin/sh and without the price of a process.
//
// It never guesses. Whatever it does not do exactly as POSIX and dash do (a command substitution, a pipe, a write to
// a file, a message of an error) ends in ShellOutcome::Unsupported, and since nothing has been changed or written by
// then, the caller hands the same script, from its beginning, to a real /bin/sh.
//
// Three things are deliberately not dash's: PS1, PS2 and PS4 start unset, as in every other shell that is not
// interactive (the 99-base.sh of images asks for an empty PS1); `source` is `.`; variables that bash sets by itself
// (UID, RANDOM, ...) are Unsupported instead of empty, unless the caller's own script only asks whether they are set.
#pragma once
#include <stddef.h>

#include <span>
#include <string_view>

#include "sys/arena.h"

namespace davit {

struct ShellInput {
  std::string_view script;
  std::string_view script_name;       // for places in messages
  std::span<const char* const> args;  // $1 and so on
  const char* arg0;                   // $0, and the prefix of the shell's own messages
  std::span<const char* const> env;   // NAME=VALUE; what is not a valid name is dropped, as dash does
  int root_fd;                        // AT_FDCWD, or the directory that absolute paths are resolved beneath
  Arena* arena;                       // all memory; the result lies in it too. 8 MiB are ample; see memory.h
  bool tail_exec = false;             // a plain external command in last position counts as `exec`
};

enum class ShellOutcome { Exec, Exit, Unsupported };

// What the script wrote, in order. Nothing has been written yet: that is for the caller to do, unless Unsupported.
struct ShellOutput {
  int fd;  // 1 or 2
  std::string_view bytes;
};

struct ShellResult {
  ShellOutcome outcome = ShellOutcome::Unsupported;
  const char* const* argv = nullptr;  // Exec: as the script gave it, argv[0] not looked up in PATH
  const char* const* envp = nullptr;  // Exec: the exported variables
  int status = 0;                     // Exit: 0 to 255
  const ShellOutput* outputs = nullptr;
  size_t output_count = 0;
  std::string_view where_file;  // Unsupported: the place in script_name or in a sourced file
  unsigned where_line = 0;
  const char* unsupported = nullptr;  // what it was, a static string
};

// Side effects: none but reading files. Needs at most 512 KiB of stack. Borrowed from `input` and the arena, the result
// lives as long as both. Async-signal-safe: no malloc, no stdio, no locale.
ShellResult run_shell(const ShellInput& input);

}  // namespace davit
