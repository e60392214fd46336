#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Rules over the source text: size of files, licence lines, what each public function's comment says.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
cd "$VASPACE_SOURCE" || exit

mapfile -t files < <(find CMakeLists.txt include src backends examples tests tools -type f \
	\( -name '*.[ch]' -o -name '*.sh' -o -name '*.bash' -o -name '*.cmake' -o -name CMakeLists.txt -o -perm -u+x \) 2>/dev/null)

long_files()
{
	wc -l "${files[@]}" | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines" }'
}

no_licence()
{
	local file
	for file in "${files[@]}"; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' || echo "$file"
	done
}

# A comment of a .c file comes before its first include and says more than the licence.
no_story()
{
	find src backends examples tools -name '*.c' 2>/dev/null | while read -r file; do
		awk '/^#/ { exit } /^ \*|^\/\*/ { lines++ } END { exit lines >= 2 }' "$file" && echo "$file"
	done
}

# The comment before each VAS_API declaration, one finding per missing part.
bad_comments()
{
	awk '
		FNR == 1 { text = ""; open = 0 }
		/^\/\*/ { text = ""; open = 1 }
		open { text = text " " $0 }
		/\*\// { open = 0; next }
		/^VAS_API / {
			name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
			if (text == "") print FILENAME ": " name ": no comment"
			else {
				if (text !~ /-E[A-Z0-9]+|rrors:? as vas_/ && text !~ /[Cc]annot[ *]+fail/) print FILENAME ": " name ": names no error, nor \"Cannot fail\""
				if (text !~ /[Tt]hread-safe/) print FILENAME ": " name ": thread-safe or not?"
				if (text !~ /[Ss]ignal-[ *]*safe/) print FILENAME ": " name ": signal-safe or not?"
			}
		}
		!open && !/^[[:space:]]*$/ { text = "" }' include/vaspace/*.h
}

# Addresses of comments in the awk above depend on declarations that start their line.
undeclared()
{
	grep -n 'VAS_API' include/vaspace/*.h | grep -vE ':VAS_API |#define VAS_API'
}

same "no file is longer than 800 lines" "$(long_files)" ""
same "every file names its licence" "$(no_licence)" ""
same "every .c file opens with its story" "$(no_story)" ""
same "VAS_API starts the line of each declaration" "$(undeclared)" ""
same "every public function's comment tells errors, threads and signals" "$(bad_comments)" ""
same "nothing is left for later" \
	"$(grep -rnwE 'TODO|FIXME|XXX|HACK' include src backends examples tools tests --include='*.[ch]' 2>/dev/null)" ""
tap_done
