// One thread that waits on pidfds with epoll for the whole addon, so that a waiting container occupies none of libuv's
// four threads.
#pragma once
#include <napi.h>

#include <functional>

namespace davit {

// Calls `done` on the JavaScript thread when every descriptor is readable or the time is over (timeout_ms < 0: never);
// it gets the indexes of those that are not. The descriptors are owned by the caller until then.
void wait_for_pidfds(Napi::Env env, std::vector<int> fds, int64_t timeout_ms,
                     std::function<void(Napi::Env, const std::vector<size_t>&)> done);

}  // namespace davit
