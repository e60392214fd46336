/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger: who reserved and committed how many bytes, by name.
 *
 * What for: a process with several owners of address space sees which of them
 * holds what, without asking the kernel.
 *
 * Strategy: a line per name, found by walking all lines. Names are few (one
 * for each purpose, not for each span) and repeat, so the line found last is
 * looked at first. A caller with names without number would notice the walk.
 *
 * Structure: chunks of VAS_LEDGER_CHUNK lines, each one page from the books'
 * page source, linked in order of age. Lines never move and are never removed,
 * so a holding keeps a pointer to its line, and an index names the same line for
 * ever.
 *
 * Concurrency: under the lock of the space it belongs to.
 *
 * Not here: caps on what a name may hold; the read side's text.
 */
#include "base/hot.h"
#include "record/ledger.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"

#define UNNAMED "anonymous"

struct vas_ledger_chunk {
	struct vas_ledger_chunk *next;
	size_t count; /* I: <= VAS_LEDGER_CHUNK; full unless it is the last */
	struct vas_ledger_line lines[VAS_LEDGER_CHUNK];
};
_Static_assert(sizeof(struct vas_ledger_chunk) <= 4096, "a chunk is one small page");

static size_t name_length(const char *name)
{
	size_t length = 0;

	while (length < VAS_NAME_MAX - 1 && name[length] != '\0')
		length++;
	return length;
}

/* Whether a line bears this name, whose length is cut already. */
static bool line_is(const struct vas_ledger_line *line, const char *name, size_t length)
{
	return memcmp(line->name, name, length) == 0 && line->name[length] == '\0';
}

static struct vas_ledger_line *line_find(const struct vas_ledger *ledger, const char *name,
					 size_t length)
{
	for (struct vas_ledger_chunk *chunk = ledger->first; chunk; chunk = chunk->next) {
		for (size_t i = 0; i < chunk->count; i++) {
			if (line_is(&chunk->lines[i], name, length))
				return &chunk->lines[i];
		}
	}
	return NULL;
}

/* A chunk with room for one more line. */
static int chunk_with_room(struct vas_ledger *ledger, struct vas_pages *pages,
			   struct vas_ledger_chunk **chunk)
{
	void *memory;
	int error;

	if (ledger->last && ledger->last->count < VAS_LEDGER_CHUNK) {
		*chunk = ledger->last;
		return 0;
	}
	error = vas_pages_take(pages, sizeof(struct vas_ledger_chunk), &memory);
	if (error)
		return error;
	*chunk = memory;
	if (ledger->last)
		ledger->last->next = *chunk;
	else
		ledger->first = *chunk;
	ledger->last = *chunk;
	return 0;
}

VAS_HOT int vas_ledger_line_slowly(struct vas_ledger *ledger, struct vas_pages *pages,
				   const char *name, struct vas_ledger_line **line)
{
	struct vas_ledger_chunk *chunk;
	struct vas_ledger_line *found;
	bool unnamed;
	size_t length;
	int error;

	length = name_length(name ? name : UNNAMED);
	unnamed = !name;
	if (unnamed)
		name = UNNAMED;
	if (ledger->recent && line_is(ledger->recent, name, length)) {
		*line = ledger->recent;
		return 0;
	}
	found = line_find(ledger, name, length);
	if (!found) {
		error = chunk_with_room(ledger, pages, &chunk);
		if (error)
			return error;
		found = &chunk->lines[chunk->count++];
		memcpy(found->name, name, length);
		found->name[length] = '\0';
		ledger->count++;
	}
	ledger->recent = found;
	if (unnamed)
		ledger->unnamed = found;
	*line = found;
	return 0;
}

void vas_ledger_commit(struct vas_ledger_line *line, int64_t delta)
{
	line->committed += (uint64_t)delta; /* modulo 2^64: a negative delta subtracts */
	VAS_ASSERT_DEBUG(line->committed <= line->reserved);
}

int vas_ledger_read(const struct vas_ledger *ledger, size_t index, struct vas_ledger_entry *entry)
{
	const struct vas_ledger_chunk *chunk = ledger->first;
	const struct vas_ledger_line *line;

	if (index >= ledger->count)
		return -ENOENT;
	for (; index >= VAS_LEDGER_CHUNK; index -= VAS_LEDGER_CHUNK)
		chunk = chunk->next;
	line = &chunk->lines[index];
	*entry = (struct vas_ledger_entry){
		.size = sizeof(*entry),
		.spans = line->spans,
		.reserved = line->reserved,
		.committed = line->committed,
		.peak_reserved = line->peak_reserved,
	};
	memcpy(entry->name, line->name, sizeof(entry->name));
	return 0;
}
