/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/*
 * vasmap's kinds and rows: what a mapping is taken for, alone and among its neighbours, and which
 * mappings fold into one row. Mappings are given as lines of maps; what comes out is compared as
 * text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tap/tap.h"

#include "../../tools/vasmap/fold.c"
#include "../../tools/vasmap/group.c"
#include "../../tools/vasmap/kind.c"
#include "../../tools/vasmap/name.c"
#include "../../tools/vasmap/number.c"

/* Reads a line as the library would; the line is changed. */
static struct vas_mapping mapping_of(char *line)
{
	static const char deleted[] = " (deleted)";
	struct vas_mapping mapping;
	char prot[5], *name;
	size_t length;
	int used = 0;

	memset(&mapping, 0, sizeof(mapping));
	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &mapping.start, &mapping.end, prot,
		   &mapping.offset, &mapping.device_major, &mapping.device_minor, &mapping.inode,
		   &used) != 7)
		tap_bail("the test's own line is malformed: %s", line);
	mapping.prot = (prot[0] == 'r' ? PROT_READ : 0) | (prot[1] == 'w' ? PROT_WRITE : 0) |
		       (prot[2] == 'x' ? PROT_EXEC : 0);
	mapping.flags = prot[3] == 's' ? VAS_MAPPING_SHARED : 0;
	name = line + used + strspn(line + used, " ");
	length = strlen(name);
	if (length > 10 && strcmp(name + length - 10, deleted) == 0) {
		mapping.flags |= VAS_MAPPING_DELETED;
		length -= 10;
	}
	name[length] = 0;
	if (mapping.inode)
		mapping.flags |= VAS_MAPPING_FILE;
	else if (strcmp(name, "[heap]") == 0)
		mapping.flags |= VAS_MAPPING_HEAP;
	else if (strcmp(name, "[stack]") == 0)
		mapping.flags |= VAS_MAPPING_STACK;
	else if (strncmp(name, "[anon", 5) == 0)
		mapping.flags |= VAS_MAPPING_NAMED;
	else if (name[0] == '[')
		mapping.flags |= VAS_MAPPING_KERNEL;
	mapping.name = name;
	mapping.name_length = (uint32_t)length;
	return mapping;
}

static char result[65536];

static void add_row(void *context, const struct map_row *row)
{
	char label[MAP_NAME_TEXT_MAX + 32], prot[4];
	size_t used = strlen(result);

	(void)context;
	*map_put_label(label, row) = 0;
	map_put_prot(prot, row);
	snprintf(result + used, sizeof(result) - used, "%lx-%lx %luK %.4s %s %u %s\n", row->start,
		 row->end, row->size >> 10, prot, map_kind_word(row->kind), row->vmas, label);
}

/*
 * The lines go through grouping and folding; names lie in memory that changes, as the library's do.
 */
static const char *rows_of(const char *lines, bool all, bool threads)
{
	static struct map_group group;
	static struct map_fold fold;
	char line[MAP_NAME_MAX + 100];

	result[0] = 0;
	map_fold_begin(&fold, all, add_row, NULL);
	map_group_begin(&group, threads, map_fold_show, &fold);
	while (*lines) {
		size_t length = strcspn(lines, "\n");
		struct vas_mapping mapping;

		memcpy(line, lines, length);
		line[length] = 0;
		lines += length + (lines[length] == '\n');
		mapping = mapping_of(line);
		map_group_show(&group, &mapping);
		memset(line, '?', sizeof(line));
	}
	map_group_end(&group);
	map_fold_end(&fold);
	return result;
}

