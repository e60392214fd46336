/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One region at which the threads of a crew work: each takes, changes and frees blocks at random, and
 * notes memory that is not fresh when it is handed out, or that somebody else wrote to.
 */
#ifndef TESTS_SUPPORT_REGION_CHURN_H
#define TESTS_SUPPORT_REGION_CHURN_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/vaspace.h>

#define CHURN_KEPT 16u /* blocks that a thread has at the most */

struct region_churn {
	struct vas_region *region;
	uint64_t page, seed;
	uint64_t rounds; /* of each thread */
};

/* Makes the region; bails out when that fails. In the thread that runs the test. */
void region_churn_begin(struct region_churn *churn, uint64_t pages,
			const struct vas_region_opts *opts);
/* Nothing may be left in it; points of the test. */
void region_churn_end(struct region_churn *churn);

/* For crew_run(), with the churn as the argument. */
void region_churn_work(void *churn, unsigned int number);
/* A block whose memory is committed with it or after it. -ENOSPC, or a finding of the crew. */
int region_churn_take(const struct region_churn *churn, struct vas_block *block, uint64_t pages,
		      bool at_once);
uint64_t region_churn_draw(uint64_t *state);

#endif
