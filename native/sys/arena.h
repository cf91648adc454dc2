// A bump allocator over memory that somebody else owns. After clone nothing may call malloc; whatever has to be built
// there (argv, environment, parsed scripts) is built here and never freed on its own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace davit {

class Arena {
 public:
  explicit Arena(void* base, size_t size) : base_(static_cast<char*>(base)), size_(size) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // nullptr when full. `align` is a power of two.
  void* alloc(size_t n, size_t align = 8) {
    size_t start = (used_ + align - 1) & ~(align - 1);
    if (start > size_ || n > size_ - start) return nullptr;
    used_ = start + n;
    return base_ + start;
  }

  template <typename T>
  T* array(size_t count) {
    if (count > SIZE_MAX / sizeof(T)) return nullptr;
    void* p = alloc(count * sizeof(T), alignof(T));
    if (p) memset(p, 0, count * sizeof(T));
    return static_cast<T*>(p);
  }

  // A NUL-terminated copy; nullptr when full.
  const char* copy(std::string_view text) {
    char* p = static_cast<char*>(alloc(text.size() + 1, 1));
    if (!p) return nullptr;
    if (!text.empty()) memcpy(p, text.data(), text.size());
    p[text.size()] = 0;
    return p;
  }

  void* base() const { return base_; }
  size_t size() const { return size_; }
  size_t used() const { return used_; }
  size_t left() const { return size_ - used_; }
  // Gives back everything that was allocated since used() was `mark`.
  void rewind(size_t mark) {
    if (mark < used_) used_ = mark;
  }

 private:
  char* base_;
  size_t size_;
  size_t used_ = 0;
};

}  // namespace davit
