# SPDX-License-Identifier: BSD-2-Clause
#
# Backends. VASPACE_WITH_<NAME> is AUTO (build when its libraries are there), ON (fail when they are not) or OFF.
# A backend's own CMakeLists.txt is one call of vaspace_backend_module().

function(vaspace_backend name text)
	string(TOUPPER "${name}" upper)
	set(VASPACE_WITH_${upper} AUTO CACHE STRING "Backend ${name}: ${text} (AUTO, ON or OFF)")
	set_property(CACHE VASPACE_WITH_${upper} PROPERTY STRINGS AUTO ON OFF)
	if(NOT VASPACE_WITH_${upper} MATCHES "^(AUTO|ON|OFF)$")
		message(FATAL_ERROR "VASPACE_WITH_${upper} is AUTO, ON or OFF, not '${VASPACE_WITH_${upper}}'")
	endif()
	if(NOT VASPACE_WITH_${upper} STREQUAL "OFF")
		add_subdirectory(backends/${name})
	endif()
	# Tests link it where it is built, and find out at run time.
	if(NOT TARGET vaspace_${name}_static)
		add_library(vaspace_${name}_static INTERFACE)
	endif()
endfunction()

# vaspace_backend_module(NAME SOURCES file.c ... PACKAGES pkg-config-name ...)
#
# Makes the module ${libdir}/vaspace/vaspace-NAME.so, opened by the library at run time, and
# libvaspace_NAME.a for programs that link statically.
function(vaspace_backend_module name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PACKAGES")
	string(TOUPPER "${name}" upper)
	find_package(PkgConfig QUIET)
	if(PkgConfig_FOUND)
		pkg_check_modules(VASPACE_${upper} QUIET IMPORTED_TARGET ${arg_PACKAGES})
	endif()
	if(NOT VASPACE_${upper}_FOUND)
		if(VASPACE_WITH_${upper} STREQUAL "ON")
			message(FATAL_ERROR "VASPACE_WITH_${upper}=ON, but pkg-config does not find: ${arg_PACKAGES}")
		endif()
		message(STATUS "backend ${name}: left out, pkg-config does not find: ${arg_PACKAGES}")
		return()
	endif()

	add_library(vaspace_${name}_objects OBJECT ${arg_SOURCES})
	target_include_directories(vaspace_${name}_objects PRIVATE
	    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
	target_compile_definitions(vaspace_${name}_objects PRIVATE ${VASPACE_DEFINITIONS})
	target_compile_options(vaspace_${name}_objects PRIVATE ${VASPACE_COMPILE_OPTIONS} -fvisibility=hidden)
	target_link_libraries(vaspace_${name}_objects PRIVATE PkgConfig::VASPACE_${upper})

	add_library(vaspace_${name} MODULE $<TARGET_OBJECTS:vaspace_${name}_objects>)
	target_link_libraries(vaspace_${name} PRIVATE PkgConfig::VASPACE_${upper})
	target_link_options(vaspace_${name} PRIVATE ${VASPACE_LINK_OPTIONS} -Wl,-z,relro,-z,now,-z,nodelete)
	set_target_properties(vaspace_${name} PROPERTIES PREFIX "" OUTPUT_NAME vaspace-${name} LINKER_LANGUAGE C
	    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib/vaspace")
	install(TARGETS vaspace_${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/vaspace")
	if(VASPACE_BUILD_STATIC)
		add_library(vaspace_${name}_static STATIC $<TARGET_OBJECTS:vaspace_${name}_objects>)
		set_target_properties(vaspace_${name}_static PROPERTIES OUTPUT_NAME vaspace_${name} LINKER_LANGUAGE C
		    ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
		# The library refers to the table weakly, which alone would not pull it out of an archive.
		target_link_options(vaspace_${name}_static INTERFACE "LINKER:-u,vas_module_${name}")
		target_link_libraries(vaspace_${name}_static INTERFACE ${VASPACE_${upper}_LIBRARIES})
		install(TARGETS vaspace_${name}_static EXPORT vaspace-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
	endif()
endfunction()
