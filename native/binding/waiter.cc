#include "binding/waiter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace davit {
namespace {

int64_t clock_ms() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

struct Job {
  std::vector<int> fds;
  std::vector<bool> ended;
  int64_t deadline;  // -1: none
  std::function<void(Napi::Env, const std::vector<size_t>&)> done;
  Napi::ThreadSafeFunction call;

  std::vector<size_t> left() const {
    std::vector<size_t> indexes;
    for (size_t i = 0; i < fds.size(); i++)
      if (!ended[i]) indexes.push_back(i);
    return indexes;
  }
};

// The thread is started by the first job and lives as long as the process; with no job it sleeps in poll.
class Waiter {
 public:
  static Waiter& instance() {
    static Waiter* waiter = new Waiter;  // never destroyed: the thread uses it until the process ends
    return *waiter;
  }
  void add(std::unique_ptr<Job> job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      incoming_.push_back(std::move(job));
    }
    uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) return;
  }

 private:
  Waiter() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    std::thread([this] { run(); }).detach();
  }

  void run() {
    std::vector<std::unique_ptr<Job>> jobs;
    for (;;) {
      std::vector<struct pollfd> polled{{wake_, POLLIN, 0}};
      int64_t now = clock_ms(), next = -1;
      for (auto& job : jobs) {
        for (size_t i = 0; i < job->fds.size(); i++)
          if (!job->ended[i]) polled.push_back({job->fds[i], POLLIN, 0});
        if (job->deadline >= 0 && (next < 0 || job->deadline < next)) next = job->deadline;
      }
      poll(polled.data(), polled.size(), next < 0 ? -1 : static_cast<int>(next > now ? next - now : 0));
      size_t at = 1;
      for (auto& job : jobs)
        for (size_t i = 0; i < job->fds.size(); i++)
          if (!job->ended[i]) job->ended[i] = polled[at++].revents != 0;
      uint64_t count;
      if (read(wake_, &count, sizeof count) > 0) {
        std::lock_guard<std::mutex> lock(mutex_);
        for (auto& job : incoming_) jobs.push_back(std::move(job));
        incoming_.clear();
      }
      finish(jobs);
    }
  }

  static void finish(std::vector<std::unique_ptr<Job>>& jobs) {
    int64_t now = clock_ms();
    for (size_t i = 0; i < jobs.size();) {
      Job& job = *jobs[i];
      bool over = job.deadline >= 0 && now >= job.deadline;
      if (!job.left().empty() && !over) {
        i++;
        continue;
      }
      Napi::ThreadSafeFunction call = job.call;
      Job* owned = jobs[i].release();
      jobs.erase(jobs.begin() + static_cast<ptrdiff_t>(i));
      call.BlockingCall(owned, [](Napi::Env env, Napi::Function, Job* finished) {
        std::unique_ptr<Job> own(finished);
        own->done(env, own->left());
      });
      call.Release();
    }
  }

  int wake_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Job>> incoming_;
};

}  // namespace

void wait_for_pidfds(Napi::Env env, std::vector<int> fds, int64_t timeout_ms,
                     std::function<void(Napi::Env, const std::vector<size_t>&)> done) {
  auto job = std::make_unique<Job>();
  job->ended.assign(fds.size(), false);
  job->fds = std::move(fds);
  job->deadline = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
  job->done = std::move(done);
  job->call = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                            "davit wait", 0, 1);
  Waiter::instance().add(std::move(job));
}

}  // namespace davit
