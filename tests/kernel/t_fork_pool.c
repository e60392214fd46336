/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why private huge pages of the pool have no copy in a forked child: what a
 * parent sets aside of the pool by private mappings is not its child's. The
 * kernel alone is asked; what the library makes of it is in t_fork_matrix.c.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/huge_pool.h"
#include "tap/tap.h"

#define POOL_PAGES 5u

static volatile unsigned char *map_pool(uint64_t size, int type)
{
	void *got = mmap(NULL, size, PROT_READ | PROT_WRITE, type | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (got == MAP_FAILED)
		tap_bail("no huge pages: %m");
	return got;
}

/* Whether a child can write there. */
static bool child_writes(volatile unsigned char *byte)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		*byte = 2;
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	return status == 0;
}

/* Whether a child has a page still after its parent wrote there. */
static bool child_keeps(volatile unsigned char *byte)
{
	int status = -1, written[2];
	char signal = 0;
	pid_t child;

	if (pipe(written))
		tap_bail("pipe: %m");
	child = fork();
	if (child == 0) {
		if (read(written[0], &signal, 1) != 1)
			_exit(1);
		_exit(*byte == 3);
	}
	*byte = 3;
	if (child < 0 || write(written[1], "x", 1) != 1 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	close(written[0]);
	close(written[1]);
	return status == 0;
}

int main(void)
{
	volatile unsigned char *memory, *aside, *filled, *shared;
	uint64_t rest;

	if (!huge_pool_take(POOL_PAGES)) {
		tap_plan(0);
		tap_skip_all("no-huge-pages", "the pool of huge pages cannot be enlarged");
	}
	tap_plan(6);
	/* A child's end is looked at, not told by a sanitizer, nor dumped. */
	signal(SIGBUS, SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	memory = map_pool(HUGE_PAGE, MAP_PRIVATE);
	aside = map_pool(HUGE_PAGE, MAP_PRIVATE);
	filled = map_pool(HUGE_PAGE, MAP_PRIVATE);
	rest = huge_pool_free() * HUGE_PAGE;
	shared = map_pool(rest, MAP_SHARED);
	*memory = *filled = 1;
	is_u64(huge_pool_free(), 0, "all of the pool is set aside");
	ok(!child_writes(memory), "a child cannot write to its copy");
	ok(!child_writes(aside), "nor to pages that its parent set aside");
	ok(!child_writes(filled), "nor to such that its parent has filled");
	ok(!child_keeps(memory), "and does not keep what its parent writes to");
	ok(child_writes(shared), "only what is shared is its own, too");
	munmap((void *)(uintptr_t)memory, HUGE_PAGE);
	munmap((void *)(uintptr_t)aside, HUGE_PAGE);
	munmap((void *)(uintptr_t)filled, HUGE_PAGE);
	munmap((void *)(uintptr_t)shared, rest);
	return tap_done();
}
