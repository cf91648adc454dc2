// The programs that serve an overlay: how they are started, with which rights, and where their mounts go.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "launcher/overlay_servers.h"
#include "steps/steps.h"
#include "sys/syscalls.h"

namespace davit {
namespace {

constexpr uint64_t capability(unsigned number) { return uint64_t{1} << number; }
// libfuse 2, to which fuse2fs of Debian 12 is linked, takes no mount that is there already: it makes its own.
constexpr uint64_t kImageServerRights = capability(CAP_SYS_ADMIN);
// What the kernel's overlay does with the rights of whoever mounts it.
constexpr uint64_t kRootServerRights = capability(CAP_CHOWN) | capability(CAP_DAC_OVERRIDE) | capability(CAP_FOWNER) |
                                       capability(CAP_FSETID) | capability(CAP_MKNOD) | capability(CAP_SETFCAP);

// capabilities(7): a program that is executed by another id than 0 keeps those of the ambient set alone.
bool keep_rights(Context& ctx, uint64_t rights) {
  if (!steps::privileges(ctx, {true, false, rights})) return false;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  for (unsigned i = 0; i < 2; i++)
    data[i].effective = data[i].permitted = data[i].inheritable = static_cast<uint32_t>(rights >> (32 * i));
  if (syscall(SYS_capset, &header, data) != 0) return ctx.fail(errno, "set the capabilities");
  for (unsigned cap = 0; cap < 64; cap++)
    if (rights >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0)
      return ctx.fail(errno, "set the ambient capabilities");
  return true;
}

uint64_t mount_at(const char* path) {
  Fd fd(open(path, O_PATH | O_CLOEXEC));
  struct statx st;
  if (!fd.valid() || statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) != 0) return 0;
  return st.stx_mnt_id;
}

// Until something is mounted there (true) or the server has ended. The kernel tells of changes in the table of mounts
// by POLLPRI (proc(5)).
bool await_mount(const Fd& table, uint64_t before, const Fd& words) {
  for (;;) {
    if (mount_at(kServingPlace) != before) return true;
    struct pollfd waits[] = {{table.get(), POLLPRI, 0}, {words.get(), 0, 0}};
    retry([&] { return poll(waits, 2, -1); });
    if (waits[1].revents && mount_at(kServingPlace) == before) return false;
  }
}

bool fail_image(Context& ctx, const MountExt3& step, const Fd& words) {
  Text<400> said = server_words(words.get());
  Text<600> message;
  message.add("mount the overlay image \"").add(step.image).add("\" by ").add(step.server_argv.data[0]);
  if (said.size()) message.add(": ").add(said.view());
  const char* hint = "the file system is damaged or no ext3: check it with e2fsck -f";
  if (said.view().find("ournal needs recovery") != std::string_view::npos)
    hint = step.embedded
               ? "the file system was not unmounted: use the image once with --writable"
               : "the file system was not unmounted: use it once without \":ro\", or repair it with e2fsck -f";
  if (said.view().find("/dev/fuse") != std::string_view::npos) hint = "ask the administrator for /dev/fuse";
  return ctx.fail(0, message.view(), hint);
}

struct Options {
  Text<4000> text;

