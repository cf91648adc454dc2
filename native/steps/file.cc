// Small generated files: made in the session, bound over the image's own.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "steps/steps.h"
#include "sys/small_file.h"
#include "sys/syscalls.h"

namespace davit::steps {
namespace {

constexpr size_t kMaxFile = 4 << 20;

// Text that grows in the arena.
class Builder {
 public:
  Builder(Arena& arena, size_t capacity) : data_(static_cast<char*>(arena.alloc(capacity, 1))), capacity_(capacity) {}
  Builder& add(std::string_view s) {
    if (!data_ || s.size() > capacity_ - size_) {
      overflowed_ = true;
      return *this;
    }
    if (!s.empty()) memcpy(data_ + size_, s.data(), s.size());
    size_ += s.size();
    return *this;
  }
  Builder& add_number(uint64_t n) {
    Text<24> text;
    text.add_number(static_cast<int64_t>(n));
    return add(text.view());
  }
  bool overflowed() const { return overflowed_ || !data_; }
  std::string_view view() const { return {data_, size_}; }

 private:
  char* data_;
  size_t capacity_;
  size_t size_ = 0;
  bool overflowed_ = false;
};

// Field `index` of a colon separated line.
std::string_view field(std::string_view line, unsigned index) {
  for (; index; index--) {
    size_t colon = line.find(':');
    if (colon == line.npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

bool is_number(std::string_view text, uint32_t wanted) {
  Text<16> number;
  number.add_number(wanted);
  return text == number.view();
}

template <typename Fn>
void each_line(std::string_view text, Fn fn) {
  while (!text.empty()) {
    size_t end = text.find('\n');
    fn(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

// passwd(5): the line of this uid is replaced, name kept on request, the shell taken from the image when it has one.
void edit_passwd(const PasswdEdit& edit, std::string_view old, Builder& out) {
  bool done = false;
  each_line(old, [&](std::string_view line) {
    if (!is_number(field(line, 2), edit.uid)) {
      if (!line.empty()) out.add(line).add("\n");
      return;
    }
    if (done) return;
    done = true;
    out.add(edit.keep_name ? field(line, 0) : std::string_view(edit.name)).add(":x:").add_number(edit.uid).add(":");
    out.add_number(edit.gid).add(":").add(edit.gecos).add(":").add(edit.home).add(":");
    std::string_view shell = field(line, 6);
    out.add(shell.empty() ? std::string_view(edit.shell) : shell).add("\n");
  });
  if (done) return;
  out.add(edit.name).add(":x:").add_number(edit.uid).add(":").add_number(edit.gid).add(":").add(edit.gecos).add(":");
  out.add(edit.home).add(":").add(edit.shell).add("\n");
}

bool has_member(std::string_view members, std::string_view user) {
  while (!members.empty()) {
    size_t comma = members.find(',');
    if (members.substr(0, comma) == user) return true;
    members.remove_prefix(comma == members.npos ? members.size() : comma + 1);
  }
  return false;
}

// group(5): the caller's groups are added, the caller becomes a member of those that the image already has.
void edit_group(const GroupEdit& edit, std::string_view old, Builder& out) {
  auto wanted = [&](std::string_view gid) {
    for (const GroupEntry& entry : edit.groups)
      if (is_number(gid, entry.gid)) return true;
    return false;
  };
  each_line(old, [&](std::string_view line) {
    if (line.empty()) return;
    out.add(line);
    std::string_view members = field(line, 3);
    if (wanted(field(line, 2)) && *edit.user && strcmp(edit.user, "root") != 0 && !has_member(members, edit.user))
      out.add(members.empty() ? "" : ",").add(edit.user);
    out.add("\n");
  });
  for (const GroupEntry& entry : edit.groups) {
    bool there = false;
    each_line(old, [&](std::string_view line) { there = there || is_number(field(line, 2), entry.gid); });
    if (!there) out.add(entry.name).add(":x:").add_number(entry.gid).add(":").add(edit.user).add("\n");
  }
}

}  // namespace

bool file_content(Context& ctx, const File& step, std::string_view* out) {
  if (step.content == File::Content::Bytes) {
    *out = step.bytes;
    return true;
  }
  if (step.content == File::Content::CopyOf) {
    errno = read_file(AT_FDCWD, step.copy_of, true, kMaxFile, ctx.arena, out);
    return errno == 0;
  }
  Fd original(retry([&] {
    const char* path = step.target + strspn(step.target, "/");
    return sys::openat2(ctx.root.get(), path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  }));
  std::string_view old;
  if (!original.valid()) return false;
  // A FIFO, a device or a directory of that name is the image's own affair.
  struct stat st;
  if (fstat(original.get(), &st) != 0) return false;
  if (!S_ISREG(st.st_mode)) return errno = EINVAL, false;
  errno = read_all(original.get(), kMaxFile, ctx.arena, &old);
  if (errno) return false;
  size_t extra = 8192;
  for (const GroupEntry& entry : step.group.groups) extra += strlen(entry.name) + strlen(step.group.user) * 2 + 32;
  Builder edited(ctx.arena, old.size() + extra);
  if (step.content == File::Content::Passwd) edit_passwd(step.passwd, old, edited);
  if (step.content == File::Content::Group) edit_group(step.group, old, edited);
  errno = ENOMEM;
  *out = edited.view();
  return !edited.overflowed();
}

namespace {

bool make_file(Context& ctx, const File& step) {
  Text<600> message;
  message.add("make the file \"").add(step.target).add("\"");
  std::string_view bytes;
  if (!file_content(ctx, step, &bytes)) {
    if (step.optional) return true;
    return ctx.fail(errno, message.view());
  }
  Text<32> name;
  name.add("f").add_number(ctx.step);
  mode_t mode = step.mode ? step.mode : 0644;
  Fd made(openat(ctx.session.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  int error = made.valid() ? write_all(made.get(), bytes) : errno;
  if (!error && fchmod(made.get(), mode) != 0) error = errno;
  if (error) return ctx.fail(error, message.view());
  Fd tree(sys::open_tree(ctx.session.get(), name.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.valid()) return ctx.fail(errno, message.view());
  return attach(ctx, tree.get(), step.target, false) || step.optional;
}

}  // namespace

bool file(Context& ctx, const File& step) {
  size_t mark = ctx.arena.used();
  bool done = make_file(ctx, step);
  ctx.arena.rewind(mark);  // passwd and group of a large site are megabytes each
  return done;
}

}  // namespace davit::steps
