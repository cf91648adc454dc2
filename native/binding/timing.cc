#include "binding/timing.h"

#include <string>

#include "binding/errors.h"
#include "timing/report.h"

namespace davit {
namespace {

// (clock, startNs, table, trace): the descriptor of the front door's notes, or any other number
Napi::Value begin_timing(const Napi::CallbackInfo& info) {
  uint64_t start_ns = static_cast<uint64_t>(info[1].As<Napi::Number>().DoubleValue());
  std::string trace = info[3].IsString() ? info[3].As<Napi::String>().Utf8Value() : "";
  if (!timing::attach(info[0].As<Napi::Number>().Int32Value())) {
    if (int error = timing::begin()) return throw_errno(info.Env(), error, "note the time"), info.Env().Undefined();
    timing::enter(timing::Phase::Node, {}, start_ns);
  }
  timing::shared->table = info[2].As<Napi::Boolean>();
  int error = info[3].IsString() ? timing::open_trace(trace.c_str()) : 0;
  if (error) {
    timing::forget();
    throw_errno(info.Env(), error, "open the trace file \"" + trace + "\"");
  }
  return info.Env().Undefined();
}

// (name, detail, startNs, endNs)
Napi::Value add_span(const Napi::CallbackInfo& info) {
  std::string name = info[0].As<Napi::String>(), detail = info[1].As<Napi::String>();
  auto time = [&](size_t i) { return static_cast<uint64_t>(info[i].As<Napi::Number>().DoubleValue()); };
  timing::add(name, detail, time(2), time(3));
  return info.Env().Undefined();
}

// (name, startNs, endNs, failed)
Napi::Value add_start(const Napi::CallbackInfo& info) {
  std::string name = info[0].As<Napi::String>();
  auto time = [&](size_t i) { return static_cast<uint64_t>(info[i].As<Napi::Number>().DoubleValue()); };
  timing::add_start(name, time(1), time(2), info[3].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value report_timing(const Napi::CallbackInfo& info) {
  timing::report(info[0].As<Napi::Boolean>());
  return info.Env().Undefined();
}

}  // namespace

void add_timing(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("beginTiming", begin_timing);
  add("addTiming", add_span);
  add("addStartTiming", add_start);
  add("reportTiming", report_timing);
}

}  // namespace davit
