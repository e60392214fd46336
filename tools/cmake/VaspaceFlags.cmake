# SPDX-License-Identifier: BSD-2-Clause
#
# Compiler flags shared by the library, the tools and the tests.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
	set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
# Without NDEBUG: assertions have switches of their own.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(VASPACE_COMPILE_OPTIONS
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
    -Wwrite-strings -Wundef -Wvla -fno-common
    # Neighbouring counters joined into vectors stall behind the narrower stores just before.
    -fno-tree-slp-vectorize)
if(VASPACE_WERROR)
	list(APPEND VASPACE_COMPILE_OPTIONS -Werror)
endif()

set(VASPACE_LINK_OPTIONS "")
if(VASPACE_SANITIZE STREQUAL "address")
	set(flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(VASPACE_SANITIZE STREQUAL "thread")
	set(flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(VASPACE_SANITIZE STREQUAL "memory")
	set(flags -fsanitize=memory -fsanitize-memory-track-origins -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(VASPACE_SANITIZE)
	message(FATAL_ERROR "VASPACE_SANITIZE is address, thread, memory or empty, not '${VASPACE_SANITIZE}'")
else()
	set(flags "")
endif()
if(VASPACE_BUILD_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
		message(FATAL_ERROR "VASPACE_BUILD_FUZZ needs clang: its libFuzzer")
	endif()
	list(APPEND VASPACE_COMPILE_OPTIONS -fsanitize=fuzzer-no-link)
endif()
list(APPEND VASPACE_COMPILE_OPTIONS ${flags})
list(APPEND VASPACE_LINK_OPTIONS ${flags})

# Empty, as a plain #define is, so that a file may also say it itself.
set(VASPACE_DEFINITIONS _GNU_SOURCE=)
foreach(switch CALL_SITES DEBUG_ASSERTS EXPENSIVE_ASSERTS)
	if(VASPACE_${switch})
		list(APPEND VASPACE_DEFINITIONS VASPACE_${switch}=1)
	endif()
endforeach()
