/* SPDX-License-Identifier: BSD-2-Clause */
/* A load that two threads share: see beside.c. */
#include <errno.h>

#include "alloc_load.h"
#include "beside.h"

_Static_assert(ALLOC_THREADS == BESIDE_SIDES, "two threads");

static void draw(void *context)
{
	alloc_batch_draw(context);
}

static int run(void *context)
{
	struct alloc_thread *thread = context;

	alloc_batch_run(thread);
	return thread->err ? -EIO : 0;
}

int alloc_load_threads(struct alloc_load *load, double *ns)
{
	static struct beside_side sides[ALLOC_THREADS];
	int err;

	for (unsigned int i = 0; i < ALLOC_THREADS; i++) {
		sides[i].context = &load->threads[i];
		sides[i].prepare = draw;
		sides[i].run = run;
	}
	err = beside_measure(sides, ALLOC_THREADS, ns);
	*ns /= load->batch;
	return err;
}
