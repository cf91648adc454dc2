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

if(TARGET davit_image)
  davit_addon(davit-image ${CMAKE_SOURCE_DIR}/native/image/binding.cc ${CMAKE_SOURCE_DIR}/native/image/layer_binding.cc)
  target_link_libraries(davit-image PRIVATE davit_options davit_image)
endif()
