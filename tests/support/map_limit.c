/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * To the limit of mappings and back.
 *
 * WHAT FOR. What is refused at vm.max_map_count can only be seen there.
 *
 * STRATEGY. One large inaccessible mapping, in which every other page gets
 * another protection: two more mappings each time, until the kernel refuses;
 * then single ones. A few pages at its end stay as they are: splitting them tells
 * whether the limit is met.
 *
 * CONCURRENCY. For one thread.
 *
 * WHAT IT DOES NOT DO. It does not change the limit, which is every process's.
 */
#include "support/map_limit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST 400000u /* mappings that a test may make */
#define REST 16u /* pages at the end, left alone */

bool map_limit_reachable(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	uint64_t most = 0;
	int read;

	if (!file)
		return false;
	read = fscanf(file, "%" SCNu64, &most);
	fclose(file);
	return read == 1 && most <= MOST / 2;
}

static bool fill_page(const struct map_limit *limit, uint64_t index, int prot)
{
	char *start = vas_span_pointer(limit->filler);

	return mprotect(start + index * limit->page, limit->page, prot) == 0;
}

bool map_limit_met(const struct map_limit *limit)
{
	uint64_t middle = limit->filler.size / limit->page - REST / 2;

	if (!fill_page(limit, middle, PROT_READ))
		return errno == ENOMEM;
	(void)fill_page(limit, middle, PROT_NONE);
	return false;
}

bool map_limit_fill(struct map_limit *limit)
{
	uint64_t pages = MOST + REST, index;
	void *memory;

	limit->page = (uint64_t)sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, pages * limit->page, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	limit->filler = (struct vas_span){ (uint64_t)(uintptr_t)memory, pages * limit->page };
	/* Page 0 is the first of its own, so that what lies below cannot merge with it. */
	(void)fill_page(limit, 0, PROT_WRITE);
	for (index = 2; index < pages - REST && fill_page(limit, index, PROT_READ); index += 2)
		;
	limit->top = index;
	/* Two at once were too many; one may fit: a third protection beside the last one. */
	(void)fill_page(limit, index - 1, PROT_READ | PROT_WRITE);
	return map_limit_met(limit);
}

void map_limit_give(struct map_limit *limit, unsigned mappings)
{
	/* Each page that is like its neighbours again takes two mappings with it. */
	for (; mappings >= 2 && limit->top > 4; mappings -= 2) {
		limit->top -= 2;
		(void)fill_page(limit, limit->top, PROT_NONE);
		(void)fill_page(limit, limit->top + 1, PROT_NONE);
	}
}

void map_limit_empty(struct map_limit *limit)
{
	/* Possible at the limit too: the whole of it goes. */
	munmap(vas_span_pointer(limit->filler), limit->filler.size);
	*limit = (struct map_limit){ .page = limit->page };
}
