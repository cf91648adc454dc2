# The two addons. cmake-js gives the directory of the Node-API headers (CMAKE_JS_INC); without it they are left out.
if(NOT CMAKE_JS_INC OR DAVIT_SANITIZE)
  return()
endif()

function(davit_addon target)
  add_library(${target} SHARED ${ARGN} ${CMAKE_JS_SRC})
  set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX ".node" LIBRARY_OUTPUT_DIRECTORY ${DAVIT_OUTPUT})
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_JS_INC} ${CMAKE_SOURCE_DIR}/node_modules/node-addon-api)
  target_compile_definitions(${target} PRIVATE NAPI_VERSION=8 NAPI_DISABLE_CPP_EXCEPTIONS NODE_ADDON_API_DISABLE_DEPRECATED)
  target_link_libraries(${target} PRIVATE ${CMAKE_JS_LIB})
  # libstdc++ and libgcc go inside: a node of another make may bring its own.
  target_link_options(${target} PRIVATE -Wl,--gc-sections -static-libgcc -static-libstdc++ -Wl,--exclude-libs,ALL
    $<$<CONFIG:Release>:-s>)
endfunction()

davit_sources(sources native/binding)
if(sources)
  davit_addon(davit ${sources})
  davit_link_rooms(davit)
endif()

# libsquashfs and its compressors (lzo is read by our own code), from static archives where the machine has them (Debian's are position independent).
davit_sources(sources native/image)
if(sources)
  find_package(Threads REQUIRED)
  set(image_libraries)
  foreach(name squashfs zstd lz4 lzma z)
    find_library(DAVIT_LIB_${name} NAMES lib${name}.a ${name})
    if(NOT DAVIT_LIB_${name})
      message(FATAL_ERROR "library ${name} not found: node scripts/check-deps.mjs names the package")
    endif()
    list(APPEND image_libraries ${DAVIT_LIB_${name}})
  endforeach()
  davit_addon(davit-image ${sources})
  davit_link_rooms(davit-image)
  target_link_libraries(davit-image PRIVATE ${image_libraries} Threads::Threads)
endif()
