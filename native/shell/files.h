// The file system as the script sees it: beneath the given root when there is one. Only looks and reads. Nothing here
// stops the shell, so descriptors are always closed.
#pragma once
#include <sys/stat.h>

#include <string_view>

#include "shell/memory.h"

namespace davit::shell {

enum class Answer { Yes, No, Unknown };  // Unknown: an error that says nothing about the file

class Files {
 public:
  explicit Files(int root_fd) : root_fd_(root_fd) {}

  bool has_root() const;
  Answer stat(std::string_view path, bool follow, struct stat* st) const;
  // mode: R_OK, W_OK or X_OK, for the effective ids.
  Answer access(std::string_view path, int mode) const;
  bool is_terminal(int fd) const;
  bool is_null_device(std::string_view path) const;
  // A regular file, whole, on the stack of `memory`; an error in words otherwise.
  const char* read(std::string_view path, Memory& memory, std::string_view* text) const;
  // The names in a directory, each followed by a NUL, without "." and "..". No: there is no such readable directory.
  Answer list(std::string_view directory, Memory& memory, std::string_view* names) const;

 private:
  int open(std::string_view path, int flags) const;
  int root_fd_;
};

}  // namespace davit::shell
