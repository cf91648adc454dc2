#include "shell/output.h"

#include <string.h>

namespace davit::shell {

void OutputList::write(int fd, std::string_view bytes) {
  int target = targets.fd[fd];
  if (target == kNowhere || bytes.empty()) return;
  if (!last_ || last_->fd != target || last_->capacity - last_->size < bytes.size()) {
    Piece* piece = static_cast<Piece*>(memory_.keep(sizeof(Piece), alignof(Piece)));
    *piece = {nullptr, target, 0, 0, nullptr};
    piece->data = memory_.take(bytes.size() < 1024 ? 1024 : bytes.size(), &piece->capacity);
    (last_ ? last_->next : first_) = piece;
    last_ = piece;
  }
  memcpy(last_->data + last_->size, bytes.data(), bytes.size());
  last_->size += static_cast<uint32_t>(bytes.size());
}

const ShellOutput* OutputList::result(size_t* count) {
  *count = 0;
  for (const Piece* piece = first_; piece; piece = piece->next) ++*count;
  ShellOutput* list = static_cast<ShellOutput*>(memory_.keep((*count + 1) * sizeof(ShellOutput)));
  size_t i = 0;
  for (const Piece* piece = first_; piece; piece = piece->next) {
    new (&list[i++]) ShellOutput{piece->fd, {piece->data, piece->size}};
  }
  return list;
}

}  // namespace davit::shell
