/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/*
 * The grammar of one line of maps: lines as kernels write them, lines that are refused, random
 * mappings printed and read back, and random damage held against a slow second parser.
 */
#include "core/maps_line.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/random.h"
#include "tap/tap.h"

enum { LINE = 8192 };

/* Parses a copy on the heap that ends where the line may be written, so that checkers see more. */
static char *parsed_line;

static bool parse_bytes(const char *line, size_t length, struct vas_mapping *mapping)
{
	free(parsed_line);
	parsed_line = malloc(length + 1);
	if (!parsed_line)
		tap_bail("no memory");
	memcpy(parsed_line, line, length);
	parsed_line[length] = '\n';
	return vas_maps_line_parse(parsed_line, length, mapping);
}

static bool parse(const char *line, struct vas_mapping *mapping)
{
	return parse_bytes(line, strlen(line), mapping);
}

static const struct {
	const char *line;
	struct vas_mapping wanted;
} good[] = {
	{ "562b7a7a1000-562b7a7a4000 r--p 00000000 fe:00 248030                     /usr/bin/sed",
	  { 0x562b7a7a1000, 0x562b7a7a4000, 0, 248030, 0xfe, 0, PROT_READ, VAS_MAPPING_FILE, 0,
	    "/usr/bin/sed" } },
	{ "00400000-00401000 rwxs 00033000 08:1f 1 /a",
	  { 0x400000, 0x401000, 0x33000, 1, 8, 0x1f, PROT_READ | PROT_WRITE | PROT_EXEC,
	    VAS_MAPPING_SHARED | VAS_MAPPING_FILE, 0, "/a" } },
	{ "7f301f19a000-7f301f19c000 ---p 00000000 00:00 0 ",
	  { 0x7f301f19a000, 0x7f301f19c000, 0, 0, 0, 0, 0, 0, 0, "" } },
	{ "7f301f19a000-7f301f19c000 ---p 00000000 00:00 0",
	  { 0x7f301f19a000, 0x7f301f19c000, 0, 0, 0, 0, 0, 0, 0, "" } },
	{ "7ffe720ba000-7ffe720db000 rw-p 00000000 00:00 0                          [stack]",
	  { 0x7ffe720ba000, 0x7ffe720db000, 0, 0, 0, 0, PROT_READ | PROT_WRITE, VAS_MAPPING_STACK,
	    0, "[stack]" } },
	{ "7ffe720ba000-7ffe720db000 rw-p 00000000 00:00 0                          [stack:1234]",
	  { 0x7ffe720ba000, 0x7ffe720db000, 0, 0, 0, 0, PROT_READ | PROT_WRITE, 0, 0,
	    "[stack:1234]" } },
	{ "55d0c8000000-55d0c8021000 rw-p 00000000 00:00 0                          [heap]",
	  { 0x55d0c8000000, 0x55d0c8021000, 0, 0, 0, 0, PROT_READ | PROT_WRITE, VAS_MAPPING_HEAP, 0,
	    "[heap]" } },
	{ "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
	  { 0xffffffffff600000, 0xffffffffff601000, 0, 0, 0, 0, PROT_EXEC, VAS_MAPPING_KERNEL, 0,
	    "[vsyscall]" } },
	{ "7ffff7fc1000-7ffff7fc5000 r--p 00000000 00:00 0                          [vvar]",
	  { 0x7ffff7fc1000, 0x7ffff7fc5000, 0, 0, 0, 0, PROT_READ, VAS_MAPPING_KERNEL, 0,
	    "[vvar]" } },
	{ "7ffff7fc5000-7ffff7fc7000 r-xp 00000000 00:00 0                          [vdso]",
	  { 0x7ffff7fc5000, 0x7ffff7fc7000, 0, 0, 0, 0, PROT_READ | PROT_EXEC, VAS_MAPPING_KERNEL,
	    0, "[vdso]" } },
	{ "7f0000000000-7f0000001000 rw-p 00000000 00:00 0                          [anon:my pool]",
	  { 0x7f0000000000, 0x7f0000001000, 0, 0, 0, 0, PROT_READ | PROT_WRITE, VAS_MAPPING_NAMED,
	    0, "[anon:my pool]" } },
	{ "7f0000000000-7f0000001000 rw-s 00000000 00:01 2051              [anon_shmem:ring]",
	  { 0x7f0000000000, 0x7f0000001000, 0, 2051, 0, 1, PROT_READ | PROT_WRITE,
	    VAS_MAPPING_NAMED | VAS_MAPPING_SHARED | VAS_MAPPING_FILE, 0, "[anon_shmem:ring]" } },
	{ "7f0000000000-7f0000001000 rw-s 00000000 00:01 2051       /memfd:a b (deleted)",
	  { 0x7f0000000000, 0x7f0000001000, 0, 2051, 0, 1, PROT_READ | PROT_WRITE,
	    VAS_MAPPING_SHARED | VAS_MAPPING_FILE | VAS_MAPPING_DELETED, 0, "/memfd:a b" } },
	{ "7f0000000000-7f0000001000 rw-s 00000000 00:05 9   /dev/zero (deleted) (deleted)",
	  { 0x7f0000000000, 0x7f0000001000, 0, 9, 0, 5, PROT_READ | PROT_WRITE,
	    VAS_MAPPING_SHARED | VAS_MAPPING_FILE | VAS_MAPPING_DELETED, 0,
	    "/dev/zero (deleted)" } },
	{ "7f0000000000-7f0000001000 r--p 00000000 fe:00 77  /tmp/two\\012lines\\012",
	  { 0x7f0000000000, 0x7f0000001000, 0, 77, 0xfe, 0, PROT_READ, VAS_MAPPING_FILE, 0,
	    "/tmp/two\nlines\n" } },
	{ "7f0000000000-7f0000001000 r--p 00000000 fe:00 77  /tmp/back\\134slash\\01\\0112\\",
	  { 0x7f0000000000, 0x7f0000001000, 0, 77, 0xfe, 0, PROT_READ, VAS_MAPPING_FILE, 0,
	    "/tmp/back\\134slash\\01\\0112\\" } },
	{ "7f0000000000-7f0000001000 r--p 00000000 fe:00 77  /tmp/gone\\012 (deleted)",
	  { 0x7f0000000000, 0x7f0000001000, 0, 77, 0xfe, 0, PROT_READ,
	    VAS_MAPPING_FILE | VAS_MAPPING_DELETED, 0, "/tmp/gone\n" } },
	{ "7f0000000000-7f0000001000 r--p 00000000 fe:00 77  /trailing blanks  ",
	  { 0x7f0000000000, 0x7f0000001000, 0, 77, 0xfe, 0, PROT_READ, VAS_MAPPING_FILE, 0,
	    "/trailing blanks  " } },
	{ "7f0000000000-7f0000001000 r--p 00000000 fe:00 77  [not\\012 closed",
	  { 0x7f0000000000, 0x7f0000001000, 0, 77, 0xfe, 0, PROT_READ, VAS_MAPPING_FILE, 0,
	    "[not\n closed" } },
	{ "7f0000000000-7f0000001000 r--s 00000000 00:0e 1064 anon_inode:[perf_event]",
	  { 0x7f0000000000, 0x7f0000001000, 0, 1064, 0, 0xe, PROT_READ,
	    VAS_MAPPING_SHARED | VAS_MAPPING_FILE, 0, "anon_inode:[perf_event]" } },
	{ "7f0000000000-7f0000001000 rw-s 3fffff000 00:06 12 /dev/dri/renderD128",
	  { 0x7f0000000000, 0x7f0000001000, 0x3fffff000, 12, 0, 6, PROT_READ | PROT_WRITE,
	    VAS_MAPPING_SHARED | VAS_MAPPING_FILE, 0, "/dev/dri/renderD128" } },
	{ "0-1000 r--p 0 0:0 18446744073709551615 ",
	  { 0, 0x1000, 0, UINT64_MAX, 0, 0, PROT_READ, VAS_MAPPING_FILE, 0, "" } },
	{ "fffffffffffff000-ffffffffffffffff r--p 0 0:0 0 ", { .name = NULL } },
	{ "0000000000000000-fffffffffffff000 r--p ffffffffffffffff ffffffff:ffffffff 0 ",
	  { 0, 0xfffffffffffff000, UINT64_MAX, 0, UINT32_MAX, UINT32_MAX, PROT_READ,
	    VAS_MAPPING_FILE, 0, "" } },
};