  void add_directory(const char* key, size_t number, const char* below) {
    text.add(key).add(kServingPlace).add("/").add_number(static_cast<int64_t>(number)).add(below);
  }
  void add_map(const char* key, const List<IdRange>& ranges) {
    text.add(key);
    for (const IdRange& r : ranges) {
      if (&r != ranges.begin()) text.add(":");
      text.add_number(r.inside).add(":").add_number(r.outside).add(":").add_number(r.count);
    }
  }
};

// Attaches a tree as a directory of the serving place that is named by a number.
bool attach_tree(Context& ctx, const Fd& tree, size_t number) {
  Text<40> path;
  path.add(kServingPlace).add("/").add_number(static_cast<int64_t>(number));
  if (mkdir(path.c_str(), 0700) != 0) return ctx.fail(errno, "make a directory for a layer");
  if (sys::move_mount(tree.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0) return true;
  return ctx.fail(errno, "attach a layer for the FUSE server of the root");
}

bool has_upper(const Fd& tree) { return faccessat(tree.get(), "upper", F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

// In the server's own mount namespace: everything that it serves from, at paths that need no quoting.
bool lay_out(Context& ctx, const OverlayTrees& trees, const IdMap* inner, Options* options) {
  if (unshare(CLONE_NEWNS) != 0) return ctx.fail(errno, "make a mount namespace");
  for (size_t i = trees.count; i-- > 0;) {
    bool upper = trees.lower_is_image[i] && has_upper(trees.lower[i]);
    if (!attach_tree(ctx, trees.lower[i], i)) return false;
    options->add_directory(i + 1 == trees.count ? "lowerdir=" : ":", i, upper ? "/upper" : "");
  }
  if (trees.changes.valid()) {
    if (!attach_tree(ctx, trees.changes, trees.count)) return false;
    options->add_directory(",upperdir=", trees.count, "/upper");
    options->add_directory(",workdir=", trees.count, "/work");
  }
  // Without a cache of writes: a full image is an error of the write that does not fit, not of none.
  options->text.add(",noacl,writeback=0");
  if (inner) {
    options->add_map(",uidmapping=", inner->uid);
    options->add_map(",gidmapping=", inner->gid);
  }
  return !options->text.full() || ctx.fail(ENAMETOOLONG, "list the layers of the overlay");
}

}  // namespace

void become_server(Context& ctx, pid_t parent, const char* const* argv, int given, int words, uint64_t rights) {
  if (keep_rights(ctx, rights)) {
    dup2(words, 1);
    dup2(words, 2);
    int high = fcntl(given, F_DUPFD_CLOEXEC, 10);
    dup2(high, 3);
    sys::close_range(4, ~0U, 0);
    prctl(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0);
    if (getppid() != parent) _exit(1);
    const char* environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", nullptr};
    execve(argv[0], const_cast<char* const*>(argv), const_cast<char* const*>(environment));
    ctx.fail(errno, "execute it");
  }
  Text<800> text = failure_text(ctx.failure);
  (void)!write(2, text.c_str(), text.size());
  _exit(127);
}

bool make_words(Context& ctx, Fd* read_end, Fd* write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ctx.fail(errno, "make a pipe");
  read_end->reset(ends[0]);
  write_end->reset(ends[1]);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  return true;
}

const char* const* argument_list(Context& ctx, const List<const char*>& words, const char* last) {
  const char** argv = ctx.arena.array<const char*>(words.size + 2);
  if (!argv) return ctx.fail(ENOMEM, "build the argument list"), nullptr;
  for (size_t i = 0; i < words.size; i++) argv[i] = words.data[i];
  argv[words.size] = *last ? last : nullptr;
  return argv;
}

Text<400> server_words(int words) {
  char buffer[4096];
  size_t size = 0;
  fcntl(words, F_SETFL, O_NONBLOCK);
  for (ssize_t n; size < sizeof buffer; size += static_cast<size_t>(n)) {
    n = retry([&] { return read(words, buffer + size, sizeof buffer - size); });
    if (n <= 0) break;
  }
  Text<400> text;
  std::string_view rest(buffer, size);
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    // What is the same in every launch says nothing about this one.
    constexpr std::string_view own = "/proc/self/fd/3: ";
    if (line.substr(0, own.size()) == own) line.remove_prefix(own.size());
    if (line.empty() || line.find("to the journal is not supported") != std::string_view::npos ||
        line.find("Mounting read-only.") != std::string_view::npos)
      continue;
    if (text.size()) text.add(" ");
    text.add(line);
  }
  return text;
}

bool enter_serving_place(Context& ctx, const Fd& user, const IdMap* inner) {
  if (setns(user.get(), CLONE_NEWUSER) != 0) return ctx.fail(errno, "enter the user namespace of the container");
  if (unshare(CLONE_NEWNS | (inner ? CLONE_NEWUSER : 0)) != 0) {
    int error = errno;
    return ctx.fail(error, "make the namespaces of the overlay's FUSE servers", fork_hint(error));
  }
  if (inner && !steps::write_id_map(ctx, *inner)) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return ctx.fail(errno, "make mounts private");
  if (mount("davit", kServingPlace, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=1m") == 0) return true;
  return ctx.fail(errno, "mount a tmpfs for the overlay's FUSE servers");
}

bool start_image_server(Context& ctx, const MountExt3& step, const Fd& image, Fd* mounted) {
  const char* const* argv = argument_list(ctx, step.server_argv, kServingPlace);
  if (!argv || !mend_image(ctx, step, image)) return false;
  Fd words, words_in, table(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  uint64_t before = mount_at(kServingPlace);
  if (!table.valid() || !before) return ctx.fail(errno, "look for mounts of this process");
  if (!make_words(ctx, &words, &words_in)) return false;
  pid_t self = getpid();
  pid_t child = fork();
  if (child == 0) become_server(ctx, self, argv, image.get(), words_in.get(), kImageServerRights);
  if (child < 0) return ctx.fail(errno, "fork a FUSE server", fork_hint(errno));
  words_in.reset();
  bool up = await_mount(table, before, words);
  if (up) {
    // This mount is the server's own as well: left there, it would keep the server for ever.
    mounted->reset(sys::open_tree(AT_FDCWD, kServingPlace, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    umount2(kServingPlace, MNT_DETACH);
    struct stat st;
    up = mounted->valid() && fstat(mounted->get(), &st) == 0;
  }
  if (up) return true;
  mounted->reset();
  retry([&] { return waitpid(child, nullptr, 0); });
  return fail_image(ctx, step, words);
}

bool start_root_server(Context& ctx, OverlayTrees& trees, const char* program, const IdMap* inner, pid_t* pid,
                       Fd* words) {
  Fd words_in;
  if (!make_words(ctx, words, &words_in)) return false;
  pid_t self = getpid();
  *pid = fork();
  if (*pid < 0) return ctx.fail(errno, "fork a FUSE server", fork_hint(errno));
  if (*pid > 0) return true;
  Options options;
  if (!lay_out(ctx, trees, inner, &options)) {
    Text<800> text = failure_text(ctx.failure);
    (void)!write(words_in.get(), text.c_str(), text.size());
    _exit(127);
  }
  const char* argv[] = {program, "-f", "-o", options.text.c_str(), "/dev/fd/3", nullptr};
  become_server(ctx, self, argv, trees.channel.get(), words_in.get(), kRootServerRights);
}

}  // namespace davit
