// The descriptors of this process as a whole: which survive, and how many there may be.
#pragma once
#include <initializer_list>

namespace davit {

// Closes every descriptor but 0, 1, 2 and those named; negative ones are passed over. At most 16 can be named.
void close_all_but(std::initializer_list<int> kept);
// Raises the soft limit of open files to the hard one; *before is the soft limit as it was. False when it is there
// already.
bool raise_file_limit(unsigned long* before);
// Puts the soft limit back.
void lower_file_limit(unsigned long before);

}  // namespace davit
