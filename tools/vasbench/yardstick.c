/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What for: figures of one machine say nothing on another one, ratios do. This is what the block
 * allocator is held against: as fast as a plain allocator gets, and as plain.
 *
 * How: ranges, free or not, are nodes of one array, which know their neighbours by
 * index. Free ones are in the bin of their size: eight bins for each power of two, as
 * a number with three bits of mantissa. A bit for each bin that is not empty, and one for each
 * power of two, find the next bin that is surely large enough by two looks. A request
 * is rounded up to a bin, so whatever is first there fits; what is over goes into a bin of its own.
 *
 * What it does not do: alignment, windows, freeing by address, threads, refusing wrong handles.
 */
#include "yardstick.h"

#include <stdlib.h>

#define OCTAVES 32u
#define STEPS	8u /* bins of one octave */
#define NONE	UINT32_MAX

struct node {
	uint32_t start;
	uint32_t size;
	uint32_t below; /* the neighbours' nodes */
	uint32_t above;
	uint32_t previous; /* in the bin */
	uint32_t next;
	bool live;
};

struct yardstick {
	uint32_t octaves; /* a bit for each octave that has a free range */
	uint8_t steps[OCTAVES];
	uint32_t bins[OCTAVES * STEPS]; /* first node */
	uint32_t count; /* nodes */
	uint32_t spare_count;
	uint32_t *spare; /* a stack of the nodes that are not in use */
	struct node *nodes;
};

/* The largest bin whose sizes are all at most this one. */
static inline uint32_t bin_below(uint32_t size)
{
	uint32_t octave;

	if (size < STEPS)
		return size;
	octave = 31u - (uint32_t)__builtin_clz(size);
	return (octave - 2) * STEPS + (size >> (octave - 3)) % STEPS;
}

/* The smallest bin whose sizes are all at least this one. */
static inline uint32_t bin_above(uint32_t size)
{
	uint32_t octave;

	if (size < STEPS)
		return size;
	octave = 31u - (uint32_t)__builtin_clz(size);
	return bin_below(size) + ((size & ((1u << (octave - 3)) - 1)) != 0);
}

static inline void link_free(struct yardstick *yardstick, uint32_t index)
{
	struct node *node = &yardstick->nodes[index];
	uint32_t bin = bin_below(node->size), first = yardstick->bins[bin];

	node->live = false;
	node->previous = NONE;
	node->next = first;
	yardstick->bins[bin] = index;
	if (first != NONE) {
		yardstick->nodes[first].previous = index;
		return;
	}
	yardstick->steps[bin / STEPS] |= (uint8_t)(1u << bin % STEPS);
	yardstick->octaves |= 1u << bin / STEPS;
}

static inline void bin_emptied(struct yardstick *yardstick, uint32_t bin)
{
	yardstick->steps[bin / STEPS] &= (uint8_t) ~(1u << bin % STEPS);
	if (yardstick->steps[bin / STEPS] == 0)
		yardstick->octaves &= ~(1u << bin / STEPS);
}

static inline void unlink_free(struct yardstick *yardstick, const struct node *node)
{
	if (node->next != NONE)
		yardstick->nodes[node->next].previous = node->previous;
	if (node->previous != NONE) {
		yardstick->nodes[node->previous].next = node->next;
		return;
	}
	yardstick->bins[bin_below(node->size)] = node->next;
	if (node->next == NONE)
		bin_emptied(yardstick, bin_below(node->size));
}

static inline uint32_t node_take(struct yardstick *yardstick)
{
	return yardstick->spare_count ? yardstick->spare[--yardstick->spare_count] : NONE;
}

static inline void node_give(struct yardstick *yardstick, uint32_t index)
{
	yardstick->spare[yardstick->spare_count++] = index;
}

/* The first bin from this one on that has a range. */
static inline uint32_t bin_find(const struct yardstick *yardstick, uint32_t bin)
{
	uint32_t octave = bin / STEPS;
	uint32_t steps = yardstick->steps[octave] & (0xffu << bin % STEPS), octaves;

	if (steps)
		return octave * STEPS + (uint32_t)__builtin_ctz(steps);
	octaves = octave + 1 < OCTAVES ? yardstick->octaves & (~0u << (octave + 1)) : 0;
	if (!octaves)
		return NONE;
	octave = (uint32_t)__builtin_ctz(octaves);
	return octave * STEPS + (uint32_t)__builtin_ctz(yardstick->steps[octave]);
}

/* A free range, between its neighbours. There is a node. */
static inline void range_add(struct yardstick *yardstick, const struct node *range)
{
	uint32_t index = node_take(yardstick);

	yardstick->nodes[index] = *range;
	if (range->below != NONE)
		yardstick->nodes[range->below].above = index;
	if (range->above != NONE)
		yardstick->nodes[range->above].below = index;
	link_free(yardstick, index);
}

