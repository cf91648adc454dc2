// What a decompressor reads: the pieces that the source gives, one after the other.
#pragma once
#include <string>
#include <string_view>

#include "image/decompress.h"

namespace davit::image {

// What is left of the piece the source gave last.
class Input {
 public:
  Input(ByteSource* source, const std::string& name) : source_(source), name_(name) {}

  // Gets the next piece when none is left; size() is 0 after that only at the end.
  Outcome fill() { return size_ > 0 ? Outcome{} : source_->next(&data_, &size_); }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  void consume(size_t count) {
    data_ += count;
    size_ -= count;
  }
  Failure failure(std::string_view detail) const { return logic_failure("decompress", name_, detail); }

 private:
  ByteSource* source_;
  std::string name_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace davit::image
