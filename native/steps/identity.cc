// Steps about who the process is: user namespace, capabilities, limits, host name.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "steps/steps.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

// A file of this process in /proc: by the directory that was opened while the host's /proc was there, if it was.
Fd open_own(const Context& ctx, const char* name) {
  if (ctx.proc_self.valid()) return Fd(openat(ctx.proc_self.get(), name, O_WRONLY | O_CLOEXEC));
  Text<64> path;
  path.add("/proc/self/").add(name);
  return Fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

bool write_own(Context& ctx, const char* name, std::string_view text) {
  Fd fd = open_own(ctx, name);
  int error = fd.valid() ? write_all(fd.get(), text) : errno;
  if (!error) return true;
  Text<600> message;
  message.add("write \"").add(text.substr(0, text.find('\n'))).add("\" to \"/proc/self/").add(name).add("\"");
  return ctx.fail(error, message.view());
}

Text<400> map_text(const List<IdRange>& ranges) {
  Text<400> text;
  for (const IdRange& r : ranges)
    text.add_number(r.inside).add(" ").add_number(r.outside).add(" ").add_number(r.count).add("\n");
  return text;
}

bool set_capabilities(const uint64_t effective_permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  for (unsigned i = 0; i < 2; i++) {
    data[i].effective = data[i].permitted = static_cast<uint32_t>(effective_permitted >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(inheritable >> (32 * i));
  }
  return syscall(SYS_capset, &header, data) == 0;
}

bool get_capabilities(uint64_t* permitted, uint64_t* inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  *permitted = data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
  *inheritable = data[0].inheritable | static_cast<uint64_t>(data[1].inheritable) << 32;
  return true;
}

}  // namespace

// user_namespaces(7): "deny" must be written to setgroups before an unprivileged gid map.
bool write_id_map(Context& ctx, const IdMap& map) {
  Fd setgroups = open_own(ctx, "setgroups");
  int error = setgroups.valid() ? write_all(setgroups.get(), "deny") : errno;
  if (error && error != EPERM && error != ENOENT)
    return ctx.fail(error, "write \"deny\" to \"/proc/self/setgroups\"", "is /proc mounted and writable?");
  Text<400> uids = map_text(map.uid), gids = map_text(map.gid);
  if (uids.full() || gids.full()) return ctx.fail(E2BIG, "map the ids: too many ranges");
  return write_own(ctx, "uid_map", uids.view()) && write_own(ctx, "gid_map", gids.view());
}

bool user_namespace(Context& ctx, const UserNamespace& step) {
  if (unshare(CLONE_NEWUSER) != 0) {
    int error = errno;
    const char* hint = error == ENOSPC || error == EUSERS ? "the limit user.max_user_namespaces is reached" : "";
    return ctx.fail(error, "make the second user namespace", hint);
  }
  return write_id_map(ctx, step.id_map);
}

bool hostname(Context& ctx, const Hostname& step) {
  if (sethostname(step.name, strlen(step.name)) == 0) return true;
  Text<600> message;
  message.add("set the host name \"").add(step.name).add("\"");
  return ctx.fail(errno, message.view());
}

bool rlimit(Context& ctx, const Rlimit& step) {
  struct rlimit limit = {step.soft, step.hard};
  if (step.resource == RLIMIT_NOFILE) ctx.file_limit = 0;
  if (setrlimit(static_cast<__rlimit_resource_t>(step.resource), &limit) == 0) return true;
  Text<600> message;
  message.add("set limit ").add_number(step.resource).add(" to ").add_number(static_cast<int64_t>(step.soft));
  return ctx.fail(errno, message.view());
}

bool privileges(Context& ctx, const Privileges& step) {
  if (step.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ctx.fail(errno, "set no_new_privs");
  if (!step.drop_all && !step.keep_mask) return true;
  uint64_t keep = step.drop_all ? 0 : step.keep_mask;
  // capabilities(7): the bounding set needs CAP_SETPCAP to shrink, so it goes before the permitted set.
  for (unsigned cap = 0; cap < 64; cap++) {
    if (keep >> cap & 1) continue;
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0) break;  // EINVAL: past the last one
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL && errno != EPERM)
      return ctx.fail(errno, "shrink the capability bounding set");
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);  // EINVAL before Linux 4.3
  uint64_t permitted = 0, inheritable = 0;
  if (!get_capabilities(&permitted, &inheritable) || !set_capabilities(permitted & keep, inheritable & keep))
    return ctx.fail(errno, "set the capabilities");
  return true;
}

}  // namespace davit::steps
