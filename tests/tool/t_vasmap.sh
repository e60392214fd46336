#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 10
# vasmap on saved files and on itself: what it prints, its exit statuses, its errors, its JSON, its completions.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
vasmap=$VASPACE_BUILD/bin/vasmap
data=$VASPACE_SOURCE/tests/tool/vasmap
cd "$tap_folder" || exit 2
cp "$data"/*.maps .
unset NO_COLOR COLUMNS
export TERM=xterm

# run ARGUMENT...: leaves $status, $out, $err
run()
{
	"$vasmap" "$@" >"$tap_folder/out" 2>"$tap_folder/err" </dev/null
	status=$?
	out=$(<"$tap_folder/out") err=$(<"$tap_folder/err")
}

# prints NAME FILE ARGUMENT...: prints what tests/tool/vasmap/FILE holds, and nothing on standard error; lines
# about the ends of the window differ between machines and are left out
prints()
{
	local name=$1 file=$2
	shift 2
	run "$@"
	same "$name" "$(grep -vE '^free |^[0-9a-f]+ - [0-9a-f]+ .*  -( |$)| of [0-9]+ gaps;' "$tap_folder/out")$err" \
		"$(<"$data/$file")"
}

# refuses NAME STATUS MESSAGE ARGUMENT...: exit status, one line on standard error that matches the extended regular
# expression, nothing on standard output
refuses()
{
	local name=$1 wanted=$2 message=$3
	shift 3
	run "$@"
	ok "$name" matches "$wanted" "^vasmap: $message\$"
}

matches()
{
	[[ $status == "$1" && -z $out && $(wc -l <err) == 1 ]] && grep -qE -- "$2" err && return
	echo "status $status, not $1; message: $err"
	echo "output: $out"
	return 1
}

prints "the folded listing" ringd.list ringd.maps
is_yes=$status
ok "a listing answers 0" test "$is_yes" = 0
prints "one row per mapping" ringd.all --all ringd.maps
prints "sizes in bytes" ringd.bytes -b ringd.maps
prints "gaps" ringd.gaps --gaps ringd.maps
prints "large gaps" ringd.gaps1g --gaps --min 1.5G ringd.maps
prints "the summary" ringd.summary --summary ringd.maps
run --gaps -b ringd.maps
free=$(awk 'NR > 1 && $2 == "-" { sum += $4; if ($4 > max) max = $4; n++ } END { printf "free %.0f in %d gaps, largest %.0f,", sum, n, max }' out)
run --summary -b ringd.maps
same "its last line is about the gaps" "$(sed -n 's/ fragmentation .*//; $p' out)" "$free"
same "standard input is a target" "$("$vasmap" - <ringd.maps | sed 1d)" "$(sed 1d "$data/ringd.list")"
run ringd.maps ringd.maps
same "several targets, one after the other" "$(grep -c '^file ' out) $(grep -c '^$' out)" "2 1"
run --gaps --min 1G ringd.maps ringd.maps
same "each table says whose it is then" "$(grep -c '^file ringd.maps' out)" 2

run --gaps --min 120T ringd.maps
same "no gap is that large: 1" "$status$err" 1
echo '00001000-00002000 rw-p 00000000 00:00 0 ' >low.maps
run --gaps low.maps
same "what is mapped below the window opens no gap there" "$(sed -n '2s/ .*//p' out)" 000000010000
run at 7f12f8029000 ringd.maps
same "the mapping at an address" "$status $out" \
	"0 7f12f8028000 - 7f12f81bd000     1.6M r-xp image       1  /usr/lib/libc.so.6
7f12f8029000 is 4K above its start, offset 0x29000 of the file"
run at 0x7f12f81c1000 ringd.maps
same "its kind comes from its neighbours" "$status $(head -n 1 out)" \
	"0 7f12f81c1000 - 7f12f81ce000      52K rw-p image       1"
run at 0x500000 ringd.maps
same "a free address: 1" "$status $out" \
	"1 000000500000 is free: 0000004b3000 - 000001c3e000  23.5M  between /usr/bin/ringd and [heap]"

run find --size 1T --max 0x1c0000000000 ringd.maps
same "find: low, and clear of the break" "$status $(cut -d' ' -f1 out | tr -d '\n' | wc -c) $(grep -c 'in gap 000001d02000' out)" "0 12 1"
run find --size 32G --align 1G --avoid 0-4G --near 0x401000 ringd.maps
same "find: near" "$status $out" "0 000100000000 - 000900000000    32.0G  distance 4.0G  in gap 000001d02000"
run find --size 1G --near 0x7f12f8100000 --reach 2G ringd.maps
same "find: within reach" "$status $out" "0 7f12b8000000 - 7f12f8000000     1.0G  distance 1.0M  in gap 7f12a8000000"
run find --size 1G --near 0x7f12f8100000 --reach 1G ringd.maps
same "find: nothing within reach" "$status$out" 1
run find -n 3 --size 1T --align 1T --avoid 0-2T --avoid 0x30000000000-0x40000000000 ringd.maps
same "find: several" "$status $(cut -c 1-12 out | tr '\n' ' ')" "0 020000000000 040000000000 050000000000 "
run find --size 100T ringd.maps
same "find: none: 1" "$status$out" 1
ok "find: the largest and what it is short by" grep -qE \
	'^vasmap: no free range of 100\.0T: largest is 91\.1T at 240000000000 \(short by 8\.9T\)$' err
