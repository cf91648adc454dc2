#include "image/layer_shadow.h"

#include "image/layer_hash.h"

namespace davit::image {
namespace {

enum : uint8_t {
  gone = 1,       // replaced or removed, with all below
  directory = 2,  // a directory, with which one below is merged
  opaque = 4,     // nothing below is seen
  wanted = 8,     // the target of a hard link
};

}  // namespace

void LayerShadow::add(const LayerJournal& layer) {
  for (const LayerEntry& entry : layer.entries()) {
    if (entry.kind == EntryKind::hard_link) flags_[keyed_hash(entry.target)] |= wanted;
    uint8_t& known = flags_[keyed_hash(entry.path)];
    switch (entry.kind) {
      case EntryKind::directory: known |= directory; break;
      case EntryKind::opaque: known |= opaque; break;
      case EntryKind::hard_link:
      case EntryKind::file:
      case EntryKind::whiteout: known |= gone; break;
      case EntryKind::ignored: break;
    }
  }
}

uint8_t LayerShadow::flags(std::string_view path) const {
  auto found = flags_.find(keyed_hash(path));
  return found == flags_.end() ? 0 : found->second;
}

bool LayerShadow::hides(std::string_view path) const {
  if (flags_.empty()) return false;
  uint8_t own = flags(path);
  if (own & wanted) return false;
  if (own & (gone | directory)) return true;
  if (flags("") & opaque) return true;
  for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
    if (flags(path.substr(0, slash)) & (gone | opaque)) return true;
  return false;
}

}  // namespace davit::image
