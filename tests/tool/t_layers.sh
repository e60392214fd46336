#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 10
# src/LAYERS and src/SYMBOLS are kept: what includes what, which symbols each layer uses, who enters the
# kernel. And the script that says so finds each kind of offence in a small tree made for it.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"
check=$VASPACE_SOURCE/tools/check-layers

ok "the tree keeps to its layers" "$check" "$VASPACE_SOURCE" "$VASPACE_BUILD"

tree=$tap_folder/tree
objects=$tap_folder/objects

# write PATH TEXT
write()
{
	mkdir -p "$(dirname "$tree/$1")"
	printf '%b\n' "$2" >"$tree/$1"
}

fresh()
{
	rm -rf "$tree" "$objects"
	write src/LAYERS "base:\nsys: base\ncore: base\ntools/*:"
	write src/SYMBOLS "*: memcpy\nsys: mmap"
	write src/base/base.h "int base(void);"
	write src/base/base.c '#include "base/base.h"\nint base(void) { return 1; }'
	write src/core/core.c '#include "base/base.h"\nint core(void);\nint core(void) { return base(); }'
	write src/sys/sys.c '#include "base/base.h"\nint mmap(void);\nint sys(void);\nint sys(void) { return mmap() + base(); }'
	write tools/tool/tool.c '#include "local.h"'
}

compile()
{
	local file
	for file in "$tree"/src/*/*.c; do
		mkdir -p "$objects/${file#"$tree"/}"
		gcc -O1 -w -I"$tree/src" -c "$file" -o "$objects/${file#"$tree"/}/object.o" || return
	done
}

# finds NAME TEXT: the script refuses the tree as it is now and prints TEXT
finds()
{
	local output
	compile || return
	output=$("$check" "$tree" "$objects")
	ok "$1" test $? -eq 1
	same "$1: the line" "$output" "$2"
}

fresh
compile
ok "a small tree in order" "$check" "$tree" "$objects"
write src/base/more.c '#include "core/core.h"'
write src/core/core.h ''
finds "an include against an arrow" 'src/base/more.c:1: base may not include "core/core.h"'
fresh
write src/LAYERS "base:\nsys: base\ncore: base\ntools/*:\ntools/more: base"
write tools/more/more.c '#include "base/base.h"'
compile
ok "a tool with a line of its own" "$check" "$tree" "$objects"
write tools/tool/more.c '#include "base/base.h"'
finds "the line of another tool" 'tools/tool/more.c:1: tools/tool may not include "base/base.h"'
fresh
write src/core/more.c '#include "core.h"'
write src/core/core.h ''
finds "an include without its layer" 'src/core/more.c:1: "core.h" is written without its layer'
fresh
write src/base/more.c 'int core(void);\nint more(void) { return core(); }'
finds "a symbol against an arrow" 'src/base: uses core, which is not listed for it in src/SYMBOLS'
fresh
write src/core/more.c 'void *malloc(unsigned long);\nvoid *more(void) { return malloc(1); }'
finds "a symbol of libc" 'src/core: uses malloc, which is not listed for it in src/SYMBOLS'
fresh
write src/core/more.c 'int mmap(void);\nint more(void) { return mmap(); }'
finds "a symbol that only sys may use" 'src/core: uses mmap, which is not listed for it in src/SYMBOLS'
fresh
case $(uname -m) in
x86_64) instructions=(syscall sysenter 'int $0x80') ;;
aarch64) instructions=('svc #0') ;;
*) instructions=() ;;
esac
for instruction in "${instructions[@]}"; do
	write src/core/more.c "void more(void) { __asm__ volatile(\"$instruction\"); }"
	finds "the instruction $instruction" 'src/core: object.o has a system call instruction'
done
fresh
write src/sys/more.c "void more(void) { __asm__ volatile(\"${instructions[0]-nop}\"); }"
compile
ok "sys may" "$check" "$tree" "$objects"
fresh
write src/stray/stray.h ''
finds "a folder that LAYERS does not know" 'src/stray: has no line in src/LAYERS'
fresh
write tools/tool/tool.c '#include "base/base.h"'
finds "a tool that looks inside" 'tools/tool/tool.c:1: tools/tool may not include "base/base.h"'
tap_done
