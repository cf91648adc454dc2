#include "image/elf.h"

#include <elf.h>
#include <string.h>

namespace davit::image {
namespace {

constexpr const char* usual_programs[] = {"bin/sh", "bin/bash", "usr/bin/env", "bin/busybox", "sbin/init"};
constexpr unsigned max_files_tried = 4096;
constexpr size_t header_size = 20;  // up to e_machine, equal for 32 and 64 bits

std::string name_of(const unsigned char* header) {
  bool little = header[EI_DATA] == ELFDATA2LSB;
  bool wide = header[EI_CLASS] == ELFCLASS64;
  unsigned machine = little ? header[18] | header[19] << 8 : header[19] | header[18] << 8;
  switch (machine) {
    case EM_386: return "386";
    case EM_X86_64: return "amd64";
    case EM_ARM: return "arm";
    case EM_AARCH64: return "arm64";
    case EM_PPC64: return little ? "ppc64le" : "ppc64";
    case EM_MIPS: return std::string(wide ? "mips64" : "mips") + (little ? "le" : "");
    case EM_S390: return wide ? "s390x" : "";
    case EM_RISCV: return wide ? "riscv64" : "";
    case 258: return wide ? "loong64" : "";  // EM_LOONGARCH, newer than this header
    default: return "";
  }
}

std::string machine_of_file(const Node* node, ContentReader* content) {
  if (!node || !S_ISREG(node->inode->mode) || node->inode->size < header_size) return "";
  unsigned char header[header_size];
  size_t filled = 0;
  if (content->open(node)) return "";
  while (filled < header_size) {
    size_t got = 0;
    if (content->read(header + filled, header_size - filled, &got) || got == 0) return "";
    filled += got;
  }
  return memcmp(header, ELFMAG, SELFMAG) == 0 ? name_of(header) : "";
}

std::string first_program(const Node* directory, ContentReader* content, unsigned* tried) {
  for (const Node* child : directory->children) {
    std::string found;
    if (child->is_directory()) {
      found = first_program(child, content, tried);
    } else if ((child->inode->mode & 0111) && (*tried)++ < max_files_tried) {
      found = machine_of_file(child, content);
    }
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace

std::string machine_of(const Tree& tree, ContentReader* content) {
  for (const char* path : usual_programs) {
    std::string found = machine_of_file(tree.find(path), content);
    if (!found.empty()) return found;
  }
  unsigned tried = 0;
  return first_program(tree.root, content, &tried);
}

}  // namespace davit::image
