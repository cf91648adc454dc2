// One trial of a damaged remembered plan (native/state/plan_cache.h) or record, for the fuzzer and for the tests.
#pragma once
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <string>
#include <string_view>

#include "davit_fields.h"
#include "state/plan_cache.h"
#include "state/record.h"
#include "sys/arena.h"
#include "wire/plan.h"
#include "wire/wire.h"

namespace fixture {

inline const char* const kTrialWords[] = {"exec", "instance://web-1", "true"};
inline const char* const kTrialEnvironment[] = {"PATH=/bin", "A=1", "DAVIT_B=2", "APPTAINERENV_C=3", nullptr};
inline constexpr const char* kTrialCompiler = "/davit.cjs";

// Adds up what a plan points to, for AddressSanitizer to see it.
inline size_t read_plan(const davit::LaunchPlan& plan) {
  const davit::Program& program = plan.program;
  size_t sum = program.script.size() + strlen(program.shell) + strlen(program.working_directory.path);
  for (char c : program.script) sum += static_cast<unsigned char>(c);
  for (const char* text : program.arguments) sum += strlen(text);
  for (const char* text : program.working_directory.fallbacks) sum += strlen(text);
  for (const davit::Variable& v : program.environment.set)
    sum += strlen(v.name) + strlen(v.value) + strlen(v.from_host);
  for (const char* text : {plan.join.name, plan.join.state_dir, plan.instance.name, plan.output.image})
    sum += strlen(text);
  for (const davit::Step& step : plan.steps) sum += strlen(davit::step_name(step.kind)) + (step.body == nullptr);
  return sum;
}

// What a hit must be, asked in another way: the words and the compiler are these, and it has a sight of the caller.
inline void demand_honest(std::string_view entry, const davit::FoundPlan& found) {
  davit::wire::Reader reader(entry);
  davit::wire::Field field;
  bool caller = false;
  size_t words = 0;
  while (reader.next(&field)) {
    if (field.number == davit::fields::CachedPlan::sights) {
      davit::wire::Reader sight(field.bytes);
      davit::wire::Field part;
      uint64_t kind = 0;
      while (sight.next(&part))
        if (part.number == davit::fields::Sight::kind) kind = part.value;
      caller = caller || kind == davit::fields::SightKind::CALLER;
    }
    if (field.number != davit::fields::CachedPlan::words) continue;
    std::string wanted = kTrialWords[words++];
    if (words == 2 && found.instance) wanted = "instance://";
    if (wanted != field.bytes) abort();
  }
  if (!caller || words != found.word_count || found.plan.empty() || found.plan.data() < entry.data()) abort();
  if (found.plan.data() + found.plan.size() > entry.data() + entry.size()) abort();
}

// Reads `bytes` as all that they could be. Whether they are a plan that holds.
inline bool try_plan(std::string_view bytes) {
  // Of exactly their size, so that a look behind them is seen.
  std::unique_ptr<char[]> exact(new char[bytes.size()]);
  if (!bytes.empty()) memcpy(exact.get(), bytes.data(), bytes.size());
  std::string_view entry(exact.get(), bytes.size());
  constexpr size_t kRoom = 1 << 20;
  static char* memory = static_cast<char*>(malloc(kRoom));
  static volatile size_t sum = 0;

  davit::JoinRecord record;
  if (davit::decode_record(entry, &record)) sum = sum + record.home.size() + record.name.size();
  davit::Arena arena(memory, kRoom);
  davit::LaunchPlan direct;
  if (!davit::decode_plan(entry, arena, &direct)) sum = sum + read_plan(direct);

  davit::FoundPlan found;
  if (!davit::entry_holds(entry, {kTrialWords, 3, kTrialCompiler}, kTrialEnvironment, &found)) return false;
  demand_honest(entry, found);
  arena.rewind(0);
  davit::LaunchPlan plan;
  if (!davit::decode_plan(found.plan, arena, &plan)) sum = sum + read_plan(plan);
  return true;
}

}  // namespace fixture
