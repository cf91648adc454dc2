// How far work has come, for whoever looks on.
#pragma once
#include <stdint.h>

#include <atomic>

namespace davit::image {

// A number that several threads, also ones of JavaScript, look at and change.
using Counter = std::atomic<int64_t>;
static_assert(sizeof(Counter) == sizeof(int64_t) && Counter::is_always_lock_free);

// Bytes of files that go into a squashfs; null when nobody looks on.
struct WriteProgress {
  Counter* packed = nullptr;
  Counter* total = nullptr;
};

}  // namespace davit::image
