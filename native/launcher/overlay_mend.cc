// An overlay image whose last user was killed, or that was in use when the machine went down.
#include <errno.h>
#include <linux/types.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/overlay_servers.h"

namespace davit {
namespace {

// ext2 on-disk format: the superblock is at 1024, all numbers are little-endian.
constexpr off_t kSuperblock = 1024;
constexpr size_t kStateAt = 0x3a, kIncompatibleAt = 0x60;
constexpr unsigned kUnmounted = 1, kHasErrors = 2;  // s_state
constexpr unsigned kNeedsRecovery = 4;              // s_feature_incompat
constexpr int kMended = 2;  // e2fsck(8): 1 and 2 are "errors corrected"; from 4 on some are left

bool needs_mending(const Fd& image, uint64_t offset) {
  unsigned char block[0x68];
  ssize_t n = pread(image.get(), block, sizeof block, static_cast<off_t>(offset) + kSuperblock);
  if (n != static_cast<ssize_t>(sizeof block)) return false;
  unsigned state = block[kStateAt], features = block[kIncompatibleAt];
  return !(state & kUnmounted) || state & kHasErrors || features & kNeedsRecovery;
}

}  // namespace

bool mend_image(Context& ctx, const MountExt3& step, const Fd& image) {
  if (!step.writable || !step.check_argv.size || !needs_mending(image, step.offset_bytes)) return true;
  const char* const* argv = argument_list(ctx, step.check_argv, "");
  Fd words, words_in;
  if (!argv || !make_words(ctx, &words, &words_in)) return false;
  pid_t self = getpid(), child = fork();
  if (child == 0) become_server(ctx, self, argv, image.get(), words_in.get(), 0);
  if (child < 0) return ctx.fail(errno, "fork e2fsck");
  int status = 0;
  retry([&] { return waitpid(child, &status, 0); });
  if (WIFEXITED(status) && WEXITSTATUS(status) <= kMended) return true;
  Text<600> message;
  message.add("mend the overlay image \"").add(step.image).add("\", which was not unmounted, by ").add(argv[0]);
  message.add(": ").add(server_words(words.get()).view());
  return ctx.fail(0, message.view(), "repair it with e2fsck -f");
}

}  // namespace davit
