#include "image/binding.h"
#include "image/layers.h"

namespace davit::image {
namespace {

uint64_t limit(const Napi::Object& given, const char* key) {
  double value = given.Get(key).ToNumber().DoubleValue();
  return value > 0 && value < 9e15 ? static_cast<uint64_t>(value) : UINT64_MAX;
}

ConvertOptions options_from(const Napi::Object& given) {
  ConvertOptions options;
  Napi::Array layers = given.Get("layers").As<Napi::Array>();
  for (uint32_t i = 0; i < layers.Length(); i++) {
    Napi::Object layer = layers.Get(i).As<Napi::Object>();
    options.layers.push_back({text(layer, "path"), text(layer, "digest"), text(layer, "diffId")});
  }
  Napi::Array generated = given.Get("generated").As<Napi::Array>();
  for (uint32_t i = 0; i < generated.Length(); i++)
    options.generated.push_back(injection_from(generated.Get(i).As<Napi::Object>()));
  options.all_root = truth(given, "allRoot");
  options.devices = truth(given, "devices");
  options.max_entries = limit(given, "maxEntries");
  options.max_bytes = limit(given, "maxBytes");
  if (given.Get("latestS").IsNumber()) options.latest = static_cast<uint32_t>(number(given, "latestS"));
  options.write = write_options_from(given);
  return options;
}

// A BigInt64Array on shared memory: cancelled, packed, then one for each layer.
bool progress_from(const Napi::Object& given, size_t layers, ConvertProgress* progress) {
  Counter* first = counters_from(given, layers + 2);
  if (!first) return false;
  progress->cancelled = first;
  progress->packed = first + 1;
  for (size_t i = 0; i < layers; i++) progress->layers.push_back(first + 2 + i);
  return true;
}

Napi::Array strings(Napi::Env env, const std::vector<std::string>& list) {
  Napi::Array array = Napi::Array::New(env);
  for (const std::string& item : list) array.Set(array.Length(), item);
  return array;
}

}  // namespace

Napi::Value convert_layers_call(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object given = info[2].As<Napi::Object>();
  ConvertOptions options = options_from(given);
  ConvertProgress progress;
  if (!progress_from(given, options.layers.size(), &progress)) {
    Napi::TypeError::New(env, "counters: a BigInt64Array with 2 elements and one for each layer")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  ConvertResult result;
  int fd = info[0].ToNumber().Int32Value();
  uint64_t offset = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
  if (auto bad = convert_layers(options, progress, fd, offset, &result)) {
    raise(env, *bad);
    return env.Undefined();
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("sizeBytes", static_cast<double>(result.squashfs.size));
  out.Set("inodes", result.squashfs.inodes);
  out.Set("diffIds", strings(env, result.diff_ids));
  out.Set("notes", strings(env, result.notes));
  return out;
}

}  // namespace davit::image
