// A temporary directory with a tree of every kind of file, and squashfs images of it.
#pragma once
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "image/source.h"
#include "image/squashfs_writer.h"

namespace fixture {

class TempDir {
 public:
  TempDir() {
    char path[] = "/tmp/davit-image-test-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, const std::string& content) { std::ofstream(path) << content; }

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Directories, text, a file of several blocks, holes, hard and symbolic links, a FIFO.
inline void make_tree(const std::string& root) {
  mkdir(root.c_str(), 0755);
  mkdir((root + "/etc").c_str(), 0755);
  mkdir((root + "/empty").c_str(), 0700);
  mkdir((root + "/deep").c_str(), 0755);
  mkdir((root + "/deep/er").c_str(), 0755);
  chmod((root + "/deep/er").c_str(), 01777);
  write_file(root + "/etc/hosts", "127.0.0.1 localhost\n");
  write_file(root + "/etc/nothing", "");
  std::string blocks;
  for (int i = 0; i < 60000; i++) blocks += std::to_string(i);
  write_file(root + "/blocks", blocks);
  write_file(root + "/deep/er/sparse", "begin");
  if (truncate((root + "/deep/er/sparse").c_str(), 1000000) != 0) abort();
  if (link((root + "/etc/hosts").c_str(), (root + "/deep/hosts").c_str()) != 0) abort();
  if (symlink("../etc/hosts", (root + "/deep/link").c_str()) != 0) abort();
  mkfifo((root + "/deep/fifo").c_str(), 0640);
  chmod((root + "/etc/nothing").c_str(), 04755);
}

// Packs `root` into `file` at `offset`.
inline davit::image::Outcome pack(const std::string& root, const std::string& file, uint64_t offset,
                                  uint16_t compressor, davit::image::WriteResult* result,
                                  const std::vector<davit::image::Injection>& injections = {}) {
  davit::image::Source source;
  davit::image::ScanOptions scan;
  if (auto bad = source.open_directory(root.c_str(), scan)) return bad;
  davit::image::WriteOptions options;
  options.compressor = compressor;
  options.level = 0;
  options.workers = 2;
  options.mtime = 1700000000;
  for (const auto& injection : injections) source.tree.inject(injection, options.mtime);
  source.tree.sort();
  davit::Fd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  return davit::image::write_squashfs(&source.tree, source.content.get(), fd.get(), offset, options, result);
}

// Runs a program without output. Returns false when it is not there or fails.
inline bool run(std::vector<const char*> argv) {
  argv.push_back(nullptr);
  pid_t pid = fork();
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execvp(argv[0], const_cast<char**>(argv.data()));
    _exit(127);
  }
  int status = 0;
  return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace fixture
