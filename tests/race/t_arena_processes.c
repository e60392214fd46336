/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 15 */
/*
 * One arena in two processes: both change it at once, and one is killed while it does: at each of many instructions of a change, and
 * at any time. Whoever comes next finds the arena whole, and the object as large as it says.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "arena/header.h"
#include "support/arena_looks.h"
#include "support/single_step.h"
#include "tap/tap.h"

#define KEPT   16u /* pages that are never given back */
#define MOST   256u /* pages */
#define SAMPLE 12u
#define ROUNDS 12u /* changes in a session of two processes */

static uint64_t page;
static struct vas_arena *arena;
static int kept; /* the descriptor, for children */

/* What a child has that does not have the parent's arena. */
static volatile uint64_t *told; /* two words that both processes see */

static uint64_t stamp(uint64_t i)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool stamps_hold(struct vas_arena *of)
{
	unsigned char *start = arena_start(of);
	bool hold = true;

	for (uint64_t i = 0; i < KEPT; i++)
		hold &= *(volatile uint64_t *)(void *)(start + i * page) == stamp(i);
	return hold;
}

static void begin(void)
{
	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.fork = VAS_FORK_ABSENT;
	opts.reserve = &reserve;
	opts.initial = KEPT * page;
	arena_baseline();
	if (vas_arena_create(MOST * page, &opts, &arena))
		tap_bail("no arena");
	for (uint64_t i = 0; i < KEPT; i++)
		*(uint64_t *)(void *)(arena_start(arena) + i * page) = stamp(i);
	kept = dup(arena_look(arena).fd);
	told = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kept < 0 || told == MAP_FAILED)
		tap_bail("nothing to hand over");
}

static void end(void)
{
	munmap((void *)(uintptr_t)told, page);
	close(kept);
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static struct vas_arena *open_kept(void)
{
	struct vas_arena *opened = NULL;

	if (vas_arena_open(kept, kept, NULL, &opened))
		_exit(2);
	return opened;
}

/* --- both at once --- */

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Any changes. Which one was refused; 0 = none. */
static int churn(struct vas_arena *of, uint32_t seed, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t size = (KEPT + random_next(&seed) % (MOST - KEPT)) * page;
		int err;

		switch (random_next(&seed) % 4) {
		case 0:
			err = vas_arena_shrink(of, size);
			break;
		case 1:
			err = vas_arena_ahead(of, (random_next(&seed) % 8) * page, 0, NULL);
			/* Less room than that is left. */
			err = err == -ERANGE || err == -EDQUOT ? 0 : err;
			break;
		case 2:
			err = vas_arena_trim(of, NULL);
			break;
		default:
			err = vas_arena_grow(of, size, 0, NULL);
		}
		if (err)
			return err;
		if (!stamps_hold(of))
			return -EILSEQ;
	}
	return 0;
}

static bool whole(void)
{
	uint64_t size;

	if (vas_arena_sync(arena))
		return false;
	size = vas_arena_size(arena);
	return arena_length(arena) == size && arena_held(arena) == size + arena_look(arena).ahead &&
	       vas_arena_generation(arena) % 2 == 0 && stamps_hold(arena);
}

/* Until the other process says so. */
static void meet(unsigned int word, uint64_t value)
{
	while (told[word] < value)
		sched_yield();
}

static int other_sessions(uint64_t sessions)
{
	struct vas_arena *opened = open_kept();
	int err = 0;

	for (uint64_t i = 1; i <= sessions && !err; i++) {
		meet(0, i);
		err = churn(opened, (uint32_t)i, ROUNDS);
		told[1] = i;
	}
	told[1] = UINT64_MAX;
	return -err;
}

static void test_both(void *unused)
{
	uint64_t sessions = tap_scaled(40), broken = 0;
	int status = -1, err = 0;
	pid_t child;

	(void)unused;
	begin();
	child = fork();
	if (child == 0)
		_exit(other_sessions(sessions));
	for (uint64_t i = 1; i <= sessions; i++) {
		told[0] = i;
		err = err ? err : churn(arena, (uint32_t)(1000 + i), ROUNDS);
		meet(1, i);
		/* What is ahead is known to who has had the lock. */
		broken += vas_arena_trim(arena, NULL) || !whole();
	}
	is_err(err, 0, "no change is refused here");
	is_i64(waitpid(child, &status, 0), child, "the other process ends");
	is_i64(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, "nor there");
	is_u64(broken, 0, "arena and object are whole after each session");
	end();
}