static void check_alone(void)
{
	static const struct {
		const char *line, *kind;
	} samples[] = {
		{ "rw-p 00000000 00:00 0", "anon" },
		{ "rwxp 00000000 00:00 0", "anon" },
		{ "rw-s 00000000 00:05 7 /dev/zero (deleted)", "anon" },
		{ "---p 00000000 00:00 0", "guard" },
		{ "rw-p 00000000 00:00 0 [heap]", "malloc" },
		{ "rw-p 00000000 00:00 0 [anon:glibc: malloc]", "malloc" },
		{ "rw-p 00000000 00:00 0 [anon:scudo:primary]", "malloc" },
		{ "rw-p 00000000 00:00 0 [anon:libc_malloc]", "malloc" },
		{ "rw-p 00000000 00:00 0 [stack]", "stack" },
		{ "rw-p 00000000 00:00 0 [anon:stack_and_tls:77]", "stack" },
		{ "rw-p 00000000 00:00 0 [anon:glibc: pthread stack: 9]", "stack" },
		{ "---p 00000000 00:00 0 [anon:vas:main]", "arena" },
		{ "rw-s 00000000 00:05 7 /memfd:vas:main (deleted)", "arena" },
		{ "rw-s 00000000 00:05 7 /memfd:other (deleted)", "file" },
		{ "rw-p 00000000 00:00 0 [anon:vasty]", "anon" },
		{ "r-xp 00000000 00:00 0 [vdso]", "kernel" },
		{ "r-xp 00000000 08:01 7 /usr/bin/true", "image" },
		{ "r-xs 00000000 08:01 7 /usr/bin/true", "file" },
		{ "r--s 00000000 08:01 7 /etc/passwd", "file" },
		{ "rw-s 00000000 00:05 7 /dev/shm/q (deleted)", "file" },
		{ "rw-s 00000000 00:05 7 /dev/hugepages/x", "file" },
		{ "rw-s 00000000 00:05 7 /SYSV00000000 (deleted)", "file" },
		{ "rw-s 00000000 00:05 7 /dev/nvidia-uvm", "device" },
		{ "rw-s 00000000 00:05 7 anon_inode:[perf_event]", "device" },
		{ "rw-s 00000000 00:05 7 socket:[4711]", "device" },
		{ "rw-s 00000000 00:05 7 /dmabuf:", "device" },
	};

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char line[128], wanted[32], word[32] = "";

		snprintf(line, sizeof(line), "10000-20000 %s", samples[i].line);
		sscanf(rows_of(line, true, true), "%*s %*s %*s %31s", word);
		snprintf(wanted, sizeof(wanted), "%s", samples[i].kind);
		is_str(word, wanted, "%s", samples[i].line);
	}
	is_str(rows_of("10000-110000 ---p 0 00:00 0", true, true),
	       "10000-110000 1024K ---p guard 1 \n", "no access and 1 MiB");
	is_str(rows_of("10000-111000 ---p 0 00:00 0", true, true),
	       "10000-111000 1028K ---p reserve 1 \n", "no access and more than 1 MiB");
}

static void check_images(void)
{
	static const char program[] = "400000-401000 r--p 0 08:01 7 /bin/x\n"
				      "401000-402000 r-xp 1000 08:01 7 /bin/x\n"
				      "402000-403000 r--p 2000 08:01 7 /bin/x\n"
				      "403000-404000 rw-p 3000 08:01 7 /bin/x\n"
				      "404000-410000 rw-p 0 00:00 0\n"
				      "410000-420000 rwxp 0 00:00 0\n";

	is_str(rows_of(program, false, false),
	       "400000-410000 64K mixd image 5 /bin/x\n410000-420000 64K rwxp anon 1 \n",
	       "a program is one row with its .bss, and no more");
	is_str(rows_of(program, true, false),
	       "400000-401000 4K r--p image 1 /bin/x\n401000-402000 4K r-xp image 1 /bin/x\n"
	       "402000-403000 4K r--p image 1 /bin/x\n403000-404000 4K rw-p image 1 /bin/x\n"
	       "404000-410000 48K rw-p image 1 \n410000-420000 64K rwxp anon 1 \n",
	       "each of its mappings is of its kind");
	is_str(rows_of("400000-401000 r-xp 0 08:01 7 /bin/x\n402000-410000 rw-p 0 00:00 0\n", false,
		       false),
	       "400000-401000 4K r-xp image 1 /bin/x\n402000-410000 56K rw-p anon 1 \n",
	       "memory above a gap is no .bss");
	is_str(rows_of("400000-401000 r--p 0 08:01 7 /bin/x\n401000-402000 r-xs 0 08:01 7 /bin/x\n",
		       true, false),
	       "400000-401000 4K r--p file 1 /bin/x\n401000-402000 4K r-xs file 1 /bin/x\n",
	       "a shared mapping makes no image");
	is_str(rows_of("400000-401000 r--p 0 08:01 7 /bin/x\n401000-402000 rw-p 0 08:01 7 /bin/x\n",
		       true, false),
	       "400000-401000 4K r--p file 1 /bin/x\n401000-402000 4K rw-p file 1 /bin/x\n",
	       "nothing executable: a file");
	is_str(rows_of("400000-401000 r--p 0 08:01 7 /bin/x\n401000-402000 r-xp 0 08:01 8 /bin/y\n",
		       true, false),
	       "400000-401000 4K r--p file 1 /bin/x\n401000-402000 4K r-xp image 1 /bin/y\n",
	       "another file decides nothing");
	is_str(rows_of("400000-401000 r--p 0 08:01 7 /lib/a\n401000-402000 r-xp 0 08:01 7 /lib/a\n"
		       "402000-404000 r-xp 0 08:01 8 /lib/b\n404000-405000 rw-p 0 00:00 0\n"
		       "500000-501000 r-xp 0 08:01 9 /lib/c\n",
		       false, false),
	       "400000-501000 24K mixd image 5 3 libraries\n", "libraries fold over small gaps");
	is_str(rows_of("400000-401000 r-xp 0 08:01 7 /lib/a\n40402000-40403000 r-xp 0 08:01 8 /lib/b\n",
		       false, false),
	       "400000-401000 4K r-xp image 1 /lib/a\n40402000-40403000 4K r-xp image 1 /lib/b\n",
	       "not over large ones");
}

