// Steps that make the root: its layers, and how they lie upon each other.
#include "davit_fields.h"
#include "wire/decoder.h"

namespace davit {

namespace f = fields;

void decode(Decoder& d, std::string_view m, MountSquashfs* out) {
  out->image = out->loop_dir = out->share_dir = "";
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::MountSquashfs::image: out->image = d.text(p); break;
      case f::MountSquashfs::offset_bytes: out->offset_bytes = p.value; break;
      case f::MountSquashfs::size_bytes: out->size_bytes = p.value; break;
      case f::MountSquashfs::loop_dir: out->loop_dir = d.text(p); break;
      case f::MountSquashfs::share_dir: out->share_dir = d.text(p); break;
      case f::MountSquashfs::warm_ms: out->warm_ms = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, MountFuse* out) {
  out->image = out->source = out->subtype = out->share_dir = "";
  d.texts(m, f::MountFuse::server_argv, &out->server_argv);
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::MountFuse::image: out->image = d.text(p); break;
      case f::MountFuse::source: out->source = d.text(p); break;
      case f::MountFuse::subtype: out->subtype = d.text(p); break;
      case f::MountFuse::share_dir: out->share_dir = d.text(p); break;
      case f::MountFuse::share_make: out->share_make = p.value; break;
      case f::MountFuse::warm_ms: out->warm_ms = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, MountDirectory* out) {
  out->path = "";
  d.each(m, [&](const Field& p) {
    if (p.number == f::MountDirectory::path) out->path = d.text(p);
  });
}

void decode(Decoder& d, std::string_view m, MountExt3* out) {
  out->image = out->loop_dir = "";
  d.texts(m, f::MountExt3::server_argv, &out->server_argv);
  d.texts(m, f::MountExt3::check_argv, &out->check_argv);
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::MountExt3::image: out->image = d.text(p); break;
      case f::MountExt3::offset_bytes: out->offset_bytes = p.value; break;
      case f::MountExt3::size_bytes: out->size_bytes = p.value; break;
      case f::MountExt3::loop_dir: out->loop_dir = d.text(p); break;
      case f::MountExt3::writable: out->writable = p.value; break;
      case f::MountExt3::embedded: out->embedded = p.value; break;
    }
  });
}

void decode(Decoder& d, std::string_view m, Rootfs* out) {
  out->upper_dir = out->work_dir = out->overlay_server = "";
  d.each(m, [&](const Field& p) {
    switch (p.number) {
      case f::Rootfs::writable: out->writable = p.value; break;
      case f::Rootfs::session_upper: out->session_upper = p.value; break;
      case f::Rootfs::upper_dir: out->upper_dir = d.text(p); break;
      case f::Rootfs::work_dir: out->work_dir = d.text(p); break;
      case f::Rootfs::user_xattr: out->user_xattr = p.value; break;
      case f::Rootfs::overlay_server: out->overlay_server = d.text(p); break;
      case f::Rootfs::allow_setuid: out->allow_setuid = p.value; break;
    }
  });
}

}  // namespace davit