/* --- killed --- */

/* After somebody died: what was published stays, all else is taken back. */
static bool mended(void)
{
	uint64_t size, now;

	if (vas_arena_sync(arena))
		return false;
	size = vas_arena_size(arena);
	if (size == MOST * page) {
		if (vas_arena_shrink(arena, KEPT * page))
			return false;
		size = KEPT * page;
	}
	if (vas_arena_grow(arena, size + page, 0, &now) || now != size + page)
		return false;
	if (arena_start(arena)[now - page] != 0 || vas_arena_trim(arena, NULL) || !whole())
		return false;
	return vas_arena_shrink(arena, KEPT * page) == 0 && whole();
}

#ifndef UNSTEPPABLE

static const struct vas_header *child_header;
static uint64_t child_last; /* the step at which it ends */

/* Steps count while the lock is held. */
static void on_trap(int signal)
{
	(void)signal;
	if (!__atomic_load_n(&child_header->owner, __ATOMIC_RELAXED))
		return;
	told[0] = told[0] + 1;
	if (told[0] == child_last)
		kill(getpid(), SIGKILL);
}

/* One of each change, in a process that ends at a step. Whether it was killed. */
static bool step_child(uint64_t last)
{
	int status = -1;
	pid_t child;

	told[0] = 0;
	child = fork();
	if (child == 0) {
		struct sigaction action = { .sa_handler = on_trap };
		struct vas_arena *opened = open_kept();

		child_last = last;
		child_header = mmap(NULL, page, PROT_READ, MAP_SHARED, kept, 0);
		if (child_header == MAP_FAILED || sigaction(SIGTRAP, &action, NULL))
			_exit(2);
		STEP_ON();
		(void)vas_arena_grow(opened, 2 * KEPT * page, 0, NULL);
		(void)vas_arena_ahead(opened, 2 * page, 0, NULL);
		(void)vas_arena_grow(opened, 2 * KEPT * page + page, 0, NULL);
		(void)vas_arena_shrink(opened, KEPT * page);
		STEP_OFF();
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status)))
		tap_bail("the child did not begin");
	return WIFSIGNALED(status);
}

static void test_steps(void *unused)
{
	uint64_t steps, killed = 0, broken = 0;

	(void)unused;
	begin();
	ok(!step_child(UINT64_MAX), "all changes in one process");
	steps = told[0];
	ok(steps > SAMPLE, "they take some steps");
	for (uint64_t i = 0; i < SAMPLE; i++) {
		uint64_t last = 1 + steps * i / SAMPLE;

		killed += step_child(last);
		if (!mended()) {
			broken++;
			tap_diag("killed at step %llu of %llu", (unsigned long long)last,
				 (unsigned long long)steps);
		}
	}
	is_u64(broken, 0, "the arena is whole after each death");
	ok(killed > SAMPLE / 2, "most were killed");
	end();
}

#endif

static void test_any_time(void *unused)
{
	uint64_t rounds = tap_scaled(15), broken = 0;
	uint32_t seed = 5;

	(void)unused;
	begin();
	for (uint64_t i = 0; i < rounds; i++) {
		pid_t child;

		told[1] = 0;
		child = fork();
		if (child == 0) {
			struct vas_arena *opened = open_kept();

			told[1] = 1;
			_exit(churn(opened, (uint32_t)i, 1000000) ? 1 : 0);
		}
		while (!told[1])
			usleep(100);
		usleep(random_next(&seed) % 3000);
		kill(child, SIGKILL);
		if (waitpid(child, NULL, 0) != child)
			tap_bail("no child");
		broken += !mended();
	}
	is_u64(broken, 0, "the arena is whole after each death");
	end();
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("both at once", test_both, NULL, 60);
#ifdef UNSTEPPABLE
	tap_skip(1, "no-single-step", "instructions cannot be counted here");
#else
	tap_case("killed at each step", test_steps, NULL, 60);
#endif
	tap_case("killed at any time", test_any_time, NULL, 60);
	return tap_done();
}
