// libFuzzer: any bytes as a remembered plan without its head, as a plan, and as the record of an instance.
// `scripts/fuzz.mjs plan` builds and runs it.
#include "plan_trial.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fixture::try_plan({reinterpret_cast<const char*>(data), size});
  return 0;
}
