// What an instance uses, as an object of JavaScript. src/native.ts types and documents it.
#pragma once
#include <napi.h>

namespace davit {

void add_usage(Napi::Env env, Napi::Object exports);

}  // namespace davit
