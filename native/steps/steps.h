// One function per step; each returns false after noting why in ctx.failure. The meaning of every field is written in
// src/schema/launch.proto.
#pragma once
#include "steps/context.h"

namespace davit::steps {

bool propagation(Context& ctx, const Propagation& step);
bool session(Context& ctx, const Session& step);
bool mount_squashfs(Context& ctx, const MountSquashfs& step);
bool mount_fuse(Context& ctx, const MountFuse& step);
bool mount_directory(Context& ctx, const MountDirectory& step);
bool mount_ext3(Context& ctx, const MountExt3& step);
bool rootfs(Context& ctx, const Rootfs& step);
bool bind(Context& ctx, const Bind& step);
bool tmpfs(Context& ctx, const Tmpfs& step);
bool proc(Context& ctx, const Proc& step);
bool devpts(Context& ctx, const Devpts& step);
bool mqueue(Context& ctx, const Mqueue& step);
bool session_directory(Context& ctx, const SessionDirectory& step);
bool file(Context& ctx, const File& step);
// What would be in that file; it lies in the arena. False with errno.
bool file_content(Context& ctx, const File& step, std::string_view* out);
bool symlink(Context& ctx, const Symlink& step);
bool pivot_root(Context& ctx, const PivotRoot& step);
bool hostname(Context& ctx, const Hostname& step);
bool privileges(Context& ctx, const Privileges& step);
bool rlimit(Context& ctx, const Rlimit& step);
bool user_namespace(Context& ctx, const UserNamespace& step);

// A new /proc of the PID namespace that this process is in, detached; -1 with the failure noted.
int make_proc(Context& ctx);
// The session, attached nowhere yet.
bool make_session(Context& ctx, const Session& step);
// Whether this kernel clones parts of a mount that is attached nowhere (Linux 6.15).
bool clones_of_detached(Context& ctx);

// Attaches a mount and makes it the uppermost layer.
bool add_layer(Context& ctx, Fd mount);
// Notes why an image could not be attached to a loop device. `device` is the one that refused.
bool fail_loop(Context& ctx, int error, const char* image, std::string_view device);

// The mount of mount_fuse, detached, with a server that answers.
bool serve_fuse(Context& ctx, const MountFuse& step, Fd* mounted);

// Clones the sources of all binds, before anything is attached: they are resolved in the caller's view of the host.
bool prepare_sources(Context& ctx);

// Directory of the session: the lowest layer of the overlay, when a mount point had to be made.
constexpr const char* kMountPoints = "points";
// Makes the mount points of the steps behind the current one that no layer has. *any: at least one was missing.
bool add_missing_mount_points(Context& ctx, bool* any);

// Writes the maps of a user namespace from inside it (one line each). false with the failure noted.
bool write_id_map(Context& ctx, const IdMap& map);

// A new mount of file system `type`; `options` is comma separated, key or key=value. -1 with the failure noted.
int make_mount(Context& ctx, const char* type, const char* source, const char* options, unsigned attributes);

// An O_PATH descriptor of `path` inside the new root, links resolved inside it; -1 and errno.
int open_in_root(Context& ctx, const char* path, uint64_t flags = 0);

// Like open_in_root for a mount point; a missing one is made where this launch made the file system. -1 and errno.
int open_mount_point(Context& ctx, const char* path, bool directory);

// Attaches the detached mount `tree` at `path` inside the new root. false with the failure noted.
bool attach(Context& ctx, int tree, const char* path, bool directory);

// Remembers the file system of `fd` as one that this launch made.
void own_device(Context& ctx, int fd);

}  // namespace davit::steps
