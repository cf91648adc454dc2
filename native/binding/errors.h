// Errors of system calls as JavaScript sees them.
#pragma once
#include <napi.h>

#include <string>

#include "sys/text.h"

namespace davit {

// Throws an Error `WHAT: ENAME (words)` with the name of the errno as `code`.
inline void throw_errno(Napi::Env env, int error, const std::string& what) {
  Napi::Error e = Napi::Error::New(env, what + ": " + errno_name(error) + " (" + errno_text(error) + ")");
  e.Set("code", Napi::String::New(env, errno_name(error)));
  e.ThrowAsJavaScriptException();
}

}  // namespace davit
