/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What for: a fast allocator that cannot use its span is no good. Three figures, over 1 GiB and
 * sizes of 4 KiB to 4 MiB, some or all of them aligned to 4 KiB, 64 KiB or 2 MiB: how full it
 * gets from empty; how long it goes well at 90 %; how full it is when each request must be
 * served, at the cost of random blocks that are freed until it fits.
 *
 * What it does not do: time anything.
 */
#include "packing.h"

#include <errno.h>
#include <stdlib.h>

#include "alloc_sizes.h"
#include "base/random.h"

#define BLOCKS_MOST   65536u
#define SURVIVED_MOST 100000u

struct pack {
	const struct alloc_kind *kind;
	struct alloc_space space;
	bool aligned;
	uint64_t random;
	uint64_t used; /* bytes as requested */
	uint32_t count;
	struct alloc_item items[BLOCKS_MOST];
	uint32_t sizes[ALLOC_SIZES];
};

static struct alloc_request draw(struct pack *pack)
{
	static const uint64_t alignments[] = { 4096, 65536, 2097152 };
	struct alloc_request request = { .alignment = ALLOC_GRANULE };

	request.size = pack->sizes[vas_random_below(&pack->random, ALLOC_SIZES)];
	if (pack->aligned)
		request.alignment = alignments[vas_random_below(&pack->random, 3)];
	return request;
}

static bool take(struct pack *pack, const struct alloc_request *request)
{
	struct alloc_item *item = &pack->items[pack->count];

	if (pack->count == BLOCKS_MOST || pack->kind->take(pack->space.state, request, item))
		return false;
	item->granules = (uint32_t)(request->size / ALLOC_GRANULE);
	pack->used += request->size;
	pack->count++;
	return true;
}

static int drop_one(struct pack *pack)
{
	uint32_t which = (uint32_t)vas_random_below(&pack->random, pack->count);
	int err = pack->kind->give(pack->space.state, &pack->items[which]);

	pack->used -= (uint64_t)pack->items[which].granules * ALLOC_GRANULE;
	pack->items[which] = pack->items[--pack->count];
	return err;
}

static double occupancy(const struct pack *pack)
{
	return 100.0 * (double)pack->used / (double)PACKING_SPAN;
}

static double measure_fill(struct pack *pack)
{
	struct alloc_request request;

	do {
		request = draw(pack);
	} while (take(pack, &request));
	return occupancy(pack);
}

static int measure_survived(struct pack *pack, double *survived)
{
	struct alloc_request request;
	int err = 0;

	*survived = 0;
	while (pack->used > PACKING_SPAN / 10 * 9 && !err)
		err = drop_one(pack);
	for (; *survived < SURVIVED_MOST && !err; *survived += 1) {
		request = draw(pack);
		while (pack->used + request.size > PACKING_SPAN / 10 * 9 && !err)
			err = drop_one(pack);
		if (!err && !take(pack, &request))
			break;
	}
	return err;
}

static int serve(struct pack *pack, uint64_t requests, double *mean)
{
	double sum = 0;
	int err = 0;

	for (uint64_t i = 0; i < requests && !err; i++) {
		struct alloc_request request = draw(pack);

		while (!err && !take(pack, &request))
			err = pack->count ? drop_one(pack) : -ENOSPC;
		sum += occupancy(pack);
	}
	*mean = sum / (double)requests;
	return err;
}

int packing_measure(const struct alloc_kind *kind, bool aligned, uint64_t seed, uint64_t requests,
		    struct packing *packing)
{
	struct pack *pack = calloc(1, sizeof(*pack));
	struct packing made;
	int err;

	if (!pack)
		return -ENOMEM;
	pack->kind = kind;
	pack->aligned = aligned;
	pack->random = seed;
	pack->space = (struct alloc_space){ .size = PACKING_SPAN, .live = BLOCKS_MOST };
	alloc_sizes_init(pack->sizes);
	err = kind->open(&pack->space);
	if (!err) {
		made.fill = measure_fill(pack);
		err = measure_survived(pack, &made.survived);
	}
	if (!err)
		err = serve(pack, requests / 2, &made.saturated);
	if (!err)
		err = serve(pack, requests, &made.saturated);
	while (!err && pack->count)
		err = drop_one(pack);
	if (!err)
		*packing = made;
	free(pack);
	return err;
}
