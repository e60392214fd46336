#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the module vaspace-cpu.so exports and needs, and that nothing else needs it.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
module=$VASPACE_BUILD/lib/vaspace/vaspace-cpu.so
[[ -f $module ]] || tap_skip_all no-hwloc "module vaspace-cpu was not built"

needed()
{
	readelf -dW "$1" | grep -oE 'NEEDED.*\[lib[a-z]+' | sed 's/.*\[//' | sort | tr '\n' ' '
}

same "it exports its table alone" "$(nm -D --defined-only "$module" | awk '{ print $3 }')" vas_module_cpu
same "it takes nothing from the library" "$(nm -D --undefined-only "$module" | grep -w 'vas_.*')" ""
same "it needs hwloc and libnuma" "$(needed "$module")" "libc libhwloc libnuma "
for program in "$VASPACE_BUILD"/lib/libvaspace.so "$VASPACE_BUILD"/bin/*; do
	[[ -x $program ]] && same "${program##*/} does not" "$(needed "$program" | grep -oE 'lib(hwloc|numa)')" ""
done
tap_done
