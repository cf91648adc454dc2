// The decoding of a plan, shared by the files that decode its parts.
#pragma once
#include "sys/arena.h"
#include "wire/plan.h"
#include "wire/wire.h"

namespace davit {

using wire::Field;
using wire::Reader;

// One decoding: the arena, and whether anything went wrong.
struct Decoder {
  Arena& arena;
  const char* error = nullptr;

  void fail(const char* what) {
    if (!error) error = what;
  }
  const char* text(const Field& field) {
    if (!field.bytes.empty() && memchr(field.bytes.data(), 0, field.bytes.size())) {
      fail("a string contains a NUL byte");
      return "";
    }
    const char* copy = arena.copy(field.bytes);
    if (!copy) fail("the plan is too large");
    return copy ? copy : "";
  }
  template <typename Fn>
  void each(std::string_view message, Fn fn) {
    Reader reader(message);
    Field field;
    while (!error && reader.next(&field)) fn(field);
    if (reader.failed()) fail("malformed protobuf");
  }
  // All occurrences of a repeated field; `fn(field, &item)` fills one item.
  template <typename T, typename Fn>
  void list(std::string_view message, unsigned number, List<T>* out, Fn fn) {
    size_t count = 0;
    each(message, [&](const Field& field) { count += field.number == number; });
    out->size = 0;
    if (error || !count) return;
    out->data = arena.array<T>(count);
    if (!out->data) return fail("the plan is too large");
    each(message, [&](const Field& field) {
      if (field.number == number) fn(field, &out->data[out->size++]);
    });
  }
  void texts(std::string_view message, unsigned number, List<const char*>* out) {
    list(message, number, out, [&](const Field& field, const char** item) { *item = text(field); });
  }
};

// plan_steps.cc
void decode(Decoder& d, std::string_view message, IdMap* out);
void decode(Decoder& d, std::string_view message, Step* out);

// plan_layers.cc
void decode(Decoder& d, std::string_view message, MountSquashfs* out);
void decode(Decoder& d, std::string_view message, MountFuse* out);
void decode(Decoder& d, std::string_view message, MountDirectory* out);
void decode(Decoder& d, std::string_view message, MountExt3* out);
void decode(Decoder& d, std::string_view message, Rootfs* out);

}  // namespace davit
