#include "launcher/table.h"

#include <string.h>

#include <algorithm>

namespace davit {

constexpr size_t kPadding = 4;

bool format_table(const char* const* cells, size_t rows, size_t columns, Arena& arena, std::string_view* table) {
  size_t* widths = arena.array<size_t>(columns);
  size_t size = 0;
  if (!widths) return false;
  for (size_t i = 0; i < rows * columns; i++) {
    size_t column = i % columns, length = strlen(cells[i]);
    if (column + 1 < columns)
      widths[column] = std::max(widths[column], length);
    else
      size += length + 1;
  }
  for (size_t i = 0; i + 1 < columns; i++) size += (widths[i] + kPadding) * rows;
  char* out = static_cast<char*>(arena.alloc(size, 1));
  if (!out) return false;
  char* at = out;
  for (size_t i = 0; i < rows * columns; i++) {
    size_t column = i % columns, length = strlen(cells[i]);
    size_t blanks = column + 1 < columns ? widths[column] - length + kPadding : 0;
    memcpy(at, cells[i], length);
    memset(at + length, ' ', blanks);
    at += length + blanks;
    if (column + 1 == columns) *at++ = '\n';
  }
  *table = {out, static_cast<size_t>(at - out)};
  return true;
}

}  // namespace davit
