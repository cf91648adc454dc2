#include "shell/variables.h"

#include <string.h>

#include "shell/parser.h"

namespace davit::shell {
namespace {

// FNV-1a, 32 bits.
size_t hash(std::string_view name) {
  uint32_t h = 2166136261u;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

// dash builds these in, and unset does not take their export away: what is assigned later is exported again.
bool is_built_in(std::string_view name) {
  static constexpr std::string_view kNames[] = {"IFS",  "PATH",     "PS1",    "PS2",  "PS4",
                                                "MAIL", "MAILPATH", "OPTIND", "TERM", "HISTSIZE"};
  for (std::string_view known : kNames) {
    if (known == name) return true;
  }
  return false;
}

}  // namespace

Variable** Variables::empty_table(size_t size) {
  void* table = memory_.keep(size * sizeof *table_);
  memset(table, 0, size * sizeof *table_);
  return static_cast<Variable**>(table);
}

void Variables::import(std::span<const char* const> environment) {
  table_size_ = 256;
  while (table_size_ < environment.size()) table_size_ *= 2;
  table_ = empty_table(table_size_);
  for (const char* entry : environment) {
    const char* equals = strchr(entry, '=');
    if (!equals || !is_name({entry, static_cast<size_t>(equals - entry)})) continue;
    Variable* variable = obtain({entry, static_cast<size_t>(equals - entry)});
    size_t size = strlen(equals + 1);
    if (size > UINT32_MAX / 2) stop_.unsupported("a variable of more than 2 GiB");
    variable->entry = entry;
    variable->value = equals + 1;
    variable->size = static_cast<uint32_t>(size);
    variable->set = variable->exported = true;
  }
  ifs_ = obtain("IFS");
  assign(ifs_, " \t\n");
  assign(obtain("OPTIND"), "1");
}

Variable* Variables::find(std::string_view name) const {
  for (Variable* variable = table_[hash(name) & (table_size_ - 1)]; variable; variable = variable->chain) {
    if (variable->key() == name) return variable;
  }
  return nullptr;
}

// The name is copied only when the variable is new.
Variable* Variables::obtain(std::string_view name) {
  if (Variable* known = find(name)) return known;
  if (count_ >= table_size_) grow_table();
  Variable* variable = static_cast<Variable*>(memory_.keep(sizeof(Variable), alignof(Variable)));
  *variable = {};
  char* copy = static_cast<char*>(memory_.keep(name.size(), 1));
  memcpy(copy, name.data(), name.size());
  variable->name = copy;
  variable->name_size = static_cast<uint32_t>(name.size());
  variable->disputed = name == "LINENO" || name == "PPID" || name == "_";
  Variable** bucket = &table_[hash(name) & (table_size_ - 1)];
  variable->chain = *bucket;
  *bucket = variable;
  *last_ = variable;
  last_ = &variable->next;
  count_++;
  return variable;
}

void Variables::grow_table() {
  table_size_ *= 4;
  table_ = empty_table(table_size_);
  for (Variable* variable = first_; variable; variable = variable->next) {
    Variable** bucket = &table_[hash(variable->key()) & (table_size_ - 1)];
    variable->chain = *bucket;
    *bucket = variable;
  }
}

// `value` may be, or lie within, the variable's own value.
void Variables::assign(Variable* variable, std::string_view value) {
  if (variable->readonly) stop_.unsupported("an assignment to a read-only variable");
  if (value.size() > UINT32_MAX / 2) stop_.unsupported("a variable of more than 2 GiB");
  if (value.size() <= variable->capacity) {
    if (!value.empty()) memmove(const_cast<char*>(variable->value), value.data(), value.size());
  } else {
    uint32_t capacity = 0;
    char* block = memory_.take(value.size(), &capacity);
    if (!value.empty()) memcpy(block, value.data(), value.size());
    memory_.give(const_cast<char*>(variable->value), variable->capacity);
    variable->value = block;
    variable->capacity = capacity;
  }
  // Without a block of its own an empty value must not keep pointing at the old one.
  if (!variable->capacity) variable->value = "";
  variable->size = static_cast<uint32_t>(value.size());
  variable->entry = nullptr;
  variable->set = true;
  if (allexport) variable->exported = true;
}

void Variables::unset(Variable* variable) {
  if (variable->readonly) stop_.unsupported("unset of a read-only variable");
  memory_.give(const_cast<char*>(variable->value), variable->capacity);
  variable->value = variable->entry = nullptr;
  variable->size = variable->capacity = 0;
  variable->lost_export |= variable->exported && is_built_in(variable->key());
  variable->set = variable->exported = false;
}

void Variables::save(Variable* variable, SavedVariable** list) {
  uint32_t capacity = 0;
  void* block = memory_.take(sizeof(SavedVariable), &capacity);
  *list = new (block) SavedVariable{*list,           variable,           variable->value,
                                    variable->entry, variable->size,     variable->capacity,
                                    variable->set,   variable->exported, variable->readonly};
  variable->value = variable->entry = nullptr;
  variable->size = variable->capacity = 0;
  variable->set = false;
}

void Variables::restore(SavedVariable** list) {
  while (SavedVariable* saved = *list) {
    Variable* variable = saved->variable;
    memory_.give(const_cast<char*>(variable->value), variable->capacity);
    variable->value = saved->value;
    variable->entry = saved->entry;
    variable->size = saved->size;
    variable->capacity = saved->capacity;
    variable->set = saved->set;
    variable->exported = saved->exported;
    variable->readonly = saved->readonly;
    *list = saved->next;
    memory_.give(reinterpret_cast<char*>(saved), 64);
  }
}
static_assert(sizeof(SavedVariable) > 32 && sizeof(SavedVariable) <= 64, "the block size given back in restore");

const char* const* Variables::environment() {
  size_t count = 0;
  for (const Variable* v = first_; v; v = v->next) {
    count += v->set && v->exported;
    if (v->set && !v->exported && v->lost_export)
      stop_.unsupported("a variable unset, then set, but not exported again");
  }
  const char** entries = static_cast<const char**>(memory_.keep((count + 1) * sizeof(char*)));
  size_t i = 0;
  for (const Variable* v = first_; v; v = v->next) {
    if (!v->set || !v->exported) continue;
    const char* entry = v->entry;
    if (!entry) {
      char* text = static_cast<char*>(memory_.keep(size_t{v->name_size} + 1 + v->size + 1, 1));
      memcpy(text, v->name, v->name_size);
      text[v->name_size] = '=';
      if (v->size) memcpy(text + v->name_size + 1, v->value, v->size);
      text[v->name_size + 1 + v->size] = 0;
      entry = text;
    }
    entries[i++] = entry;
  }
  entries[count] = nullptr;
  return entries;
}

}  // namespace davit::shell
