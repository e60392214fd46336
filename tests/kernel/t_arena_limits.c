/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas at limits of the real kernel: a process without address room left grows all the same; what overcommit refuses leaves
 * everything as it was; signals that come all the time end no growth, and stop none.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

#define MIB (1ull << 20)
#define TIB (1ull << 40)

static const struct {
	enum vas_arena_kind kind;
	const char *name;
} kinds[] = {
	{ VAS_ARENA_MEMFD, "memfd" },
	{ VAS_ARENA_ANONYMOUS, "private" },
};

static struct vas_arena *make(enum vas_arena_kind kind, uint32_t flags, uint64_t maximum)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.flags = flags;
	opts.initial = MIB;
	if (vas_arena_create(maximum, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

static uint64_t address_room_used(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (!file || fscanf(file, "%" SCNu64, &pages) != 1)
		tap_bail("no statm");
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_address_limit(void *unused)
{
	struct vas_arena *arenas[2], *other = NULL;
	struct rlimit limit, before;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	for (int i = 0; i < 2; i++)
		arenas[i] = make(kinds[i].kind, 0, 256 * MIB);
	if (getrlimit(RLIMIT_AS, &before))
		tap_bail("no limit");
	limit = before;
	limit.rlim_cur = address_room_used();
	if (setrlimit(RLIMIT_AS, &limit))
		tap_bail("no limit");
	for (int i = 0; i < 2; i++) {
		is_err(vas_arena_grow(arenas[i], 64 * MIB, 0, NULL), 0, "%s: grows", kinds[i].name);
		arena_start(arenas[i])[64 * MIB - 1] = 1;
		is_err(vas_arena_shrink(arenas[i], MIB), 0, "%s: shrinks", kinds[i].name);
	}
	is_err(vas_arena_create(256 * MIB, NULL, &other), ENOMEM, "there is no room for another");
	ok(other == NULL, "the handle is untouched");
	if (setrlimit(RLIMIT_AS, &before))
		tap_bail("the limit stays");
	for (int i = 0; i < 2; i++)
		is_err(vas_arena_destroy(arenas[i], NULL), 0, "%s: destroyed", kinds[i].name);
}

/* More private memory at once than the machine could ever have. */
static void test_overcommit(void *unused)
{
	FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
	struct vas_arena *arena;
	uint64_t now = 1;
	int mode = 0;

	(void)unused;
	if (tap_under_sanitizer())
		tap_skip_all("checker-memory", "the sanitizer's shadow would grow with it");
	if (file) {
		if (fscanf(file, "%d", &mode) != 1)
			mode = 0;
		fclose(file);
	}
	if (mode == 1)
		tap_skip_all("overcommit-always", "nothing is refused");
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	arena = make(VAS_ARENA_ANONYMOUS, VAS_ARENA_LAZY, 16 * TIB);
	arena_start(arena)[MIB - 1] = 7;
	is_err(vas_arena_grow(arena, 16 * TIB, 0, &now), ENOMEM, "16 TiB");
	ok(now == 1 && vas_arena_size(arena) == MIB, "the size is as before");
	is_u64(arena_start(arena)[MIB - 1], 7, "and the contents");
	is_err(vas_sync_check(NULL), 0, "and the mappings");
	is_err(vas_arena_grow(arena, 16 * TIB, 2 * MIB, &now), 0, "at least two MiB");
	ok(now >= 2 * MIB, "as much as may be (%llu MiB)", (unsigned long long)(now / MIB));
	arena_start(arena)[now - 1] = 1;
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static bool same_mask(const sigset_t *a, const sigset_t *b)
{
	for (int number = 1; number < 64; number++)
		if (sigismember(a, number) != sigismember(b, number))
			return false;
	return true;
}

/* A timer as a profiler has it, faster: an allocation that is interrupted begins anew, and could never end. */
static void check_storm(struct vas_arena *arena, uint64_t size, const char *name)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	sigset_t before, after;
	int err;

	signals = 0;
	if (sigprocmask(SIG_BLOCK, NULL, &before) || setitimer(ITIMER_REAL, &often, NULL))
		tap_bail("no timer");
	err = vas_arena_grow(arena, size, 0, NULL);
	if (setitimer(ITIMER_REAL, &never, NULL) || sigprocmask(SIG_BLOCK, NULL, &after))
		tap_bail("the timer stays");
	is_err(err, 0, "%s: grows under a storm of signals", name);
	is_u64(vas_arena_size(arena), size, "%s: as large as it was asked for", name);
	ok(signals > 0, "%s: signals came (%d)", name, (int)signals);
	ok(same_mask(&before, &after), "%s: the thread's mask is as it was", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static void prepare_signals(void)
{
	struct sigaction action;

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	memset(&action, 0, sizeof(action));
	action.sa_handler = count_signal;
	if (sigaction(SIGALRM, &action, NULL))
		tap_bail("no handler");
}

static void test_signals(void *unused)
{
	(void)unused;
	prepare_signals();
	for (int i = 0; i < 2; i++)
		check_storm(make(kinds[i].kind, 0, 256 * MIB), 128 * MIB, kinds[i].name);
}

/* The pool's allocations are interrupted on every kernel. */
static void test_signals_pool(void *unused)
{
	static const uint64_t rung = HUGE_PAGE;
	struct vas_arena *arena = NULL;
	uint64_t have;

	(void)unused;
	prepare_signals();
	if (!huge_pool_take(64))
		tap_skip_all("no-huge-pages", "the pool cannot be changed");
	have = huge_pool_free();
	VAS_OPTS(vas_arena_opts, opts);
	opts.ladder = &rung;
	opts.ladder_count = 1;
	if (vas_arena_create(64 * HUGE_PAGE, &opts, &arena))
		tap_bail("no arena");
	check_storm(arena, 64 * HUGE_PAGE, "huge pages");
	is_u64(huge_pool_free(), have, "all are back in the pool");
	huge_pool_return();
}

int main(void)
{
	tap_plan(0);
	tap_case("no address room", test_address_limit, NULL, 20);
	tap_case("overcommit", test_overcommit, NULL, 20);
	tap_case("a storm of signals", test_signals, NULL, 20);
	tap_case("a storm of signals, huge pages", test_signals_pool, NULL, 50);
	return tap_done();
}