run find -n 3 --size 50T ringd.maps
same "find: fewer than wanted: those, and 1" "$status $(wc -l <out) $(grep -c 'no further free range' err)" "1 1 1"

refuses "an option that there is not" 2 "--wrong: no such option; try vasmap -h" --wrong
refuses "a letter that there is not" 2 "-x: no such option; try vasmap -h" -x
refuses "an option without its value" 2 "--min: a value is missing; try vasmap -h" --gaps --min
refuses "a value too many" 2 "--gaps=x: takes no value; try vasmap -h" --gaps=x
refuses "two commands" 2 "--gaps and --summary: one of them at a time; try vasmap -h" --gaps --summary
refuses "an option of another command" 2 "--size does not go with a listing; try vasmap -h" --size 1G
refuses "a size that is none" 2 "--min 1Q: not a size" --gaps --min 1Q
refuses "an address that could be decimal" 2 "at 401000: not an address .*" at 401000
refuses "at without an address" 2 "at : not an address .*" at
refuses "find without a size" 2 "find: --size says how much room.*" find
refuses "find for nothing" 2 "find: --size says how much room.*" find --size 0
refuses "an alignment that is no power of two" 2 "--align: not a power of two" find --size 1G --align 3M
refuses "min above max" 2 "--min is not below --max" find --size 1G --min 2G --max 1G
refuses "min at max" 2 "--min is not below --max" find --size 1G --min 1G --max 1G
refuses "reach without near" 2 "--reach goes with --near" find --size 1G --reach 1G
refuses "a range that descends" 2 "--avoid 4G-0: not LOW-HIGH.*" find --size 1G --avoid 4G-0
refuses "no places" 2 "-n: 1 to 1000 places" find --size 1G -n 0
refuses "find of two targets" 2 "find: one target at a time" find --size 1G self self
refuses "colour that is none" 2 "--color=red: auto, always or never" --color=red
refuses "a size beyond any address space" 1 "no free range of 1\.0E: .*" find --size 1E ringd.maps

true & wait $!
refuses "a process that has ended" 2 "maps of $!: ESRCH - no such process" $!
refuses "pid 0" 2 "0 is not a pid" 0
refuses "a pid beyond all" 2 "99999999999 is not a pid" 99999999999
refuses "a file that is not there" 2 "nowhere\.maps: ENOENT - no such file, and not a pid or self" nowhere.maps
refuses "a folder" 2 "/: EISDIR - a directory" /
printf 'not\033[31m there' >name
refuses "a message escapes what it quotes" 2 'not\\033\[31m there: ENOENT - .*' "$(<name)"

sed '3s/ /x/' ringd.maps >malformed.maps
sed '5{h;d};6{G}' ringd.maps >backwards.maps
head -c 5000 /bin/sh >binary.maps
for command in --all --gaps --summary "find --size 1G" "at 7f12f8029000"; do
	read -ra words <<<"$command"
	refuses "$command: a malformed line" 2 "malformed\.maps: line 3: EBADMSG - .*" "${words[@]}" malformed.maps
done
refuses "lines out of order" 2 "backwards\.maps: line 6: EBADMSG - .*" backwards.maps
refuses "not a maps file at all" 2 "binary\.maps: line 1: EBADMSG - .*" binary.maps
run --json malformed.maps
same "JSON of a malformed file says that it is not complete" "$status $(tail -c 18 out)" '2 "complete":false}'
: >empty.maps
run empty.maps
same "an empty file has no mappings" "$status $(sed -n 2p out)" "0 VMAs 0  mapped 0 (PROT_NONE 0)"

# What a mapping is called cannot forge a row or reach the terminal.
printf '10000-11000 r--p 00000000 08:01 7 /a\\012b\033[31m\377\n' >hostile.maps
run --all hostile.maps
same "names are escaped" "$(tail -n 1 out)" \
	'000000010000 - 000000011000       4K r--p file        1  /a\012b\033[31m\377'

if "$vasmap" --color=always ringd.maps | grep -q $'\033'; then colour=yes; else colour=no; fi
same "colour when asked for" $colour yes
if "$vasmap" ringd.maps | grep -q $'\033'; then colour=yes; else colour=no; fi
same "none into a pipe" $colour no
same "colour adds to the words, and takes none away" \
	"$("$vasmap" --color=always ringd.maps | sed 's/\x1b\[[0-9;]*m//g')" "$(<"$data/ringd.list")"

