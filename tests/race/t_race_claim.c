/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 30 */
/*
 * Claims against other threads that map and unmap in the same small window.
 *
 * Four threads play somebody else: they map pieces where it is free (raw system
 * calls with MAP_FIXED_NOREPLACE), fill each with its stamp, and check every
 * byte of it before they unmap it again. Four threads reserve, commit, stamp,
 * check and release. Not one foreign byte may change and no foreign mapping may be
 * lost; what is committed reads as zeroes and keeps what is written. Then the
 * same with claims by hint and comparison, as on kernels without the flag.
 */
#include "tap/tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "sys/definitions.h"
#include "sys/environment.h"

#define FOREIGNERS   4u
#define OWNERS	     4u
#define WINDOW_PAGES 192u /* so small that most tries collide */
#define PIECES	     6u /* at once, of one thread */

static struct {
	uint64_t window, page;
	uint64_t reserves_left; /* atomic: successful ones still to be made */
	bool stop; /* atomic */
	uint64_t foreign_mapped, foreign_refused, reserved, refused, committed; /* atomic */
	uint64_t exact_taken, no_room, lost; /* atomic: refusals by errno */
	const char *wrong; /* atomic: the first thing that was */
	uint64_t wrong_at;
} race;

struct piece {
	uint64_t start, size; /* size 0: none */
	uint64_t stamp;
};

