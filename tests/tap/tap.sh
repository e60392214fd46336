# SPDX-License-Identifier: BSD-2-Clause
#
# TAP for test scripts, sourced as "$VASPACE_SOURCE/tests/tap/tap.sh". The plan is printed by tap_done.
# $tap_folder is an empty folder, removed at the end.

printf 'TAP version 13\npragma +strict\n'
tap_points=0
tap_failed=0
tap_folder=$(mktemp -d "${TMPDIR:-/tmp}/vaspace-test.XXXXXX") || exit 2
trap 'rm -rf "$tap_folder"' EXIT

# ok NAME COMMAND...: a point that holds when the command succeeds. Its output is shown when it does not.
ok()
{
	local tap_name=${1//#/\\#} tap_output
	shift
	tap_points=$((tap_points + 1))
	if tap_output=$("$@" 2>&1); then
		echo "ok $tap_points - $tap_name"
		return 0
	fi
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_points - $tap_name"
	echo "#   failed: $*"
	[[ -z $tap_output ]] || head -n 40 <<<"$tap_output" | sed 's/^/#   /'
	return 1
}

# same NAME GOT WANTED: a point that holds when two texts are the same; else shows how they differ.
same()
{
	ok "$1" diff <(printf '%s\n' "$3") <(printf '%s\n' "$2") --label wanted --label got -u
}

tap_skip()
{
	local key=$1
	shift
	tap_points=$((tap_points + 1))
	echo "ok $tap_points # SKIP [$key] $*"
}

# tap_skip_all KEY REASON: before any point
tap_skip_all()
{
	local key=$1
	shift
	echo "1..0 # SKIP [$key] $*"
	exit 0
}

tap_done()
{
	echo "1..$tap_points"
	exit $((tap_failed > 0))
}
