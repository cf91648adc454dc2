# One static library for each room of native/ that has sources: davit_sys, davit_wire, ...
# Compile options that every target of ours shares are those of the interface target davit_options.

add_library(davit_options INTERFACE)
target_include_directories(davit_options INTERFACE ${CMAKE_SOURCE_DIR}/native ${CMAKE_SOURCE_DIR}/build/generated)
target_compile_definitions(davit_options INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(davit_options INTERFACE
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
  -fno-exceptions -fno-rtti -ffunction-sections -fdata-sections
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Woverloaded-virtual -Wformat=2
  -Wimplicit-fallthrough -Wno-missing-field-initializers)
if(NOT DAVIT_SANITIZE)
  target_compile_options(davit_options INTERFACE -fstack-protector-strong)
  target_compile_definitions(davit_options INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
if(DAVIT_SANITIZE)
  target_compile_options(davit_options INTERFACE -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
  target_link_options(davit_options INTERFACE -fsanitize=address,undefined)
endif()

if(NOT EXISTS ${CMAKE_SOURCE_DIR}/build/generated/davit_fields.h)
  message(FATAL_ERROR "build/generated/davit_fields.h is missing: run \"node scripts/codegen.mjs\" first")
endif()

# davit_sources(VARIABLE DIRECTORY): the .cc files of a directory; new files are noticed by the next build.
function(davit_sources variable directory)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${directory}/*.cc)
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()

set(DAVIT_ROOMS)
foreach(room executor steps state shell usage wire timing sys)
  davit_sources(sources native/${room})
  if(sources)
    add_library(davit_${room} STATIC ${sources})
    target_link_libraries(davit_${room} PUBLIC davit_options)
    list(APPEND DAVIT_ROOMS davit_${room})
  endif()
endforeach()

# davit_link_rooms(TARGET): links all rooms; the group lets them stand in any order.
function(davit_link_rooms target)
  target_link_libraries(${target} PRIVATE davit_options -Wl,--start-group ${DAVIT_ROOMS} -Wl,--end-group)
endfunction()
