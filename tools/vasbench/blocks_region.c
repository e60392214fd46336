/* SPDX-License-Identifier: BSD-2-Clause */
/* Live blocks kept by a region; see blocks.c for the same by system calls. */
#include <errno.h>
#include <stddef.h>

#include "blocks.h"
#include "measure.h"

/* With the alternating layout too, only blocks_next's are ever changed. */
static int region_create(struct blocks_layout *layout)
{
	VAS_OPTS(vas_policy, policy);
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_region_opts, opts);

	policy.mode = VAS_POLICY_BIND;
	policy.nodes[0] = 1;
	if (layout->recipe >= RECIPE_NODUMP)
		reserve.flags = VAS_RESERVE_NODUMP;
	if (layout->recipe == RECIPE_NODUMP_POLICY)
		reserve.policy = &policy;
	reserve.name = "vasbench";
	opts.reserve = &reserve;
	return vas_region_create((layout->count + 1) * layout->size, &opts, &layout->region);
}

static int region_alloc(struct blocks_layout *layout, void *address, bool commit,
			struct vas_block *block)
{
	VAS_OPTS(vas_alloc_opts, opts);

	opts.flags = (address ? VAS_ALLOC_EXACT : VAS_ALLOC_LOW) | (commit ? VAS_ALLOC_COMMIT : 0);
	opts.address = address;
	return vas_region_alloc(layout->region, layout->size, &opts, block);
}

int blocks_region_prepare(void *context)
{
	struct blocks_layout *layout = context;
	struct vas_block block;
	int err = blocks_init(layout);

	if (!err)
		err = region_create(layout);
	for (unsigned int i = 0; i < layout->count && !err; i++) {
		err = region_alloc(layout, NULL, layout->solid || i % 2, &block);
		layout->starts[i] = block.start;
	}
	return err;
}

static int commit_some(struct blocks_layout *layout, unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = vas_region_commit(layout->region, blocks_next(layout), layout->size, NULL);
	return err;
}

static int decommit_some(struct blocks_layout *layout, unsigned int count)
{
	enum vas_retired state = VAS_RETIRED_GONE;
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		err = vas_region_decommit(layout->region, blocks_next(layout), layout->size, &state);
		if (!err && state != VAS_RETIRED_GONE)
			err = -EBUSY; /* not what is measured */
	}
	return err;
}

static int free_some(struct blocks_layout *layout, unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = vas_region_free(layout->region, blocks_next(layout), NULL);
	return err;
}

/* Where they were, so that the layout is the same for every batch. */
static int alloc_some(struct blocks_layout *layout, unsigned int count)
{
	struct vas_block block;
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = region_alloc(layout, blocks_next(layout), true, &block);
	return err;
}

static int timed(struct blocks_layout *layout, int (*some)(struct blocks_layout *, unsigned int),
		 unsigned int count, uint64_t *spent)
{
	uint64_t start = cpu_ns();
	int err = some(layout, count);

	*spent = cpu_ns() - start;
	return err;
}

int blocks_region_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct blocks_layout *layout = context;
	bool freeing = op == BLOCKS_FREE;
	uint64_t other;
	int err;

	if (op == BLOCKS_VMAS)
		return vmas_count(spent);
	err = timed(layout, freeing ? free_some : decommit_some, count,
		    op == BLOCKS_COMMIT ? &other : spent);
	blocks_again(layout, count);
	return err ? err : timed(layout, freeing ? alloc_some : commit_some, count,
				 op == BLOCKS_COMMIT ? spent : &other);
}
