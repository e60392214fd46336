#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The program behind tools/quickstart does its job and shows it; the scripts are sound.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
output=$tap_folder/output

run()
{
	"$VASPACE_BUILD/bin/vaspace-quickstart" "$VASPACE_BUILD/bin/vasmap" >"$output"
}

ok "runs" run
mapfile -t starts < <(sed -nE 's/^  ([0-9a-f]{12})-[0-9a-f]{12}  .*/\1/p' "$output")
same "five spans are reserved" "${#starts[@]}" 5
for start in "${starts[@]}"; do
	ok "vasmap shows the one at $start" bash -c "sed '1,/by vasmap/d' '$output' | grep -qi '$start'"
done
ok "they are released" grep -q '^All 5 spans are released' "$output"
ok "a refusal is explained in one line" bash -c "tail -n 1 '$output' | grep -q .........."
for script in quickstart check check-one check-layers setup.bash; do
	ok "tools/$script parses" bash -n "$VASPACE_SOURCE/tools/$script"
done
tap_done