static const char *const bad[] = {
	"",
	" ",
	"-",
	"garbage",
	"Size:                  4 kB",
	"7f0000000000",
	"7f0000000000-",
	"7f0000000000-7f0000001000",
	"7f0000000000-7f0000001000 ",
	"7f0000000000-7f0000001000 r",
	"7f0000000000-7f0000001000 r--p",
	"7f0000000000-7f0000001000 r--p ",
	"7f0000000000-7f0000001000 r--p 0",
	"7f0000000000-7f0000001000 r--p 0 ",
	"7f0000000000-7f0000001000 r--p 0 0",
	"7f0000000000-7f0000001000 r--p 0 0:",
	"7f0000000000-7f0000001000 r--p 0 0:0",
	"7f0000000000-7f0000001000 r--p 0 0:0 ",
	" 7f0000000000-7f0000001000 r--p 0 0:0 0 ",
	"7F0000000000-7f0000001000 r--p 0 0:0 0 ",
	"0x7f00000000-7f0000001000 r--p 0 0:0 0 ",
	"7f0000000000 -7f0000001000 r--p 0 0:0 0 ",
	"7f0000000000- 7f0000001000 r--p 0 0:0 0 ",
	"7f0000000000-7f0000001000  r--p 0 0:0 0 ",
	"7f0000000000-7f0000001000\tr--p 0 0:0 0 ",
	"7f0000001000-7f0000001000 r--p 0 0:0 0 ",
	"7f0000002000-7f0000001000 r--p 0 0:0 0 ",
	"7f0000000001-7f0000001000 r--p 0 0:0 0 ",
	"7f0000000000-7f0000001fff r--p 0 0:0 0 ",
	"10000000000000000-20000000000000000 r--p 0 0:0 0 ",
	"00000000000001000-2000 r--p 0 0:0 0 ",
	"7f0000000000-7f0000001000 w--p 0 0:0 0 ",
	"7f0000000000-7f0000001000 rr-p 0 0:0 0 ",
	"7f0000000000-7f0000001000 r-- 0 0:0 0 ",
	"7f0000000000-7f0000001000 r--- 0 0:0 0 ",
	"7f0000000000-7f0000001000 r--pp 0 0:0 0 ",
	"7f0000000000-7f0000001000 R--p 0 0:0 0 ",
	"7f0000000000-7f0000001000 r--p g 0:0 0 ",
	"7f0000000000-7f0000001000 r--p -1 0:0 0 ",
	"7f0000000000-7f0000001000 r--p 0 0-0 0 ",
	"7f0000000000-7f0000001000 r--p 0 100000000:0 0 ",
	"7f0000000000-7f0000001000 r--p 0 0:100000000 0 ",
	"7f0000000000-7f0000001000 r--p 0 0:0 x",
	"7f0000000000-7f0000001000 r--p 0 0:0 -1 ",
	"7f0000000000-7f0000001000 r--p 0 0:0 0x1 ",
	"7f0000000000-7f0000001000 r--p 0 0:0 18446744073709551616 ",
	"7f0000000000-7f0000001000 r--p 0 0:0 0/bin/true",
	"7f0000000000-7f0000001000 r--p 0 0:0 0\t/bin/true",
};

