#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 20
# Every public header can be included alone, twice, from C and from C++, without a warning.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"

warnings=(-Wall -Wextra -Wpedantic -Wundef -Wcast-qual -Werror -fsyntax-only)

# compile COMPILER LANGUAGE STANDARD HEADER: the header twice, then a use of what every header has
compile()
{
	printf '#include <vaspace/%s>\n#include <vaspace/%s>\nint use(struct vas_span *s);\nint use(struct vas_span *s) { return s->size != 0; }\n' \
		"$4" "$4" | "$1" -x "$2" -std="$3" "${warnings[@]}" -I"$VASPACE_SOURCE/include" -
}

# The one macro that declares something must be valid in both languages.
use_opts()
{
	printf '#include <vaspace/vaspace.h>\nint main(void) { VAS_OPTS(vas_reserve_opts, opts); opts.min = 4096; return opts.size == 0; }\n' |
		"$1" -x "$2" -std="$3" "${warnings[@]}" -I"$VASPACE_SOURCE/include" -
}

for path in "$VASPACE_SOURCE"/include/vaspace/*.h; do
	header=${path##*/}
	ok "$header: gcc, C99" compile gcc c c99 "$header"
	ok "$header: gcc, C17" compile gcc c c17 "$header"
	ok "$header: g++, C++11" compile g++ c++ c++11 "$header"
	ok "$header: clang, C11" compile clang c c11 "$header"
	ok "$header: clang++, C++20" compile clang++ c++ c++20 "$header"
done
ok "VAS_OPTS in C" use_opts gcc c c99
ok "VAS_OPTS in C++" use_opts g++ c++ c++11
all=$(grep -o '<vaspace/.*>' "$VASPACE_SOURCE/include/vaspace/vaspace.h" | sort)
same "vaspace.h includes every other header" "$all" \
	"$(cd "$VASPACE_SOURCE/include/vaspace" && printf '<vaspace/%s>\n' *.h | grep -v '<vaspace/vaspace.h>' | sort)"
tap_done
