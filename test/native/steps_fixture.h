// Steps carried out for real: in a child with a user namespace and a mount namespace of its own.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "davit_fields.h"
#include "executor/executor.h"
#include "steps/steps.h"

namespace fixture {

namespace S = davit::fields::Step;

constexpr int kNoNamespaces = 77;
constexpr size_t kArena = size_t{64} << 20;

// A plan made of structures; what it points to lives as long as it does.
class Plan {
 public:
  Plan() {
    uid_ = {0, static_cast<uint32_t>(getuid()), 1};
    gid_ = {0, static_cast<uint32_t>(getgid()), 1};
    plan_.namespaces.user = plan_.namespaces.mount = true;
    plan_.namespaces.id_map = {{&uid_, 1}, {&gid_, 1}, "", ""};
    add(S::propagation, davit::Propagation{true});
    add(S::session, davit::Session{size_t{64} << 20});
  }
  template <typename Body>
  Plan& add(unsigned kind, Body body) {
    bodies_.push_back(std::make_shared<Body>(body));
    steps_.push_back({kind, bodies_.back().get()});
    return *this;
  }
  // A path, or any other text, that a body points to.
  const char* keep(std::string text) {
    texts_.push_back(std::move(text));
    return texts_.back().c_str();
  }
  Plan& layer(const std::string& path) { return add(S::mount_directory, davit::MountDirectory{keep(path)}); }
  Plan& root(bool session_upper = false) {
    davit::Rootfs rootfs{};
    rootfs.session_upper = session_upper;
    rootfs.user_xattr = true;
    rootfs.upper_dir = rootfs.work_dir = "";
    return add(S::rootfs, rootfs);
  }
  Plan& bind(const std::string& source, const std::string& target, bool optional = false) {
    davit::Bind bind{};
    bind.source = keep(source);
    bind.target = keep(target);
    bind.origin = "test";
    bind.recursive = true;
    bind.optional = optional;
    return add(S::bind, bind);
  }
  Plan& pivot() { return add(S::pivot_root, davit::PivotRoot{}); }
  const davit::LaunchPlan& finished() {
    plan_.steps = {steps_.data(), steps_.size()};
    return plan_;
  }

 private:
  davit::LaunchPlan plan_;
  davit::IdRange uid_, gid_;
  std::vector<davit::Step> steps_;
  std::vector<std::shared_ptr<void>> bodies_;
  std::deque<std::string> texts_;
};

// Whether this machine lets us make user namespaces.
inline bool namespaces_work() {
  pid_t child = fork();
  if (child == 0) _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

// Carries the plan out in a child, which then runs `look` with the outcome; its failed checks are counted here.
inline void carry_out(Plan& plan, const std::function<void(bool done, davit::Context&)>& look) {
  const davit::LaunchPlan& finished = plan.finished();
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    check::failed = 0;
    CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
    void* memory = mmap(nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    davit::Arena arena(memory, kArena);
    davit::Context ctx(finished, arena);
    bool done = davit::run_steps(ctx);
    look(done, ctx);
    fflush(stdout);
    _exit(check::failed ? 1 : 0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  check::that(status == 0, "what the child has checked", __FILE__, __LINE__);
}

}  // namespace fixture
