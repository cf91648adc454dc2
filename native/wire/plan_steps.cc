#include "davit_fields.h"
#include "wire/decoder.h"

namespace davit {

namespace f = fields;

namespace {

void id_ranges(Decoder& d, std::string_view message, unsigned number, List<IdRange>* out) {
  d.list(message, number, out, [&](const Field& field, IdRange* range) {
    d.each(field.bytes, [&](const Field& part) {
      if (part.number == f::IdRange::inside) range->inside = static_cast<uint32_t>(part.value);
      if (part.number == f::IdRange::outside) range->outside = static_cast<uint32_t>(part.value);
      if (part.number == f::IdRange::count) range->count = static_cast<uint32_t>(part.value);
    });
  });
}

}  // namespace

void decode(Decoder& d, std::string_view m, IdMap* out) {
  out->uid_helper = out->gid_helper = "";
  id_ranges(d, m, f::IdMap::uid, &out->uid);
  id_ranges(d, m, f::IdMap::gid, &out->gid);
  d.each(m, [&](const Field& p) {
    if (p.number == f::IdMap::uid_helper) out->uid_helper = d.text(p);
    if (p.number == f::IdMap::gid_helper) out->gid_helper = d.text(p);
  });
}

namespace {

void decode(Decoder& d, std::string_view m, Propagation* out) {
  d.each(m, [&](const Field& p) {
    if (p.number == f::Propagation::private_) out->is_private = p.value;
  });
}

void decode(Decoder& d, std::string_view m, Session* out) {
  d.each(m, [&](const Field& p) {
    if (p.number == f::Session::size_bytes) out->size_bytes = p.value;
  });
}

void decode(Decoder& d, std::string_view m, Bind* out) {
  out->source = out->target = out->origin = "";
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Bind::source: out->source = d.text(p); break;
      case f::Bind::target: out->target = d.text(p); break;
      case f::Bind::read_only: out->read_only = p.value; break;
      case f::Bind::recursive: out->recursive = p.value; break;
      case f::Bind::optional: out->optional = p.value; break;
      case f::Bind::skip_if_visible: out->skip_if_visible = p.value; break;
      case f::Bind::keep_suid_dev: out->keep_suid_dev = p.value; break;
      case f::Bind::host_user_text: out->host_user_text = p.value; break;
      case f::Bind::make_source_mode: out->make_source_mode = static_cast<uint32_t>(p.value); break;
      case f::Bind::origin: out->origin = d.text(p); break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Tmpfs* out) {
  out->target = out->options = "";
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Tmpfs::target: out->target = d.text(p); break;
      case f::Tmpfs::options: out->options = d.text(p); break;
      case f::Tmpfs::nosuid: out->nosuid = p.value; break;
      case f::Tmpfs::nodev: out->nodev = p.value; break;
      case f::Tmpfs::noexec: out->noexec = p.value; break;
      case f::Tmpfs::optional: out->optional = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Proc* out) {
  out->target = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::Proc::target) out->target = d.text(p);
    if (p.number == f::Proc::fallback_bind) out->fallback_bind = p.value;
  });
}

void decode(Decoder& d, std::string_view m, Devpts* out) {
  out->target = out->options = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::Devpts::target) out->target = d.text(p);
    if (p.number == f::Devpts::options) out->options = d.text(p);
  });
}

void decode(Decoder& d, std::string_view m, Mqueue* out) {
  out->target = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::Mqueue::target) out->target = d.text(p);
  });
}

void decode(Decoder& d, std::string_view m, SessionDirectory* out) {
  out->target = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::SessionDirectory::target) out->target = d.text(p);
    if (p.number == f::SessionDirectory::mode) out->mode = static_cast<uint32_t>(p.value);
  });
}

void decode(Decoder& d, std::string_view m, PasswdEdit* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::PasswdEdit::uid: out->uid = static_cast<uint32_t>(p.value); break;
      case f::PasswdEdit::gid: out->gid = static_cast<uint32_t>(p.value); break;
      case f::PasswdEdit::name: out->name = d.text(p); break;
      case f::PasswdEdit::gecos: out->gecos = d.text(p); break;
      case f::PasswdEdit::home: out->home = d.text(p); break;
      case f::PasswdEdit::shell: out->shell = d.text(p); break;
      case f::PasswdEdit::keep_name: out->keep_name = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, GroupEdit* out) {
  d.list(m, f::GroupEdit::groups, &out->groups, [&](const Field& field, GroupEntry* entry) {
    entry->name = "";
    d.each(field.bytes, [&](const Field& p) {
      if (p.number == f::GroupEntry::gid) entry->gid = static_cast<uint32_t>(p.value);
      if (p.number == f::GroupEntry::name) entry->name = d.text(p);
    });
  });
  d.each(m, [&](const Field& p) {
    if (p.number == f::GroupEdit::user) out->user = d.text(p);
  });
}

