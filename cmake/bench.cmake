# What `davit bench` needs beside Node: the process that starts and times commands, and the payload that says "ready".
if(DAVIT_SANITIZE)
  return()
endif()

davit_sources(sources native/bench)
if(sources)
  # Static: it is also started in root directories that have other libraries, or none.
  add_executable(davit-bench-runner ${sources})
  target_link_libraries(davit-bench-runner PRIVATE davit_options)
  set_target_properties(davit-bench-runner PROPERTIES POSITION_INDEPENDENT_CODE OFF
    RUNTIME_OUTPUT_DIRECTORY ${DAVIT_OUTPUT})
  target_link_options(davit-bench-runner PRIVATE -static -no-pie -Wl,--gc-sections $<$<CONFIG:Release>:-s>)
endif()

# Without davit_options: a program without a C library has nothing that a stack protector could call.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64|aarch64|arm64)$")
  add_executable(davit-ready ${CMAKE_SOURCE_DIR}/native/probe/ready.cc)
  target_compile_options(davit-ready PRIVATE -ffreestanding -fno-exceptions -fno-rtti -fno-stack-protector
    -fno-asynchronous-unwind-tables -Wall -Wextra)
  set_target_properties(davit-ready PROPERTIES POSITION_INDEPENDENT_CODE OFF RUNTIME_OUTPUT_DIRECTORY ${DAVIT_OUTPUT})
  target_link_options(davit-ready PRIVATE -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noseparate-code -s)
endif()
