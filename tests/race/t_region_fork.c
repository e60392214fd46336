/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * A child of a fork that came while other threads were at work in a region has a region that works.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "support/crew.h"
#include "support/region_churn.h"
#include "tap/tap.h"

#define THREADS 4u

static struct region_churn churn;

static int child(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	for (int i = 0; i < 20; i++) {
		if (vas_region_alloc(churn.region, churn.page, NULL, &block))
			return 1;
		if (vas_region_commit(churn.region, block.start, churn.page, NULL))
			return 2;
		*(char *)block.start = 1;
		if (vas_region_free(churn.region, block.start, NULL))
			return 3;
	}
	if (!vas_region_check(churn.region) || vas_sync_check(NULL))
		return 4;
	if (vas_region_stats(churn.region, &stats) || stats.blocks > (THREADS - 1) * CHURN_KEPT)
		return 5;
	return vas_region_destroy(churn.region, NULL) ? 6 : 0;
}

static void fork_or_churn(void *argument, unsigned int number)
{
	if (number) {
		region_churn_work(argument, number);
		return;
	}
	crew_meet();
	crew_fork(tap_scaled(20), child);
}

static void test_fork(void)
{
	churn.rounds = tap_scaled(3000);
	region_churn_begin(&churn, 512, NULL);
	crew_run(THREADS, fork_or_churn, &churn);
	is_u64(crew_faults(), 0, "every child has a region that works");
	region_churn_end(&churn);
}

/* --- what a child has of a region --- */

static int answers(struct vas_region *asked, int want)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;

	if (vas_region_alloc(asked, churn.page, NULL, &block) != want ||
	    vas_region_free(asked, NULL, NULL) != want ||
	    vas_region_resize(asked, NULL, churn.page) != want ||
	    vas_region_commit(asked, (void *)(uintptr_t)churn.page, churn.page, NULL) != want ||
	    vas_region_split(asked, NULL, &asked) != want ||
	    vas_region_destroy(asked, NULL) != want)
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
	return answers(churn.region, -ESTALE);
}

static int child_shared(void)
{
	return answers(churn.region, -EPERM);
}

static int child_unannounced(void)
{
	int err = answers(churn.region, -EOWNERDEAD);

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

	while (vas_region_next(churn.region, NULL, &block) == 0)
		is_err(vas_region_free(churn.region, block.start, NULL), 0, "freed");
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
	if (fd < 0 || ftruncate(fd, (off_t)churn.page) ||
	    vas_region_alloc(churn.region, churn.page, &opts, &block))
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
	region_churn_begin(&churn, 64, &opts);
	if (policy == VAS_FORK_SHARE)
		commit_shared();
	pid = fork();
	if (pid == 0)
		_exit(work());
	ended(pid, what);
	free_all();
	region_churn_end(&churn);
}

static void test_unannounced(void)
{
	pid_t pid;

	region_churn_begin(&churn, 64, NULL);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(child_unannounced());
	ended(pid, "a child that nobody announced has nothing until it says so");
	region_churn_end(&churn);
}

int main(void)
{
	tap_plan(0);
	test_fork();
	test_policy(VAS_FORK_ABSENT, child_absent, "absent: every call says so");
	test_policy(VAS_FORK_TRAP, child_absent, "trap: the same");
	test_policy(VAS_FORK_SHARE, child_shared, "shared: nothing may be changed");
	test_policy(VAS_FORK_WIPE, child, "wiped: it works");
	test_unannounced();
	return tap_done();
}
