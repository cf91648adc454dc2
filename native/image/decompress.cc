#include "image/decompress.h"

#include <string.h>
#include <zstd.h>

#include <algorithm>

#include "image/inflate.h"

namespace davit::image {
namespace {

class Plain : public Decompressor {
 public:
  explicit Plain(Input input) : input_(std::move(input)) {}
  bool plain() const override { return true; }

  Outcome read(uint8_t* out, size_t size, size_t* got) override {
    for (*got = 0; *got < size;) {
      if (auto bad = input_.fill()) return bad;
      size_t count = std::min(size - *got, input_.size());
      if (count == 0) return {};
      memcpy(out + *got, input_.data(), count);
      input_.consume(count);
      *got += count;
    }
    return {};
  }

 private:
  Input input_;
};

struct FreeZstd {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class Zstd : public Decompressor {
 public:
  explicit Zstd(Input input) : input_(std::move(input)), context_(ZSTD_createDCtx()) {}
  bool start() const { return context_ != nullptr; }

  // Frames may follow each other. A window over 128 MiB, ZSTD_WINDOWLOG_LIMIT_DEFAULT, is refused by the library.
  Outcome read(uint8_t* out, size_t size, size_t* got) override {
    ZSTD_outBuffer to = {out, size, 0};
    while (to.pos < size) {
      if (auto bad = input_.fill()) return bad;
      if (input_.size() == 0 && flushed_) break;
      ZSTD_inBuffer from = {input_.data(), input_.size(), 0};
      size_t before = to.pos;
      size_t code = ZSTD_decompressStream(context_.get(), &to, &from);
      input_.consume(from.pos);
      if (ZSTD_isError(code))
        return input_.failure(std::string("the zstd stream is damaged: ") + ZSTD_getErrorName(code));
      if (from.size == 0 && to.pos == before && code != 0) return input_.failure("the zstd stream is cut off");
      flushed_ = code == 0;
    }
    *got = to.pos;
    return {};
  }

 private:
  Input input_;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> context_;
  bool flushed_ = true;  // at the end of a frame, all of it given out
};

bool starts_with(const Input& input, std::string_view magic) {
  return input.size() >= magic.size() && memcmp(input.data(), magic.data(), magic.size()) == 0;
}

// A name may begin like anything; POSIX's magic is at 257.
bool is_tar(const Input& input) { return input.size() >= 512 && memcmp(input.data() + 257, "ustar", 5) == 0; }

// Zstandard's own magic, and those of its skippable frames (RFC 8878, 3.1.2), which eStargz-like layers begin with.
bool is_zstd(const Input& input) {
  if (starts_with(input, "\x28\xb5\x2f\xfd")) return true;
  const uint8_t* magic = input.data();
  return input.size() >= 4 && (magic[0] & 0xf0) == 0x50 && magic[1] == 0x2a && magic[2] == 0x4d && magic[3] == 0x18;
}

Outcome start(Input input, std::unique_ptr<Decompressor> made, std::unique_ptr<Decompressor>* out) {
  if (!made) return input.failure("out of memory");
  *out = std::move(made);
  return {};
}

std::unique_ptr<Decompressor> open_zstd(Input input) {
  auto made = std::make_unique<Zstd>(std::move(input));
  if (!made->start()) return nullptr;
  return made;
}

}  // namespace

Outcome open_decompressor(ByteSource* source, const std::string& name, std::unique_ptr<Decompressor>* out) {
  Input input(source, name);
  if (auto bad = input.fill()) return bad;
  if (is_tar(input)) {
    *out = std::make_unique<Plain>(std::move(input));
    return {};
  }
  if (starts_with(input, "\x1f\x8b")) return start(input, open_gzip(input), out);
  if (is_zstd(input)) return start(input, open_zstd(input), out);
  if (starts_with(input,
                  "\xfd"
                  "7zXZ"))
    return input.failure("compressed with xz, which layers may not be");
  if (starts_with(input, "BZh")) return input.failure("compressed with bzip2, which layers may not be");
  *out = std::make_unique<Plain>(std::move(input));
  return {};
}

}  // namespace davit::image
