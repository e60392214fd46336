#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The table of errors that fault tests accept, the page that users read and the headers' comments agree.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
cd "$VASPACE_SOURCE" || exit

tables=(tests/fault/errno_table.h tests/fault/errno_rows_*.h)
page=docs/errors.md
guide=docs/guides/why-did-it-fail.md

# function errno reason, of the table
rows_of_table()
{
	sed -nE 's/^\t\{"(vas_[a-z_]+)", (E[A-Z0-9]+), (VAS_WHY_|ERRNO_WHY_)([A-Z_]+), .*/\1 \2 \4/p' "${tables[@]}" |
		tr '[:upper:]_' '[:lower:]-' | sort
}

# The same, of the page.
rows_of_page()
{
	awk -F' *[|] *' '
		/^## / { name = substr($0, 4) }
		/^[|] E/ { print name, $2, $3 == "-" ? "unreported" : $3 }' "$page" |
		tr '[:upper:]_' '[:lower:]-' | sort
}

# function|errno|reason|when, of the table
texts_of_table()
{
	sed -nE 's/^\t\{"(vas_[a-z_]+)", (E[A-Z0-9]+), (VAS_WHY_|ERRNO_WHY_)([A-Z_]+), "(.*)"\},$/\1|\2|\4|\5/p' "${tables[@]}" |
		awk -F'|' -vOFS='|' '{ $3 = tolower($3); gsub("_", "-", $3); print }' | sort
}

# The same, of the page.
texts_of_page()
{
	awk -F' *[|] *' -vOFS='|' '
		/^## / { name = substr($0, 4) }
		/^[|] E/ { print name, $2, $3 == "-" ? "unreported" : $3, $4 }' "$page" | sort
}

# The page's rows that name no state.
rows_without_state()
{
	awk -F' *[|] *' '/^[|] E/ && ($5 == "" || NF != 6)' "$page"
}

# state_after_refusals FUNCTION: errno, reason and state of the page's rows where the kernel refused something
state_after_refusals()
{
	awk -F' *[|] *' -v name="## $1" '
		/^## / { here = $0 == name }
		here && /^[|] E/ && $3 ~ /^(kernel|.*-limit|overcommit|cgroup|locked|denied|memory)$/ { print $2, $3, $5 }' "$page" | sort
}

# function errno, of the comments in the headers; "function *" where one says "as another function".
rows_of_headers()
{
	awk '
		/^\/\*/ { comment = "" }
		{ comment = comment " " $0 }
		/^VAS_API/ {
			match($0, /vas_[a-z_]+\(/)
			name = substr($0, RSTART, RLENGTH - 1)
			if (comment ~ /as (vas_|open\(2\)|read\(2\)|lseek)/)
				print name, "*"
			while (match(comment, /-E[A-Z0-9]+/)) {
				print name, substr(comment, RSTART + 1, RLENGTH - 1)
				comment = substr(comment, RSTART + RLENGTH)
			}
			comment = ""
		}' include/vaspace/*.h | sort -u
}

functions_of_headers()
{
	tr '\n' ' ' <<<"$(cat include/vaspace/*.h)" | grep -oE 'VAS_API [^;]*;' |
		grep -oE 'vas_[a-z_]+\(' | tr -d '(' | sort -u
}

# Every errno of a header's comment has a row.
headers_in_table()
{
	local missing
	missing=$(comm -23 <(rows_of_headers | grep -v '\*') \
		<(sed -nE 's/^\t\{"(vas_[a-z_]+)", (E[A-Z0-9]+),.*/\1 \2/p' "${tables[@]}" | sort -u))
	[[ -z $missing ]] || { echo "$missing"; return 1; }
}

# Every row's errno stands in the header's comment, unless that refers to another function.
table_in_headers()
{
	local missing
	missing=$(comm -13 <(rows_of_headers | grep -v '\*') \
		<(sed -nE 's/^\t\{"(vas_[a-z_]+)", (E[A-Z0-9]+),.*/\1 \2/p' "${tables[@]}" | sort -u) |
		grep -vwFf <(rows_of_headers | sed -n 's/ \*//p'))
	[[ -z $missing ]] || { echo "$missing"; return 1; }
}

# Every function has rows, or is named as one that cannot fail.
all_covered()
{
	local name missing=0
	while read -r name; do
		grep -q "\"$name\"" "${tables[@]}" && grep -q "^## $name\$" "$page" && continue
		sed -n '/^These cannot fail/,/^$/p' "$page" | grep -q "\`$name\`" && continue
		echo "$name"
		missing=1
	done < <(functions_of_headers)
	return $missing
}

# A reason's name in the table is one that the header of reports knows.
reasons_exist()
{
	local missing
	missing=$(comm -13 <(sed -nE 's/^\t(VAS_WHY_[A-Z_]+).*/\1/p' include/vaspace/report.h | sort -u) \
		<(grep -ohE 'VAS_WHY_[A-Z_]+,' "${tables[@]}" | tr -d , | sort -u))
	[[ -z $missing ]] || { echo "$missing"; return 1; }
}

# The guide says of each reason what it wants.
reasons_in_guide()
{
	local missing
	missing=$(comm -23 <(sed -nE 's/^\tVAS_WHY_([A-Z_]+).*/\1/p' include/vaspace/report.h | grep -vxE 'NONE|COUNT' |
		tr '[:upper:]_' '[:lower:]-' | sort -u) <(sed -nE 's/^[|] ([a-z-]+) [|].*/\1/p' "$guide" | sort -u))
	[[ -z $missing ]] || { echo "$missing"; return 1; }
}

ok "the table has rows" test "$(rows_of_table | wc -l)" -gt 100
same "no row is there twice" "$(rows_of_table | uniq -d)" ""
same "the page has the table's rows" "$(rows_of_page)" "$(rows_of_table)"
same "with its texts" "$(diff <(texts_of_page) <(texts_of_table))" ""
same "each row of the page names a state" "$(rows_without_state)" ""
for change in commit protect guard unguard; do
	same "vas_region_$change leaves what vas_$change does" "$(state_after_refusals "vas_region_$change")" \
		"$(state_after_refusals "vas_$change")"
	ok "and says what" test -n "$(state_after_refusals "vas_$change")"
done
ok "every function is covered" all_covered
ok "every error of the headers is in the table" headers_in_table
ok "every error of the table is in the headers" table_in_headers
ok "the reasons exist" reasons_exist
ok "the guide has a row for each" reasons_in_guide
tap_done
