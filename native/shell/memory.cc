#include "shell/memory.h"

#include <string.h>

namespace davit::shell {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;
constexpr unsigned kSmallestClass = 5;  // 32 bytes

}  // namespace

void* Memory::try_push(size_t size, size_t align) {
  size_t start = (used_ + align - 1) & ~(align - 1);
  if (!chunk_ || start > chunk_->size || size > chunk_->size - start) {
    Chunk* next = chunk_ ? chunk_->next : first_;
    if (!next || size > next->size) {
      if (size > SIZE_MAX / 2) return nullptr;
      size_t bytes = size > kChunkBytes ? size : kChunkBytes;
      Chunk* fresh = static_cast<Chunk*>(arena_.alloc(sizeof(Chunk) + bytes, alignof(Chunk)));
      if (!fresh) return nullptr;
      fresh->next = next;
      fresh->size = bytes;
      (chunk_ ? chunk_->next : first_) = fresh;
      next = fresh;
    }
    chunk_ = next;
    start = 0;
  }
  used_ = start + size;
  unpoison(chunk_->bytes() + start, size);
  return chunk_->bytes() + start;
}

bool Memory::extend(const void* block, size_t size, size_t new_size) {
  if (!chunk_) return false;
  size_t start = static_cast<size_t>(static_cast<const char*>(block) - chunk_->bytes());
  if (block < chunk_->bytes() || start > chunk_->size || start + size != used_) return false;
  if (new_size > chunk_->size - start) return false;
  unpoison(chunk_->bytes() + start, new_size);
  used_ = start + new_size;
  return true;
}

void Memory::release(const Mark& mark) {
  if (mark.pins != pins_) return;
#ifdef DAVIT_POISON
  size_t from = mark.chunk ? mark.used : 0;
  for (Chunk* chunk = mark.chunk ? mark.chunk : first_; chunk; chunk = chunk->next, from = 0) {
    poison(chunk->bytes() + from, chunk->size - from);
    if (chunk == chunk_) break;
  }
#endif
  chunk_ = mark.chunk;
  used_ = mark.used;
}

std::string_view Memory::copy(std::string_view text) {
  char* p = static_cast<char*>(push(text.size(), 1));
  if (!text.empty()) memcpy(p, text.data(), text.size());
  return {p, text.size()};
}

char* Memory::take(size_t size, uint32_t* capacity) {
  unsigned order = kSmallestClass;
  while (order < 31 && (size_t{1} << order) < size) order++;
  if ((size_t{1} << order) < size) full();
  *capacity = uint32_t{1} << order;
  Free* block = free_[order];
  if (!block) return static_cast<char*>(keep(*capacity));
  unpoison(block, *capacity);
  free_[order] = block->next;
  return reinterpret_cast<char*>(block);
}

void Memory::give(char* block, uint32_t capacity) {
  if (!block || !capacity) return;
  unsigned order = static_cast<unsigned>(__builtin_ctz(capacity));
  Free* free = new (block) Free{free_[order]};
  free_[order] = free;
  poison(block, capacity);
}

void Memory::hand_back() {
#ifdef DAVIT_POISON
  for (Chunk* chunk = first_; chunk; chunk = chunk->next) unpoison(chunk->bytes(), chunk->size);
  for (unsigned order = 0; order < 32; order++) {
    for (Free* block = free_[order]; block;) {
      unpoison(block, size_t{1} << order);
      block = block->next;
    }
  }
#endif
}

}  // namespace davit::shell
