// The door of the image addon: arguments in, one call, the result or an error out. Everything blocks; the addon is
// loaded by worker threads alone (src/workers). The shapes are described in src/workers/shared/image-addon.ts.
#include "image/binding.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/elf.h"
#include "image/source.h"
#include "image/unpack.h"
#include "sys/text.h"

namespace davit::image {
namespace {

const char* kind_name(FailureKind kind) {
  switch (kind) {
    case FailureKind::integrity: return "integrity";
    case FailureKind::limit: return "limit";
    case FailureKind::cancelled: return "cancelled";
    case FailureKind::other: break;
  }
  return nullptr;
}

}  // namespace

void raise(Napi::Env env, const Failure& failure) {
  std::string reason =
      failure.err ? std::string(errno_name(failure.err)) + " (" + errno_text(failure.err) + ")" : failure.detail;
  Napi::Error error = Napi::Error::New(env, failure.step + " \"" + failure.object + "\": " + reason);
  error.Set("step", failure.step);
  error.Set("object", failure.object);
  if (failure.err) error.Set("errno", errno_name(failure.err));
  if (const char* kind = kind_name(failure.kind)) error.Set("kind", kind);
  error.ThrowAsJavaScriptException();
}

Injection injection_from(const Napi::Object& given) {
  std::string type = text(given, "type");
  mode_t kind = type == "directory" ? S_IFDIR : type == "symlink" ? S_IFLNK : S_IFREG;
  Injection injection;
  injection.path = text(given, "path");
  injection.mode = kind | static_cast<mode_t>(number(given, "mode"));
  injection.content = kind == S_IFDIR ? "" : text(given, "content");
  injection.replace = truth(given, "replace");
  return injection;
}

WriteOptions write_options_from(const Napi::Object& given) {
  WriteOptions options;
  options.compressor = static_cast<uint16_t>(number(given, "compressor"));
  options.level = static_cast<unsigned>(number(given, "level"));
  options.block_size = static_cast<uint32_t>(number(given, "blockSize"));
  options.workers = static_cast<unsigned>(number(given, "workers"));
  options.mtime = static_cast<uint32_t>(number(given, "mtime"));
  return options;
}

Counter* counters_from(const Napi::Object& given, size_t length) {
  Napi::Value counters = given.Get("counters");
  if (!counters.IsTypedArray()) return nullptr;
  auto array = counters.As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_bigint64_array || array.ElementLength() < length) return nullptr;
  return reinterpret_cast<Counter*>(counters.As<Napi::BigInt64Array>().Data());
}

namespace {

Source* source_of(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<Source>>().Data(); }

Napi::Value wrap(Napi::Env env, std::unique_ptr<Source> source, const Outcome& outcome) {
  if (outcome) {
    raise(env, *outcome);
    return env.Undefined();
  }
  return Napi::External<Source>::New(env, source.release(), [](Napi::Env, Source* data) { delete data; });
}

// scanDirectory(path, { allRoot, xattrs, excludeFd })
Napi::Value scan_directory_call(const Napi::CallbackInfo& info) {
  Napi::Object given = info[1].As<Napi::Object>();
  ScanOptions options;
  options.all_root = truth(given, "allRoot");
  options.xattrs = truth(given, "xattrs");
  struct stat st;
  if (given.Get("excludeFd").IsNumber() && fstat(static_cast<int>(number(given, "excludeFd")), &st) == 0) {
    options.exclude_dev = st.st_dev;
    options.exclude_ino = st.st_ino;
  }
  auto source = std::make_unique<Source>();
  Outcome outcome = source->open_directory(info[0].ToString().Utf8Value().c_str(), options);
  return wrap(info.Env(), std::move(source), outcome);
}

// scanSquashfs(path, { offsetBytes, sizeBytes, xattrs, name })
Napi::Value scan_squashfs_call(const Napi::CallbackInfo& info) {
  Napi::Object given = info[1].As<Napi::Object>();
  auto source = std::make_unique<Source>();
  Outcome outcome = source->open_squashfs(info[0].ToString().Utf8Value().c_str(), number(given, "offsetBytes"),
                                          number(given, "sizeBytes"), truth(given, "xattrs"), text(given, "name"));
  return wrap(info.Env(), std::move(source), outcome);
}

const char* type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    default: return "other";
  }
}

Outcome read_small(Source* source, const Node* node, std::string* out) {
  out->resize(node->inode->size);
  size_t filled = 0;
  if (auto bad = source->content->open(node)) return bad;
  while (filled < out->size()) {
    size_t got = 0;
    if (auto bad = source->content->read(out->data() + filled, out->size() - filled, &got)) return bad;
    if (got == 0) break;
    filled += got;
  }
  out->resize(filled);
  return {};
}

