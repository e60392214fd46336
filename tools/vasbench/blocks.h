/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many live blocks of one size side by side, every second one committed, so that there are as many
 * kernel mappings as blocks: kept by the raw system calls, or by a region.
 */
#ifndef VASBENCH_BLOCKS_H
#define VASBENCH_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/vaspace.h>

/* What everything that is mapped gets beside its protection. */
enum recipe {
	RECIPE_PLAIN,
	RECIPE_NODUMP,
	RECIPE_NODUMP_POLICY,
	RECIPES
};
extern const char *const recipe_names[RECIPES];

/* The kinds of operations that are timed, on blocks taken at random from the committed ones. */
enum blocks_op {
	BLOCKS_COMMIT,
	BLOCKS_DECOMMIT,
	BLOCKS_FREE,
	BLOCKS_OPS,
	BLOCKS_VMAS = BLOCKS_OPS /* not timed: the process's kernel mappings, in place of ns */
};

struct blocks_layout {
	uint64_t size; /* of a block */
	unsigned int count;
	enum recipe recipe;
	bool solid; /* all committed, and with that one kernel mapping; else every second one */
	/* The state of one process: */
	unsigned char **starts;
	unsigned int *order; /* indexes of committed blocks, shuffled */
	unsigned int order_count;
	unsigned int next;
	struct vas_region *region; /* of the region's side */
};

/* Both are jobs of a worker: context is a struct blocks_layout. */
int blocks_raw_prepare(void *context);
int blocks_raw_run(void *context, unsigned int op, unsigned int count, uint64_t *spent);
int blocks_region_prepare(void *context);
int blocks_region_run(void *context, unsigned int op, unsigned int count, uint64_t *spent);

/* The kernel mappings of this process. */
int vmas_count(uint64_t *count);
/* The arrays, and an order of the blocks that will be committed. */
int blocks_init(struct blocks_layout *layout);
/* The next block to work on: each comes once before one comes again. */
unsigned char *blocks_next(struct blocks_layout *layout);
/* Takes the last count of blocks_next back, so that they come again. */
void blocks_again(struct blocks_layout *layout, unsigned int count);

#endif
