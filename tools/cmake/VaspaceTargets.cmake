# SPDX-License-Identifier: BSD-2-Clause
#
# The functions that folders use: vaspace_layer() in src/<layer>, vaspace_program() in tools/<name>.

# vaspace_layer(NAME file.c ...): the objects of one layer, compiled once for both libraries.
function(vaspace_layer name)
	set(target vaspace_layer_${name})
	add_library(${target} OBJECT ${ARGN})
	target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
	target_compile_definitions(${target} PRIVATE ${VASPACE_DEFINITIONS} VASPACE_BUILDING=1
	    "VASPACE_MODULE_DIR=\"${CMAKE_INSTALL_FULL_LIBDIR}/vaspace\"")
	# initial-exec: a thread's first access must never allocate, so no lazily made TLS block.
	target_compile_options(${target} PRIVATE ${VASPACE_COMPILE_OPTIONS} -fvisibility=hidden
	    -ftls-model=initial-exec -fno-semantic-interposition)
	set_property(GLOBAL APPEND PROPERTY VASPACE_LAYERS ${target})
endfunction()

# vaspace_program(NAME file.c ...): a program that uses the public headers and the static library.
function(vaspace_program name)
	add_executable(${name} ${ARGN})
	target_compile_definitions(${name} PRIVATE ${VASPACE_DEFINITIONS})
	target_compile_options(${name} PRIVATE ${VASPACE_COMPILE_OPTIONS})
	target_link_options(${name} PRIVATE ${VASPACE_LINK_OPTIONS})
	target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/include")
	target_link_libraries(${name} PRIVATE vaspace_static)
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endfunction()