static bool same_mapping(const struct vas_mapping *a, const struct vas_mapping *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       a->inode == b->inode && a->device_major == b->device_major &&
	       a->device_minor == b->device_minor && a->prot == b->prot && a->flags == b->flags &&
	       a->name_length == b->name_length &&
	       memcmp(a->name, b->name, a->name_length + 1) == 0;
}

static void known_lines(void)
{
	struct vas_mapping mapping;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vas_mapping wanted = good[i].wanted;

		if (!wanted.name) {
			ok(!parse(good[i].line, &mapping), "refused: %s", good[i].line);
			continue;
		}
		wanted.name_length = (uint32_t)strlen(wanted.name);
		if (!ok(parse(good[i].line, &mapping) && same_mapping(&mapping, &wanted),
			"understood: %s", good[i].line))
			tap_diag("flags %#x name \"%s\"", mapping.flags, mapping.name);
	}
}

static void refused_lines(void)
{
	struct vas_mapping mapping;
	struct vas_mapping before;

	memset(&mapping, 0x5a, sizeof(mapping));
	before = mapping;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!parse(bad[i], &mapping), "refused: \"%s\"", bad[i]);
	ok(!parse_bytes("1000-2000 r--p 0 0:0 0 /a\0b", 28, &mapping), "refused: NUL in a name");
	ok(!parse_bytes("1000-2000 r--p 0 0:0 0 /a\\012\0", 30, &mapping),
	   "refused: NUL after an escape");
	ok(!parse_bytes("1000-2000 r--p 0 0:0 0 \0", 24, &mapping), "refused: NUL for a name");
	ok(!parse_bytes("1000-2000\0r--p 0 0:0 0 ", 23, &mapping), "refused: NUL for a blank");
	ok(memcmp(&mapping, &before, sizeof(mapping)) == 0, "failures touch nothing");
}

