# The launcher: one static executable without any shared library, since it runs where the image has none either.
davit_sources(sources native/launcher)
if(sources AND NOT DAVIT_SANITIZE)
  add_executable(davit-launcher ${sources})
  davit_link_rooms(davit-launcher)
  set_target_properties(davit-launcher PROPERTIES POSITION_INDEPENDENT_CODE OFF
    RUNTIME_OUTPUT_DIRECTORY ${DAVIT_OUTPUT})
  target_link_options(davit-launcher PRIVATE -static -no-pie -Wl,--gc-sections -Wl,-z,noseparate-code $<$<CONFIG:Release>:-s>)

  # A running davit must not be overwritten (ETXTBSY): the new file takes the name by rename.
  add_custom_command(TARGET davit-launcher POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_SOURCE_DIR}/bin
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:davit-launcher> ${CMAKE_SOURCE_DIR}/bin/.davit.new
    COMMAND ${CMAKE_COMMAND} -E rename ${CMAKE_SOURCE_DIR}/bin/.davit.new ${CMAKE_SOURCE_DIR}/bin/davit
    VERBATIM)
endif()
