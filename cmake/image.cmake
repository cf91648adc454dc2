# davit_image: native/image without its door, so that tests (and sanitizers) have it without Node. libsquashfs and its
# compressors come from static archives where the machine has them (Debian's are position independent); LZO is read by
# our own code. Of libarchive only the tar reader goes in, of libcrypto only SHA-256; neither needs another library then.
davit_sources(sources native/image)
list(FILTER sources EXCLUDE REGEX "/(layer_)?binding\\.cc$")
if(sources)
  find_package(Threads REQUIRED)
  add_library(davit_image STATIC ${sources})
  target_link_libraries(davit_image PUBLIC davit_options davit_sys)
  foreach(name squashfs archive zstd lz4 lzma z crypto)
    find_library(DAVIT_LIB_${name} NAMES lib${name}.a ${name})
    if(NOT DAVIT_LIB_${name})
      message(FATAL_ERROR "library ${name} not found: node scripts/check-deps.mjs names the package")
    endif()
    target_link_libraries(davit_image PUBLIC ${DAVIT_LIB_${name}})
  endforeach()
  target_link_libraries(davit_image PUBLIC Threads::Threads)
endif()