static void long_names(void)
{
	static char line[LINE];
	struct vas_mapping mapping;
	bool right = true;

	for (size_t length = 0; length < LINE - 100 && right; length += length / 3 + 1) {
		int head = snprintf(line, sizeof(line), "1000-2000 r--p 0 0:0 0 ");

		memset(line + head, '/', length);
		right = parse_bytes(line, (size_t)head + length, &mapping) &&
			mapping.name_length == length && strlen(mapping.name) == length;
	}
	ok(right, "names of every length");
}

/* A name from an alphabet of what matters in names. Returns what it must be read as. */
static void random_name(uint64_t *state, char *written, char *wanted)
{
	static const char *const pieces[] = { "/",  "a",    "(deleted)", " ",  "[",
					      "]",  "\\",   "\\01",	 "2",  "\\012",
					      "\n", "\xff", "\\134",	 "\t", "anon:" };
	size_t count = vas_random_below(state, 12);
	char *out = wanted;

	written[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const char *piece = pieces[vas_random_below(state, 15)];

		/* Blanks in front are the kernel's padding, so no name begins with one. */
		if (i == 0 && *piece == ' ')
			piece = "/";
		strcat(written, strcmp(piece, "\n") == 0 ? "\\012" : piece);
	}
	for (const char *at = written; *at != '\0'; at++) {
		if (strncmp(at, "\\012", 4) == 0) {
			*out++ = '\n';
			at += 3;
		} else {
			*out++ = *at;
		}
	}
	*out = '\0';
}

static bool reads_back(uint64_t *state)
{
	static const char perms[8][4] = { "---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx" };
	static const uint32_t prots[8] = { 0,
					   PROT_READ,
					   PROT_WRITE,
					   PROT_READ | PROT_WRITE,
					   PROT_EXEC,
					   PROT_READ | PROT_EXEC,
					   PROT_WRITE | PROT_EXEC,
					   PROT_READ | PROT_WRITE | PROT_EXEC };
	char line[512];
	char written[256];
	char wanted[256];
	struct vas_mapping mapping;
	uint64_t start = (vas_random_next(state) >> vas_random_below(state, 52)) & ~4095ull;
	uint64_t end = start + 4096 * (1 + vas_random_below(state, 1000));
	uint64_t offset = vas_random_next(state) >> vas_random_below(state, 64);
	uint64_t inode = vas_random_next(state) >> vas_random_below(state, 64);
	uint32_t perm = (uint32_t)vas_random_below(state, 8);
	bool shared = vas_random_below(state, 2);
	bool deleted;
	size_t length;

	if (end < start)
		return true;
	random_name(state, written, wanted);
	length = strlen(wanted);
	deleted = length > 10 && strcmp(wanted + length - 10, " (deleted)") == 0;
	if (deleted)
		wanted[length - 10] = '\0';
	snprintf(line, sizeof(line),
		 "%08" PRIx64 "-%08" PRIx64 " %.3s%c %08" PRIx64 " %02x:%02x %" PRIu64 " %*s%s",
		 start, end, perms[perm], shared ? 's' : 'p', offset, 0xfeu, 7u, inode,
		 (int)vas_random_below(state, 20), "", written);
	return parse(line, &mapping) && mapping.start == start && mapping.end == end &&
	       mapping.prot == prots[perm] && mapping.offset == offset && mapping.inode == inode &&
	       mapping.device_major == 0xfe && mapping.device_minor == 7 &&
	       strcmp(mapping.name, wanted) == 0 && mapping.name_length == strlen(wanted) &&
	       !(mapping.flags & VAS_MAPPING_DELETED) == !deleted &&
	       !(mapping.flags & VAS_MAPPING_SHARED) == !shared;
}

/* One field of a line by another way: libc's conversion, after a look at each byte. */
static bool slow_field(const char **at, int base, uint64_t *value)
{
	const char *allowed = base == 16 ? "0123456789abcdef" : "0123456789";
	size_t digits = strspn(*at, allowed);
	char copy[64];

	if (digits == 0 || digits > 40 || (base == 16 && digits > 16))
		return false;
	memcpy(copy, *at, digits);
	copy[digits] = '\0';
	/* 2^64 - 1 has 20 digits: what libc clamps must not pass for it. */
	*value = strtoull(copy, NULL, base);
	if (base == 10 && *value == UINT64_MAX) {
		const char *significant = copy + strspn(copy, "0");

		if (strcmp(significant, "18446744073709551615") != 0)
			return false;
	}
	*at += digits;
	return true;
}

