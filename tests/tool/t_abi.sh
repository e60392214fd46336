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

# The exported functions and the types of the public headers; where the tree lies is left out.
record()
{
	printf '[suppress_type]\n  source_location_not_regexp = include/vaspace/\n  drop = yes\n' >"$tap_folder/types"
	abidw --exported-interfaces-only --suppressions "$tap_folder/types" --no-corpus-path --no-comp-dir-path \
		--no-show-locs --out-file "$tap_folder/raw.abi" "$library" &&
		sed "s#$VASPACE_SOURCE/##g" "$tap_folder/raw.abi" >"$1"
}

command -v abidiff >/dev/null || tap_skip_all "no-abidiff" "abigail-tools is not installed"
if [[ -n ${VASPACE_ABI_RECORD-} ]]; then
	mkdir -p "$(dirname "$baseline")"
	ok "recorded" record "$baseline"
	tap_done
fi
[[ -f $baseline ]] || tap_skip_all "no-abi-baseline" "no interface is recorded for $(uname -m)"

now=$tap_folder/now.abi
ok "the interface is read" record "$now" || tap_done
ok "it is the recorded one" abidiff "$baseline" "$now"

# The comparison itself sees a function that went missing and a field that moved.
sed 's/vas_version/vas_missing/g' "$now" >"$tap_folder/missing.abi"
ok "a function that went missing is seen" bash -c '! abidiff "$@"' - "$tap_folder/missing.abi" "$now"
sed "s/layout-offset-in-bits='64'/layout-offset-in-bits='96'/" "$now" >"$tap_folder/moved.abi"
ok "a field that moved is seen" bash -c '! abidiff "$@"' - "$tap_folder/moved.abi" "$now"
tap_done
