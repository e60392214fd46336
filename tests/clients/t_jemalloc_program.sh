#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 15
# Real programs whose malloc is jemalloc over a region, by a preloaded library that checks each pointer: sqlite3 and
# python3. They work as they do without it, have no heap beside the region, and nothing is allocated outside.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
cd "$VASPACE_SOURCE" || exit

has_jemalloc()
{
	echo 'int main(void) { return 0; }' | gcc -include jemalloc/jemalloc.h -x c - -ljemalloc -o "$tap_folder/try" 2>/dev/null
}
has_jemalloc || tap_skip_all no-jemalloc "libjemalloc-dev is not installed"
[[ -f $VASPACE_BUILD/lib/libvaspace.a ]] || tap_skip_all no-static "this build has no static library"

shim=$tap_folder/shim.so
build_shim()
{
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -Iinclude -Iexamples tests/clients/jemalloc_shim.c \
	    examples/jemalloc_hooks.c -o "$shim" "$VASPACE_BUILD/lib/libvaspace.a" -Wl,--exclude-libs,ALL -ljemalloc -lpthread
}

# under COMMAND...: with the shim; the report goes to $tap_folder/report
under()
{
	rm -f "$tap_folder/report"
	timeout 60 env LD_PRELOAD=$shim SHIM_REPORT=$tap_folder/report "$@"
}

# A figure of the last report.
figure()
{
	awk -v name="$1" '$1 == name { print $2 }' "$tap_folder/report"
}

# Resident KiB of writable memory without a file that is neither in the region nor a stack: jemalloc's metadata in
# arena 0, and small buffers of libc and the loader; and the KiB of the heap.
outside()
{
	python3 - "$1" "$(figure start)" "$(figure end)" <<'P'
import re, sys
low, high = int(sys.argv[2], 16), int(sys.argv[3], 16)
total = heap = 0
counts = False
for line in open(sys.argv[1]):
    head = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ (\d+) *(.*)", line)
    if head:
        start, end, rights, inode, name = head.groups()
        if name == "[heap]":
            heap += (int(end, 16) - int(start, 16)) // 1024
        counts = inode == "0" and rights.startswith("rw") and name != "[stack]" and not low <= int(start, 16) < high
    elif counts and line.startswith("Rss:"):
        total += int(line.split()[1])
print(total, heap)
P
}

sql="CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO t SELECT i, printf('row %d', i * 7919 % 20011), zeroblob(i % 700) FROM n;
CREATE INDEX by_name ON t(name);
DELETE FROM t WHERE id % 3 = 0;
VACUUM;
SELECT count(*), sum(length(data)), min(name), max(name) FROM t;
SELECT substr(name, 1, 5) AS k, count(*), sum(id) FROM t GROUP BY k ORDER BY k LIMIT 5;
PRAGMA integrity_check;"

python='
import json, re, threading, zlib, sys
threading.stack_size(1 << 18)
def work(n, out):
    rows = [{"id": i, "text": "x" * (i % 300), "list": list(range(i % 50))} for i in range(n)]
    text = json.dumps(rows)
    again = json.loads(text)
    blob = zlib.compress(text.encode())
    assert zlib.decompress(blob).decode() == text and again == rows
    out.append(len(re.findall(r"x{40}", text)))
    big = bytearray(24 << 20)
    big[::4096] = b"\1" * len(big[::4096])
out = []
threads = [threading.Thread(target=work, args=(3000 + i, out)) for i in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(out))
if len(sys.argv) > 1:
    open(sys.argv[1], "w").write(open("/proc/self/smaps").read())
'

forks='
import os, threading
stop = False
def work():
    kept = []
    while not stop:
        kept.append(bytearray(len(kept) * 997 % 300000 + 1))
        if len(kept) > 200:
            del kept[::2]
threads = [threading.Thread(target=work) for i in range(2)]
[t.start() for t in threads]
bad = 0
for i in range(30):
    pid = os.fork()
    if pid == 0:
        big = [bytearray(1 << 20) for j in range(8)]
        os._exit(0 if sum(map(len, big)) == 8 << 20 else 1)
    bad += os.waitpid(pid, 0)[1] != 0
stop = True
[t.join() for t in threads]
print("bad children:", bad)
'

same_output()
{
	local name=$1
	shift
	plain=$("$@" 2>&1)
	shimmed=$(under "$@" 2>"$tap_folder/stderr")
	status=$?
	ok "$name ends well" test $status -eq 0
	same "$name says nothing else" "$(cat "$tap_folder/stderr")" ""
	same "$name prints what it prints without" "$shimmed" "$plain"
	ok "its memory was served by the region" test "$(figure served)" -gt 1000
	same "nothing was asked for before" "$(figure early)" 0
}

ok "the library to preload builds" build_shim || tap_bail "no shim"
same "a pointer of the region" "$(under /bin/echo yes)" yes
if command -v sqlite3 >/dev/null; then
	same_output "sqlite3" sqlite3 :memory: "$sql"
	export SHIM_GIVE=1
	same_output "sqlite3, extents given back" sqlite3 :memory: "$sql"
	unset SHIM_GIVE
fi
if command -v python3 >/dev/null; then
	export PYTHONMALLOC=malloc
	same_output "python3 with threads" python3 -c "$python"
	same_output "python3 that forks while threads allocate" python3 -c "$forks"
	under python3 -c "$python" "$tap_folder/maps" >/dev/null
	read -r outside heap <<<"$(outside "$tap_folder/maps")"
	echo "# outside the region: $outside KiB; heap: $heap KiB"
	same "there is no heap beside the region" "$heap" 0
	ok "what is outside is metadata and buffers: $outside KiB" test "$outside" -le 4096
fi
tap_done
