#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 20
# The programs in README.md and the guides build, run, and print what the guide says. A program is a block ```c with a
# main; its output, if shown, is the block ```text that follows. Numbers may differ.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
cd "$VASPACE_SOURCE" || exit

# blocks GUIDE FOLDER: writes FOLDER/N.c and FOLDER/N.out
blocks()
{
	awk -v folder="$2" '
		/^```/ && inside { inside = 0; close(file); next }
		/^```c$/ { inside = 1; file = folder "/" ++count ".c"; next }
		/^```text$/ && count { inside = 1; file = folder "/" count ".out"; next }
		/^```/ { inside = 1; file = "/dev/null"; next }
		inside { print >file }' "$1"
}

without_numbers()
{
	sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/[0-9]+(\.[0-9]+)?( (byte|bytes|KiB|MiB|GiB|TiB|PiB))?/NUMBER/g; s/ADDRESS|NUMBER/N/g'
}

build()
{
	local more=()
	grep -q '"jemalloc_hooks.h"' "$1" && more=(-Iexamples examples/jemalloc_hooks.c -ljemalloc)
	gcc -std=gnu11 -Wall -Wextra -Werror -Iinclude "$1" "${more[@]}" -o "$2" "$VASPACE_BUILD/lib/libvaspace.a" \
	    -lpthread
}

no_jemalloc()
{
	grep -q '"jemalloc_hooks.h"' "$1" && ! ldconfig -p | grep -q 'libjemalloc.so '
}

for guide in README.md docs/guides/*.md; do
	[[ -f $guide ]] || continue
	folder=$tap_folder/$(basename "$guide" .md)
	mkdir "$folder"
	blocks "$guide" "$folder"
	for source in "$folder"/*.c; do
		[[ -f $source ]] && grep -q 'int main(' "$source" || continue
		name="$guide, program $(basename "$source" .c)"
		program=${source%.c}
		no_jemalloc "$source" && { tap_skip no-jemalloc "$name needs libjemalloc-dev"; continue; }
		ok "$name builds" build "$source" "$program" || continue
		got=$("$program" 2>&1)
		ok "$name runs" test $? -eq 0
		[[ -f $program.out ]] || continue
		same "$name prints what the guide says" "$(without_numbers <<<"$got")" "$(without_numbers <"$program.out")"
	done
done
tap_done
