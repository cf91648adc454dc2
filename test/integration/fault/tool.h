// What the fault tests need and no program of a plain Debian does.
#pragma once

int kill_at(int argc, char** argv);  // kill.cc
int refuse(int argc, char** argv);   // tool.cc
int hang(int argc, char** argv);     // tool.cc
