/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * A child of a fork that came while other threads were at work in a region has a region that works.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "support/crew.h"
#include "tap/tap.h"

#define THREADS 4u
#define KEPT	16u

static uint64_t page, seed;
static struct vas_region *region;

static uint64_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Fresh memory is zero; then it is this thread's. */
static void mark_block(const struct vas_block *block, unsigned int number)
{
	for (uint64_t at = 0; at < block->size; at += page) {
		uint64_t *word = (uint64_t *)((char *)block->start + at);

		if (*word != 0)
			crew_fault("a page of a new block holds %jx", (uintmax_t)*word);
		*word = (uintptr_t)word ^ number;
	}
}

static void check_block(const struct vas_block *block, unsigned int number)
{
	for (uint64_t at = 0; at < block->size; at += page) {
		const uint64_t *word = (const uint64_t *)((char *)block->start + at);

		if (*word != ((uintptr_t)word ^ number))
			crew_fault("somebody else wrote into a block");
	}
}

static int take(struct vas_block *block, uint64_t pages, bool at_once)
{
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = at_once ? VAS_ALLOC_COMMIT : 0;
	opts.tag = (uint32_t)pages;
	err = vas_region_alloc(region, pages * page, &opts, block);
	if (err || at_once)
		return err;
	err = vas_region_commit(region, block->start, block->size, NULL);
	if (err)
		crew_fault("a block cannot be committed: %d", err);
	return err;
}

static void churn_step(struct vas_block *block, uint64_t random, unsigned int number)
{
	enum vas_retired state;
	int err;

	if (!block->start) {
		err = take(block, 1 + random % 7, random & 8);
		if (err && err != -ENOSPC)
			crew_fault("no block: %d", err);
		if (!err)
			mark_block(block, number);
		else
			block->start = NULL;
		return;
	}
	check_block(block, number);
	if (random % 5 == 0 && block->size > page) {
		if (vas_region_resize(region, block->start, block->size - page))
			crew_fault("a block cannot be made smaller");
		block->size -= page;
		return;
	}
	err = vas_region_free(region, block->start, &state);
	if (err || state != VAS_RETIRED_GONE)
		crew_fault("a block cannot be freed: %d, %d", err, (int)state);
	block->start = NULL;
}

static void churn(void *rounds, unsigned int number)
{
	struct vas_block kept[KEPT];
	uint64_t state = seed + number;

	memset(kept, 0, sizeof(kept));
	crew_meet();
	for (uint64_t i = 0; i < *(const uint64_t *)rounds && !crew_failed(); i++) {
		uint64_t random = draw(&state);

		churn_step(&kept[random % KEPT], random >> 5, number);
	}
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].start && vas_region_free(region, kept[i].start, NULL))
			crew_fault("the last blocks cannot be freed");
}

static void begin(uint64_t pages)
{
	if (vas_region_create(pages * page, NULL, &region))
		tap_bail("no region");
}

static void end(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t where = 0;

	is_err(vas_region_stats(region, &stats), 0, "statistics");
	ok(stats.blocks == 0 && stats.used == 0 && stats.committed == 0,
	   "no block is left, nothing is committed");
	ok(vas_region_check(region), "the books are whole");
	is_err(vas_sync_check(&where), 0, "and say what is mapped");
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
}

static int child(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	for (int i = 0; i < 20; i++) {
		if (vas_region_alloc(region, page, NULL, &block))
			return 1;
		if (vas_region_commit(region, block.start, page, NULL))
			return 2;
		*(char *)block.start = 1;
		if (vas_region_free(region, block.start, NULL))
			return 3;
	}
	if (!vas_region_check(region) || vas_sync_check(NULL))
		return 4;
	if (vas_region_stats(region, &stats) || stats.blocks > (THREADS - 1) * KEPT)
		return 5;
	return vas_region_destroy(region, NULL) ? 6 : 0;
}

static void fork_or_churn(void *rounds, unsigned int number)
{
	if (number) {
		churn(rounds, number);
		return;
	}
	crew_meet();
	for (uint64_t i = 0; i < tap_scaled(20) && !crew_failed(); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0)
			_exit(child());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			crew_fault("a child ended with %x", status);
	}
}

static void test_fork(void)
{
	uint64_t rounds = tap_scaled(3000);

	begin(512);
	crew_run(THREADS, fork_or_churn, &rounds);
	is_u64(crew_faults(), 0, "every child has a region that works");
	end();
}

/* --- what a child has of a region --- */

static int answers(struct vas_region *asked, int want)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	if (vas_region_alloc(asked, page, NULL, &block) != want ||
	    vas_region_free(asked, NULL, NULL) != want ||
	    vas_region_resize(asked, NULL, page) != want ||
	    vas_region_commit(asked, (void *)(uintptr_t)page, page, NULL) != want ||
	    vas_region_split(asked, NULL, &asked) != want || vas_region_destroy(asked, NULL) != want)
		return 10;
	if (want == -EPERM)
		return vas_region_stats(asked, &stats) ? 11 : 0;
	if (vas_region_stats(asked, &stats) != want ||
	    vas_region_next(asked, NULL, &block) != want ||
	    vas_region_block_at(asked, NULL, &block) != want)
		return 12;
	return 0;
}

static int child_absent(void)
{
	return answers(region, -ESTALE);
}

static int child_shared(void)
{
	return answers(region, -EPERM);
}

static int child_unannounced(void)
{
	int err = answers(region, -EOWNERDEAD);

	if (err)
		return err;
	return vas_fork_child() ? 13 : child();
}

static void ended(pid_t pid, const char *what)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		tap_bail("no child");
	is_u64((unsigned int)status, 0, "%s", what);
}

static void free_all(void)
{
	struct vas_block block;

	while (vas_region_next(region, NULL, &block) == 0)
		is_err(vas_region_free(region, block.start, NULL), 0, "freed");
}

/* A block of shared memory. */
static void commit_shared(void)
{
	int fd = (int)syscall(SYS_memfd_create, "region", 0);
	struct vas_block block;

	VAS_OPTS(vas_commit_opts, commit);
	VAS_OPTS(vas_alloc_opts, opts);
	commit.flags = VAS_COMMIT_SHARED;
	commit.fd = fd;
	opts.flags = VAS_ALLOC_COMMIT;
	opts.commit = &commit;
	if (fd < 0 || ftruncate(fd, (off_t)page) ||
	    vas_region_alloc(region, page, &opts, &block))
		tap_bail("no shared memory");
	*(char *)block.start = 1;
	close(fd);
}

static void test_policy(enum vas_fork policy, int (*work)(void), const char *what)
{
	pid_t pid;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_region_opts, opts);
	reserve.fork = policy;
	opts.reserve = &reserve;
	if (vas_region_create(64 * page, &opts, &region))
		tap_bail("no region");
	if (policy == VAS_FORK_SHARE)
		commit_shared();
	pid = fork();
	if (pid == 0)
		_exit(work());
	ended(pid, what);
	free_all();
	end();
}

static void test_unannounced(void)
{
	pid_t pid;

	begin(64);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(child_unannounced());
	ended(pid, "a child that nobody announced has nothing until it says so");
	end();
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	seed = tap_seed();
	test_fork();
	test_policy(VAS_FORK_ABSENT, child_absent, "absent: every call says so");
	test_policy(VAS_FORK_TRAP, child_absent, "trap: the same");
	test_policy(VAS_FORK_SHARE, child_shared, "shared: nothing may be changed");
	test_policy(VAS_FORK_WIPE, child, "wiped: it works");
	test_unannounced();
	return tap_done();
}
