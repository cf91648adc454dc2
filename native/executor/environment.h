// The caller's environment, filtered by the rules of a plan, as the action script receives it.
#pragma once
#include "wire/plan.h"

namespace davit {

struct ScriptEnvironment {
  const char** entries = nullptr;  // NAME=VALUE, NULL terminated
  size_t count = 0;
};

// False when the arena is full. `cwd` becomes PWD. See message Environment in src/schema/launch.proto.
bool make_environment(Arena& arena, const Environment& rules, const char* const* host, const char* instance_name,
                      const char* cwd, ScriptEnvironment* out);

}  // namespace davit
