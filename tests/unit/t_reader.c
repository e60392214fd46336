/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 3 */
/* The streaming reader: how lines are cut by reads, what is refused and where, and errors of the file. */
#include "layout/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support/memory_file.h"
#include "tap/tap.h"

#define FIRST                                                                                      \
	"00010000-00020000 r-xp 00000000 fe:00 42                                 /usr/bin/cat\n"
#define SECOND "00020000-00030000 rw-p 00000000 00:00 0 \n"
#define THIRD                                                                                      \
	"00040000-00050000 r--s 00001000 00:01 7                                  /memfd:x (deleted)\n"
#define CALLS                                                                                      \
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"

static struct memory_file file;
static struct vas_reader reader;
static struct vas_mapping mapping;
static char buffer[16384];

static void begin(const char *text, enum memory_file_chunk chunk)
{
	memory_file_init(&file, text, strlen(text), chunk);
	if (vas_reader_open(&reader, &file.sys, "x", buffer, VAS_READER_BUFFER_MIN))
		tap_bail("opening fails");
	memset(&mapping, 0x5a, sizeof(mapping));
}

static int next(void)
{
	return vas_reader_next(&reader, &mapping);
}

static void end(void)
{
	vas_reader_close(&reader);
	vas_reader_close(&reader);
	is_u64(file.opened, 0, "the descriptor is closed, once");
}

static void test_pieces(void)
{
	static const char text[] = FIRST SECOND THIRD CALLS;

	for (size_t bytes = 1; bytes < sizeof(text) + 2; bytes++) {
		bool same = true;

		begin(text, MEMORY_FILE_FIXED);
		file.fixed = bytes;
		same = same && next() == 1 && mapping.start == 0x10000 && mapping.end == 0x20000 &&
		       mapping.inode == 42 && !strcmp(mapping.name, "/usr/bin/cat");
		same = same && next() == 1 && mapping.start == 0x20000 && mapping.name_length == 0;
		same = same && next() == 1 && !strcmp(mapping.name, "/memfd:x") &&
		       mapping.offset == 0x1000;
		same = same && next() == 1 && mapping.start == 0xffffffffff600000u;
		same = same && next() == 0 && next() == 0 && reader.line == 4;
		vas_reader_close(&reader);
		if (!same) {
			ok(false, "pieces of %zu bytes", bytes);
			return;
		}
	}
	ok(true, "pieces of every size read the same");
}

static void test_last_line(void)
{
	begin(FIRST "00020000-00030000 rw-p 00000000 00:00 0", MEMORY_FILE_RANDOM);
	is_i64(next(), 1, "a line");
	is_i64(next(), 1, "a last line without newline");
	is_u64(mapping.start, 0x20000, "is read");
	is_i64(next(), 0, "then the end");
	end();
	begin("", MEMORY_FILE_ALL);
	is_i64(next(), 0, "an empty file ends at once");
	end();
}

static void refused(const char *text, unsigned int good, uint32_t line, const char *name)
{
	struct vas_mapping before;
	unsigned int read = 0;
	bool same;
	int got;

	begin(text, MEMORY_FILE_LINES);
	do {
		before = mapping;
		got = next();
		read += got == 1;
	} while (got == 1);
	is_err(got, EBADMSG, "%s: refused", name);
	is_u64(read, good, "%s: after the good ones", name);
	is_u64(reader.line, line, "%s: with its line", name);
	/* Field by field: what lies between the fields has no value. */
	same = before.start == mapping.start && before.end == mapping.end &&
	       before.offset == mapping.offset && before.inode == mapping.inode &&
	       before.device_major == mapping.device_major &&
	       before.device_minor == mapping.device_minor && before.prot == mapping.prot &&
	       before.flags == mapping.flags && before.name_length == mapping.name_length &&
	       before.name == mapping.name;
	ok(same, "%s: mapping untouched", name);
	is_err(next(), EBADMSG, "%s: nothing after it is trusted", name);
	is_err(vas_reader_rewind(&reader), 0, "%s: rewound", name);
	is_i64(next(), good ? 1 : -EBADMSG, "%s: the same again", name);
	vas_reader_close(&reader);
}

static void test_refusals(void)
{
	refused("garbage\n" FIRST, 0, 1, "garbage");
	refused(FIRST "\n" SECOND, 1, 2, "an empty line");
	refused(FIRST SECOND "00040000-00050000 r--p\n", 2, 3, "a line cut short");
	refused(SECOND FIRST, 1, 2, "backwards");
	refused(FIRST "00018000-00019000 r--p 00000000 00:00 0\n", 1, 2, "inside the last one");
	refused(FIRST "00018000-00020000 r--p 00000000 00:00 0\n", 1, 2, "a part of the last one");
	refused("00010000-00010000 r--p 00000000 00:00 0\n", 0, 1, "an empty range");
}

