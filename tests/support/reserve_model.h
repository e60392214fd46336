/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flat model of reserve, commit and release, and a driver of random
 * operations that holds a space against it, over any kernel.
 *
 * The model keeps plain lists: own spans with the commits made in them, and
 * pieces that somebody else mapped. After each operation results and sums are
 * compared, after every tenth the kernel's own list of mappings, piece by piece.
 * A refusal must be justified: the reference (reserve_reference.c) works out
 * by brute force whether there was a place.
 *
 * Operations are recorded as data that does not depend on what went before. So
 * when a run fails, subsets of its list are run again, each in a process of
 * its own, until no operation can be left out.
 */
#ifndef TESTS_SUPPORT_RESERVE_MODEL_H
#define TESTS_SUPPORT_RESERVE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/reserve.h>

#include "space/space.h"

#define MODEL_SPANS   200u
#define MODEL_COMMITS 24u
#define MODEL_PIECES  4096u
#define MODEL_FOREIGN 64u
#define MODEL_RACED   8u /* in one call */

/* A mapping, or a free range (prot unused). */
struct model_piece {
	uint64_t start, end;
	uint32_t prot;
};

struct model_pieces {
	struct model_piece items[MODEL_PIECES];
	size_t count;
};

enum model_kind {
	MODEL_RESERVE,
	MODEL_COMMIT,
	MODEL_RELEASE,
	MODEL_FOREIGN_MAP, /* somebody else maps, where it is free */
	MODEL_FOREIGN_UNMAP, /* and unmaps again */
	MODEL_STRAY_RELEASE, /* releases an address where no span starts */
	MODEL_STRAY_COMMIT /* commits what is not inside one span */
};

/* One operation. target is the number of the MODEL_RESERVE or MODEL_FOREIGN_MAP that is meant. */
struct model_op {
	uint8_t kind;
	uint8_t place, side, limits;
	uint32_t flags;
	uint32_t target;
	int32_t prot;
	uint64_t size, min_size;
	uint64_t min, max, alignment, phase;
	uint64_t address, reach, key;
};

struct model_commit {
	uint64_t start, end;
	uint32_t prot;
};

struct model_span {
	uint32_t number; /* of the operation that reserved it */
	bool held;
	uint64_t id;
	struct vas_span span;
	struct model_commit
		commits[MODEL_COMMITS]; /* in order: the first that covers a page made it */
	unsigned commit_count;
};

/* The kernel and the space that a model is held against. */
struct model_target {
	struct vas_space *space;
	uint64_t page;
	/* A window in which most operations happen, so that it fills up. */
	uint64_t arena_start, arena_size;
	unsigned live_max; /* spans at once */
	bool looks; /* the mappings can be read: refusals must be right, strict policies exact */
	bool crowded; /* others map too: only what is ours is compared */
	bool accessible; /* committed memory can be written */
	bool high; /* try addresses above the default window too */
	uint64_t map_limit; /* VMAs; UINT64_MAX = not to be run into */
	uint64_t address_limit; /* bytes; UINT64_MAX = none */
	bool ending; /* the run is over: limits are to be lifted */
	/* Mapped by somebody else in the middle of our last call; the model takes them over. */
	struct model_piece raced[MODEL_RACED];
	unsigned raced_count;
	int (*reserve)(struct model_target *target, uint64_t size,
		       const struct vas_reserve_opts *opts, struct vas_span *span);
	int (*commit)(struct model_target *target, uint64_t start, uint64_t size,
		      const struct vas_commit_opts *opts);
	int (*release)(struct model_target *target, uint64_t start, enum vas_retired *state);
	int (*check)(struct model_target *target, uint64_t *where);
	/* All mappings, ascending. */
	void (*view)(struct model_target *target, struct model_pieces *pieces);
	/* Compares the library's reading of mappings and gaps with that list; false: differs. */
	bool (*gaps)(struct model_target *target, const struct model_pieces *pieces);
	bool (*foreign_map)(struct model_target *target, uint64_t start, uint64_t size, int prot);
	bool (*foreign_unmap)(struct model_target *target, uint64_t start, uint64_t size);
};

