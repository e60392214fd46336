/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 30 */
/*
 * Claims against everybody else's mappings: four threads map and unmap at random
 * in a narrow window while four reserve, commit and release there. Every page is
 * stamped by whoever has it, and the stamp is checked before the page is given
 * back: nobody's byte may change, no page may get lost or have two owners.
 *
 * A control puts a claimer that looks and then maps with MAP_FIXED in the
 * library's place, and demands that this is caught.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/space.h"
#include "support/crew.h"
#include "support/window.h"
#include "sys/definitions.h"
#include "sys/environment.h"
#include "tap/tap.h"

#define FOREIGN	      4u /* threads */
#define OWNERS	      4u
#define FOREIGN_LIVE  8u /* mappings at once, a thread */
#define FOREIGN_PAGES 4u
#define OWN_LIVE      5u
#define OWN_PAGES     6u
#define WINDOW_PAGES  256u
#define RESERVATIONS  100000u
#define ATTEMPTS_EACH 20u /* for one reservation, on average, at most */
#define NAIVE_ROUNDS  200u
#define NAIVE_CLAIMS  400u

/* One mapping of a thread's. */
struct piece {
	struct vas_span span; /* size 0 = unused */
	struct vas_span stamped;
	uint64_t key;
};

static struct {
	struct window window;
	uint64_t wanted; /* reservations of one thread */
	uint64_t seed;
	unsigned int working; /* owners at work; atomic */
	uint64_t reservations, attempts, full, lost; /* atomic */
	uint64_t foreign_maps, foreign_taken; /* atomic */
	struct vas_span naive[NAIVE_CLAIMS];
	unsigned int naive_count;
} field;

static void count(uint64_t *counter, uint64_t more)
{
	__atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
}

/* ---- the others ---- */

/* Checks and unmaps. False: it was damaged. */
static bool foreign_drop(struct piece *piece, uint32_t who, const int ends[2])
{
	bool whole = stamp_holds(ends, piece->span, piece->key);

	if (!whole)
		crew_fault("a foreign mapping at 0x%" PRIx64 " was changed or lost",
			   piece->span.start);
	window_leave(&field.window, piece->span, who);
	munmap(vas_span_pointer(piece->span), piece->span.size);
	piece->span.size = 0;
	return whole;
}

