// What the fault tests need and no program of a plain Debian does.
#pragma once

int kill_at(int argc, char** argv, bool suspend);  // kill.cc
