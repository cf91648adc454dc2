// Memory on top of the arena, which itself never gives anything back.
//
//   push/release  a stack: syntax trees and everything a command needs while it runs; released when it has run
//   take/give     a heap of power-of-two blocks with free lists: values of variables, positional parameters, output
//
// A loop that builds a string thus needs room for its largest value, not for all of them. When the arena is full the
// script is unsupported. The environment that comes in is not copied, but each variable costs 80 bytes.
#pragma once
#include <stdint.h>

#include <new>
#include <string_view>

#include "shell/stop.h"
#include "sys/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define DAVIT_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DAVIT_POISON 1
#endif
#endif
#ifdef DAVIT_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace davit::shell {

// Under AddressSanitizer a view into released memory is an error where it is used, not a wrong value somewhere.
#ifdef DAVIT_POISON
inline void poison(void* p, size_t size) { __asan_poison_memory_region(p, size); }
inline void unpoison(void* p, size_t size) { __asan_unpoison_memory_region(p, size); }
#else
inline void poison(void*, size_t) {}
inline void unpoison(void*, size_t) {}
#endif

class Memory {
 public:
  Memory(Arena& arena, Stop& stop) : arena_(arena), stop_(stop) {}

 private:
  struct alignas(16) Chunk {
    Chunk* next;
    size_t size;  // of the bytes that follow the header
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
  };

 public:
  struct Mark {
    Chunk* chunk;
    size_t used;
    unsigned pins;
  };
  Mark mark() const { return {chunk_, used_, pins_}; }
  // Gives back all that was pushed since the mark, unless something was pinned since.
  void release(const Mark& mark);
  // Keeps everything that is on the stack now for ever: a function's tree and the text it points into.
  void pin() { pins_++; }

  void* push(size_t size, size_t align = 8) {
    size_t start = (used_ + align - 1) & ~(align - 1);
    if (chunk_ && start <= chunk_->size && size <= chunk_->size - start) {
      used_ = start + size;
      unpoison(chunk_->bytes() + start, size);
      return chunk_->bytes() + start;
    }
    void* p = try_push(size, align);
    if (!p) full();
    return p;
  }
  void* try_push(size_t size, size_t align = 8);
  // Makes the newest block of the stack longer where it lies; false when there is no room behind it.
  bool extend(const void* block, size_t size, size_t new_size);

  template <typename T>
  T* make() {
    return new (push(sizeof(T), alignof(T))) T();
  }
  template <typename T>
  T* array(size_t count) {
    if (count > SIZE_MAX / sizeof(T)) full();
    return static_cast<T*>(push(count * sizeof(T), alignof(T)));
  }
  std::string_view copy(std::string_view text);

  // A heap block of at least `size` bytes; *capacity receives its true size and goes back with it.
  char* take(size_t size, uint32_t* capacity);
  void give(char* block, uint32_t capacity);

  // For ever: variables, and what the caller of run_shell receives.
  void* keep(size_t size, size_t align = 8) {
    void* p = arena_.alloc(size, align);
    if (!p) full();
    return p;
  }
  // Under AddressSanitizer: makes released memory the caller's again.
  void hand_back();

 private:
  [[noreturn]] void full() { stop_.unsupported("the memory set aside for the embedded shell is used up"); }

  Arena& arena_;
  Stop& stop_;
  Chunk* first_ = nullptr;
  Chunk* chunk_ = nullptr;
  size_t used_ = 0;
  unsigned pins_ = 0;
  struct Free {
    Free* next;
  };
  Free* free_[32] = {};  // [n]: blocks of 2^n bytes
};

// A growing array on the stack. Only what is added last grows without a copy.
template <typename T>
class Pile {
 public:
  explicit Pile(Memory& memory) : memory_(&memory) {}
  void add(T value) {
    if (size_ == capacity_) reserve(1);
    data_[size_++] = value;
  }
  // Room for `count` more, to be filled through end() and counted with grown().
  T* reserve(size_t count) {
    if (capacity_ - size_ >= count) return end();
    size_t wanted = capacity_ * 2 > size_ + count ? capacity_ * 2 : size_ + count;
    if (wanted < 16) wanted = 16;
    if (!data_ || !memory_->extend(data_, capacity_ * sizeof(T), wanted * sizeof(T))) {
      T* moved = memory_->array<T>(wanted);
      for (size_t i = 0; i < size_; i++) moved[i] = data_[i];
      data_ = moved;
    }
    capacity_ = wanted;
    return end();
  }
  void grown(size_t count) { size_ += count; }
  void shrink(size_t size) { size_ = size; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }
  T& operator[](size_t i) const { return data_[i]; }
  T& back() const { return data_[size_ - 1]; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  Memory* memory_;
  T* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
};

// Text that is being put together.
class Bytes : public Pile<char> {
 public:
  using Pile::Pile;
  void add(char c) { Pile::add(c); }
  void add(std::string_view text) {
    char* to = reserve(text.size());
    for (size_t i = 0; i < text.size(); i++) to[i] = text[i];
    grown(text.size());
  }
  std::string_view view() const { return {begin(), size()}; }
};

}  // namespace davit::shell
