// What ps shows of this process: its arguments and its short name.
#pragma once

namespace davit {

// Called once with main's arguments: they lie one behind the other, and their room is the room of every title.
void remember_arguments(int argc, char** argv);
// `name`: at most 15 bytes (prctl(2), PR_SET_NAME); `title` is cut to the room there is.
void set_process_title(const char* name, const char* title);

// Wipes the environment that this process was started with, which /proc/PID/environ shows for as long as it lives.
void forget_environment();

}  // namespace davit