static void foreign_map(struct piece *piece, uint32_t who, uint64_t *random)
{
	uint64_t size = (1 + vas_random_below(random, FOREIGN_PAGES)) * field.window.page;
	uint64_t place = window_random(&field.window, random, size);
	void *got;

	got = mmap((void *)(uintptr_t)place, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (got == MAP_FAILED) {
		if (errno != EEXIST)
			crew_fault("a foreign mmap: errno %d", errno);
		count(&field.foreign_taken, 1);
		return;
	}
	if ((uint64_t)(uintptr_t)got != place) { /* a kernel that takes it as a hint */
		munmap(got, size);
		count(&field.foreign_taken, 1);
		return;
	}
	piece->span = (struct vas_span){ place, size };
	piece->key = vas_random_next(random);
	window_enter(&field.window, piece->span, who);
	stamp_write(piece->span, piece->key);
	count(&field.foreign_maps, 1);
}

/* Maps and unmaps until the owners are done. */
static void foreign_work(unsigned int number)
{
	struct piece pieces[FOREIGN_LIVE] = { 0 };
	uint64_t random = field.seed + number;
	uint32_t who = number + 1;
	int ends[2];

	if (pipe(ends))
		tap_bail("no pipe");
	while (__atomic_load_n(&field.working, __ATOMIC_RELAXED)) {
		struct piece *piece = &pieces[vas_random_below(&random, FOREIGN_LIVE)];

		if (piece->span.size)
			foreign_drop(piece, who, ends);
		else
			foreign_map(piece, who, &random);
	}
	for (unsigned int i = 0; i < FOREIGN_LIVE; i++)
		if (pieces[i].span.size)
			foreign_drop(&pieces[i], who, ends);
	close(ends[0]);
	close(ends[1]);
}

/* ---- the library ---- */

static void own_options(struct vas_reserve_opts *opts, uint64_t *random)
{
	static const enum vas_place places[] = { VAS_PLACE_ANY,	 VAS_PLACE_ANY,	    VAS_PLACE_LOW,
						 VAS_PLACE_HIGH, VAS_PLACE_SCATTER, VAS_PLACE_NEAR,
						 VAS_PLACE_EXACT };
	uint64_t page = field.window.page;

	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
	opts->min = field.window.start;
	opts->max = field.window.end;
	opts->place = places[vas_random_below(random, sizeof(places) / sizeof(places[0]))];
	opts->key = vas_random_next(random);
	if (opts->place == VAS_PLACE_NEAR || opts->place == VAS_PLACE_EXACT)
		opts->address = window_random(&field.window, random, OWN_PAGES * page);
	if (vas_random_below(random, 4) == 0 &&
	    (opts->place == VAS_PLACE_LOW || opts->place == VAS_PLACE_HIGH))
		opts->flags |= VAS_RESERVE_STRICT;
	if (opts->place == VAS_PLACE_ANY && vas_random_below(random, 4) == 0) {
		opts->flags |= VAS_RESERVE_PREFER;
		opts->address = window_random(&field.window, random, OWN_PAGES * page);
	}
	if (vas_random_below(random, 16) == 0)
		opts->flags |= VAS_RESERVE_NODUMP;
}

/* Commits a part, which must read as zeroes, and stamps it. */
static void own_commit(struct piece *piece, uint64_t *random, const int ends[2])
{
	uint64_t page = field.window.page, pages = piece->span.size / page;
	uint64_t first = vas_random_below(random, pages);
	uint64_t many = 1 + vas_random_below(random, pages - first);
	int err;

	piece->stamped = (struct vas_span){ piece->span.start + first * page, many * page };
	err = vas_commit(vas_span_pointer(piece->stamped), piece->stamped.size, NULL);
	if (err) {
		crew_fault("commit: %d", err);
		piece->stamped.size = 0;
		return;
	}
	if (!stamp_is_zero(ends, piece->stamped))
		crew_fault("0x%" PRIx64 " was committed with something in it",
			   piece->stamped.start);
	stamp_write(piece->stamped, piece->key);
}

/* 0: reserved, committed, stamped. Else what vas_reserve said. */
static int own_reserve(struct piece *piece, uint32_t who, uint64_t *random, const int ends[2])
{
	uint64_t size = (1 + vas_random_below(random, OWN_PAGES)) * field.window.page;
	struct vas_reserve_opts opts;
	struct vas_owner owner;
	int err;

	own_options(&opts, random);
	err = vas_reserve(size, &opts, &piece->span);
	if (err)
		return err;
	piece->key = vas_random_next(random);
	if (piece->span.size != size ||
	    (opts.place == VAS_PLACE_EXACT && piece->span.start != opts.address))
		crew_fault("the span is not what was asked for");
	window_enter(&field.window, piece->span, who);
	if (vas_owner_at((char *)vas_span_pointer(piece->span) + size - 1, &owner) ||
	    owner.span.start != piece->span.start || owner.span.size != size)
		crew_fault("the look-up does not find the span at 0x%" PRIx64, piece->span.start);
	own_commit(piece, random, ends);
	return 0;
}

static void own_release(struct piece *piece, uint32_t who, const int ends[2])
{
	enum vas_retired state;
	int err;

	if (piece->stamped.size && !stamp_holds(ends, piece->stamped, piece->key))
		crew_fault("our own memory at 0x%" PRIx64 " was changed or lost",
			   piece->span.start);
	window_leave(&field.window, piece->span, who);
	err = vas_release(vas_span_pointer(piece->span), &state);
	if (err || state != VAS_RETIRED_GONE)
		crew_fault("release: %d", err);
	*piece = (struct piece){ 0 };
}

static void own_refused(int err)
{
	if (err == -EBUSY)
		count(&field.lost, 1);
	else if (err == -ENOSPC || err == -EEXIST)
		count(&field.full, 1);
	else
		crew_fault("reserve: %d", err);
}

static void own_work(unsigned int number)
{
	struct piece pieces[OWN_LIVE] = { 0 };
	uint64_t random = field.seed + number, done = 0, attempt;
	uint32_t who = number + 1;
	int ends[2], err;

	if (pipe(ends))
		tap_bail("no pipe");
	for (attempt = 0;
	     done < field.wanted && attempt < ATTEMPTS_EACH * field.wanted + 1000 && !crew_failed();
	     attempt++) {
		struct piece *piece = &pieces[vas_random_below(&random, OWN_LIVE)];

		if (piece->span.size)
			own_release(piece, who, ends);
		err = own_reserve(piece, who, &random, ends);
		if (err)
			own_refused(err);
		else
			done++;
	}
	for (unsigned int i = 0; i < OWN_LIVE; i++)
		if (pieces[i].span.size)
			own_release(&pieces[i], who, ends);
	close(ends[0]);
	close(ends[1]);
	count(&field.reservations, done);
	count(&field.attempts, attempt);
	__atomic_fetch_sub(&field.working, 1, __ATOMIC_RELAXED);
}

static void mixed_work(void *argument, unsigned int number)
{
	(void)argument;
	if (number < FOREIGN)
		foreign_work(number);
	else
		own_work(number);
}

static void run_mixed(uint64_t wanted)
{
	field.wanted = wanted;
	field.reservations = field.attempts = field.full = field.lost = 0;
	field.foreign_maps = field.foreign_taken = 0;
	field.working = OWNERS;
	field.seed = vas_mix64(field.seed);
	crew_run(FOREIGN + OWNERS, mixed_work, NULL);
}

static void show(const struct vas_stats *before, const struct vas_stats *after)
{
	tap_diag("%" PRIu64 " reservations in %" PRIu64 " attempts: %" PRIu64
		 " without room, %" PRIu64 " lost every race",
		 field.reservations, field.attempts, field.full, field.lost);
	tap_diag("%" PRIu64 " places tried, %" PRIu64 " of them taken; %" PRIu64
		 " foreign mappings, %" PRIu64 " refused",
		 after->probes - before->probes, after->taken - before->taken, field.foreign_maps,
		 field.foreign_taken);
	tap_figure("claims that found a place taken", (double)(after->taken - before->taken),
		   "claims");
}

/* argument: the value of VASPACE_CLAIM, or NULL. */
static void claim_case(void *argument)
{
	struct vas_stats before = { .size = sizeof(before) }, after = { .size = sizeof(after) };
	uint64_t wanted = tap_scaled(RESERVATIONS) / OWNERS + 1, where = 0;
	const char *mode = argument;

	if (mode) {
		setenv("VASPACE_CLAIM", mode, 1);
		vas_environment_reload();
	}
	field.seed = tap_seed();
	window_find(&field.window, WINDOW_PAGES);
	ok(!(vas_space_if_made()->claim_flags & MAP_FIXED_NOREPLACE) == !!mode,
	   "spans are claimed the way that is wanted");
	run_mixed(wanted / 20 + 1); /* the books grow, libc makes what it keeps */
	tap_baseline();

	vas_stats_get(&before);
	run_mixed(wanted);
	vas_stats_get(&after);
	is_u64(crew_faults(), 0, "nobody's memory changed, got lost or had two owners");
	is_u64(field.reservations, wanted * OWNERS, "all reservations were made");
	is_u64(after.reserves - before.reserves, field.reservations, "and were counted");
	is_u64(after.releases - before.releases, field.reservations, "as were the releases");
	ok(after.taken > before.taken, "claims found places taken");
	ok(field.foreign_taken > 0, "and so did the others");
	is_err(vas_sync_check(&where), 0, "books and maps agree");
	is_u64(after.spans + after.reserved + after.committed + after.held, 0, "nothing is owned");
	is_i64(after.vmas, 0, "no mapping is counted");
	is_u64(window_mapped(&field.window), 0, "nothing is mapped in the window");
	show(&before, &after);
}

/* ---- the control ---- */

/* Looks, and maps with MAP_FIXED what looked free; by raw call, so that only the test notices. */
static void naive_work(unsigned int number)
{
	uint64_t random = field.seed + number, page = field.window.page, place;

	for (unsigned int i = 0; i < NAIVE_CLAIMS && !crew_failed(); i++) {
		place = window_random(&field.window, &random, page);
		if (page_is_mapped(place, page))
			continue;
		sched_yield();
		syscall(SYS_mmap, place, page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		field.naive[field.naive_count++] = (struct vas_span){ place, page };
	}
	__atomic_store_n(&field.working, 0, __ATOMIC_RELAXED);
}

static void control_work(void *argument, unsigned int number)
{
	(void)argument;
	if (number < FOREIGN)
		foreign_work(number);
	else
		naive_work(number);
}

static void control_case(void *argument)
{
	unsigned int round, faults = 0;

	(void)argument;
	field.seed = tap_seed();
	window_find(&field.window, WINDOW_PAGES / 4);
	tap_ignore_leaks(TAP_LEAK_VMAS); /* a thread that prints gets a heap of its own from libc */
	tap_diag("findings here are what the control is for");
	for (round = 0; round < NAIVE_ROUNDS && !faults; round++) {
		field.seed = vas_mix64(field.seed);
		field.working = 1;
		field.naive_count = 0;
		crew_run(FOREIGN + 1, control_work, NULL);
		faults = crew_faults();
		for (unsigned int i = 0; i < field.naive_count; i++)
			munmap(vas_span_pointer(field.naive[i]), field.naive[i].size);
	}
	is_u64(window_mapped(&field.window), 0, "the control cleans up");
	ok(faults > 0, "a claimer that looks first and then replaces is caught, in round %u",
	   round);
}

int main(void)
{
	static char hint[] = "hint";

	tap_plan(3);
	tap_case("claims refuse what is taken", claim_case, NULL, 100);
	tap_case("the same by hint, comparison and munmap", claim_case, hint, 100);
	tap_case("control: MAP_FIXED after looking", control_case, NULL, 30);
	return tap_done();
}
