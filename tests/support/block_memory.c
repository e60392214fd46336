/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for the parts of a block allocator. See block_memory.h. */
#include "support/block_memory.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tap/tap.h"

static int take(void *context, size_t size, void **memory)
{
	struct block_memory *source = context;

	source->calls++;
	if (source->limited && source->left == 0) {
		source->refused++;
		return -ENOMEM;
	}
	source->left -= source->limited;
	*memory = aligned_alloc(4096, size);
	if (!*memory)
		tap_bail("no memory");
	memset(*memory, 0, size);
	source->out += size;
	return 0;
}

static void give(void *context, void *memory, size_t size)
{
	((struct block_memory *)context)->out -= size;
	free(memory);
}

static void lock(void *context, uint32_t *word)
{
	(void)context;
	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
}

static void unlock(void *context, uint32_t *word)
{
	struct block_memory *source = context;

	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) != 1)
		__atomic_fetch_add(&source->overlaps, 1, __ATOMIC_RELAXED);
}

struct vas_blocks_support block_memory_support(struct block_memory *memory)
{
	return (struct vas_blocks_support){
		.context = memory,
		.take = take,
		.give = give,
		.lock = lock,
		.unlock = unlock,
	};
}
