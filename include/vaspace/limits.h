/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/limits.h - which addresses an owner can use.
 *
 * A GPU, an IOMMU, a NIC, a compressed-pointer scheme or a virtual CPU each
 * reach only some addresses. Each states its own struct vas_limits; combining
 * them answers where a span may lie that all of them can use:
 *
 *	min		the largest of the minima
 *	max		the smallest of the maxima
 *	alignment	the least common multiple
 *	granule		the least common multiple
 *	holes		their union
 *	max_size, max_total, max_count	the smallest of those given
 *	obligations	all of them together
 *
 * Combining is pure arithmetic: it calls nothing and owns nothing.
 */
#ifndef VASPACE_LIMITS_H
#define VASPACE_LIMITS_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What an owner demands of whoever holds memory at its addresses. Obligations
 * add up; the library honours those it can by itself (marked *) and hands the
 * rest to the caller in the combined limits.
 */
#define VAS_OBLIGE_PIN 0x01u /* pages must be pinned before the device uses them */
#define VAS_OBLIGE_NOTIFY 0x02u /* the device must hear of a change of backing before it happens */
#define VAS_OBLIGE_NOFORK 0x04u /* * a forked child must not inherit the span */
#define VAS_OBLIGE_POPULATE 0x08u /* pages must be there before use: no fault from the device */
#define VAS_OBLIGE_WHOLE 0x10u /* what was attached at once is detached at once, never in part */
#define VAS_OBLIGE_NODUMP 0x20u /* * the span must stay out of core dumps */
#define VAS_OBLIGE_NOHUGE 0x40u /* * no transparent huge pages */
#define VAS_OBLIGE_ALL 0x7fu

/*
 * One owner's limits. Zero in a field means "no limit of that kind". min and
 * max bound the addresses of bytes: a span fits when start >= min and
 * start + size <= max. max is exclusive.
 */
struct vas_limits {
	size_t size; /* sizeof(struct vas_limits) */
	const char *name; /* who limits; shown in refusals; may be NULL */
	uint64_t min; /* lowest address, bytes */
	uint64_t max; /* one past the highest address, bytes; 0 = none */
	uint64_t alignment; /* of the start, bytes; any positive number; 0 = the page size */
	uint64_t granule; /* sizes are multiples of it, bytes; 0 = the page size */
	uint64_t max_size; /* of one span, bytes; 0 = none */
	uint64_t max_total; /* of all spans of this owner together, bytes; 0 = none */
	uint32_t max_count; /* how many spans; 0 = none */
	uint32_t obligations; /* VAS_OBLIGE_ bits */
	const struct vas_span *holes; /* ranges that must not be touched, any order, may overlap */
	size_t hole_count;
};

/* Which rule two limits break together. */
enum vas_limits_rule {
	VAS_LIMITS_RULE_NONE = 0,
	VAS_LIMITS_RULE_RANGE, /* the highest min is not below the lowest max */
	VAS_LIMITS_RULE_ALIGNMENT, /* the common multiple of alignments does not fit 64 bits */
	VAS_LIMITS_RULE_GRANULE, /* the same of granules */
	VAS_LIMITS_RULE_SIZE, /* the common granule is above the smallest max_size or max_total */
	VAS_LIMITS_RULE_HOLES /* holes leave no address between min and max */
};

/* The pair that conflicts: indices into the list; equal when one limits itself away. */
struct vas_limits_conflict {
	enum vas_limits_rule rule;
	size_t first;
	size_t second;
};

struct vas_limits_combine_opts {
	size_t size;
	/* Where the union of holes is written, sorted and merged; owned by the caller. */
	struct vas_span *hole_buffer;
	size_t hole_capacity; /* room of hole_buffer, in spans; the sum of all hole_counts is enough */
	struct vas_limits_conflict *conflict; /* filled on -ERANGE; may be NULL */
};

/*
 * Combines count limits into *combined. combined->holes points into
 * opts->hole_buffer, combined->name is NULL.
 *
 * Errors, with *combined untouched (hole_buffer may have been written):
 *  -EINVAL	a NULL entry, an unknown obligation bit, min >= max in one
 *		entry is -ERANGE instead; a hole that wraps around
 *  -E2BIG	an entry or opts is larger than known, with a non-zero tail
 *  -ERANGE	no address can satisfy all of them: conflict tells the pair
 *  -ENOSPC	hole_buffer cannot hold the union while it is being built
 *
 * count 0 gives "no limits". Thread-safe; signal-safe.
 */
VAS_API int vas_limits_combine(const struct vas_limits *const *list, size_t count,
			       const struct vas_limits_combine_opts *opts,
			       struct vas_limits *combined);

/*
 * Whether span satisfies limits (all but the counts over several spans).
 *
 * Errors:
 *  -EINVAL	limits is NULL or malformed, or span is empty or wraps around
 *  -E2BIG	limits is larger than known, with a non-zero tail
 *  -ERANGE	it does not
 *
 * Thread-safe; signal-safe.
 */
VAS_API int vas_limits_check(const struct vas_limits *limits, struct vas_span span);

#ifdef __cplusplus
}
#endif
#endif