"$vasmap" ringd.maps >/dev/full 2>err
same "a full disk: 2" "$? $(<err)" "2 vasmap: standard output: ENOSPC - not all of it could be written"
"$vasmap" -h >/dev/full 2>err
same "a full disk, for the help" "$? $(<err)" "2 vasmap: standard output cannot be written"
(trap '' XFSZ && ulimit -f 1 && "$vasmap" --all ringd.maps >limited 2>err)
same "a limit that stops in the middle" "$? $(wc -c <limited) $(<err)" \
	"2 1024 vasmap: standard output: EFBIG - not all of it could be written"
"$vasmap" ringd.maps >&- 2>err
same "no standard output: 2" "$? $(<err)" "2 vasmap: standard output: EBADF - it is closed"
same "a version" "$("$vasmap" -V)" "vasmap $(sed -n 's/^project(vaspace VERSION \([0-9.]*\) .*/\1/p' "$VASPACE_SOURCE/CMakeLists.txt")"
run
same "no target: itself" "$status $(grep -c '/vasmap$' out)" "0 1"
run self
ok "itself, by name" grep -qE '^vasmap  pid [0-9]+  uid [0-9]+  [0-9]+-bit VA  page [0-9]+K  source: maps \(no walk\)$' out
ok "its totals" grep -qE '^VMAs [0-9]+/[0-9]+ \([0-9.]+%\)  mapped [0-9.]+[KMGT] \(PROT_NONE [0-9.KMGT]+\)  at [0-9:.]{12}$' out

# Every option of the help is in the manual page and in each completion, and the other way round.
options=$("$vasmap" -h | sed -n 's/^  \(-.,\|   \) --\([a-z]*\).*/\2/p' | sort)
shells=$VASPACE_SOURCE/tools/vasmap/completions
same "the manual page has all options" "$(grep '^\.It Fl' "$VASPACE_SOURCE/docs/man/vasmap.1" | grep -oE '\\-[a-z]+' | cut -c 3- | sort)" "$options"
same "bash completes all options" "$(grep -v '^#' "$shells/vasmap.bash" | grep -oE -- '--[a-z]+' | cut -c 3- | sort -u)" "$options"
same "zsh completes all options" "$(grep -v '^#' "$shells/_vasmap" | grep -oE -- '--[a-z]+' | cut -c 3- | sort -u)" "$options"
same "fish completes all options" "$(grep '^complete' "$shells/vasmap.fish" | grep -oE -- '-l [a-z]+' | cut -c 4- | sort -u)" "$options"
complete_bash()
{
	(. "$shells/vasmap.bash" && COMP_WORDS=(vasmap "$@") COMP_CWORD=$# && _vasmap && echo "${COMPREPLY[*]}")
}
same "bash: commands" "$(complete_bash fin)" find
same "bash: options of find" "$(complete_bash find --a)" "--align= --avoid="
same "bash: no options of find in a listing" "$(complete_bash --si)" ""
same "bash: values" "$(complete_bash --color = al)" always

if command -v python3 >/dev/null; then
	json()
	{
		run --json "$@"
		python3 "$data/check_json.py" "$VASPACE_SOURCE/docs/vasmap-json.md" 1 <out
	}
else
	json()
	{
		run --json "$@"
		grep -q '^{"schema":"vas.map/1",' out && grep -q '"complete":\(true\|false\)}$' out
	}
fi
ok "JSON: the folded listing" json ringd.maps
ok "JSON: one row per mapping" json --all ringd.maps
same "JSON escapes newlines and quotes" "$(grep -o '"name":"/var[^,]*' out)" '"name":"/var/lib/ring\u000ad/\"index\""'
ok "JSON: hostile names" json hostile.maps
same "JSON escapes the rest" "$(grep -o '"name":[^,]*' out)" '"name":"/a\u000ab\u001b[31m'$'\xef\xbf\xbd''"'
ok "JSON: an empty file" json empty.maps
ok "JSON: gaps" json --gaps ringd.maps
ok "JSON: large gaps" json --gaps --min 1.5G ringd.maps
gaps=$(grep -c '"align"' out)
run --gaps --min 1.5G ringd.maps
same "JSON has the same gaps as the text" "$gaps" "$(grep -c ' - ' <(sed 1d out))"
ok "JSON: no gap" json --gaps --min 120T ringd.maps
ok "JSON: the summary" json --summary ringd.maps
ok "JSON: find" json find -n 2 --size 1T --near 0x1000 --reach 10T --avoid 0-4G ringd.maps
ok "JSON: find without room" json find --size 100T ringd.maps
ok "JSON: at" json at 7f12f8029000 ringd.maps
ok "JSON: at a free address" json at 0x500000 ringd.maps
ok "JSON: itself" json
ok "JSON: an address of itself" json at "$("$vasmap" $$ | sed -n '4s/ .*//p')" $$
tap_done