Outcome list_below(Source* source, const Node* node, uint64_t max_bytes, Napi::Array* list) {
  Napi::Env env = list->Env();
  Napi::Object entry = Napi::Object::New(env);
  entry.Set("path", path_of(node));
  entry.Set("type", type_name(node->inode->mode));
  entry.Set("mode", node->inode->mode & 07777);
  if (S_ISLNK(node->inode->mode)) entry.Set("target", node->inode->target);
  if (S_ISREG(node->inode->mode) && node->inode->size <= max_bytes) {
    std::string content;
    if (auto bad = read_small(source, node, &content)) return bad;
    entry.Set("content", Napi::Buffer<char>::Copy(env, content.data(), content.size()));
  }
  list->Set(list->Length(), entry);
  for (const Node* child : node->children)
    if (auto bad = list_below(source, child, max_bytes, list)) return bad;
  return {};
}

// list(source, names, maxBytes): what lies at and below these entries of the root; content of files up to maxBytes.
Napi::Value list_call(const Napi::CallbackInfo& info) {
  Source* source = source_of(info);
  Napi::Array names = info[1].As<Napi::Array>();
  uint64_t max_bytes = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  Napi::Array list = Napi::Array::New(info.Env());
  for (uint32_t i = 0; i < names.Length(); i++) {
    const Node* node = child_named(source->tree.root, names.Get(i).ToString().Utf8Value());
    if (!node) continue;
    if (auto bad = list_below(source, node, max_bytes, &list)) {
      raise(info.Env(), *bad);
      return info.Env().Undefined();
    }
  }
  return list;
}

Napi::Value machine_call(const Napi::CallbackInfo& info) {
  Source* source = source_of(info);
  return Napi::String::New(info.Env(), machine_of(source->tree, source->content.get()));
}

Napi::Value notes_call(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const std::string& note : source_of(info)->notes) list.Set(list.Length(), note);
  return list;
}

// writeSquashfs(source, fd, offsetBytes, { compressor, level, blockSize, workers, mtime, latestS, inject, counters })
Napi::Value write_squashfs_call(const Napi::CallbackInfo& info) {
  Source* source = source_of(info);
  Napi::Object given = info[3].As<Napi::Object>();
  WriteOptions options = write_options_from(given);
  Napi::Array inject = given.Get("inject").As<Napi::Array>();
  for (uint32_t i = 0; i < inject.Length(); i++)
    source->tree.inject(injection_from(inject.Get(i).As<Napi::Object>()), options.mtime);
  source->tree.sort();
  if (given.Get("latestS").IsNumber()) source->tree.clamp_times(static_cast<uint32_t>(number(given, "latestS")));
  WriteResult result;
  int fd = info[1].ToNumber().Int32Value();
  uint64_t offset = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
  WriteProgress progress;
  if (Counter* counters = counters_from(given, 2)) progress = {counters, counters + 1};
  if (auto bad = write_squashfs(&source->tree, source->content.get(), fd, offset, options, &result, progress)) {
    raise(info.Env(), *bad);
    return info.Env().Undefined();
  }
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("sizeBytes", static_cast<double>(result.size));
  out.Set("bytesUsed", static_cast<double>(result.bytes_used));
  out.Set("inodes", result.inodes);
  return out;
}

// unpack(source, directory, { faithful })
Napi::Value unpack_call(const Napi::CallbackInfo& info) {
  Source* source = source_of(info);
  std::string path = info[1].ToString().Utf8Value();
  UnpackOptions options;
  options.faithful = truth(info[2].As<Napi::Object>(), "faithful");
  Fd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  Outcome outcome = directory.valid()
                        ? unpack_tree(source->tree, source->squashfs, directory.get(), options, &source->notes)
                        : system_failure("open directory", path);
  if (outcome) raise(info.Env(), *outcome);
  return info.Env().Undefined();
}

// lockFile(path): a descriptor that holds the exclusive lock; waits for it. The lock ends with the process at the
// latest.
Napi::Value lock_file_call(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid() || retry([&] { return flock(fd.get(), LOCK_EX); }) != 0) {
    raise(info.Env(), system_failure("lock", path));
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), fd.release());
}

// syncFileSystem(path): everything written to the file system of `path` is on its disk.
Napi::Value sync_call(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() || syncfs(fd.get()) != 0) raise(info.Env(), system_failure("sync", path));
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("scanDirectory", Napi::Function::New(env, scan_directory_call));
  exports.Set("scanSquashfs", Napi::Function::New(env, scan_squashfs_call));
  exports.Set("list", Napi::Function::New(env, list_call));
  exports.Set("machine", Napi::Function::New(env, machine_call));
  exports.Set("notes", Napi::Function::New(env, notes_call));
  exports.Set("writeSquashfs", Napi::Function::New(env, write_squashfs_call));
  exports.Set("convertLayers", Napi::Function::New(env, convert_layers_call));
  exports.Set("unpack", Napi::Function::New(env, unpack_call));
  exports.Set("lockFile", Napi::Function::New(env, lock_file_call));
  exports.Set("syncFileSystem", Napi::Function::New(env, sync_call));
  return exports;
}

}  // namespace

NODE_API_MODULE(davit_image, initialise)

}  // namespace davit::image
