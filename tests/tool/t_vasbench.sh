#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 10
# vasbench alloc measures what it says it does. What the figures are is no matter here.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
vasbench=$VASPACE_BUILD/bin/vasbench

ok "a quick run" bash -c '"$1" alloc --quick --rounds 1 >"$2"' - "$vasbench" "$tap_folder/text"
ok "the yardstick and the block allocator are there" bash -c \
	'grep -q "^  yardstick  *[0-9.]* ns" "$1" && grep -q "^  blocks  *[0-9.]* ns" "$1"' - "$tap_folder/text"
ok "bounds are answered" grep -qE 'at most 0.5: (yes|NO)' "$tap_folder/text"
ok "JSON" bash -c '"$1" alloc --quick --rounds 1 --only random --json >"$2"' - "$vasbench" "$tap_folder/json"
ok "JSON can be read" python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
sys.exit(not rows or any(row["group"].startswith("mixed") for row in rows))' "$tap_folder/json"
ok "an unknown part is refused" bash -c '! "$1" alloc --only paint' - "$vasbench"
tap_done
