/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and locks for a block allocator's parts under test; memory can be refused. */
#ifndef TESTS_SUPPORT_BLOCK_MEMORY_H
#define TESTS_SUPPORT_BLOCK_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/blocks.h"

/* All zeroes: nothing is refused. For several threads, calls must come with a lock held. */
struct block_memory {
	bool limited;
	uint64_t left; /* calls until all are refused, if limited */
	uint64_t calls;
	uint64_t refused;
	uint64_t out; /* bytes that were not given back */
	uint64_t overlaps; /* locks that were free when they were given back */
};

/* memory outlives what uses it. The locks spin. */
struct vas_blocks_support block_memory_support(struct block_memory *memory);

#endif
