// `davit image warm`: has the image of the plan kept mounted for a while, and runs nothing.
#include <errno.h>

#include "launcher/shared_mount.h"
#include "sys/process.h"

namespace davit {

int run_warm(Context& ctx) {
  SharedMount shared = shared_mount_of(ctx.plan);
  ShareKey key = shared_image_key(ctx.plan);
  SharedImage used;
  ctx.fail(0, "keep the image mounted: its holder cannot be reached", "is the state directory your own, and writable?");
  if (!key.size() || !hold_image(ctx, shared, key, -1, &used)) return report_failure(ctx);
  keep_behind_last_user(used, static_cast<int64_t>(shared.warm_ms));
  if (int error = keep_until(used, now_ms() + static_cast<int64_t>(ctx.plan.warm_ms))) {
    ctx.fail(error, "note how long the image is to be kept mounted");
    return report_failure(ctx);
  }
  Report report;
  report.ok = true;
  report.pid = static_cast<uint32_t>(used.holder);
  send_report(ctx.plan, report);
  return 0;
}

}  // namespace davit
