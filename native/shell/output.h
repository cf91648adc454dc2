// What the script writes, and where its descriptors 1 and 2 lead.
#pragma once
#include "shell/memory.h"

namespace davit::shell {

class OutputList {
 public:
  explicit OutputList(Memory& memory) : memory_(memory) {}

  static constexpr uint8_t kNowhere = 0;  // /dev/null
  struct Targets {
    uint8_t fd[3] = {0, 1, 2};  // what 1 and 2 are, in terms of the caller's descriptors
    bool operator==(const Targets&) const = default;
  };
  Targets targets;

  // To what descriptor `fd` (1 or 2) is at the moment.
  void write(int fd, std::string_view bytes);
  const ShellOutput* result(size_t* count);

 private:
  struct Piece {
    Piece* next;
    int fd;
    uint32_t size, capacity;
    char* data;
  };
  Memory& memory_;
  Piece* first_ = nullptr;
  Piece* last_ = nullptr;
};

}  // namespace davit::shell
