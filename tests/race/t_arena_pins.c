/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Pins: nobody shrinks below one, of whatever handle or process; who waits goes on when it ends; the dead pin nothing. Readers
 * that pin what they read are never killed by who shrinks.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/arena_looks.h"
#include "tap/tap.h"

#define PAGES 64u

static uint64_t page;
static struct vas_arena *arena;

static void *nothing(void *unused)
{
	usleep(1000);
	return unused;
}

static void begin(enum vas_arena_kind kind)
{
	pthread_t threads[2];

	VAS_OPTS(vas_arena_opts, opts);
	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.fork = VAS_FORK_ABSENT;
	opts.reserve = &reserve;
	opts.kind = kind;
	opts.initial = PAGES * page;
	/* What libc keeps of threads is made by the first ones. */
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, nothing, NULL))
			tap_bail("no thread");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	arena_baseline();
	if (vas_arena_create(4 * PAGES * page, &opts, &arena))
		tap_bail("no arena");
}

static struct vas_arena *open_again(void)
{
	struct vas_arena_info info = arena_look(arena);
	struct vas_arena *opened = NULL;

	return vas_arena_open(info.fd, info.header, NULL, &opened) ? NULL : opened;
}

static void end(void)
{
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_kind(void *kind)
{
	uint64_t first = 0, second = 0;

	begin(*(const enum vas_arena_kind *)kind);
	is_err(vas_arena_pin(arena, &first), 0, "pinned");
	is_u64(first, PAGES * page, "as large as it is");
	is_err(vas_arena_shrink(arena, page), EBUSY, "it is not shrunk");
	is_u64(vas_arena_size(arena), PAGES * page, "the size is as before");
	is_err(vas_arena_shrink_within(arena, page, 3000000), EBUSY, "nor within some time");
	is_err(vas_arena_grow(arena, 2 * PAGES * page, 0, NULL), 0, "it grows");
	is_err(vas_arena_shrink(arena, PAGES * page), 0, "and is shrunk to what is pinned");
	is_err(vas_arena_pin(arena, &second), 0, "pinned again");
	is_err(vas_arena_unpin(arena), 0, "one ends");
	is_err(vas_arena_shrink(arena, page), EBUSY, "the other keeps it");
	is_err(vas_arena_destroy(arena, NULL), EBUSY, "from being ended, too");
	is_err(vas_arena_unpin(arena), 0, "that ends");
	is_err(vas_arena_unpin(arena), EINVAL, "there is no third");
	is_err(vas_arena_shrink(arena, page), 0, "shrunk");
	is_err(vas_arena_pin(arena, &second), 0, "pinned at that");
	is_u64(second, page, "which is told");
	is_err(vas_arena_unpin(arena), 0, "ended");
	end();
}

static void *unpin_later(void *other)
{
	usleep(30000);
	if (vas_arena_unpin(other))
		tap_bail("it is not pinned");
	return NULL;
}

static void test_wait(void *unused)
{
	struct vas_arena *other;
	pthread_t thread;
	uint64_t size;

	(void)unused;
	begin(VAS_ARENA_MEMFD);
	other = open_again();
	is_err(vas_arena_pin(other, &size), 0, "another handle pins it");
	is_err(vas_arena_shrink(arena, page), EBUSY, "it is not shrunk");
	if (pthread_create(&thread, NULL, unpin_later, other))
		tap_bail("no thread");
	is_err(vas_arena_shrink_within(arena, page, VAS_WAIT_FOREVER), 0, "it is when that ends");
	pthread_join(thread, NULL);
	is_u64(vas_arena_size(other), page, "for both");
	is_err(vas_arena_destroy(other, NULL), 0, "ended");
	end();
}

/* A process that is killed with a pin. */
static void test_dead(void *unused)
{
	int kept, ready[2];
	char byte;
	pid_t child;

	(void)unused;
	begin(VAS_ARENA_MEMFD);
	kept = dup(arena_look(arena).fd);
	if (pipe(ready))
		tap_bail("no pipe");
	child = fork();
	if (child == 0) {
		struct vas_arena *opened;
		uint64_t size;

		if (vas_arena_open(kept, kept, NULL, &opened) || vas_arena_pin(opened, &size) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		tap_bail("no pin");
	is_err(vas_arena_shrink(arena, page), EBUSY, "another process pins it");
	kill(child, SIGKILL);
	is_i64(waitpid(child, NULL, 0), child, "it dies");
	is_err(vas_arena_shrink(arena, page), 0, "the dead pin nothing");
	close(kept);
	close(ready[0]);
	close(ready[1]);
	end();
}

/* --- readers --- */

static uint64_t over;
static uint64_t wrong;

static void *read_pinned(void *of)
{
	unsigned char *start = arena_start(of);
	uint64_t size;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		if (vas_arena_pin(of, &size))
			tap_bail("no pin");
		for (uint64_t at = 0; at < size; at += page)
			if (*(volatile unsigned char *)(start + at) != 0)
				__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
		if (vas_arena_unpin(of))
			tap_bail("no pin to end");
	}
	return NULL;
}

static void test_readers(void *unused)
{
	uint64_t rounds = tap_scaled(2000), shrunk = 0;
	struct vas_arena *other;
	pthread_t threads[2];

	(void)unused;
	begin(VAS_ARENA_MEMFD);
	other = open_again();
	if (pthread_create(&threads[0], NULL, read_pinned, arena) ||
	    pthread_create(&threads[1], NULL, read_pinned, other))
		tap_bail("no threads");
	for (uint64_t i = 0; i < rounds; i++) {
		int err = vas_arena_shrink_within(i % 2 ? arena : other, page * (1 + i % 7), 100000);

		shrunk += err == 0;
		if ((err && err != -EBUSY) || vas_arena_grow(arena, PAGES * page, 0, NULL))
			tap_bail("it cannot be changed");
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ok(shrunk > 0, "it was shrunk %llu times", (unsigned long long)shrunk);
	is_u64(wrong, 0, "no reader saw anything but zeroes, and none was killed");
	is_err(vas_arena_destroy(other, NULL), 0, "ended");
	end();
}

int main(void)
{
	static const enum vas_arena_kind memfd = VAS_ARENA_MEMFD, private = VAS_ARENA_ANONYMOUS;

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("pins of a memfd", test_kind, (void *)(uintptr_t)&memfd, 20);
	tap_case("pins of private memory", test_kind, (void *)(uintptr_t)&private, 20);
	tap_case("waiting", test_wait, NULL, 20);
	tap_case("of one that is killed", test_dead, NULL, 20);
	tap_case("readers", test_readers, NULL, 60);
	return tap_done();
}
