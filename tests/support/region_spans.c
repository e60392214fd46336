/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model of regions: spans that the library did not reserve by itself.
 *
 * WHAT FOR. A region is the same on a span that the caller had mapped, or that a device claimed.
 *
 * STRATEGY. What the caller or the device does goes to the kernel past the library.
 *
 * CONCURRENCY. One thread.
 *
 * WHAT IT DOES NOT DO. It makes no regions: region_steps.c does.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/random.h"
#include "record/report.h"
#include "space/space.h"
#include "support/region_model.h"

/* What the caller mapped becomes owned, perhaps is disowned once, and is owned again. */
int region_span_adopt(struct region_model *model, uint64_t size, void **start)
{
	struct vas_sys *sys = model->target->sys;
	int64_t got = sys->map(sys, 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct vas_owner owner;
	int err;

	if (got < 0)
		return (int)got;
	*start = (void *)(uintptr_t)got;
	VAS_OPTS(vas_adopt_opts, opts);
	opts.flags = VAS_ADOPT_COMMITTED;
	/* With another protection than it has. */
	err = vas_adopt(*start, size, &opts);
	if (err == -EINVAL)
		err = vas_adopt(*start, size, NULL);
	else if (!err)
		err = -EILSEQ;
	if (!err && vas_random_below(&model->random, 2)) {
		err = vas_disown(*start);
		if (!err && vas_owner_at(*start, &owner) != -ENOENT)
			err = -EILSEQ;
		err = err ? err : vas_adopt(*start, size, NULL);
	}
	/* Refused, it is the caller's still; at the limit perhaps for good. */
	if (err)
		(void)sys->unmap(sys, (uint64_t)got, size);
	return err;
}

/* --- a device that claims addresses by its own means --- */

static int device_claim(void *context, uint64_t start, uint64_t size)
{
	struct vas_sys *sys = context;
	int64_t got = sys->map(sys, start, size, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	return got < 0 ? (int)got : 0;
}

static int device_unclaim(void *context, uint64_t start, uint64_t size)
{
	struct vas_sys *sys = context;

	return (int)sys->unmap(sys, start, size);
}

int region_span_claim(struct region_model *model, uint64_t size, void **start)
{
	static struct vas_claimer device = { "device", NULL, device_claim, device_unclaim, 1 };
	struct vas_failure failure;
	struct vas_space *space;
	struct vas_span span;
	int err;

	device.context = model->target->sys;
	VAS_OPTS(vas_reserve_opts, opts);
	err = vas_space_default(&space);
	err = err ? err : vas_space_reserve_by(space, size, &opts, &device, &failure, &span);
	*start = err ? NULL : vas_span_pointer(span);
	return err;
}
