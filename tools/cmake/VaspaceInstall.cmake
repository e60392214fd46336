# SPDX-License-Identifier: BSD-2-Clause
#
# What `cmake --install` puts where, for find_package(vaspace) and for pkg-config.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vaspace")
file(GLOB public_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/vaspace/*.h")
install(FILES ${public_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/vaspace")

set(installed "")
if(TARGET vaspace)
	list(APPEND installed vaspace)
endif()
if(TARGET vaspace_static AND VASPACE_BUILD_STATIC)
	list(APPEND installed vaspace_static)
endif()
if(installed)
	install(TARGETS ${installed} EXPORT vaspace-targets
	    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
	    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
	    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
	install(EXPORT vaspace-targets NAMESPACE vaspace:: DESTINATION "${package_dir}")
endif()
foreach(tool vasmap vasbench)
	if(TARGET ${tool})
		install(TARGETS ${tool} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
	endif()
endforeach()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/vaspace-config.cmake.in"
    "${PROJECT_BINARY_DIR}/vaspace-config.cmake" INSTALL_DESTINATION "${package_dir}")
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/vaspace-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/vaspace-config.cmake" "${PROJECT_BINARY_DIR}/vaspace-config-version.cmake"
    DESTINATION "${package_dir}")

# Relative to the file itself, so that an installed tree can be moved.
file(RELATIVE_PATH VASPACE_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file("${CMAKE_CURRENT_LIST_DIR}/vaspace.pc.in" "${PROJECT_BINARY_DIR}/vaspace.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/vaspace.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

foreach(section 1 3 7)
	file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
	install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()
