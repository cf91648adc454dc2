// The tar inside a layer's blob as a stream. One thread reads and decompresses, one computes the digest of the tar, and
// the caller takes the pieces; all look at the same few buffers.
#pragma once
#include <pthread.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "image/counter.h"
#include "image/decompress.h"
#include "image/layer_digest.h"
#include "sys/fd.h"

namespace davit::image {

struct LayerBlob {
  std::string path;
  std::string digest;   // of the file: "sha256:..."
  std::string diff_id;  // of the tar inside; empty when nobody has announced it
};

// What the streams of a conversion share.
struct LayerControl {
  const Counter* cancelled;         // not 0: give up
  uint64_t max_bytes = UINT64_MAX;  // of all tars
  std::atomic<uint64_t> bytes = 0;  // of all tars so far

  bool is_cancelled() const { return cancelled->load(std::memory_order_relaxed) != 0; }
};

Failure cancelled_failure();

// A thread that is waited for at the latest when its owner goes. std::thread cannot say that there is no thread left.
class Thread {
 public:
  ~Thread() { join(); }
  // Returns 0 or an errno.
  int start(void (*body)(void*), void* argument);
  void join();

 private:
  static void* enter(void* self);
  pthread_t thread_ = {};
  bool running_ = false;
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
};

class LayerStream : public ByteSource {
 public:
  LayerStream(const LayerBlob& blob, LayerControl* control, Counter* progress)
      : blob_(blob), control_(control), progress_(progress) {}
  ~LayerStream() override;

  // Opens the blob and starts the threads. `progress` follows the bytes of the blob that have been read.
  Outcome start();
  Outcome next(const uint8_t** data, size_t* size) override;
  // Reads what is left, and compares the digests. The digest of the tar is in `diff_id`.
  Outcome finish(std::string* diff_id);
  // The reason behind a failure of whoever read the stream: what was announced wrongly explains all that follows.
  Failure explain(Failure failure);

 private:
  static constexpr size_t chunk_size = 256 << 10;
  static constexpr unsigned chunk_count = 16;
  enum Reader { hasher, taker, readers };

  struct Chunk {
    std::unique_ptr<uint8_t[]> bytes;
    size_t size = 0;
  };

  // The file, hashed while it is read.
  class File : public ByteSource {
   public:
    explicit File(LayerStream* stream) : stream_(stream) {}
    Outcome open();
    Outcome next(const uint8_t** data, size_t* size) override;
    Fd fd;
    Sha256 hash;
    bool ended = false;

   private:
    LayerStream* stream_;
    std::unique_ptr<uint8_t[]> buffer_;
  };

  void produce();
  Outcome fill(Chunk* chunk, bool* last);
  void hash_the_rest();
  void hash_tar();
  Chunk* free_chunk();
  void hand_out();
  Chunk* chunk_for(Reader reader);
  void release(Reader reader);

  const LayerBlob blob_;
  LayerControl* control_;
  Counter* progress_;
  File file_{this};
  std::unique_ptr<Decompressor> decompressor_;
  Sha256 tar_hash_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Chunk, chunk_count> chunks_;
  uint64_t produced_ = 0;
  std::array<uint64_t, readers> done_ = {};  // chunks that each reader has let go
  bool ended_ = false;                       // nothing more will be produced
  bool given_up_ = false;                    // nobody wants more
  Outcome failure_;                          // of the producer
  bool holding_ = false;                     // the taker looks at a chunk

  Thread producer_, hasher_;
};

}  // namespace davit::image
