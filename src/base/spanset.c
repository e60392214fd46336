/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of addresses as a sorted array of spans.
 *
 * Sets here are small (holes of devices, margins) and are searched far more
 * often than they change, so an array with binary search beats any tree: no
 * memory of its own, nothing to go wrong, one cache line per few spans.
 *
 * Adding or removing one span moves the tail of the array once. Building a
 * set from many spans goes through vas_span_normalise: a natural merge sort
 * whose runs are the lists that were appended to each other. Runs are kept on
 * a binary counter: level L holds the merge of 2^L runs and lies in the caller's array when L is even, in
 * the scratch array when it is odd, at its own offsets, so merging never
 * copies anything back. The inner loop has no branch that depends on data.
 *
 * Nothing here locks, allocates or fails half way.
 */
#include "base/spanset.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

#define LEVELS 64 /* of the binary counter: more runs than 2^64 do not exist */

void vas_spanset_init(struct vas_spanset *set, struct vas_span *items, size_t capacity)
{
	set->items = items;
	set->count = 0;
	set->capacity = capacity;
}

size_t vas_spanset_find(const struct vas_spanset *set, uint64_t address)
{
	size_t low = 0;
	size_t high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (vas_span_end(set->items[middle]) > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Puts count spans in the place of items [first, last). */
static int replace_items(struct vas_spanset *set, size_t first, size_t last,
			 const struct vas_span *spans, size_t count)
{
	size_t result = set->count - (last - first) + count;

	if (result > set->capacity)
		return -ENOSPC;
	memmove(set->items + first + count, set->items + last,
		(set->count - last) * sizeof(*set->items));
	for (size_t i = 0; i < count; i++)
		set->items[first + i] = spans[i];
	set->count = result;
	VAS_ASSERT_EXPENSIVE(vas_spanset_check(set));
	return 0;
}

int vas_spanset_add(struct vas_spanset *set, uint64_t start, uint64_t end)
{
	struct vas_span merged;
	size_t first;
	size_t last;

	if (start >= end)
		return 0;
	/* From the first item that touches or overlaps to the first one that does not any more. */
	first = start > 0 ? vas_spanset_find(set, start - 1) : 0;
	for (last = first; last < set->count && set->items[last].start <= end; last++)
		;
	if (first < last) {
		uint64_t last_end = vas_span_end(set->items[last - 1]);

		if (set->items[first].start < start)
			start = set->items[first].start;
		if (last_end > end)
			end = last_end;
	}
	merged = (struct vas_span){ start, end - start };
	return replace_items(set, first, last, &merged, 1);
}

int vas_spanset_remove(struct vas_spanset *set, uint64_t start, uint64_t end)
{
	struct vas_span rest[2];
	size_t count = 0;
	size_t first;
	size_t last;

	if (start >= end)
		return 0;
	first = vas_spanset_find(set, start);
	for (last = first; last < set->count && set->items[last].start < end; last++)
		;
	if (first == last)
		return 0;
	if (set->items[first].start < start) {
		rest[count++] = (struct vas_span){ set->items[first].start,
						   start - set->items[first].start };
	}
	if (vas_span_end(set->items[last - 1]) > end)
		rest[count++] = (struct vas_span){ end, vas_span_end(set->items[last - 1]) - end };
	return replace_items(set, first, last, rest, count);
}

bool vas_spanset_overlaps(const struct vas_spanset *set, uint64_t start, uint64_t end)
{
	size_t index;

	if (start >= end)
		return false;
	index = vas_spanset_find(set, start);
	return index < set->count && set->items[index].start < end;
}

bool vas_spanset_contains(const struct vas_spanset *set, uint64_t start, uint64_t end)
{
	size_t index;

	if (start >= end)
		return true;
	index = vas_spanset_find(set, start);
	return index < set->count && set->items[index].start <= start &&
	       vas_span_end(set->items[index]) >= end;
}

/*
 * Merges the neighbours [start, middle) and [middle, end) of from into the same
 * place of to, from both ends at once: two independent chains of work, and
 * every choice a conditional move. As many rounds as the shorter side is long
 * need no check for its end: the lowest and the highest that many spans are
 * different ones, since on equal starts both chains count the left one as lower.
 */
static void merge_runs(const struct vas_span *from, struct vas_span *to, size_t start,
		       size_t middle, size_t end)
{
	size_t left = start;
	size_t left_end = middle;
	size_t right = middle;
	size_t right_end = end;
	size_t out = start;
	size_t out_end = end;

	while (left < left_end && right < right_end) {
		size_t rounds = left_end - left;

		if (rounds > right_end - right)
			rounds = right_end - right;
		for (; rounds > 0; rounds--) {
			size_t low = from[right].start < from[left].start;
			size_t high = from[right_end - 1].start < from[left_end - 1].start;

			/* Masks, since a compiler may make jumps of conditional expressions. */
			to[out++] = from[left + ((right - left) & (0 - low))];
			right += low;
			left += 1 - low;
			to[--out_end] = from[right_end - 1 - ((right_end - left_end) & (0 - high))];
			left_end -= high;
			right_end -= 1 - high;
		}
	}
	if (left < left_end)
		memcpy(to + out, from + left, (left_end - left) * sizeof(*to));
	if (right < right_end)
		memcpy(to + out, from + right, (right_end - right) * sizeof(*to));
}

/* The end of the ascending run that begins at first. */
static size_t run_end(const struct vas_span *spans, size_t first, size_t count)
{
	size_t next = first + 1;

	while (next < count && spans[next - 1].start <= spans[next].start)
		next++;
	return next;
}

/* Sorts by start. Returns where the result lies: spans or scratch. */
static const struct vas_span *sort_spans(struct vas_span *spans, size_t count,
					 struct vas_span *scratch)
{
	struct vas_span *side[2] = { spans, scratch };
	size_t begin
		[LEVELS]; /* where the run of each level begins; it ends where the one below begins */
	uint64_t full = 0; /* bit L: level L holds a run */
	size_t end = 0;
	unsigned int where = 0; /* the side where the last merge went */

	while (end < count) {
		size_t start = end;
		unsigned int level = 0;

		end = run_end(spans, start, count);
		for (; full & (1ull << level); level++) {
			merge_runs(side[level & 1], side[~level & 1], begin[level], start, end);
			start = begin[level];
			full &= ~(1ull << level);
		}
		begin[level] = start;
		full |= 1ull << level;
	}
	/* Merge what is left, short runs first, carrying each to the side of the next. */
	for (size_t start = count; full; full &= full - 1) {
		unsigned int level = (unsigned int)__builtin_ctzll(full);

		if (start == count) {
			where = level & 1;
		} else {
			if (where != (level & 1))
				memcpy(side[level & 1] + start, side[where] + start,
				       (count - start) * sizeof(*spans));
			merge_runs(side[level & 1], side[~level & 1], begin[level], start, count);
			where = ~level & 1;
		}
		start = begin[level];
	}
	return side[where];
}

void vas_span_sort(struct vas_span *spans, size_t count, struct vas_span *scratch)
{
	if (sort_spans(spans, count, scratch) != spans)
		memcpy(spans, scratch, count * sizeof(*spans));
}

/* Joins what overlaps or touches in sorted spans; into may be the same array. */
static size_t join_spans(const struct vas_span *sorted, size_t count, struct vas_span *into)
{
	size_t kept = 0;
	uint64_t end = 0; /* of the last span kept */

	for (size_t i = 0; i < count; i++) {
		struct vas_span span = sorted[i];
		uint64_t span_end = vas_span_end(span);

		if (span.size == 0)
			continue;
		VAS_ASSERT_DEBUG(span_end > span.start);
		if (kept > 0 && span.start <= end) {
			if (span_end > end) {
				end = span_end;
				into[kept - 1].size = end - into[kept - 1].start;
			}
			continue;
		}
		into[kept++] = span;
		end = span_end;
	}
	return kept;
}

size_t vas_span_join(struct vas_span *spans, size_t count)
{
	return join_spans(spans, count, spans);
}

size_t vas_span_normalise(struct vas_span *spans, size_t count, struct vas_span *scratch)
{
	return join_spans(sort_spans(spans, count, scratch), count, spans);
}

bool vas_spanset_check(const struct vas_spanset *set)
{
	if (set->count > set->capacity)
		return false;
	for (size_t i = 0; i < set->count; i++) {
		if (vas_span_end(set->items[i]) <= set->items[i].start)
			return false;
		if (i > 0 && vas_span_end(set->items[i - 1]) >= set->items[i].start)
			return false;
	}
	return true;
}