void decode(Decoder& d, std::string_view m, File* out) {
  out->target = out->copy_of = "";
  out->passwd.name = out->passwd.gecos = out->passwd.home = out->passwd.shell = out->group.user = "";
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::File::target: out->target = d.text(p); break;
      case f::File::bytes: out->content = File::Content::Bytes, out->bytes = p.bytes; break;
      case f::File::copy_of: out->content = File::Content::CopyOf, out->copy_of = d.text(p); break;
      case f::File::passwd: out->content = File::Content::Passwd, decode(d, p.bytes, &out->passwd); break;
      case f::File::group: out->content = File::Content::Group, decode(d, p.bytes, &out->group); break;
      case f::File::optional: out->optional = p.value; break;
      case f::File::mode: out->mode = static_cast<uint32_t>(p.value); break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Symlink* out) {
  out->target = out->text = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::Symlink::target) out->target = d.text(p);
    if (p.number == f::Symlink::text) out->text = d.text(p);
  });
}

void decode(Decoder&, std::string_view, PivotRoot*) {}

void decode(Decoder& d, std::string_view m, Hostname* out) {
  out->name = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::Hostname::name) out->name = d.text(p);
  });
}

void decode(Decoder& d, std::string_view m, Privileges* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Privileges::no_new_privs: out->no_new_privs = p.value; break;
      case f::Privileges::drop_all: out->drop_all = p.value; break;
      case f::Privileges::keep_mask: out->keep_mask = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Rlimit* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Rlimit::resource: out->resource = static_cast<uint32_t>(p.value); break;
      case f::Rlimit::soft: out->soft = p.value; break;
      case f::Rlimit::hard: out->hard = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, UserNamespace* out) {
  decode(d, {}, &out->id_map);
  d.each(m, [&](const Field& p) {
    if (p.number == f::UserNamespace::id_map) decode(d, p.bytes, &out->id_map);
  });
}

template <typename T>
void step_body(Decoder& d, const Field& field, Step* step) {
  T* body = d.arena.array<T>(1);
  if (!body) return d.fail("the plan is too large");
  decode(d, field.bytes, body);
  step->kind = field.number;
  step->body = body;
}

}  // namespace

void decode(Decoder& d, std::string_view m, Step* out) {
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Step::propagation: return step_body<Propagation>(d, p, out);
      case f::Step::session: return step_body<Session>(d, p, out);
      case f::Step::mount_squashfs: return step_body<MountSquashfs>(d, p, out);
      case f::Step::mount_fuse: return step_body<MountFuse>(d, p, out);
      case f::Step::mount_directory: return step_body<MountDirectory>(d, p, out);
      case f::Step::mount_ext3: return step_body<MountExt3>(d, p, out);
      case f::Step::rootfs: return step_body<Rootfs>(d, p, out);
      case f::Step::bind: return step_body<Bind>(d, p, out);
      case f::Step::tmpfs: return step_body<Tmpfs>(d, p, out);
      case f::Step::proc: return step_body<Proc>(d, p, out);
      case f::Step::devpts: return step_body<Devpts>(d, p, out);
      case f::Step::mqueue: return step_body<Mqueue>(d, p, out);
      case f::Step::session_directory: return step_body<SessionDirectory>(d, p, out);
      case f::Step::file: return step_body<File>(d, p, out);
      case f::Step::symlink: return step_body<Symlink>(d, p, out);
      case f::Step::pivot_root: return step_body<PivotRoot>(d, p, out);
      case f::Step::hostname: return step_body<Hostname>(d, p, out);
      case f::Step::privileges: return step_body<Privileges>(d, p, out);
      case f::Step::rlimit: return step_body<Rlimit>(d, p, out);
      case f::Step::user_namespace: return step_body<UserNamespace>(d, p, out);
      default: return d.fail("a step that this launcher does not know");
    }
  });
  if (!out->body) d.fail("an empty step");
}

const char* step_name(unsigned kind) {
  switch (kind) {
    case f::Step::propagation: return "propagation";
    case f::Step::session: return "session";
    case f::Step::mount_squashfs: return "mountSquashfs";
    case f::Step::mount_fuse: return "mountFuse";
    case f::Step::mount_directory: return "mountDirectory";
    case f::Step::mount_ext3: return "mountExt3";
    case f::Step::rootfs: return "rootfs";
    case f::Step::bind: return "bind";
    case f::Step::tmpfs: return "tmpfs";
    case f::Step::proc: return "proc";
    case f::Step::devpts: return "devpts";
    case f::Step::mqueue: return "mqueue";
    case f::Step::session_directory: return "sessionDirectory";
    case f::Step::file: return "file";
    case f::Step::symlink: return "symlink";
    case f::Step::pivot_root: return "pivotRoot";
    case f::Step::hostname: return "hostname";
    case f::Step::privileges: return "privileges";
    case f::Step::rlimit: return "rlimit";
    case f::Step::user_namespace: return "userNamespace";
    default: return "unknown";
  }
}

}  // namespace davit