/* More mappings of one file than can wait: the kind is decided without knowing all. */
static void check_many_of_one_file(void)
{
	char lines[64 * 48] = "", wanted[64];
	size_t used = 0;

	for (unsigned i = 0; i < 40; i++)
		used += (size_t)snprintf(lines + used, sizeof(lines) - used,
					 "%x-%x r--p 0 08:01 7 /data\n", 0x400000 + i * 0x2000,
					 0x401000 + i * 0x2000);
	snprintf(wanted, sizeof(wanted), "400000-44f000 160K r--p file 40 /data\n");
	is_str(rows_of(lines, false, false), wanted, "40 mappings of one file");
}

static void check_stacks(void)
{
	static const char lines[] = "7f0000000000-7f0000001000 ---p 0 00:00 0\n"
				    "7f0000001000-7f0000801000 rw-p 0 00:00 0\n"
				    "7f0000801000-7f0000802000 ---p 0 00:00 0\n"
				    "7f0000802000-7f0001002000 rw-p 0 00:00 0\n"
				    "7f0001002000-7f0001003000 ---p 0 00:00 0\n";

	is_str(rows_of(lines, false, true),
	       "7f0000000000-7f0001002000 16392K mixd stack 4 2 thread stacks\n"
	       "7f0001002000-7f0001003000 4K ---p guard 1 \n",
	       "guards and what lies above are stacks, a last one is a guard");
	is_str(rows_of(lines, true, false),
	       "7f0000000000-7f0000001000 4K ---p guard 1 \n"
	       "7f0000001000-7f0000801000 8192K rw-p anon 1 \n"
	       "7f0000801000-7f0000802000 4K ---p guard 1 \n"
	       "7f0000802000-7f0001002000 8192K rw-p anon 1 \n"
	       "7f0001002000-7f0001003000 4K ---p guard 1 \n",
	       "not without threads");
	is_str(rows_of("7f0000000000-7f0000001000 ---p 0 00:00 0\n"
		       "7f0000002000-7f0000801000 rw-p 0 00:00 0\n",
		       true, true),
	       "7f0000000000-7f0000001000 4K ---p guard 1 \n"
	       "7f0000002000-7f0000801000 8188K rw-p anon 1 \n",
	       "not over a gap");
	is_str(rows_of("7f0000000000-7f0000001000 ---p 0 00:00 0\n"
		       "7f0000001000-7f0000002000 rw-p 0 00:00 0\n",
		       true, true),
	       "7f0000000000-7f0000001000 4K ---p guard 1 \n7f0000001000-7f0000002000 4K rw-p anon 1 \n",
	       "4 KiB are no stack");
	is_str(rows_of("7ffd1b0c2000-7ffd1b0e3000 rw-p 0 00:00 0 [stack]\n", false, true),
	       "7ffd1b0c2000-7ffd1b0e3000 132K rw-p stack 1 [stack]\n", "the process's own");
}

