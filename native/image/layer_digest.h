// SHA-256 of a stream. OpenSSL's low-level functions: they are the fast ones (SHA extensions where the processor has
// them) and bring nothing else along when linked statically.
#pragma once
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stddef.h>

#include <string>

namespace davit::image {

class Sha256 {
 public:
  Sha256() { SHA256_Init(&context_); }
  void add(const void* data, size_t size) { SHA256_Update(&context_, data, size); }
  // "sha256:" and 64 hexadecimal digits; nothing can be added any more.
  std::string digest() {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    SHA256_Final(bytes, &context_);
    std::string text = "sha256:";
    for (unsigned char byte : bytes) {
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
    return text;
  }

 private:
  SHA256_CTX context_;
};

}  // namespace davit::image
