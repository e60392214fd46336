/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger: bytes reserved and committed, by name; and the counters.
 *
 * Concurrency: the caller holds the lock of the space that the ledger belongs to.
 */
#ifndef VAS_RECORD_LEDGER_H
#define VAS_RECORD_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include <vaspace/stats.h>

#include "base/assert.h"
#include "sys/pages.h"

#define VAS_NAME_MAX 32 /* with the NUL */
#define VAS_LEDGER_CHUNK 60 /* lines in one chunk of memory */

struct vas_ledger_line {
	char name[VAS_NAME_MAX]; /* I: NUL-terminated, unique in its ledger */
	uint64_t spans;
	uint64_t reserved;
	uint64_t committed; /* I: <= reserved */
	uint64_t peak_reserved; /* I: >= reserved */
};

struct vas_ledger_chunk;

struct vas_ledger {
	struct vas_ledger_chunk *first; /* chunks are only ever added */
	struct vas_ledger_chunk *last;
	struct vas_ledger_line *recent; /* the line found last: names repeat */
	struct vas_ledger_line *unnamed; /* of spans without a name, once there is one */
	size_t count;
};

int vas_ledger_line_slowly(struct vas_ledger *ledger, struct vas_pages *pages, const char *name,
			   struct vas_ledger_line **line);
/* Finds or adds the line of a name (NULL = "anonymous"; cut at 31 bytes). -ENOMEM. */
static inline int vas_ledger_line(struct vas_ledger *ledger, struct vas_pages *pages,
				  const char *name, struct vas_ledger_line **line)
{
	if (name || !ledger->unnamed)
		return vas_ledger_line_slowly(ledger, pages, name, line);
	*line = ledger->unnamed;
	return 0;
}

static inline void vas_ledger_reserve(struct vas_ledger_line *line, uint64_t bytes)
{
	line->spans++;
	line->reserved += bytes;
	if (line->peak_reserved < line->reserved)
		line->peak_reserved = line->reserved;
}

static inline void vas_ledger_release(struct vas_ledger_line *line, uint64_t bytes, uint64_t committed)
{
	VAS_ASSERT_DEBUG(line->spans > 0 && line->reserved >= bytes);
	VAS_ASSERT_DEBUG(line->committed >= committed && bytes >= committed);
	line->spans--;
	line->reserved -= bytes;
	line->committed -= committed;
}

void vas_ledger_commit(struct vas_ledger_line *line, int64_t delta);
/* -ENOENT past the last. */
int vas_ledger_read(const struct vas_ledger *ledger, size_t index, struct vas_ledger_entry *entry);

#endif
