/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of addresses as a sorted array of disjoint, non-touching spans, in
 * memory that the caller lends. Pure.
 *
 * I: items[i].size > 0; end(i) < items[i+1].start; no item wraps (an end of
 *    2^64 is not representable: the last byte of the space is never in a set).
 */
#ifndef VAS_BASE_SPANSET_H
#define VAS_BASE_SPANSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>

struct vas_spanset {
	struct vas_span *items;
	size_t count;
	size_t capacity;
};

static inline uint64_t vas_span_end(struct vas_span span)
{
	return span.start + span.size;
}

void vas_spanset_init(struct vas_spanset *set, struct vas_span *items, size_t capacity);
/* -ENOSPC (set unchanged) when the result needs more than capacity items. Empty spans are ignored. */
int vas_spanset_add(struct vas_spanset *set, uint64_t start, uint64_t end);
int vas_spanset_remove(struct vas_spanset *set, uint64_t start, uint64_t end);
/* Index of the first item whose end is above address; count when none. O(log n). */
size_t vas_spanset_find(const struct vas_spanset *set, uint64_t address);
bool vas_spanset_overlaps(const struct vas_spanset *set, uint64_t start, uint64_t end);
bool vas_spanset_contains(const struct vas_spanset *set, uint64_t start, uint64_t end);
/*
 * Sorts count spans by start, in place; natural merge sort over runs, so sorted
 * lists appended to each other cost O(n log lists). scratch has room for count spans.
 */
void vas_span_sort(struct vas_span *spans, size_t count, struct vas_span *scratch);
/* Joins sorted spans that overlap or touch and drops empty ones. Returns how many are left. */
size_t vas_span_join(struct vas_span *spans, size_t count);
/* Both: makes the items of a set from spans in any order, overlapping or not. */
size_t vas_span_normalise(struct vas_span *spans, size_t count, struct vas_span *scratch);
bool vas_spanset_check(const struct vas_spanset *set);

#endif
