#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 40
# vasbench alloc, ring and arena measure what they say they do. What the figures are is no matter here.
set -u
arena=
. "$VASPACE_SOURCE/tests/tap/tap.sh"
vasbench=$VASPACE_BUILD/bin/vasbench

# part NAME WORDS: the part runs, and a row of the allocator is there
part()
{
	ok "$1 runs" bash -c '"$1" alloc --quick --rounds 1 --only "$2" >"$3"' - \
		"$vasbench" "$1" "$tap_folder/text"
	ok "$1: $2" grep -qE -e "$2" "$tap_folder/text"
}

part random '^  blocks +[0-9.]+ ns .* at most 0.5: (yes|NO)$'
ok "the yardstick comes first" bash -c 'sed -n 4p "$1" | grep -q "^  yardstick "' - "$tap_folder/text"
part aligned '^  blocks +[0-9.]+ ns .* at most 1: (yes|NO)$'
part order "^  blocks, to .* of the best other's time  at most 0.5: (yes|NO)$"
part windows '^  blocks, 8 GiB from anywhere +[0-9.]+ ns'
part delay '^  blocks, 1 of 1000 longer +[0-9.]+ ns'
part packing '^  blocks, saturated +[89][0-9.]+ %'
part books '^  blocks, empty +[0-9.]+ bytes'
for step in 64 2048 32768; do
	arena+="^memfd grows by $step KiB|"
done
ok "arena runs" bash -c '"$1" arena --quick --rounds 1 >"$2"' - "$vasbench" "$tap_folder/text"
ok "arena: three steps" bash -c '[[ $(grep -cE "$1" "$2") == 3 ]]' - "${arena%|}" "$tap_folder/text"
ok "an arena adds no kernel mapping and no fault" bash -c \
	'[[ $(grep -cE "^  vas_arena_grow +0 .* at most 0.5: yes$" "$1") == 2 ]]' - "$tap_folder/text"
ok "arena: replacing" bash -c '[[ $(grep -cE "^  vas_replace_ +[0-9.]+ ns .* at most 1.1: (yes|NO)$" "$1") == 2 ]]' - "$tap_folder/text"
ok "arena: a walk" grep -q "^random walk through 16 MiB" "$tap_folder/text"
ok "arena: one group, and what its bound is about" bash -c \
	'"$1" arena --quick --rounds 1 --bounds --only grow-2M >"$2" && [[ $(grep -c " ns " "$2") == 2 ]] && grep -q "^2 rows" "$2"' \
	- "$vasbench" "$tap_folder/text"
ok "arena: an unknown part is refused" bash -c '! "$1" arena --only gro' - "$vasbench"
ok "JSON" bash -c '"$1" alloc --quick --rounds 1 --only books --json >"$2"' - "$vasbench" "$tap_folder/json"
ok "JSON can be read" python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
sys.exit(not rows or any(row["unit"] != "bytes" for row in rows))' "$tap_folder/json"
ok "ring runs" bash -c '"$1" ring --quick --rounds 1 >"$2"' - "$vasbench" "$tap_folder/ring"
ok "ring: beside two parts" grep -qE '^  ring, to two parts +[0-9.]+ ns .* at most 1.2: (yes|NO)$' "$tap_folder/ring"
ok "an unknown part is refused" bash -c '! "$1" alloc --only paint' - "$vasbench"
ok "instructions are counted where valgrind is" bash -c \
	'"$1" alloc --quick --instructions | grep -qE "^  blocks +[0-9.]+ instructions$|not installed"' - "$vasbench"
tap_done
