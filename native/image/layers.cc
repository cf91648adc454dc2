#include "image/layers.h"

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>

#include "image/layer_merge.h"
#include "image/layer_shadow.h"
#include "image/tar_reader.h"

namespace davit::image {
namespace {

constexpr uint64_t zeros_at_once = 64 << 20;  // then it is asked whether to go on

class Converter {
 public:
  Converter(const ConvertOptions& options, const ConvertProgress& progress, int fd, uint64_t offset,
            ConvertResult* result)
      : options_(options),
        progress_(progress),
        rules_{options.all_root, options.max_entries, options.max_bytes},
        data_(&tree_, fd, offset, options.write),
        result_(result) {
    control_.cancelled = progress.cancelled;
    control_.max_bytes = options.max_bytes;
    for (const LayerBlob& blob : options.layers)
      journals_.emplace_back(blob.digest, rules_, &tree_, &totals_, &result->notes);
  }

  Outcome run() {
    if (int code = data_.start()) return data_.failure("set up squashfs", code, "squashfs");
    result_->diff_ids.resize(options_.layers.size());
    for (size_t i = options_.layers.size(); i-- > 0;)
      if (auto bad = read_layer(i)) return bad;
    if (auto bad = merge()) return bad;
    if (auto bad = read_again()) return bad;
    return finish_squashfs(&tree_, &data_, &result_->squashfs);
  }

 private:
  // The next layer's threads fill their buffers while this one's are emptied.
  LayerStream* stream_of(size_t layer) {
    streams_.resize(options_.layers.size());
    if (!streams_[layer])
      streams_[layer] = std::make_unique<LayerStream>(options_.layers[layer], &control_, progress_.layers[layer]);
    return streams_[layer].get();
  }

  Outcome read_layer(size_t layer) {
    for (size_t ahead = 0; ahead < 2 && ahead <= layer; ahead++) {
      if (started_ > layer - ahead) {
        if (auto bad = stream_of(layer - ahead)->start()) return bad;
        started_ = layer - ahead;
      }
    }
    LayerStream* stream = stream_of(layer);
    Outcome bad = read_entries(stream, layer);
    if (bad) return stream->explain(*bad);
    if (auto failure = stream->finish(&result_->diff_ids[layer])) return failure;
    streams_[layer].reset();
    if (layer > 0) shadow_.add(journals_[layer]);
    return {};
  }

  Outcome read_entries(LayerStream* stream, size_t layer) {
    return each_entry(stream, layer, [&](TarReader* reader, const TarEntry& entry, uint64_t number) -> Outcome {
      if (auto bad = journals_[layer].add(entry)) return bad;
      const LayerEntry& added = journals_[layer].entries().back();
      if (!added.inode) return {};
      // Where its content is to be found again, see read_again().
      added.inode->source_dev = layer;
      added.inode->source_ino = number;
      if (!S_ISREG(added.inode->mode) || shadow_.hides(added.path)) return {};
      return store(reader, added.inode, entry.path);
    });
  }

  // Entries count from 0.
  template <typename Action>
  Outcome each_entry(LayerStream* stream, size_t layer, Action action) {
    TarReader reader(stream, options_.layers[layer].digest);
    TarEntry entry;
    bool more = false;
    for (uint64_t number = 0;; number++) {
      if (auto bad = reader.next(&entry, &more)) return bad;
      if (!more) return {};
      if (auto bad = action(&reader, entry, number)) return bad;
    }
  }

  Outcome store(TarReader* reader, Inode* inode, const std::string& path) {
    auto failure = [&](int code) { return code == 0 ? Outcome{} : data_.failure("write", code, path); };
    uint64_t position = 0;
    if (auto bad = failure(data_.begin_file(inode))) return bad;
    for (;;) {
      const void* bytes = nullptr;
      size_t size = 0;
      uint64_t offset = inode->size;
      if (auto bad = reader->content(&bytes, &size, &offset)) return bad;
      if (size == 0) offset = inode->size;
      for (; position < offset; position += std::min(offset - position, zeros_at_once)) {
        if (control_.is_cancelled()) return cancelled_failure();
        if (auto bad = failure(data_.append_zeros(std::min(offset - position, zeros_at_once)))) return bad;
      }
      if (size == 0) break;
      if (auto bad = failure(data_.append(bytes, size))) return bad;
      position += size;
      progress_.packed->fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
    }
    return failure(data_.end_file());
  }

  Outcome merge() {
    LayerMerge merge(&tree_, options_.write.mtime);
    for (LayerJournal& journal : journals_) {
      if (control_.is_cancelled()) return cancelled_failure();
      if (auto bad = merge.apply(journal)) return bad;
    }
    journals_.clear();
    for (const Injection& injection : options_.generated) merge.put(injection);
    unsigned devices = 0;
    merge.finish(options_.devices, &devices);
    tree_.clamp_times(options_.latest);
    if (devices > 0)
      add_note(&result_->notes, std::to_string(devices) + " device node" + (devices == 1 ? "" : "s") + " left out");
    return {};
  }

  // Files of the result whose content was taken for hidden.
  Outcome read_again() {
    std::map<size_t, std::unordered_map<uint64_t, Inode*>> wanted;
    for_each_file(tree_.root, [&](Inode* inode) {
      if (!inode->in_memory && !inode->written) wanted[inode->source_dev][inode->source_ino] = inode;
    });
    for (auto& [layer, inodes] : wanted) {
      Counter ignored = 0;
      LayerControl control{.cancelled = progress_.cancelled};
      LayerStream stream(options_.layers[layer], &control, &ignored);
      if (auto bad = stream.start()) return bad;
      if (auto bad = read_contents(&stream, layer, inodes)) return stream.explain(*bad);
      // The file may be another one by now.
      std::string diff_id;
      if (auto bad = stream.finish(&diff_id)) return bad;
    }
    return {};
  }

  Outcome read_contents(LayerStream* stream, size_t layer, const std::unordered_map<uint64_t, Inode*>& wanted) {
    return each_entry(stream, layer, [&](TarReader* reader, const TarEntry& entry, uint64_t number) -> Outcome {
      auto found = wanted.find(number);
      if (found == wanted.end()) return {};
      Inode* inode = found->second;
      if (inode->size != entry.size) return logic_failure("read layer", entry.path, "it was changed meanwhile");
      return store(reader, inode, entry.path);
    });
  }

  template <typename Action>
  static void for_each_file(Node* directory, Action action) {
    for (Node* child : directory->children) {
      if (child->is_directory())
        for_each_file(child, action);
      else if (S_ISREG(child->inode->mode))
        action(child->inode);
    }
  }

  const ConvertOptions& options_;
  const ConvertProgress& progress_;
  const EntryRules rules_;
  Tree tree_;
  SquashfsData data_;  // after the tree, which must outlive it
  ConvertResult* result_;
  LayerControl control_{};
  EntryTotals totals_;
  LayerShadow shadow_;
  std::vector<LayerJournal> journals_;
  std::vector<std::unique_ptr<LayerStream>> streams_;
  size_t started_ = SIZE_MAX;  // the lowest layer whose stream runs
};

}  // namespace

Outcome convert_layers(const ConvertOptions& options, const ConvertProgress& progress, int fd, uint64_t offset,
                       ConvertResult* result) {
  return Converter(options, progress, fd, offset, result).run();
}

}  // namespace davit::image