static bool slow_accepts(const char *line)
{
	const char *at = line;
	uint64_t start, end, offset, major, minor, inode;

	if (!slow_field(&at, 16, &start) || *at++ != '-' || !slow_field(&at, 16, &end) ||
	    *at++ != ' ')
		return false;
	if (strlen(at) < 5 || !strchr("r-", at[0]) || !strchr("w-", at[1]) ||
	    !strchr("x-", at[2]) || !strchr("ps", at[3]) || at[4] != ' ')
		return false;
	at += 5;
	if (!slow_field(&at, 16, &offset) || *at++ != ' ' || !slow_field(&at, 16, &major) ||
	    *at++ != ':' || !slow_field(&at, 16, &minor) || *at++ != ' ' ||
	    !slow_field(&at, 10, &inode))
		return false;
	return start < end && start % 4096 == 0 && end % 4096 == 0 && major <= UINT32_MAX &&
	       minor <= UINT32_MAX && (*at == '\0' || *at == ' ');
}

/* A good line with a few bytes replaced, inserted or taken out. */
static void damage(uint64_t *state, char *line)
{
	static const char bytes[] = "0123456789abcdef-: rwxps/[]()\\gF\t`@?pG\x80\xb0\xe1\xff";
	size_t length = strlen(line);

	for (uint64_t i = vas_random_below(state, 3); i > 0 && length > 1; i--) {
		size_t at = vas_random_below(state, length > 50 ? 50 : length);
		char byte = bytes[vas_random_below(state, sizeof(bytes) - 1)];

		switch (vas_random_below(state, 4)) {
		case 0:
			memmove(line + at + 1, line + at, length - at + 1);
			line[at] = byte;
			length++;
			break;
		case 1:
			memmove(line + at, line + at + 1, length - at);
			length--;
			break;
		case 2:
			line[at] = '\0';
			length = at;
			break;
		default:
			line[at] = byte;
		}
	}
}

static void random_lines(uint64_t *state)
{
	struct vas_mapping mapping;
	uint64_t accepted = 0;
	uint64_t refused = 0;
	char line[512];
	bool right = true;

	for (uint64_t i = tap_scaled(100000); i > 0 && right; i--)
		right = reads_back(state);
	if (!ok(right, "random mappings are read back"))
		tap_diag("%s", parsed_line);
	right = true;
	for (uint64_t i = tap_scaled(100000); i > 0 && right; i--) {
		const char *from =
			good[vas_random_below(state, sizeof(good) / sizeof(good[0]))].line;
		bool wanted;

		memcpy(line, from, strlen(from) + 1);
		damage(state, line);
		wanted = slow_accepts(line);
		right = parse(line, &mapping) == wanted;
		accepted += wanted;
		refused += !wanted;
	}
	if (!ok(right, "damaged lines are refused exactly when the grammar is broken"))
		tap_diag("\"%s\"", line);
	ok(accepted > 0 && refused > 0, "%" PRIu64 " accepted, %" PRIu64 " refused", accepted,
	   refused);
}

static void query_names(void)
{
	char name[] = "/tmp/a\\012b (deleted)";
	char empty[] = "";
	struct vas_mapping mapping = { .flags = VAS_MAPPING_SHARED, .inode = 5 };

	vas_maps_name_classify(&mapping, name, strlen(name));
	is_str(mapping.name, "/tmp/a\\012b", "a name that was asked for has no escapes");
	is_u64(mapping.flags, VAS_MAPPING_SHARED | VAS_MAPPING_FILE | VAS_MAPPING_DELETED,
	       "flags are added");
	mapping = (struct vas_mapping){ .flags = 0 };
	vas_maps_name_classify(&mapping, empty, 0);
	ok(mapping.name_length == 0 && mapping.name[0] == '\0' && mapping.flags == 0, "no name");
}

int main(void)
{
	uint64_t state = tap_seed();

	tap_plan(0);
	known_lines();
	refused_lines();
	long_names();
	query_names();
	random_lines(&state);
	free(parsed_line);
	return tap_done();
}