struct model {
	struct model_target *target;
	uint64_t random;
	struct model_span spans[MODEL_SPANS];
	unsigned span_count;
	struct model_piece foreign[MODEL_FOREIGN]; /* mapped by operations */
	uint32_t foreign_number[MODEL_FOREIGN];
	unsigned foreign_count;
	struct model_pieces others; /* what was mapped at the beginning */
	struct model_pieces view;
	uint64_t expected_reserves, expected_releases;
	/* Of reserves, for the report. */
	uint64_t refusals, shortfalls, held_seen, succeeded, raced;
	char wrong[200]; /* what failed, "" = nothing */
};

/* What a set of limits of the tests says; MODEL_LIMITS of them. */
#define MODEL_LIMITS 9u
/* Fills list (up to 4 pointers) with limits number; returns how many. */
size_t model_limits(const struct model_target *target, unsigned number,
		    const struct vas_limits **list);

/* The reference. */

/* What a call asks for, once all is combined. */
struct model_want {
	uint64_t size, min_size; /* in whole granules */
	uint64_t start, end;
	uint64_t alignment, phase, granule;
	uint64_t address;
	enum vas_place place;
	enum vas_side side;
	bool prefer, strict;
	struct model_piece avoid[600]; /* holes of the limits, sorted, disjoint */
	size_t avoid_count;
};

/* 0, -EINVAL or -ERANGE, as the call must answer in an empty address space. */
int model_want_make(const struct model_target *target, const struct model_op *op,
		    struct model_want *want);
/*
 * Free ranges for want among the mappings in view: inside its window, clear of
 * holes and of kept (stack and break). own is taken for free (size 0 = none).
 */
void model_free(const struct model_want *want, const struct model_pieces *view, struct vas_span own,
		const struct vas_spanset *kept, struct model_pieces *free);
/* The lowest and the highest place for size; false when there is none. */
bool model_lowest(const struct model_want *want, const struct model_pieces *free, uint64_t size,
		  uint64_t *place);
bool model_highest(const struct model_want *want, const struct model_pieces *free, uint64_t size,
		   uint64_t *place);
/* NEAR: the place that is right, by side and distance. */
bool model_nearest(const struct model_want *want, const struct model_pieces *free, uint64_t size,
		   uint64_t *place);
uint64_t model_distance(uint64_t anchor, uint64_t place, uint64_t size);
/* The largest size that has a place, in whole granules. */
uint64_t model_largest(const struct model_want *want, const struct model_pieces *free);
/* Whether this place satisfies everything. */
bool model_fits(const struct model_want *want, const struct model_pieces *free, uint64_t place,
		uint64_t size);

/* The model. */
void model_begin(struct model *model, struct model_target *target, uint64_t seed);
/* A random operation that makes sense now; number is its own. */
void model_random_op(struct model *model, uint32_t number, struct model_op *op);
/* Carries it out and compares. False: model->wrong says what. */
bool model_apply(struct model *model, uint32_t number, const struct model_op *op);
/* Compares everything, mappings included. */
bool model_agree(struct model *model);
/* Releases all, and checks that nothing is left. */
bool model_end(struct model *model);

/* The driver. */

/* Makes the target in the process that will use it; returns false where it cannot be made. */
typedef bool model_make_fn(struct model_target *target, const void *setup);

/*
 * count random operations, in a process of its own; one point. When they fail,
 * the list is cut down and printed. seconds 0: no limit; else it stops early
 * and says how many it did. Returns how many operations were carried out.
 */
uint64_t model_run(const char *name, model_make_fn *make, const void *setup, uint64_t count,
		   double seconds, uint64_t seed);
/* For the test of the driver itself: only the length of the list that a failing run is cut down to. */
size_t model_shrunk(model_make_fn *make, const void *setup, uint64_t count, uint64_t seed);

#endif