static void test_order(void)
{
	begin(FIRST FIRST FIRST SECOND SECOND, MEMORY_FILE_LINES);
	is_i64(next(), 1, "the first");
	is_i64(next(), 1, "repeats of it are dropped");
	is_u64(mapping.start, 0x20000, "the second");
	is_i64(next(), 0, "a repeat at the end too");
	is_u64(reader.line, 5, "all lines are counted");
	end();
	begin(FIRST "00018000-00030000 r--p 00002000 fe:00 9 /x\n", MEMORY_FILE_LINES);
	is_i64(next(), 1, "a mapping");
	is_i64(next(), 1, "one that grew over its end meanwhile");
	is_u64(mapping.start, 0x20000, "begins where the last one ended");
	is_u64(mapping.end, 0x30000, "ends where it ends");
	is_u64(mapping.offset, 0xa000, "and its offset moved along");
	end();
	begin(FIRST "00018000-00030000 r--p 00000000 00:00 0\n", MEMORY_FILE_LINES);
	is_i64(next() + next(), 2, "anonymous memory that grew");
	is_u64(mapping.offset, 0, "has no offset");
	end();
}

/* A line whose name has length bytes, then SECOND. */
static void begin_long(size_t length, char *text, enum memory_file_chunk chunk)
{
	size_t used = (size_t)sprintf(text, "00010000-00020000 r-xp 00000000 fe:00 42 /");

	memset(text + used, 'n', length - 1);
	strcpy(text + used + length - 1, "\n" SECOND);
	begin(text, chunk);
}

static void test_long_lines(void)
{
	char *text = malloc(70000);
	size_t most =
		VAS_READER_BUFFER_MIN - 1 - strlen("00010000-00020000 r-xp 00000000 fe:00 42 ");

	if (!text)
		tap_bail("no memory");
	begin_long(most - 1, text, MEMORY_FILE_ALL);
	is_i64(next(), 1, "the longest name that fits");
	is_u64(mapping.name_length, most - 1, "is told in full");
	ok(!(mapping.flags & VAS_MAPPING_CLIPPED), "and not clipped");
	is_i64(next(), 1, "and the next line is read");
	end();
	for (size_t extra = 0; extra < 3; extra++) {
		begin_long(most + extra * 29000, text,
			   extra == 1 ? MEMORY_FILE_RANDOM : MEMORY_FILE_LINES);
		is_i64(next(), 1, "a longer name is no error");
		ok(mapping.flags & VAS_MAPPING_CLIPPED, "it is clipped");
		is_u64(mapping.end, 0x20000, "its numbers hold");
		is_u64(strlen(mapping.name), mapping.name_length, "it ends with NUL");
		is_i64(next(), 1, "the next line is read");
		is_u64(mapping.start, 0x20000, "from its beginning");
		is_i64(next(), 0, "then the end");
		is_u64(reader.line, 2, "a line is a line, however long");
		end();
	}
	begin_long(9000, text, MEMORY_FILE_LINES);
	text[9020] = '\0';
	file.size = 9020;
	is_i64(next(), 1, "a long name at the end of the file");
	is_i64(next(), 0, "is the last");
	end();
	free(text);
}

static void test_errors(void)
{
	struct vas_reader closed;

	is_err(vas_reader_open(&closed, &file.sys, "x", buffer, VAS_READER_BUFFER_MIN - 1), EINVAL,
	       "a buffer too small");
	is_err(vas_reader_open_process(&closed, &file.sys, -1, buffer, 4096), EINVAL,
	       "a negative pid");
	file.open_error = -EACCES;
	is_err(vas_reader_open(&closed, &file.sys, "x", buffer, 4096), EACCES, "open's errno");
	file.open_error = -ENOENT;
	is_err(vas_reader_open_process(&closed, &file.sys, 5, buffer, 4096), ENOENT, "no /proc");
	file.open_error = -EXDEV;
	is_err(vas_reader_open(&closed, &file.sys, "x", buffer, 4096), EIO, "an errno of no table");
	begin(FIRST SECOND, MEMORY_FILE_FIXED);
	file.fixed = strlen(FIRST) + 10;
	file.fail_at = 2;
	file.error = -EPERM;
	is_i64(next(), 1, "before a failing read");
	is_err(next(), EPERM, "the read's errno");
	is_err(next(), EPERM, "again, without reading");
	is_u64(file.reads, 2, "no third read");
	is_err(vas_reader_rewind(&reader), 0, "rewound");
	is_i64(next() + next(), 2, "all is there again");
	file.seek_error = -ESPIPE;
	is_err(vas_reader_rewind(&reader), EIO, "what cannot be rewound");
	is_err(next(), EIO, "stands at its end");
	end();
	is_err(vas_reader_rewind(&reader), EIO, "a closed one neither");
	begin(FIRST, MEMORY_FILE_ALL);
	vas_reader_stop(&reader);
	is_i64(next(), 0, "a stopped reader tells no more");
	is_err(vas_reader_rewind(&reader), 0, "until it is rewound");
	is_i64(next(), 1, "then it does");
	end();
}

static void test_ended(void)
{
	memory_file_init(&file, FIRST SECOND, strlen(FIRST SECOND), MEMORY_FILE_LINES);
	is_err(vas_reader_open_process(&reader, &file.sys, 77, buffer, 4096), 0, "another process");
	is_i64(next() + next(), 2, "its mappings");
	is_i64(next(), 0, "their end, with the process still there");
	is_err(vas_reader_rewind(&reader), 0, "once more");
	is_i64(next(), 1, "a mapping");
	file.size = 0;
	file.position = 0;
	is_i64(next(), 1, "one that was read before");
	is_err(next(), ESRCH, "and it has ended meanwhile");
	end();
}

int main(void)
{
	tap_plan(0);
	test_pieces();
	test_last_line();
	test_refusals();
	test_order();
	test_long_lines();
	test_errors();
	test_ended();
	return tap_done();
}