bool yardstick_take(struct yardstick *yardstick, uint32_t size, uint32_t *start, uint32_t *handle)
{
	uint32_t bin = bin_find(yardstick, bin_above(size)), index;
	struct node *node;

	if (bin == NONE || yardstick->spare_count == 0)
		return false;
	index = yardstick->bins[bin];
	node = &yardstick->nodes[index];
	yardstick->bins[bin] = node->next;
	if (node->next != NONE)
		yardstick->nodes[node->next].previous = NONE;
	else
		bin_emptied(yardstick, bin);
	if (node->size > size) { /* what is over is a range of its own */
		struct node rest = { .start = node->start + size,
				     .size = node->size - size,
				     .below = index,
				     .above = node->above };

		node->size = size;
		range_add(yardstick, &rest);
	}
	node->live = true;
	*start = node->start;
	*handle = index;
	return true;
}

/* A free range becomes a part of another one. A call, not copies: so it was calibrated. */
static __attribute__((noinline)) void range_drop(struct yardstick *yardstick, uint32_t index)
{
	unlink_free(yardstick, &yardstick->nodes[index]);
	node_give(yardstick, index);
}

void yardstick_give(struct yardstick *yardstick, uint32_t handle)
{
	struct node range = yardstick->nodes[handle];

	if (range.below != NONE && !yardstick->nodes[range.below].live) {
		const struct node *below = &yardstick->nodes[range.below];

		range.start = below->start;
		range.size += below->size;
		range_drop(yardstick, range.below);
		range.below = below->below;
	}
	if (range.above != NONE && !yardstick->nodes[range.above].live) {
		const struct node *above = &yardstick->nodes[range.above];

		range.size += above->size;
		range_drop(yardstick, range.above);
		range.above = above->above;
	}
	node_give(yardstick, handle);
	range_add(yardstick, &range);
}

struct yardstick *yardstick_open(uint32_t size, uint32_t blocks)
{
	struct yardstick *yardstick = calloc(1, sizeof(*yardstick));

	struct node all = { .size = size, .below = NONE, .above = NONE };

	if (!yardstick)
		return NULL;
	yardstick->count = 2 * blocks + 1; /* a free range beside each block */
	yardstick->nodes = calloc(yardstick->count, sizeof(*yardstick->nodes));
	yardstick->spare = calloc(yardstick->count, sizeof(*yardstick->spare));
	if (!yardstick->nodes || !yardstick->spare) {
		yardstick_close(yardstick);
		return NULL;
	}
	for (uint32_t i = 0; i < OCTAVES * STEPS; i++)
		yardstick->bins[i] = NONE;
	for (uint32_t i = yardstick->count; i > 0; i--)
		node_give(yardstick, i - 1);
	range_add(yardstick, &all);
	return yardstick;
}

void yardstick_close(struct yardstick *yardstick)
{
	free(yardstick->nodes);
	free(yardstick->spare);
	free(yardstick);
}

uint64_t yardstick_books(const struct yardstick *yardstick)
{
	return sizeof(*yardstick) +
	       yardstick->count * (sizeof(struct node) + sizeof(*yardstick->spare));
}

/* Free ranges of one bin: how many units, or UINT64_MAX when one does not belong there. */
static uint64_t bin_units(const struct yardstick *yardstick, uint32_t bin)
{
	uint32_t previous = NONE;
	uint64_t units = 0;

	for (uint32_t i = yardstick->bins[bin]; i != NONE; i = yardstick->nodes[i].next) {
		const struct node *node = &yardstick->nodes[i];

		if (node->live || node->previous != previous || bin_below(node->size) != bin)
			return UINT64_MAX;
		if (node->above != NONE && !yardstick->nodes[node->above].live)
			return UINT64_MAX;
		previous = i;
		units += node->size;
	}
	return units;
}

bool yardstick_check(const struct yardstick *yardstick, uint64_t free_units)
{
	uint64_t sum = 0;

	for (uint32_t bin = 0; bin < OCTAVES * STEPS; bin++) {
		uint64_t units = bin_units(yardstick, bin);
		bool marked = yardstick->steps[bin / STEPS] >> bin % STEPS & 1;

		if (units == UINT64_MAX || marked != (yardstick->bins[bin] != NONE))
			return false;
		sum += units;
	}
	for (uint32_t octave = 0; octave < OCTAVES; octave++)
		if ((yardstick->octaves >> octave & 1) != (yardstick->steps[octave] != 0))
			return false;
	return sum == free_units;
}
