#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 10
# The binary interface is the recorded one. An intended change is recorded again by
#	VASPACE_ABI_RECORD=1 VASPACE_SOURCE=$PWD VASPACE_BUILD=$PWD/build/check/release bash tests/tool/t_abi.sh
# Once 0.1 is released, tests/abi/vaspace-0.1.*.abi stays as it is, and only additions may differ from it.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
baseline=$VASPACE_SOURCE/tests/abi/vaspace-0.1.$(uname -m).abi
library=$(realpath "$VASPACE_BUILD/lib/libvaspace.so")
headers=$VASPACE_SOURCE/include/vaspace
flags=(--drop-private-types)

record()
{
	abidw "${flags[@]}" --headers-dir "$headers" --no-corpus-path --no-comp-dir-path --no-show-locs \
		--out-file "$1" "$library"
}

command -v abidiff >/dev/null || tap_skip_all "no-abidiff" "abigail-tools is not installed"
if [[ -n ${VASPACE_ABI_RECORD-} ]]; then
	mkdir -p "$(dirname "$baseline")"
	ok "recorded" record "$baseline"
	tap_done
fi
[[ -f $baseline ]] || tap_skip_all "no-abi-baseline" "no interface is recorded for $(uname -m)"

ok "the interface is the recorded one" abidiff "${flags[@]}" --headers-dir2 "$headers" "$baseline" "$library"

# The comparison itself sees a function that went missing and a field that moved.
sed 's/vas_version/vas_missing/g' "$baseline" >"$tap_folder/missing.abi"
ok "a function that went missing is seen" bash -c '! abidiff "$@"' - "${flags[@]}" "$tap_folder/missing.abi" "$library"
sed "s/layout-offset-in-bits='64'/layout-offset-in-bits='96'/" "$baseline" >"$tap_folder/moved.abi"
ok "a field that moved is seen" bash -c '! abidiff "$@"' - "${flags[@]}" --headers-dir2 "$headers" \
	"$tap_folder/moved.abi" "$library"
tap_done
