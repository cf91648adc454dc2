// Shell variables. Their values are heap blocks, or still the strings that came with the environment.
#pragma once
#include <span>

#include "shell/memory.h"

namespace davit::shell {

struct Variable {
  Variable* chain;  // in a bucket
  Variable* next;   // in order of appearance
  const char* name;
  const char* value;                   // not NUL-terminated
  const char* entry;                   // NAME=VALUE as it came in, as long as that is still its value
  uint32_t name_size, size, capacity;  // capacity 0: the value is not a block of ours
  bool set, exported, readonly;
  bool lost_export;  // unset while exported, one of those that dash then goes on exporting
  bool disputed;     // shells set it themselves, each in its own way: LINENO, PPID, _

  std::string_view key() const { return {name, name_size}; }
  std::string_view text() const { return {value, size}; }
};

// What `local` and prefix assignments put back.
struct SavedVariable {
  SavedVariable* next;
  Variable* variable;
  const char *value, *entry;
  uint32_t size, capacity;
  bool set, exported, readonly;
};

class Variables {
 public:
  Variables(Memory& memory, Stop& stop) : memory_(memory), stop_(stop) {}

  // Later entries win over earlier ones of the same name. IFS and OPTIND do not come from the environment.
  void import(std::span<const char* const> environment);

  Variable* find(std::string_view name) const;
  Variable* obtain(std::string_view name);
  // Both stop the shell when the variable is read-only. With allexport (set -a), assigning exports.
  void assign(Variable* variable, std::string_view value);
  void unset(Variable* variable);
  bool allexport = false;

  // Sets the variable aside, leaving it unset but with its flags, and adds it to `list`.
  void save(Variable* variable, SavedVariable** list);
  void restore(SavedVariable** list);

  // The field separators: " \t\n" while IFS is unset.
  std::string_view separators() const { return ifs_->set ? ifs_->text() : std::string_view(" \t\n"); }
  // A NULL-terminated environ(7) of the exported variables, in the order in which they appeared.
  const char* const* environment();

 private:
  Variable** empty_table(size_t size);
  void grow_table();

  Memory& memory_;
  Stop& stop_;
  Variable** table_ = nullptr;
  size_t table_size_ = 0;  // a power of two
  size_t count_ = 0;
  Variable* first_ = nullptr;
  Variable** last_ = &first_;
  Variable* ifs_ = nullptr;
};

}  // namespace davit::shell
