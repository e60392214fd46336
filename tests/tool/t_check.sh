#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 15
# tools/check-one judges: what fails, what an unexpected skip becomes, how a hang ends. Each small test below
# stands in a tree of its own, and prove runs it as tools/check would.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
unset VASPACE_TEST_SLOWDOWN VASPACE_CHECK_SCALE
export VASPACE_CHECK_SCALE=20	# the hang limit is then one second: a budget of 1 s, five times, a fifth
folder=$tap_folder/build/check/gcc/t/unit
results=$tap_folder/build/check/results/gcc
mkdir -p "$folder" "$results"
echo "a-known-key" >"$results/expected-skips"

# small NAME LINE...: a test of that name made of shell lines
small()
{
	local name=$1
	shift
	printf '%s\n' '#!/bin/bash' 'echo TAP version 13; echo "pragma +strict"' "$@" >"$folder/$name.t"
	chmod +x "$folder/$name.t"
	echo "unit/$name.t 1" >"$results/manifest"
}

judge()
{
	cd "$tap_folder" && prove -Q -e "$VASPACE_SOURCE/tools/check-one" "build/check/gcc/t/unit/$1.t" \
		>"$tap_folder/prove" 2>"$tap_folder/stderr"
}

passes()
{
	small test "${@:2}"
	ok "passes: $1" judge test
	same "passes: $1: prove agrees" "$(tail -n 1 "$tap_folder/prove")" "Result: PASS"
	same "passes: $1: silent" "$(cat "$tap_folder/stderr")" ""
}

fails()
{
	small test "${@:3}"
	ok "fails: $1" bash -c "! judge test" || cat "$tap_folder/prove" | sed 's/^/# /'
	ok "fails: $1: says why" grep -qF -- "$2" "$tap_folder/stderr"
}
export -f judge
export tap_folder

passes "points" 'echo "ok 1 - one"; echo "1..1"'
passes "an expected skip" 'echo "ok 1 - one"; echo "ok 2 # SKIP [a-known-key] not here"; echo "1..2"'
fails "a point" 'not ok 1 - one' 'echo "not ok 1 - one"; echo "#   got 2"; echo "1..1"'
fails "a point: its comment" 'got 2' 'echo "not ok 1 - one"; echo "#   got 2"; echo "1..1"'
fails "an exit status" 'exit status 3' 'echo "ok 1 - one"; echo "1..1"; exit 3'
fails "standard error is shown" 'a report' 'echo "ok 1 - one"; echo "1..1"; echo "a report" >&2; exit 1'
fails "a crash" 'exit status 139' 'kill -SEGV $$'
fails "an unknown skip" 'not expected: skip [other] not here' \
	'echo "ok 1 - one"; echo "ok 2 # SKIP [other] not here"; echo "1..2"'
fails "a skip without a key" 'not expected: skip not here' 'echo "ok 1 # SKIP not here"; echo "1..1"'
fails "an unknown skip of all" 'not expected: skip [other] nowhere' 'echo "1..0 # SKIP [other] nowhere"'
fails "a hang" 'killed after 1 s' 'echo "ok 1 - one"; sleep 60'
small test 'echo "1..0 # SKIP [a-known-key] nothing"'
judge test
same "nothing but expected skips is no pass" "$(tail -n 1 "$tap_folder/prove")" "Result: NOTESTS"
same "seconds are recorded with the budget" \
	"$(cut -d' ' -f1-3,5 "$results/unit/test/seconds")" "gcc unit test 0"
tap_done