static void check_heaps(void)
{
	is_str(rows_of("7f0000000000-7f0000021000 rw-p 0 00:00 0\n7f0000021000-7f0004000000 ---p 0 00:00 0\n"
		       "7f0008000000-7f0008021000 rw-p 0 00:00 0\n7f0008021000-7f000c000000 ---p 0 00:00 0\n",
		       false, true),
	       "7f0000000000-7f000c000000 131072K mixd malloc 4 \n", "two heaps of glibc");
	is_str(rows_of("7f0000000000-7f0000021000 rw-p 0 00:00 0\n7f0000021000-7f0003000000 ---p 0 00:00 0\n",
		       false, true),
	       "7f0000000000-7f0000021000 132K rw-p anon 1 \n"
	       "7f0000021000-7f0003000000 49020K ---p reserve 1 \n",
	       "not filled up to 64 MiB");
	is_str(rows_of("7f0000001000-7f0000021000 rw-p 0 00:00 0\n7f0000021000-7f0004001000 ---p 0 00:00 0\n",
		       false, true),
	       "7f0000001000-7f0000021000 128K rw-p anon 1 \n"
	       "7f0000021000-7f0004001000 65408K ---p reserve 1 \n",
	       "not from a multiple of 64 MiB on");
}

static void check_folding(void)
{
	is_str(rows_of("10000-11000 rw-p 0 00:00 0\n11000-12000 r--p 0 00:00 0\n", false, false),
	       "10000-11000 4K rw-p anon 1 \n11000-12000 4K r--p anon 1 \n",
	       "anonymous memory folds by permission");
	is_str(rows_of("10000-11000 rw-p 0 00:00 0\n13000-14000 rw-p 0 00:00 0\n", false, false),
	       "10000-14000 8K rw-p anon 2 \n", "over a gap");
	is_str(rows_of("10000-11000 rw-p 0 00:00 0 [anon:a]\n11000-12000 rw-p 0 00:00 0 [anon:b]\n",
		       false, false),
	       "10000-11000 4K rw-p anon 1 [anon:a]\n11000-12000 4K rw-p anon 1 [anon:b]\n",
	       "by name");
	is_str(rows_of("10000-11000 rw-s 0 00:05 7 /dev/shm/q (deleted)\n11000-12000 rw-s 0 00:05 8 /a\n"
		       "12000-13000 rw-s 0 00:05 9 /b\n13000-14000 rw-s 1000 00:05 9 /b\n",
		       false, false),
	       "10000-14000 16K rw-s file 4 /dev/shm/q (deleted) +2\n", "files are counted");
	is_str(rows_of("10000-11000 ---p 0 00:00 0 [anon:vas:main]\n11000-12000 rw-p 0 00:00 0 [anon:vas:main]\n"
		       "12000-13000 rw-p 0 00:00 0 [anon:vas:other]\n",
		       false, false),
	       "10000-12000 8K mixd arena 2 vas:main\n12000-13000 4K rw-p arena 1 vas:other\n",
	       "arenas fold by name");
	is_str(rows_of("10000-11000 r--p 0 00:00 0 [vvar]\n11000-12000 r-xp 0 00:00 0 [vdso]\n",
		       false, false),
	       "10000-12000 8K mixd kernel 2 [vvar] [vdso]\n", "the kernel's names are all there");
	is_str(rows_of("10000-11000 rw-p 0 00:00 0\n11000-12000 rw-s 0 00:05 7 /dev/zero (deleted)\n",
		       false, false),
	       "10000-11000 4K rw-p anon 1 \n11000-12000 4K rw-s anon 1 /dev/zero (deleted)\n",
	       "private and shared do not fold");
	is_str(rows_of("", false, false), "", "nothing");
}

/* The longest name the library keeps goes through every buffer. */
static void check_long_name(void)
{
	static char lines[2 * MAP_NAME_MAX + 256];
	char name[MAP_NAME_MAX + 1];

	memset(name, '\001', MAP_NAME_MAX);
	name[0] = '/';
	name[MAP_NAME_MAX] = 0;
	snprintf(lines, sizeof(lines),
		 "10000-11000 r--p 0 08:01 7 %s\n11000-12000 r-xp 0 08:01 7 %s\n", name, name);
	rows_of(lines, false, false);
	is_u64(strlen(result),
	       strlen("10000-12000 8K mixd image 2 ") + 1 + 4 * (MAP_NAME_MAX - 1) + 1,
	       "a name of 4096 bytes, each escaped");
}

int main(void)
{
	tap_plan(0);
	check_alone();
	check_images();
	check_many_of_one_file();
	check_stacks();
	check_heaps();
	check_folding();
	check_long_name();
	return tap_done();
}
