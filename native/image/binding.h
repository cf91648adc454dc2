// What the files of the image addon's door share.
#pragma once
#include <napi.h>

#include <string>

#include "image/counter.h"
#include "image/failure.h"
#include "image/squashfs_writer.h"
#include "image/tree.h"

namespace davit::image {

// Throws ImageAddonError of src/workers/shared/image-addon.ts.
void raise(Napi::Env env, const Failure& failure);

inline std::string text(const Napi::Object& object, const char* key) { return object.Get(key).ToString().Utf8Value(); }
inline bool truth(const Napi::Object& object, const char* key) { return object.Get(key).ToBoolean().Value(); }
inline uint64_t number(const Napi::Object& object, const char* key) {
  return static_cast<uint64_t>(object.Get(key).ToNumber().Int64Value());
}

// NewEntry
Injection injection_from(const Napi::Object& given);
// WriteOptions of image-addon.ts, without what concerns the tree.
WriteOptions write_options_from(const Napi::Object& given);
// `counters`, a BigInt64Array on shared memory; null when it is missing or shorter.
Counter* counters_from(const Napi::Object& given, size_t length);

// convertLayers(fd, offsetBytes, options)
Napi::Value convert_layers_call(const Napi::CallbackInfo& info);

}  // namespace davit::image
