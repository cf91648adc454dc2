#include "image/layer_stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>

namespace davit::image {

Failure cancelled_failure() { return logic_failure("convert", "layers", "cancelled", FailureKind::cancelled); }

int Thread::start(void (*body)(void*), void* argument) {
  body_ = body;
  argument_ = argument;
  int err = pthread_create(&thread_, nullptr, enter, this);
  running_ = err == 0;
  return err;
}

void Thread::join() {
  if (running_) pthread_join(thread_, nullptr);
  running_ = false;
}

void* Thread::enter(void* self) {
  auto* thread = static_cast<Thread*>(self);
  thread->body_(thread->argument_);
  return nullptr;
}

Outcome LayerStream::File::open() {
  fd.reset(::open(stream_->blob_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return system_failure("open layer", stream_->blob_.path);
  posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  buffer_ = std::make_unique<uint8_t[]>(chunk_size);
  return {};
}

Outcome LayerStream::File::next(const uint8_t** data, size_t* size) {
  if (stream_->control_->is_cancelled()) return cancelled_failure();
  ssize_t got = retry([&] { return read(fd.get(), buffer_.get(), chunk_size); });
  if (got < 0) return system_failure("read layer", stream_->blob_.path);
  *data = buffer_.get();
  *size = static_cast<size_t>(got);
  ended = got == 0;
  hash.add(*data, *size);
  stream_->progress_->fetch_add(got, std::memory_order_relaxed);
  return {};
}

Outcome LayerStream::start() {
  if (auto bad = file_.open()) return bad;
  int err = producer_.start([](void* self) { static_cast<LayerStream*>(self)->produce(); }, this);
  if (err == 0) err = hasher_.start([](void* self) { static_cast<LayerStream*>(self)->hash_tar(); }, this);
  return err == 0 ? Outcome{} : system_failure("start thread for layer", blob_.digest, err);
}

LayerStream::~LayerStream() {
  {
    std::lock_guard lock(mutex_);
    given_up_ = true;
  }
  changed_.notify_all();
  producer_.join();
  hasher_.join();
}

void LayerStream::produce() {
  Outcome bad = open_decompressor(&file_, blob_.digest, &decompressor_);
  for (bool last = false; !bad && !last;) {
    Chunk* chunk = free_chunk();
    if (!chunk) return;
    bad = fill(chunk, &last);
    if (!bad && chunk->size > 0) hand_out();
  }
  // The digest is of the whole file, whatever its content is like.
  if (bad && bad->err == 0 && bad->kind == FailureKind::other) hash_the_rest();
  {
    std::lock_guard lock(mutex_);
    failure_ = std::move(bad);
    ended_ = true;
  }
  changed_.notify_all();
}

void LayerStream::hash_the_rest() {
  const uint8_t* data = nullptr;
  for (size_t size = 0; !file_.ended;)
    if (file_.next(&data, &size)) return;
}

Outcome LayerStream::fill(Chunk* chunk, bool* last) {
  if (control_->is_cancelled()) return cancelled_failure();
  if (!chunk->bytes) chunk->bytes.reset(new uint8_t[chunk_size]);
  if (auto bad = decompressor_->read(chunk->bytes.get(), chunk_size, &chunk->size)) return bad;
  *last = chunk->size < chunk_size;
  if (control_->bytes.fetch_add(chunk->size) + chunk->size <= control_->max_bytes) return {};
  return logic_failure("decompress", blob_.digest,
                       "the layers hold more than " + std::to_string(control_->max_bytes) + " bytes",
                       FailureKind::limit);
}

void LayerStream::hash_tar() {
  while (Chunk* chunk = chunk_for(hasher)) {
    if (!decompressor_->plain()) tar_hash_.add(chunk->bytes.get(), chunk->size);
    release(hasher);
  }
}

// Null when nobody wants more.
LayerStream::Chunk* LayerStream::free_chunk() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return given_up_ || produced_ < std::min(done_[hasher], done_[taker]) + chunk_count; });
  return given_up_ ? nullptr : &chunks_[produced_ % chunk_count];
}

void LayerStream::hand_out() {
  {
    std::lock_guard lock(mutex_);
    produced_++;
  }
  changed_.notify_all();
}

// Null at the end.
LayerStream::Chunk* LayerStream::chunk_for(Reader reader) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return given_up_ || ended_ || done_[reader] < produced_; });
  return !given_up_ && done_[reader] < produced_ ? &chunks_[done_[reader] % chunk_count] : nullptr;
}

void LayerStream::release(Reader reader) {
  {
    std::lock_guard lock(mutex_);
    done_[reader]++;
  }
  changed_.notify_all();
}

Outcome LayerStream::next(const uint8_t** data, size_t* size) {
  *size = 0;
  if (holding_) release(taker);
  holding_ = false;
  if (Chunk* chunk = chunk_for(taker)) {
    holding_ = true;
    *data = chunk->bytes.get();
    *size = chunk->size;
    return {};
  }
  std::lock_guard lock(mutex_);
  return failure_;
}

Outcome LayerStream::finish(std::string* diff_id) {
  const uint8_t* data = nullptr;
  Outcome bad;
  for (size_t size = 1; size > 0 && !bad;) bad = next(&data, &size);
  producer_.join();
  hasher_.join();
  if (bad && (bad->err != 0 || bad->kind != FailureKind::other)) return bad;
  std::string digest = file_.hash.digest();
  if (digest != blob_.digest)
    return logic_failure("check layer", blob_.digest, "the file's digest is " + digest, FailureKind::integrity);
  if (bad) return bad;
  *diff_id = decompressor_->plain() ? digest : tar_hash_.digest();
  if (!blob_.diff_id.empty() && *diff_id != blob_.diff_id)
    return logic_failure("check layer", blob_.digest,
                         "its content has the digest " + *diff_id + ", announced was " + blob_.diff_id,
                         FailureKind::integrity);
  return {};
}

Failure LayerStream::explain(Failure failure) {
  if (failure.kind != FailureKind::other || failure.err != 0) return failure;
  std::string ignored;
  Outcome cause = finish(&ignored);
  return cause && cause->kind == FailureKind::integrity ? *cause : failure;
}

}  // namespace davit::image
