// The part of the addon that notes what Node does (native/timing).
#pragma once
#include <napi.h>

namespace davit {

// Adds beginTiming, addTiming and reportTiming to the addon.
void add_timing(Napi::Env env, Napi::Object exports);

}  // namespace davit
