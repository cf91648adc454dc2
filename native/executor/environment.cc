#include "executor/environment.h"

#include <string.h>

namespace davit {
namespace {

bool valid_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
  return true;
}

bool listed(const List<const char*>& names, std::string_view name) {
  for (const char* candidate : names)
    if (name == candidate) return true;
  return false;
}

bool forwarded(const Environment& rules, std::string_view name) {
  if (!valid_name(name)) return false;
  if (rules.only_allowed) return listed(rules.allow, name);
  if (listed(rules.block, name)) return false;
  for (const char* prefix : rules.block_prefixes)
    if (name.substr(0, strlen(prefix)) == prefix) return false;
  return true;
}

const char* join(Arena& arena, std::string_view a, std::string_view b, std::string_view c = {}) {
  char* p = static_cast<char*>(arena.alloc(a.size() + b.size() + c.size() + 1, 1));
  if (!p) return nullptr;
  memcpy(p, a.data(), a.size());
  if (!b.empty()) memcpy(p + a.size(), b.data(), b.size());
  if (!c.empty()) memcpy(p + a.size() + b.size(), c.data(), c.size());
  p[a.size() + b.size() + c.size()] = 0;
  return p;
}

const char* host_value(const char* const* host, std::string_view name) {
  for (; *host; host++)
    if (!strncmp(*host, name.data(), name.size()) && (*host)[name.size()] == '=') return *host + name.size() + 1;
  return nullptr;
}

}  // namespace

bool make_environment(Arena& arena, const Environment& rules, const char* const* host, const char* instance_name,
                      const char* cwd, ScriptEnvironment* out) {
  size_t host_count = 0, names_size = sizeof "DAVIT_HOST_NAMES=";
  for (const char* const* e = host; *e; e++) {
    host_count++;
    names_size += strlen(*e) + 1;
  }
  out->entries = arena.array<const char*>(host_count + rules.set.size + 3);
  char* names = static_cast<char*>(arena.alloc(names_size, 1));
  if (!out->entries || !names) return false;
  bool full = false;
  auto add = [&](const char* entry) {
    full = full || !entry;
    if (entry) out->entries[out->count++] = entry;
  };
  for (const Variable& v : rules.set) {
    const char* value = v.from_instance_name ? instance_name : *v.from_host ? host_value(host, v.from_host) : v.value;
    if (value) add(join(arena, v.name, "=", value));
  }
  add(join(arena, "PWD=", cwd));
  char* at = names + strlen(strcpy(names, "DAVIT_HOST_NAMES="));
  for (const char* const* e = host; *e; e++) {
    const char* equals = strchr(*e, '=');
    if (!equals) continue;
    std::string_view name(*e, static_cast<size_t>(equals - *e));
    if (!forwarded(rules, name)) continue;
    add(join(arena, "DAVIT_HOST_", *e));
    if (at[-1] != '=') *at++ = ' ';
    memcpy(at, name.data(), name.size());
    at += name.size();
  }
  *at = 0;
  add(names);
  return !full;
}

}  // namespace davit
