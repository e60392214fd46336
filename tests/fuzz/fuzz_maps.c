/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Fuzz target: any bytes as a maps file. The first byte chooses how reads cut
 * the file and how large the buffer is; the rest is the file.
 *
 * Whatever the bytes are: ranges ascend without overlap, names end with NUL
 * inside the buffer, errors are -EBADMSG with the number of a line that is there, stay the
 * same when asked again, and the same bytes in other pieces read the same. Gaps ascend, and touch no mapping.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layout/gaps.h"
#include "layout/reader.h"
#include "support/memory_file.h"

#define MAX (UINT64_C(1) << 47)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

struct outcome {
	uint64_t sum; /* over all that was told */
	uint32_t lines;
	int error;
};

static void check_mapping(const struct vas_mapping *mapping, uint64_t last_end, const char *buffer,
			  size_t capacity)
{
	must(mapping->start < mapping->end && mapping->start >= last_end);
	must(mapping->name >= buffer && mapping->name < buffer + capacity);
	must(mapping->name + mapping->name_length < buffer + capacity);
	must(memchr(mapping->name, '\0', mapping->name_length + 1) ==
	     mapping->name + mapping->name_length);
}

static void check_gaps(struct vas_gaps *gaps, const struct vas_mapping *mapping, uint64_t *gap_end,
		       uint64_t last_end)
{
	struct vas_gap gap;

	while (vas_gaps_show(gaps, mapping, &gap)) {
		must(gap.start < gap.end && gap.end <= MAX && gap.start >= *gap_end);
		must(gap.start >= last_end || last_end > MAX);
		must(!mapping || gap.end <= mapping->start);
		*gap_end = gap.end;
	}
}

static struct outcome read_all(struct memory_file *file, size_t capacity, bool whole_names)
{
	struct vas_margins margins = { .stack = 1 << 20, .brk = 1 << 20 };
	struct outcome outcome = { 0, 0, 0 };
	char *buffer = malloc(capacity);
	struct vas_mapping mapping, untouched;
	uint64_t last_end = 0, gap_end = 0;
	struct vas_reader reader;
	struct vas_gaps gaps;
	int got;

	must(buffer && !vas_reader_open(&reader, &file->sys, "maps", buffer, capacity));
	vas_gaps_begin(&gaps, 65536, MAX, &margins, 0);
	memset(&mapping, 0x5a, sizeof(mapping));
	untouched = mapping;
	while ((got = vas_reader_next(&reader, &mapping)) == 1) {
		check_mapping(&mapping, last_end, buffer, capacity);
		check_gaps(&gaps, &mapping, &gap_end, last_end);
		last_end = mapping.end;
		outcome.sum = outcome.sum * 31 + mapping.start + mapping.end + mapping.inode +
			      mapping.offset + mapping.prot;
		if (whole_names)
			outcome.sum = outcome.sum * 31 + mapping.flags + mapping.name_length;
		untouched = mapping;
	}
	must(got == 0 || got == -EBADMSG);
	must(got == 0 || (reader.line > 0 && reader.line <= file->size));
	must(memcmp(&mapping, &untouched, sizeof(mapping)) == 0);
	must(vas_reader_next(&reader, &mapping) == got);
	if (got == 0)
		check_gaps(&gaps, NULL, &gap_end, last_end);
	outcome.lines = reader.line;
	outcome.error = got;
	vas_reader_close(&reader);
	must(file->opened == 0);
	free(buffer);
	return outcome;
}

/* Whether every line fits the smallest buffer, so that no name is cut. */
static bool lines_are_short(const uint8_t *data, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < size; i++) {
		length = data[i] == '\n' ? 0 : length + 1;
		if (length > VAS_READER_BUFFER_MIN - 2)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome first, second;
	struct memory_file file;
	uint8_t choice;

	if (size == 0)
		return 0;
	choice = data[0];
	memory_file_init(&file, data + 1, size - 1, MEMORY_FILE_ALL);
	first = read_all(&file, 65536, lines_are_short(data + 1, size - 1));
	memory_file_init(&file, data + 1, size - 1, (enum memory_file_chunk)(choice & 3));
	file.fixed = (size_t)(choice >> 4) * 13 + 1;
	file.random = choice;
	second = read_all(&file, choice & 4 ? 5000 : VAS_READER_BUFFER_MIN,
			  lines_are_short(data + 1, size - 1));
	/* A line cut at another place may be good where the whole one is not. */
	if (lines_are_short(data + 1, size - 1))
		must(first.sum == second.sum && first.lines == second.lines &&
		     first.error == second.error);
	return 0;
}
