// The table and the JSON of instance stats.
#pragma once
#include "usage/usage.h"

namespace davit::usage {

constexpr size_t kColumns = 6;
constexpr const char* kHeadings[kColumns] = {"INSTANCE NAME", "CPU USAGE", "MEM USAGE / LIMIT",
                                             "MEM %",         "BLOCK I/O", "PIDS"};

// Apptainer's columns. False: no memory.
bool format_row(const char* name, const Usage& usage, double cpu_percent, Arena& arena, const char* (*cells)[kColumns]);

// The structure that Apptainer prints (Stats of runc's libcontainer), as far as it is known: what a control group alone
// could say is left out where there is none. Ours stands behind it. Indented by tabs, with a newline at the end. Empty:
// no memory.
std::string_view format_json(const char* name, pid_t pid, const Usage& usage, Arena& arena);

}  // namespace davit::usage
