#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One mdoc page per public header and tool, clean under mandoc, naming every function of its header.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
cd "$VASPACE_SOURCE" || exit

lint()
{
	# STYLE lines are advice; everything from WARNING up counts.
	! mandoc -T lint -W warning "$1" | grep .
}

functions_of()
{
	tr '\n' ' ' <"$1" | grep -oE 'VAS_API [^;]*;' | grep -oE 'vas_[a-z0-9_]+ ?\(' | tr -d ' ('
}

# has_functions HEADER PAGE
has_functions()
{
	local name missing=0
	for name in $(functions_of "$1"); do
		grep -q "$name" "$2" || { echo "$name is not in $2"; missing=1; }
	done
	return $missing
}

for header in include/vaspace/*.h; do
	name=$(basename "$header" .h)
	page=docs/man/vas_$name.3
	[[ $name == vaspace ]] && page=docs/man/vaspace.3
	ok "$header has $page" test -f "$page" || continue
	ok "$page names every function" has_functions "$header" "$page"
	[[ $name == vaspace ]] || ok "vaspace.3 leads to vas_$name.3" grep -q "^\.It Xr vas_$name 3\$" docs/man/vaspace.3
done
for tool in tools/vas*/; do
	[[ -d $tool ]] && ok "$tool has a page" test -f "docs/man/$(basename "$tool").1"
done
for page in docs/man/*.[0-9]; do
	[[ -f $page ]] && ok "$page: mandoc finds nothing" lint "$page"
done
tap_done
