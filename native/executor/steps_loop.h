// The parts of the loop over the steps that run_steps.cc and common_root.cc share.
#pragma once
#include <stddef.h>

#include "steps/context.h"

namespace davit {

// Carries out the step of that index, which becomes the current one.
bool timed_step(Context& ctx, size_t index);
// Propagation, and clones of the sources of all binds; *first is the index of the step that comes next.
bool begin_steps(Context& ctx, size_t* first);

}  // namespace davit
