// The way back from the namespaces of a launch in place, for one that fails there and is to be compiled afresh in the
// same process. setns(2): a process that has entered a user namespace has given up all rights outside it, so that only
// a launch without one (root's) can return.
#pragma once
#include "sys/fd.h"
#include "wire/plan.h"

namespace davit {

class WayBack {
 public:
  // Before the namespaces are left. Where there will be no way, nothing is opened.
  void prepare(const Namespaces& entered);
  // The caller's namespaces, root and directory again; false, with some of it undone perhaps, when that is impossible.
  bool take();

 private:
  struct {
    int type;
    Fd fd;
  } left_[4];
  unsigned count_ = 0;
  Fd root_, directory_;
};

}  // namespace davit
