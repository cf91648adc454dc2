// Binds: a detached clone of the source is made first, for all of them, then attached inside the new root.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "davit_fields.h"
#include "steps/steps.h"
#include "sys/descriptors.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

bool missing_source(Context& ctx, const Bind& step, int error) {
  Text<600> message;
  if (step.host_user_text && error == ENOENT) {
    message.add("mount ").add(step.source).add("->").add(step.target).add(" error: while mounting ").add(step.source);
    message.add(": mount source ").add(step.source).add(" doesn't exist");
    ctx.fail(error, message.view(), "create it on the host, or correct the bind specification");
    ctx.failure.worded = 1;
    return false;
  }
  message.add("bind \"").add(step.source).add("\" (").add(step.origin).add(")");
  return ctx.fail(error, message.view(), error == EMFILE ? "raise the limit of open files: ulimit -Hn" : "");
}

bool same_object(int a, int b) {
  struct stat x, y;
  return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool is_directory(int fd) {
  struct stat st;
  return fstat(fd, &st) != 0 || S_ISDIR(st.st_mode);  // a dead file system answers nothing; mostly it is a directory
}

// mkdir -p: parents 0755, the last one `mode`. What exists already is left as it is. 0 or an errno.
int make_directories(const char* path, mode_t mode) {
  char part[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof part) return ENAMETOOLONG;
  memcpy(part, path, length + 1);
  for (size_t i = 1; i <= length; i++) {
    if (part[i] != '/' && part[i]) continue;
    char cut = part[i];
    part[i] = 0;
    if (mkdir(part, cut ? 0755 : mode) != 0 && errno != EEXIST) return errno;
    if (!cut && chmod(part, mode) != 0) return errno;
    part[i] = cut;
  }
  return 0;
}

// A detached clone of the source, or -1 and errno.
int clone_source(Context& ctx, const Bind& bind) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (bind.recursive ? AT_RECURSIVE : 0u);
  int tree = retry([&] { return sys::open_tree(AT_FDCWD, bind.source, flags); });
  // One descriptor a bind: thousands of binds need more than the 1024 that are usual. The program gets its limit back.
  if (tree < 0 && errno == EMFILE && !ctx.file_limit && raise_file_limit(&ctx.file_limit))
    tree = retry([&] { return sys::open_tree(AT_FDCWD, bind.source, flags); });
  if (tree >= 0 || errno != ENOENT || !bind.make_source_mode) return tree;
  errno = make_directories(bind.source, bind.make_source_mode);
  return errno ? -1 : retry([&] { return sys::open_tree(AT_FDCWD, bind.source, flags); });
}

}  // namespace

bool prepare_sources(Context& ctx) {
  ctx.sources = ctx.arena.array<int>(ctx.plan.steps.size ? ctx.plan.steps.size : 1);
  if (!ctx.sources) return ctx.fail(ENOMEM, "prepare the binds");
  for (size_t i = 0; i < ctx.plan.steps.size; i++) {
    ctx.sources[i] = -1;
    const Step& step = ctx.plan.steps.data[i];
    if (step.kind != fields::Step::bind) continue;
    ctx.step = static_cast<uint32_t>(i + 1);
    const Bind& bind = step.as<Bind>();
    ctx.sources[i] = clone_source(ctx, bind);
    if (ctx.sources[i] < 0 && !bind.optional) return missing_source(ctx, bind, errno);
  }
  ctx.step = 0;
  return true;
}

bool bind(Context& ctx, const Bind& step) {
  Fd tree(ctx.sources[ctx.step - 1]);
  ctx.sources[ctx.step - 1] = -1;
  if (!tree.valid()) return true;  // optional, and the host has no such source
  if (step.skip_if_visible) {
    Fd there(open_in_root(ctx, step.target));
    if (there.valid() && same_object(there.get(), tree.get())) return true;
  }
  struct mount_attr attributes = {};
  if (!step.keep_suid_dev) attributes.attr_set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (step.read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (attributes.attr_set) {
    unsigned flags = AT_EMPTY_PATH | (step.recursive ? AT_RECURSIVE : 0u);
    if (sys::mount_setattr(tree.get(), "", flags, &attributes) != 0) {
      Text<600> message;
      message.add("set the flags of the bind \"").add(step.source).add("\"");
      return ctx.fail(errno, message.view());
    }
  }
  bool directory = is_directory(tree.get());
  // As Apptainer does, with the rights of the caller: --bind data:$HOME/data makes $HOME/data.
  ctx.make_on_host = step.host_user_text;
  bool attached = attach(ctx, tree.get(), step.target, directory);
  ctx.make_on_host = false;
  if (attached) return true;
  if (step.optional) return true;
  int error = ctx.failure.error;
  Text<600> message;
  message.add("bind \"").add(step.source).add("\" on \"").add(step.target).add("\" (").add(step.origin).add(")");
  Text<400> hint;
  hint.add(ctx.failure.hint.view());
  return ctx.fail(error, message.view(), hint.view());
}

}  // namespace davit::steps
