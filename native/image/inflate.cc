#include "image/inflate.h"

#include <dlfcn.h>
#include <zlib.h>

#include <algorithm>

#if __has_include(<isa-l/igzip_lib.h>)
#include <isa-l/igzip_lib.h>
#define DAVIT_ISAL 1
#endif

namespace davit::image {
namespace {

// What one call of a library has done.
struct Step {
  size_t taken = 0;
  size_t given = 0;
  bool ended = false;           // of a member, its checksum compared
  const char* wrong = nullptr;  // the stream is damaged
};

struct ByZlib {
  z_stream stream = {};
  ~ByZlib() { inflateEnd(&stream); }
  bool start() { return inflateInit2(&stream, 15 + 16) == Z_OK; }  // the largest window, a gzip header
  void restart() { inflateReset(&stream); }

  Step step(const uint8_t* in, uint32_t in_size, uint8_t* out, uint32_t out_size) {
    stream.next_in = const_cast<uint8_t*>(in);
    stream.avail_in = in_size;
    stream.next_out = out;
    stream.avail_out = out_size;
    int code = inflate(&stream, Z_NO_FLUSH);
    Step done = {in_size - stream.avail_in, out_size - stream.avail_out, code == Z_STREAM_END, nullptr};
    if (code == Z_MEM_ERROR) done.wrong = "out of memory";
    if (code == Z_DATA_ERROR || code == Z_STREAM_ERROR || code == Z_NEED_DICT)
      done.wrong = stream.msg ? stream.msg : "unknown";
    return done;
  }
};

#ifdef DAVIT_ISAL

// The interface of the shared library with this number does not change; it is not on every machine that runs davit.
struct Isal {
  decltype(&isal_inflate_init) init = nullptr;
  decltype(&isal_inflate_reset) reset = nullptr;
  decltype(&isal_inflate) inflate = nullptr;

  Isal() {
    void* library = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    init = reinterpret_cast<decltype(init)>(dlsym(library, "isal_inflate_init"));
    reset = reinterpret_cast<decltype(reset)>(dlsym(library, "isal_inflate_reset"));
    inflate = reinterpret_cast<decltype(inflate)>(dlsym(library, "isal_inflate"));
  }
  bool there() const { return init && reset && inflate; }
};

const Isal& isal() {
  static const Isal functions;
  return functions;
}

struct ByIsal {
  inflate_state state = {};
  bool start() {
    isal().init(&state);
    state.crc_flag = ISAL_GZIP;
    return true;
  }
  void restart() {
    isal().reset(&state);
    state.crc_flag = ISAL_GZIP;
  }

  Step step(const uint8_t* in, uint32_t in_size, uint8_t* out, uint32_t out_size) {
    state.next_in = const_cast<uint8_t*>(in);
    state.avail_in = in_size;
    state.next_out = out;
    state.avail_out = out_size;
    int code = isal().inflate(&state);
    Step done = {in_size - state.avail_in, out_size - state.avail_out, false, nullptr};
    done.ended = code == ISAL_DECOMP_OK && state.block_state == ISAL_BLOCK_FINISH;
    if (code < 0) done.wrong = words(code);
    return done;
  }

  static const char* words(int code) {
    switch (code) {
      case ISAL_INVALID_BLOCK: return "invalid block";
      case ISAL_INVALID_SYMBOL: return "invalid code";
      case ISAL_INVALID_LOOKBACK: return "invalid distance too far back";
      case ISAL_INVALID_WRAPPER: return "incorrect header";
      case ISAL_UNSUPPORTED_METHOD: return "unknown compression method";
      case ISAL_INCORRECT_CHECKSUM: return "incorrect data check";
      default: return "unknown";
    }
  }
};

#endif

template <typename Library>
class Gzip : public Decompressor {
 public:
  explicit Gzip(Input input) : input_(std::move(input)) {}
  bool start() { return library_.start(); }

  Outcome read(uint8_t* out, size_t size, size_t* got) override {
    for (*got = 0; *got < size;) {
      if (auto bad = input_.fill()) return bad;
      if (member_ended_) {
        bool more = false;
        if (auto bad = next_member(&more)) return bad;
        if (!more) return {};
      }
      auto bounded = [](size_t bytes) { return static_cast<uint32_t>(std::min<size_t>(bytes, UINT32_MAX)); };
      Step done = library_.step(input_.data(), bounded(input_.size()), out + *got, bounded(size - *got));
      // The libraries hold a few bytes back: there may be output when there is no input any more.
      bool stuck = input_.size() == 0 && done.given == 0 && !done.ended;
      input_.consume(done.taken);
      *got += done.given;
      member_ended_ = done.ended;
      if (done.wrong) return input_.failure(std::string("the gzip stream is damaged: ") + done.wrong);
      if (stuck) return input_.failure("the gzip stream is cut off");
    }
    return {};
  }

 private:
  // gzip(1): members may follow each other, and zeros may follow the last.
  Outcome next_member(bool* more) {
    while (input_.size() > 0 && input_.data()[0] == 0) {
      input_.consume(1);
      padded_ = true;
      if (auto bad = input_.fill()) return bad;
    }
    if (input_.size() == 0) return {};
    if (padded_ || input_.data()[0] != 0x1f)
      return input_.failure("there is something after the end of the gzip stream");
    library_.restart();
    member_ended_ = false;
    *more = true;
    return {};
  }

  Input input_;
  Library library_;
  bool member_ended_ = false;
  bool padded_ = false;
};

template <typename Library>
std::unique_ptr<Decompressor> open_with(Input input) {
  auto made = std::make_unique<Gzip<Library>>(std::move(input));
  if (!made->start()) return nullptr;
  return made;
}

}  // namespace

bool has_isal() {
#ifdef DAVIT_ISAL
  return isal().there();
#else
  return false;
#endif
}

std::unique_ptr<Decompressor> open_gzip(Input input, Inflater inflater) {
#ifdef DAVIT_ISAL
  if (inflater == Inflater::fastest && has_isal()) return open_with<ByIsal>(std::move(input));
#endif
  return open_with<ByZlib>(std::move(input));
}

}  // namespace davit::image
