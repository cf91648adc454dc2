// Several of one kind, in an arena.
#pragma once
#include <algorithm>

#include "sys/arena.h"

namespace davit {

template <typename T>
struct List {
  T* data = nullptr;
  size_t size = 0;
  T* begin() const { return data; }
  T* end() const { return data + size; }
};

// One that becomes longer. T may be copied byte by byte.
template <typename T>
struct GrowingList : List<T> {
  // False: no memory.
  bool push(Arena& arena, const T& value) {
    if (this->size == room_) {
      T* more = arena.array<T>(room_ = 2 * room_ + 64);
      if (!more) return false;
      std::copy(this->begin(), this->end(), more);
      this->data = more;
    }
    this->data[this->size++] = value;
    return true;
  }

 private:
  size_t room_ = 0;
};

}  // namespace davit
