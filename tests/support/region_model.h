/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flat model of regions, and a driver of random operations that holds
 * several regions against it, over any kernel.
 *
 * The model keeps an array of pages for each region: which block a page belongs
 * to, whether it is committed, with what, and what its first byte holds. After each
 * operation its result is compared, from time to time all that the kernel says is
 * mapped in the regions, page by page, and sums, blocks and free ranges. A refusal must
 * be justified: every place is tried by brute force.
 */
#ifndef TESTS_SUPPORT_REGION_MODEL_H
#define TESTS_SUPPORT_REGION_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/vaspace.h>

#include "sys/sys.h"

#define REGION_MODEL_PAGES   256u /* of a region, at most */
#define REGION_MODEL_REGIONS 8u
#define REGION_MODEL_OBJECT  512u /* pages of the object that commits map */

struct region_page {
	uint32_t block; /* its number; 0 = free */
	bool committed;
	bool object; /* of the object, from page offset */
	bool punch;
	bool guard;
	bool unsettled; /* freed at a limit: anything may be mapped, and it may be in use or not */
	uint8_t prot;
	uint8_t value; /* its first byte, of private memory */
	uint16_t offset;
	uint32_t waited; /* the number of the freed block that it belonged to, in quarantine; 0 = none */
	uint64_t freed; /* by which operation */
};

/* The readers that regions of quarantine have in common. */
struct region_group {
	struct vas_region_thread *thread; /* NULL = none */
	unsigned books; /* regions that have them */
	uint64_t entered; /* by which operation; 0 = outside */
};

struct region_book {
	struct vas_region *region; /* NULL = none */
	bool claimed; /* by a device: it stays whole */
	struct region_group *group; /* NULL = no quarantine */
	uint64_t start;
	unsigned pages;
	struct region_page page[REGION_MODEL_PAGES];
};

/* What the kernel says about one page. */
struct region_view {
	bool mapped;
	bool object;
	uint8_t prot;
	uint16_t offset;
};

struct region_target {
	const char *name;
	uint64_t page;
	int fd; /* the object, REGION_MODEL_OBJECT pages; -1: commits are anonymous */
	bool accessible; /* memory can be read and written */
	bool limited; /* the limit of mappings is met at times */
	bool guards; /* guards leave the mapping alone */
	uint32_t flags; /* of region options: VAS_REGION_ bits */
	uint64_t cache_bytes;
	unsigned stride; /* everything is compared after so many operations; 0 = 10 */
	struct vas_sys *sys; /* of the kernel, for what others than the library do; NULL = they do nothing */
	/* Before everything is compared: looks at the kernel anew. May be NULL. */
	void (*refresh)(struct region_target *target);
	/* Fills count pages from start on. */
	void (*view)(struct region_target *target, uint64_t start, struct region_view *view,
		     unsigned count);
	/* The kernel's own invariants; may be NULL. */
	bool (*check)(struct region_target *target);
};

struct region_model {
	struct region_target *target;
	uint64_t random;
	struct region_book books[REGION_MODEL_REGIONS];
	struct region_group groups[REGION_MODEL_REGIONS];
	uint32_t last_block;
	uint8_t object[REGION_MODEL_OBJECT]; /* first bytes of its pages */
	uint64_t done; /* operations */
	uint64_t refusals, states[4]; /* seen, for the report */
	char wrong[240]; /* "" = nothing */
};

/*
 * count operations, or as many as seconds allow (0 = no limit); one point. Returns how many were
 * carried out. On failure the seed and the number of the operation are told.
 */
uint64_t region_model_run(struct region_target *target, uint64_t count, double seconds,
			  uint64_t seed);

/* Whether a page was freed and waits still: whoever is inside may look at it. */
bool region_model_waits(const struct region_book *book, const struct region_page *page);

/* A span for a region: of what the caller mapped, or of a device's own. -errno of the library. */
int region_span_adopt(struct region_model *model, uint64_t size, void **start);
int region_span_claim(struct region_model *model, uint64_t size, void **start);

/* One random operation, and the comparison of its result. */
bool region_model_step(struct region_model *model);
/* Everything. */
bool region_model_agree(struct region_model *model);

/* Brute force: whether a place satisfies a request; the lowest and highest such place. -1 none. */
struct region_want {
	uint64_t size, alignment, phase, min, max, boundary;
};
bool region_model_fits(const struct region_model *model, const struct region_book *book,
		       const struct region_want *want, unsigned page, bool hopeful);
int region_model_first(const struct region_model *model, const struct region_book *book,
		       const struct region_want *want, bool from_top, bool hopeful);

#endif
