/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of alternating protection, which merge with nothing. See sim_filler.h. */
#include "support/sim_filler.h"

#include <sys/mman.h>

#include "tap/tap.h"

static uint64_t filler_pages(uint64_t limit)
{
	return 4 * limit;
}

uint64_t sim_filler_take(struct vas_sys_sim *sim, uint64_t limit)
{
	struct vas_sys *sys = &sim->sys;
	uint64_t page = sys->page_size, pages = filler_pages(limit);
	int64_t got = sys->map(sys, 0, pages * page, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t filler = (uint64_t)got;

	if (got < 0)
		tap_bail("no filler");
	for (uint64_t i = 1; i < pages; i += 2)
		if (sys->protect(sys, filler + i * page, page, PROT_READ) < 0)
			break;
	/* Near the limit a split makes one mapping, at the end of the range, and none in the middle. */
	for (uint64_t i = pages - 1; i > pages - 4; i--)
		(void)sys->protect(sys, filler + i * page, page, PROT_READ);
	is_u64(sim->count, limit, "as many mappings as there may be");
	return filler;
}

void sim_filler_drop(struct vas_sys_sim *sim, uint64_t limit, uint64_t filler)
{
	struct vas_sys *sys = &sim->sys;

	is_i64(sys->unmap(sys, filler, filler_pages(limit) * sys->page_size), 0, "room again");
}
