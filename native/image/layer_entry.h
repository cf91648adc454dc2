// What a layer says, entry by entry, without the contents of files.
#pragma once
#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

#include "image/tar_reader.h"
#include "image/tree.h"

namespace davit::image {

enum class EntryKind : uint8_t {
  directory,
  file,       // anything else that has an inode
  hard_link,  // `target` is its path
  whiteout,   // `path` is what lower layers have and this one has not
  opaque,     // the directory `path` shows nothing of lower layers
  ignored,
};

struct LayerEntry {
  EntryKind kind = EntryKind::ignored;
  Inode* inode = nullptr;  // of directories and files
  std::string_view path;   // cleaned: no "." or "..", no slash at either end; empty for the root
  std::string_view target;
};

// A path of an archive, cleaned by its text alone. False when it leads out of the root or cannot be a path.
bool clean_path(std::string_view given, std::string* out);

struct EntryRules {
  bool all_root = false;  // every file belongs to root
  uint64_t max_entries = UINT64_MAX;
  uint64_t max_file_bytes = UINT64_MAX;  // sum of the sizes of files, holes included
};

// What all layers of an image bring along together.
struct EntryTotals {
  uint64_t entries = 0;
  uint64_t file_bytes = 0;
  uint64_t text_bytes = 0;  // names, targets and attributes: what is held in memory
};

// The entries of one layer in their order.
class LayerJournal {
 public:
  // `name` of the layer stands in failures. Inodes go into `tree`; notes tell what is left out.
  LayerJournal(std::string name, const EntryRules& rules, Tree* tree, EntryTotals* totals,
               std::vector<std::string>* notes)
      : name_(std::move(name)), rules_(rules), tree_(tree), totals_(totals), notes_(notes) {}

  Outcome add(const TarEntry& entry);
  const std::string& name() const { return name_; }
  const std::vector<LayerEntry>& entries() const { return entries_; }

 private:
  Outcome count(const TarEntry& entry);
  Outcome interpret(const TarEntry& entry, std::string_view path, LayerEntry* out);
  Outcome interpret_whiteout(const TarEntry& entry, std::string_view parent, std::string_view name, LayerEntry* out);
  Outcome make_inode(const TarEntry& entry, Inode** out);
  void take_xattrs(const TarEntry& entry, Inode* inode);
  std::string_view keep(std::string_view text);
  Failure failure(const TarEntry& entry, std::string_view detail, FailureKind kind = FailureKind::other) const;

  std::string name_;
  const EntryRules& rules_;
  Tree* tree_;
  EntryTotals* totals_;
  std::vector<std::string>* notes_;
  std::vector<LayerEntry> entries_;
  std::vector<std::unique_ptr<char[]>> texts_;
  char* text_at_ = nullptr;
  size_t text_left_ = 0;
};

// Adds a note unless there are many already; the last one then says so.
void add_note(std::vector<std::string>* notes, std::string note);

}  // namespace davit::image
