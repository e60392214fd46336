/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process at vm.max_map_count: as many mappings as the kernel lets it have,
 * so that every call that needs one more is refused.
 */
#ifndef TESTS_SUPPORT_MAP_LIMIT_H
#define TESTS_SUPPORT_MAP_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/base.h>

struct map_limit {
	struct vas_span filler;
	uint64_t page;
	uint64_t top; /* pages below it may be mappings of their own */
};

/* Whether this system's limit can be reached in reasonable time. */
bool map_limit_reachable(void);
/* Fills up. False when the limit was not met. */
bool map_limit_fill(struct map_limit *limit);
/* Gives that many mappings back, an even number. */
void map_limit_give(struct map_limit *limit, unsigned mappings);
/* Gives all of them back. */
void map_limit_empty(struct map_limit *limit);
/* Whether a mapping cannot be split now. */
bool map_limit_met(const struct map_limit *limit);

#endif
