/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Populate: every page gets its memory now.
 *
 * WHAT FOR. A shortage becomes an errno here, rather than a signal at the first
 * touch or the end of the process.
 *
 * STRATEGY. MADV_POPULATE_WRITE (or _READ where nothing may be written), in steps, so that a
 * memory group's room is looked at before each: such a group kills instead of refusing.
 *
 * CONCURRENCY. No lock is held; the range is marked as this call's own.
 *
 * WHAT IT DOES NOT DO. It undoes nothing.
 */
#include "space/populate.h"

#include <errno.h>
#include <sys/mman.h>

#include "space/cgroup.h"
#include "sys/definitions.h"

#define STEP   (UINT64_C(64) << 20)
#define MARGIN (UINT64_C(2) << 20)

static bool group_has_room(struct vas_space *space, uint64_t size)
{
	uint64_t room = vas_cgroup_room(space->sys);

	return room == UINT64_MAX || (room > MARGIN && room - MARGIN >= size);
}

int vas_populate(struct vas_space *space, const struct vas_backing *backing, struct vas_span range,
		 int prot, struct vas_failure *failure)
{
	int advice = prot & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	int64_t err;

	(void)backing;
	for (uint64_t done = 0; done < range.size; done += STEP) {
		uint64_t step = range.size - done < STEP ? range.size - done : STEP;

		if (!group_has_room(space, step)) {
			failure->why = VAS_WHY_CGROUP;
			return -ENOMEM;
		}
		err = VAS_CALL(space->sys, advise, range.start + done, step, advice);
		if (err < 0) {
			failure->why = VAS_WHY_MEMORY;
			return -ENOMEM;
		}
	}
	return 0;
}
