// <state>/fuse/KEY: the one FUSE server of an image that a plain user's instances share, and who uses it.
// <state>/warm/KEY: who keeps the loop device and superblock of an image of root's open, and who has that done.
//   byte 0: held by the holder, a process in the namespaces where the image is mounted, as long as it can be joined
//   byte 1: held for reading by every user; the holder ends when it gets the byte for writing
//   byte 2: held for moments by whoever makes a holder
//   byte 3: held by the one process that may write the file and become the holder
// The file names the processes and the image, and repeats the whole key. The mount itself lives as long as anything has
// it mounted: the end of the holder takes nothing away from those who use the image.
// Where nobody uses it, the holder stays until the time that the file says, or for as long as the file says behind its
// last user. It notices when they are changed, and when the file is removed.
#pragma once
#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sys/fd.h"
#include "sys/text.h"

namespace davit {

using ShareKey = Text<1200>;

// What must be the same for two launches to share a server: the image as it is now, how it is read, the identity that
// the first user namespace maps, and what that namespace and its processes take over from whoever makes them: the
// limits of the user (user_namespaces(7), ulimits), those by which the kernel would end or starve the server
// (getrlimit(2): CPU, AS, DATA), and the control group, since a batch system ends a job by it.
// Without `groups_file` neither limits nor control group count: what the kernel itself serves.
ShareKey share_key(const struct stat& image, const char* const* server_argv, size_t words,
                   const char* groups_file = "/proc/self/cgroup");

struct SharedImage {
  Fd dir;   // <state>/fuse
  Fd file;  // the caller's own open file: its lock of byte 1 makes the holder stay
  Text<24> name;
  pid_t holder = 0, server = 0;  // the server: 0 where the kernel reads the image
  uint64_t holder_start = 0, server_start = 0;
  dev_t file_device = 0;  // of a holder to be: the file that its maker has locked
  ino_t file_inode = 0;
};

enum class Share {
  Alive,   // byte 1 is held and there is a holder
  Absent,  // none; with `make` bytes 1 and 2 are held: make one, then call holder_made()
  None,    // nothing can be shared here (no directory, another image of that name, somebody suspended in the middle)
};

// Looks for the holder of `key` in directory `dir`, which is made when it is missing. Waits at most a few seconds.
Share share_image(const char* dir, const ShareKey& key, bool make, SharedImage* out);
// Releases byte 2 and reads what the holder has written. False when there is nothing to be read.
bool holder_made(const ShareKey& key, SharedImage* out);

// The holder's side. Closes the maker's descriptor, whose locks are the maker's, and notes which file it was.
void let_go_of_file(SharedImage* image);
// Opens the file again, writes it, and takes byte 0. A holder that was kept waiting finds that its maker has given up
// (nobody reads the pipe `report`) or that the file is another's by now, and changes nothing then. 0 or an errno.
int become_holder(const ShareKey& key, SharedImage* image, int report, std::string_view path);
// Waits until nobody uses the image and its time is over; then the file is removed.
void await_end(SharedImage* image);

// A user's side: the image is kept until then (Unix time in milliseconds), or for that long behind its last user,
// whatever was said before. 0 or an errno.
int keep_until(const SharedImage& image, int64_t until_ms);
int keep_behind_last_user(const SharedImage& image, int64_t for_ms);
// Removes the file: nobody finds the holder any more.
void forget_holder(const SharedImage& image);

}  // namespace davit
