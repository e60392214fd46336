/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records: what a region keeps about a block beside its mark, for the few blocks that need more
 * than a mark has room for. Numbered from 1, so that a mark can name one.
 *
 * Concurrency: the caller holds the region's lock.
 */
#ifndef VAS_REGION_RECORDS_H
#define VAS_REGION_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define VAS_RECORDS_CHUNK  256u /* records in one chunk */
#define VAS_RECORDS_CHUNKS 65535u /* chunks at most: numbers fit 24 bits */

/* The word of a record that moves to another region: its number there. 0 at all other times. */
#define VAS_RECORD_MOVED 2

struct vas_region;

struct vas_record {
	uint32_t tag; /* the caller's */
	uint32_t next; /* of the unused ones; 0 = none */
	uint64_t words[3]; /* for whoever takes the record */
};

struct vas_records {
	struct vas_record **chunks; /* I: chunk_count of them are there */
	uint32_t chunk_count;
	uint32_t chunk_capacity;
	uint32_t unused; /* the first unused record; 0 = none */
	uint32_t count; /* records in use */
};

/* A zeroed record's number. -ENOMEM. */
int vas_record_take(struct vas_region *region, uint32_t *number);
void vas_record_give(struct vas_region *region, uint32_t number);
struct vas_record *vas_record_get(const struct vas_region *region, uint32_t number);
/* Gives all memory back. */
void vas_records_free(struct vas_region *region);

#endif