static void wrong(const char *what, uint64_t where)
{
	const char *nothing = NULL;

	if (__atomic_compare_exchange_n(&race.wrong, &nothing, what, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		race.wrong_at = where;
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/*
 * Plain accesses that no sanitizer watches: addresses go from hand to hand
 * through the kernel, which no thread sanitizer can follow.
 */
__attribute__((no_sanitize("thread"))) static void fill(const struct piece *piece)
{
	for (uint64_t at = piece->start; at < piece->start + piece->size; at += 8)
		*(volatile uint64_t *)(uintptr_t)at = piece->stamp ^ at;
}

__attribute__((no_sanitize("thread"))) static void check(const struct piece *piece,
							 const char *what)
{
	for (uint64_t at = piece->start; at < piece->start + piece->size; at += 8)
		if (*(volatile uint64_t *)(uintptr_t)at != (piece->stamp ^ at))
			wrong(what, at);
}

__attribute__((no_sanitize("thread"))) static void check_zero(const struct piece *piece)
{
	for (uint64_t at = piece->start; at < piece->start + piece->size; at += 8)
		if (*(volatile uint64_t *)(uintptr_t)at)
			wrong("committed memory is not zero", at);
}

/* Somebody else. */

static void foreign_map(struct piece *piece, uint64_t *random)
{
	uint64_t pages = 1 + vas_random_below(random, 12);
	long got;

	piece->start = race.window + vas_random_below(random, WINDOW_PAGES - pages) * race.page;
	piece->size = pages * race.page;
	got = syscall(SYS_mmap, piece->start, piece->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (got == -1) {
		piece->size = 0;
		count(&race.foreign_refused);
		return;
	}
	if ((uint64_t)got != piece->start) /* a kernel that takes it for a hint */
		piece->start = (uint64_t)got;
	piece->stamp = vas_random_next(random) | 1;
	fill(piece);
	count(&race.foreign_mapped);
}

static void foreign_unmap(struct piece *piece)
{
	check(piece, "a foreign byte was changed");
	if (syscall(SYS_munmap, piece->start, piece->size))
		wrong("munmap of a foreign mapping failed", piece->start);
	piece->size = 0;
}

static void *foreigner_main(void *arg)
{
	struct piece pieces[PIECES] = { { 0, 0, 0 } };
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);

	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		struct piece *piece = &pieces[vas_random_below(&random, PIECES)];

		if (piece->size)
			foreign_unmap(piece);
		else
			foreign_map(piece, &random);
	}
	for (unsigned i = 0; i < PIECES; i++)
		if (pieces[i].size)
			foreign_unmap(&pieces[i]);
	return NULL;
}

/* Ours. */

static bool take_one(void)
{
	uint64_t left = __atomic_load_n(&race.reserves_left, __ATOMIC_RELAXED);

	while (left)
		if (__atomic_compare_exchange_n(&race.reserves_left, &left, left - 1, true,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	return false;
}

static void note_refusal(int err)
{
	count(&race.refused);
	if (err == -EEXIST)
		count(&race.exact_taken);
	else if (err == -ENOSPC)
		count(&race.no_room);
	else if (err == -EBUSY)
		count(&race.lost);
	else
		wrong("a refusal that no race explains", (uint64_t)-err);
}

static bool own_reserve(struct piece *piece, uint64_t *random)
{
	static const enum vas_place places[] = {
		VAS_PLACE_ANY,	VAS_PLACE_LOW,	   VAS_PLACE_HIGH,
		VAS_PLACE_NEAR, VAS_PLACE_SCATTER, VAS_PLACE_EXACT
	};
	uint64_t pages = 1 + vas_random_below(random, 8);
	struct vas_span span;
	int err;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.min = race.window;
	opts.max = race.window + WINDOW_PAGES * race.page;
	opts.place = places[vas_random_below(random, 6)];
	opts.key = vas_random_next(random);
	opts.flags = vas_random_below(random, 2) ? VAS_RESERVE_STRICT : 0;
	opts.address = race.window + vas_random_below(random, WINDOW_PAGES - pages) * race.page;
	err = vas_reserve(pages * race.page, &opts, &span);
	if (err) {
		note_refusal(err);
		return false;
	}
	if (span.start < opts.min || span.start + span.size > opts.max)
		wrong("a span outside of its window", span.start);
	*piece = (struct piece){ span.start, span.size, 0 };
	count(&race.reserved);
	return true;
}

/* Commits a part, checks that it is zero, stamps and checks again. */
static void own_use(struct piece *span, uint64_t *random)
{
	uint64_t pages = span->size / race.page, first = vas_random_below(random, pages);
	struct piece piece = { span->start + first * race.page,
			       (1 + vas_random_below(random, pages - first)) * race.page,
			       vas_random_next(random) };
	struct vas_owner owner;
	int err;

	err = vas_commit((void *)(uintptr_t)piece.start, piece.size, NULL);
	if (err) {
		wrong("a commit failed", (uint64_t)-err);
		return;
	}
	count(&race.committed);
	check_zero(&piece);
	fill(&piece);
	if (vas_owner_at((void *)(uintptr_t)piece.start, &owner) ||
	    owner.span.start != span->start || owner.span.size != span->size)
		wrong("an own address has no owner or a wrong one", piece.start);
	check(&piece, "an own committed byte was changed");
}

static void *owner_main(void *arg)
{
	struct piece spans[PIECES] = { { 0, 0, 0 } };
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg + 100);
	enum vas_release_state state;
	bool more = true;

	while (more) {
		struct piece *span = &spans[vas_random_below(&random, PIECES)];

		if (!span->size) {
			if (own_reserve(span, &random))
				more = take_one();
			continue;
		}
		if (vas_random_below(&random, 2))
			own_use(span, &random);
		if (vas_release((void *)(uintptr_t)span->start, &state) ||
		    state != VAS_RELEASED_GONE)
			wrong("a release failed", span->start);
		span->size = 0;
	}
	for (unsigned i = 0; i < PIECES; i++)
		if (spans[i].size && vas_release((void *)(uintptr_t)spans[i].start, NULL))
			wrong("a last release failed", spans[i].start);
	return NULL;
}

static void run_threads(void)
{
	pthread_t owners[OWNERS], foreigners[FOREIGNERS];

	for (unsigned i = 0; i < FOREIGNERS; i++)
		if (pthread_create(&foreigners[i], NULL, foreigner_main,
				   (void *)(uintptr_t)(i + 1)))
			tap_bail("no threads");
	for (unsigned i = 0; i < OWNERS; i++)
		if (pthread_create(&owners[i], NULL, owner_main, (void *)(uintptr_t)(i + 1)))
			tap_bail("no threads");
	for (unsigned i = 0; i < OWNERS; i++)
		pthread_join(owners[i], NULL);
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < FOREIGNERS; i++)
		pthread_join(foreigners[i], NULL);
}

/* A free window, found by the library itself, so that it suits a sanitizer as well. */
static uint64_t find_window(uint64_t page)
{
	struct vas_span span;

	if (vas_reserve(WINDOW_PAGES * page, NULL, &span) ||
	    vas_release((void *)(uintptr_t)span.start, NULL))
		tap_bail("no window for the race");
	return span.start;
}

static void run_race(void *arg)
{
	const uint64_t *reserves = arg;
	struct vas_stats stats = { .size = sizeof(stats) };
	uint64_t where = 0;

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	race.page = (uint64_t)sysconf(_SC_PAGESIZE);
	race.window = find_window(race.page);
	race.reserves_left = *reserves;
	run_threads();
	ok(!race.wrong, "nobody's memory was touched%s%s", race.wrong ? ", but: " : "",
	   race.wrong ? race.wrong : "");
	if (race.wrong)
		tap_diag("at 0x%llx", (unsigned long long)race.wrong_at);
	ok(race.reserved >= *reserves && race.committed > 0,
	   "%llu reserved, %llu commits, %llu foreign mappings", (unsigned long long)race.reserved,
	   (unsigned long long)race.committed, (unsigned long long)race.foreign_mapped);
	ok(race.exact_taken > 0 && race.foreign_refused > 0,
	   "they collided: %llu exact places taken, %llu times no room, %llu races given up, "
	   "%llu foreign tries refused",
	   (unsigned long long)race.exact_taken, (unsigned long long)race.no_room,
	   (unsigned long long)race.lost, (unsigned long long)race.foreign_refused);
	is_err(vas_stats_get(&stats), 0, "sums can be had");
	ok(stats.spans == 0 && stats.reserved == 0 && stats.committed == 0 && stats.held == 0,
	   "nothing is left in the books");
	ok(stats.taken > 0, "%llu of %llu places that were tried were taken",
	   (unsigned long long)stats.taken, (unsigned long long)stats.probes);
	is_err(vas_sync_check(&where), 0, "books and maps agree (0x%llx)",
	       (unsigned long long)where);
}

static void run_race_by_hint(void *arg)
{
	setenv("VASPACE_CLAIM", "hint", 1);
	vas_environment_reload();
	ok(vas_environment_get()->claim == VAS_CLAIM_HINT, "claims are made by hint");
	run_race(arg);
}

int main(void)
{
	uint64_t reserves = tap_scaled(100000), by_hint = tap_scaled(100000);

	tap_plan(2);
	tap_case("claims by MAP_FIXED_NOREPLACE", run_race, &reserves, 120);
	tap_case("claims by hint and comparison", run_race_by_hint, &by_hint, 120);
	return tap_done();
}
