/* SPDX-License-Identifier: BSD-2-Clause */
/* What one vas_reserve carries through its steps. Private to src/space/reserve*.c. */
#ifndef VAS_SPACE_RESERVE_H
#define VAS_SPACE_RESERVE_H

#include "base/random.h"
#include "space/space.h"

#define AVOID_SPANS 192u /* holes and margins that are handled without mapping memory */
#define MARGIN_SPANS 4u
#define REMEMBERED_TRIES 2u
#define VAS_RESERVE_LIMITS_MAX 64u

/* A claim at a remembered place. */
struct again {
	struct vas_remembered *item;
	uint64_t serial; /* of the item: it may be used for something else meanwhile */
	struct vas_holding *holding;
	uint64_t address;
	uint64_t size;
	uint32_t recipe;
};

struct reserve {
	struct vas_space *space;
	uint64_t asked; /* bytes, as the caller said */
	const struct vas_reserve_opts *opts;
	const struct vas_claimer *claimer; /* NULL = the kernel */
	struct vas_failure *failure;
	struct vas_request request;
	uint32_t recipe;
	struct vas_holding *holding;
	struct vas_span span; /* claimed */
	int last_error; /* of the last claim */
	bool lost; /* a place that looked free was not to be had */
	uint32_t queries, readings; /* of all searches */
	int search_error; /* why the mappings could not be searched */
	uint64_t beside; /* a place that is likely free and merges, to be tried once; 0 = none */
	bool margins_known;
	struct vas_margins margins;
	struct vas_spanset margin_set;
	struct vas_span margin_items[MARGIN_SPANS];
	/* Holes of the limits; mapped memory when they are many. */
	struct vas_span avoid_items[AVOID_SPANS];
	void *mapped;
	size_t mapped_size;
};

/* Builds work->request, recipe and avoid from opts. -EINVAL, -ERANGE, -E2BIG, -ENOMEM; failure filled. */
int vas_reserve_request(struct reserve *work, uint64_t size);
/* Gives back what the request had to map. */
void vas_reserve_request_end(struct reserve *work);

#endif
