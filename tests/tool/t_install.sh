#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 30
# Programs outside the tree build against what is installed, and run: C and C++, by find_package and by
# pkg-config, with the shared and with the static library.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
prefix=$tap_folder/prefix

cat >"$tap_folder/consumer.c" <<'END'
#include <vaspace/vaspace.h>

int main(void)
{
	struct vas_span span;

	if (vas_version() != VAS_VERSION || vas_reserve(1 << 20, NULL, &span) != 0)
		return 1;
	if (vas_commit(vas_span_pointer(span), 4096 * 16, NULL) != 0)
		return 2;
	*(char *)vas_span_pointer(span) = 1;
	return vas_release(vas_span_pointer(span), NULL) != 0;
}
END
cp "$tap_folder/consumer.c" "$tap_folder/consumer.cc"
cat >"$tap_folder/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 11)
find_package(vaspace 0.1 REQUIRED)
add_executable(shared_c consumer.c)
add_executable(shared_cxx consumer.cc)
add_executable(static_c consumer.c)
target_link_libraries(shared_c vaspace::vaspace)
target_link_libraries(shared_cxx vaspace::vaspace)
target_link_libraries(static_c vaspace::vaspace_static)
END

by_pkg_config()
{
	local compiler=$1 source=$2 output=$3 flags
	flags=$(pkg-config --cflags --libs vaspace) || return
	# shellcheck disable=SC2086 # a list of flags
	"$compiler" -Wall -Wextra -Werror "$source" -o "$output" $flags -Wl,-rpath,"$libdir" && "$output"
}

ok "install" cmake --install "$VASPACE_BUILD" --prefix "$prefix" || tap_done
libdir=$(dirname "$(find "$prefix" -name 'libvaspace.so' | head -n 1)")
export PKG_CONFIG_PATH=$libdir/pkgconfig

ok "find_package: configure" cmake -S "$tap_folder" -B "$tap_folder/build" -DCMAKE_PREFIX_PATH="$prefix"
ok "find_package: build" cmake --build "$tap_folder/build"
for program in shared_c shared_cxx static_c; do
	ok "find_package: $program runs" "$tap_folder/build/$program"
done
ok "pkg-config: C" by_pkg_config gcc "$tap_folder/consumer.c" "$tap_folder/pc_c"
ok "pkg-config: C++" by_pkg_config g++ "$tap_folder/consumer.cc" "$tap_folder/pc_cxx"
same "pkg-config: version" "$(pkg-config --modversion vaspace)" \
	"$(sed -n 's/^project(vaspace VERSION \([0-9.]*\).*/\1/p' "$VASPACE_SOURCE/CMakeLists.txt")"
ok "the shared consumer needs libvaspace.so.0" \
	bash -c "readelf -d '$tap_folder/build/shared_c' | grep -q 'libvaspace.so.0'"
ok "the static consumer does not" \
	bash -c "! readelf -d '$tap_folder/build/static_c' | grep -q libvaspace"
for header in "$VASPACE_SOURCE"/include/vaspace/*.h; do
	ok "installed: ${header##*/}" test -f "$prefix/include/vaspace/${header##*/}"
done
ok "vasmap is installed and runs" "$prefix/bin/vasmap" --version
same "nothing of the build tree is in the installed text files" \
	"$(grep -rIlF "$VASPACE_BUILD" "$prefix" --include='*.cmake' --include='*.pc')" ""
tap_done
