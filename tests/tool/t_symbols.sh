#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The functions that headers declare, the version map and the symbols of the library are the same set;
# the library needs libc alone and is never unloaded.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
library=$VASPACE_BUILD/lib/libvaspace.so

declared=$(cat "$VASPACE_SOURCE"/include/vaspace/*.h | tr '\n' ' ' | grep -oE 'VAS_API [^;]*;' |
	grep -oE 'vas_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u)
mapped=$(grep -oE 'vas_[a-z0-9_]+' "$VASPACE_SOURCE/src/vaspace.map" | sort)
exported=$(nm -D --defined-only "$library" | awk '$2 == "T" { print $3 }' | sort)

same "the version map lists what the headers declare" "$mapped" "$declared"
same "the library exports what the headers declare, versioned" "$exported" \
	"$(sed 's/$/@@VASPACE_0.1/' <<<"$declared")"
same "and nothing else" "$(nm -D --defined-only "$library" | awk '$2 !~ /[TA]/')" ""

dynamic=$(readelf -dW "$library")
same "needs libc and the dynamic loader at most" \
	"$(grep NEEDED <<<"$dynamic" | grep -vE '\[(libc\.so\.6|ld-linux[-a-z0-9_]*\.so\.[0-9])\]')" ""
same "soname" "$(grep -oE 'soname: \[.*\]' <<<"$dynamic")" "soname: [libvaspace.so.0]"
ok "marked never to be unloaded" grep -q NODELETE <<<"$dynamic"
ok "no text relocation" bash -c "! readelf -dW '$library' | grep -q TEXTREL"
ok "the stack is not executable" bash -c "readelf -lW '$library' | grep GNU_STACK | grep -qv RWE"
ok "thread-local storage is initial-exec" bash -c "! readelf -rW '$library' | grep -qE 'DTPMOD|TLSDESC'"
tls=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
ok "at most 256 bytes of it ($((${tls:-0})))" test $((${tls:-0})) -le 256

needed()
{
	readelf -dW "$1" | sed -nE 's/.*NEEDED.*\[(.*)\]/\1/p' | grep -vE '^ld-linux' | sort | tr '\n' ' '
}
same "vasmap needs libc alone" "$(needed "$VASPACE_BUILD/bin/vasmap")" "libc.so.6 "
if [[ -f $VASPACE_BUILD/lib/vaspace/vaspace-cpu.so ]]; then
	same "hwloc and libnuma are needed by the module" "$(needed "$VASPACE_BUILD/lib/vaspace/vaspace-cpu.so")" \
		"libc.so.6 libhwloc.so.15 libnuma.so.1 "
	same "which exports its table alone" \
		"$(nm -D --defined-only "$VASPACE_BUILD/lib/vaspace/vaspace-cpu.so" | awk '{ print $3 }')" "vas_module_cpu"
else
	tap_skip no-hwloc "the module of backends/cpu is not built"
	tap_skip no-hwloc "the module of backends/cpu is not built"
fi
tap_done
