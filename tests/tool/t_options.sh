#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 30
# Build options: as part of another project, without the shared library, backends on and off, bad values.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"

configure()
{
	cmake -S "$VASPACE_SOURCE" -B "$tap_folder/options" -DVASPACE_BUILD_TESTS=OFF "$@"
}

mkdir "$tap_folder/parent"
cat >"$tap_folder/parent/main.c" <<'END'
#include <vaspace/vaspace.h>
int main(void)
{
	return vas_version() != VAS_VERSION;
}
END
cat >"$tap_folder/parent/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(parent LANGUAGES C)
add_subdirectory("$VASPACE_SOURCE" vaspace)
add_executable(parent main.c)
target_link_libraries(parent vaspace::vaspace)
END
parent=$tap_folder/build
ok "part of another project: configure" cmake -S "$tap_folder/parent" -B "$parent" \
	-DVASPACE_BUILD_SHARED=OFF -DVASPACE_WITH_CPU=OFF
ok "part of another project: build" cmake --build "$parent" -j 2
ok "part of another project: run" "$parent/parent"
same "it builds the library alone" \
	"$(cd "$parent/vaspace" && find . -name 'vas*' -type f -perm -u+x; find . -name '*.so*'; find . -name '*.t')" ""
ok "static only: install" cmake --install "$parent" --prefix "$tap_folder/prefix"
sed -i '/add_subdirectory/s/.*/find_package(vaspace REQUIRED)/' "$tap_folder/parent/CMakeLists.txt"
ok "static only: find_package" cmake -S "$tap_folder/parent" -B "$tap_folder/found" \
	-DCMAKE_PREFIX_PATH="$tap_folder/prefix"
ok "static only: vaspace::vaspace is the static one" cmake --build "$tap_folder/found"

ok "an unknown sanitizer is refused" bash -c '! cmake -S "$1" -B "$2" -DVASPACE_SANITIZE=paint' - \
	"$VASPACE_SOURCE" "$tap_folder/refused"
ok "an unknown backend setting is refused" bash -c '! cmake -S "$1" -B "$2" -DVASPACE_WITH_CPU=PERHAPS' - \
	"$VASPACE_SOURCE" "$tap_folder/refused"
# pkg-config that finds nothing stands for a machine without hwloc.
export PKG_CONFIG_LIBDIR=$tap_folder
ok "AUTO: left out where its libraries are missing" configure -DVASPACE_WITH_CPU=AUTO
ok "ON: fails there" bash -c '! cmake -S "$1" -B "$2" -DVASPACE_WITH_CPU=ON' - \
	"$VASPACE_SOURCE" "$tap_folder/options"
tap_done
