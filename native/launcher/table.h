// Tables as Apptainer prints them.
#pragma once
#include <string_view>

#include "sys/arena.h"

namespace davit {

// formatTable() of src/cli/terminal/render.ts: columns as wide as their widest cell, the last one as it is. `cells` are
// those of one row behind those of another, all printable ASCII. False: no memory.
bool format_table(const char* const* cells, size_t rows, size_t columns, Arena& arena, std::string_view* table);

}  // namespace davit
