/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 12 */
/*
 * Releases at vm.max_map_count, by several threads. Neighbouring reservations
 * have merged in the kernel, so that taking one out of the middle needs a mapping
 * more than there may be: those releases become held. Nothing gets lost
 * meanwhile, and when mappings can be had again, the next call lets all of them go.
 *
 * Not under sanitizers, which need mappings of their own at the limit as well.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/ballast.h"
#include "support/crew.h"
#include "support/window.h"
#include "sys/definitions.h"
#include "tap/tap.h"

#define THREADS	     4u
#define SPANS	     160u /* next to each other, from the window's start on */
#define SPAN_PAGES   4u
#define FILLERS_MOST 1000000u
#define ROUNDS	     8u
#define CALLS	     100u /* at the limit, of each thread */

static struct {
	struct window window;
	uint64_t spare; /* where further reservations are tried */
	struct vas_span filler;
	uint64_t filled; /* pages of filler in use */
	uint64_t seed;
	uint32_t held; /* atomic; releases that said so */
	uint32_t missed; /* atomic; look-ups while another call tried again */
} field;

static struct vas_span span_number(uint32_t number)
{
	return (struct vas_span){ field.window.start + number * SPAN_PAGES * field.window.page,
				  SPAN_PAGES * field.window.page };
}

/* All but the first, the last, and every fourth, which are kept. */
static bool is_released(uint32_t number)
{
	return number > 0 && number < SPANS - 1 && number % 4 != 0;
}

/*
 * Of some that are kept, the second page is committed and stamped. Not the first: then the span
 * below would end where a mapping ends, and could go without another one.
 */
static bool is_committed(uint32_t number)
{
	return number % 8 == 0;
}

static struct vas_span committed_page(uint32_t number)
{
	return (struct vas_span){ span_number(number).start + field.window.page,
				  field.window.page };
}

static uint32_t released_count(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SPANS; i++)
		count += is_released(i);
	return count;
}

/*
 * Every other page of one large mapping gets another protection, which makes two mappings of
 * each, until the kernel has no more.
 */
static bool fill_mappings(void)
{
	uint64_t page = field.window.page, pages = FILLERS_MOST;
	void *memory = mmap(NULL, pages * page, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	field.filler = (struct vas_span){ (uint64_t)(uintptr_t)memory, pages * page };
	for (uint64_t i = 1; i < pages; i += 2) {
		if (mprotect((char *)memory + i * page, page, PROT_READ) == 0)
			continue;
		/* Two at once are too many now; a last one, at the end of the rest, may fit. */
		for (uint32_t many = 1; many < 4; many++)
			(void)mprotect((char *)memory + (pages - many) * page, page, PROT_READ);
		return errno == ENOMEM;
	}
	return false;
}

static void empty_mappings(void)
{
	/* At the limit too: a whole mapping can always go. */
	munmap(vas_span_pointer(field.filler), field.filler.size);
}

static void reserve_row(void)
{
	struct vas_span span;
	int err;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	opts.name = "row";
	for (uint32_t i = 0; i < SPANS; i++) {
		struct vas_span wanted = span_number(i);

		opts.address = wanted.start;
		err = vas_reserve(wanted.size, &opts, &span);
		if (err)
			crew_fault("reserve: %d", err);
		if (!err && is_committed(i)) {
			err = vas_commit(vas_span_pointer(committed_page(i)), field.window.page,
					 NULL);
			if (err)
				crew_fault("commit: %d", err);
			else
				stamp_write(committed_page(i), i);
		}
	}
}

/* Each thread its own, all of them beside each other's. */
static void release_at_limit(unsigned int number)
{
	for (uint32_t i = number; i < SPANS; i += THREADS) {
		enum vas_retired state = VAS_RETIRED_GONE;
		int err;

		if (!is_released(i))
			continue;
		err = vas_release(vas_span_pointer(span_number(i)), &state);
		if (err)
			crew_fault("a release at the limit: %d", err);
		else if (state != VAS_RETIRED_GONE)
			__atomic_fetch_add(&field.held, 1, __ATOMIC_RELAXED);
	}
}

/* Nobody else is at work: what is held is found, whole. */
static void check_held(uint32_t number)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_span wanted = span_number(number);
	struct vas_owner owner;

	if (vas_owner_at(vas_span_pointer(wanted), &owner) || owner.span.start != wanted.start ||
	    owner.span.size != wanted.size || vas_owner_details(owner.id, &details) ||
	    details.held != is_released(number) || strcmp(details.name, "row") != 0)
		crew_fault("span %u is not found as it should be", number);
	if (!is_released(number))
		return;
	if (vas_release(vas_span_pointer(wanted), NULL) != -ENOENT)
		crew_fault("held span %u could be released again", number);
	if (vas_commit(vas_span_pointer(wanted), field.window.page, NULL) != -EBUSY)
		crew_fault("held span %u could be committed", number);
}

static void check_sums(uint32_t held, const char *when)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	uint64_t bytes = SPAN_PAGES * field.window.page, where = 0;
	uint32_t live = SPANS - released_count();
	int err;

	if (vas_stats_get(&stats) || stats.held != held || stats.held_bytes != held * bytes ||
	    stats.spans != live || stats.reserved != live * bytes)
		crew_fault("%s: %" PRIu64 " held, %" PRIu64 " live", when, stats.held, stats.spans);
	err = vas_sync_check(&where);
	/* At the limit the comparison may lack memory to sort in. */
	if (err && !(held && err == -ENOMEM))
		crew_fault("%s: books and maps differ at 0x%" PRIx64 ": %d", when, where, err);
}

/*
 * All at once: reservations and releases, each of which tries the held ones again,
 * and look-ups. A span is hidden while the kernel is asked, so a look-up may miss it then;
 * it never finds anything else.
 */
static void work_at_limit(unsigned int number)
{
	uint64_t random = field.seed + number;
	struct vas_owner owner;
	struct vas_span span;
	int err;

	for (uint32_t call = 0; call < CALLS; call++) {
		uint32_t i = (uint32_t)vas_random_below(&random, SPANS);
		struct vas_span wanted = span_number(i);

		VAS_OPTS(vas_reserve_opts, opts);
		opts.min = field.spare;
		opts.max = field.window.end;
		err = vas_reserve(field.window.page, &opts, &span);
		if (!err)
			err = vas_release(vas_span_pointer(span), NULL);
		else if (err == -ENOMEM || err == -ENOSPC || err == -EBUSY)
			err = 0;
		if (err)
			crew_fault("a call at the limit: %d", err);
		err = vas_owner_at(vas_span_pointer(wanted), &owner);
		if (err == -ENOENT && is_released(i))
			__atomic_fetch_add(&field.missed, 1, __ATOMIC_RELAXED);
		else if (err || owner.span.start != wanted.start || owner.span.size != wanted.size)
			crew_fault("span %u is lost", i);
	}
}

/* One round; between meetings the first thread is alone. */
static void held_work(void *argument, unsigned int number)
{
	uint32_t held = released_count();
	struct vas_span span;

	(void)argument;
	if (number == 0) {
		reserve_row();
		if (!fill_mappings())
			crew_fault("the limit of mappings was not reached");
	}
	crew_meet();
	release_at_limit(number);
	crew_meet();
	if (number == 0) {
		if (field.held != held)
			crew_fault("%u of %u releases were held", field.held, held);
		for (uint32_t i = 0; i < SPANS; i++)
			check_held(i);
		check_sums(held, "at the limit");
	}
	crew_meet();
	work_at_limit(number);
	crew_meet();
	if (number == 0) {
		for (uint32_t i = 0; i < SPANS; i++)
			check_held(i);
		check_sums(held, "after calls at the limit");
		empty_mappings();
	}
	crew_meet();
	/* One call of any thread lets all of them go. */
	if (number == 1 && (vas_reserve(field.window.page, NULL, &span) ||
			    vas_release(vas_span_pointer(span), NULL)))
		crew_fault("no reservation below the limit");
	crew_meet();
	if (number != 1)
		work_at_limit(number);
}

static void check_gone(void)
{
	uint64_t page = field.window.page;
	struct vas_owner owner;
	int ends[2];

	if (pipe(ends))
		tap_bail("no pipe");
	check_sums(0, "below the limit");
	for (uint32_t i = 0; i < SPANS; i++) {
		struct vas_span span = span_number(i);

		for (uint64_t at = span.start; at < span.start + span.size; at += page)
			if (page_is_mapped(at, page) == is_released(i))
				crew_fault("span %u is not as it should be", i);
		if (is_released(i)) {
			if (vas_owner_at(vas_span_pointer(span), &owner) != -ENOENT)
				crew_fault("span %u is gone and found", i);
			continue;
		}
		if (is_committed(i) && !stamp_holds(ends, committed_page(i), i))
			crew_fault("the contents of span %u were changed", i);
		if (vas_release(vas_span_pointer(span), NULL))
			crew_fault("span %u is lost", i);
	}
	if (window_mapped(&field.window))
		crew_fault("something is left in the window");
	close(ends[0]);
	close(ends[1]);
}

static void one_round(void)
{
	field.held = 0;
	field.seed = vas_mix64(field.seed);
	crew_run(THREADS, held_work, NULL);
	check_gone();
}

static void held_case(void *argument)
{
	uint64_t rounds = tap_scaled(ROUNDS);
	struct vas_stats stats = { .size = sizeof(stats) };

	(void)argument;
	field.seed = tap_seed();
	ballast_forbid();
	window_find(&field.window, SPANS * SPAN_PAGES + 64);
	field.spare = field.window.end - 32 * field.window.page;
	one_round();
	tap_baseline();
	for (uint64_t round = 0; round < rounds && !crew_failed(); round++)
		one_round();
	is_u64(crew_faults(), 0, "held spans are found, counted and let go");
	vas_stats_get(&stats);
	is_u64(stats.spans + stats.reserved + stats.committed + stats.held + stats.held_bytes, 0,
	       "nothing is owned");
	is_i64(stats.vmas, 0, "no mapping is counted");
	tap_diag("%u look-ups met a span while the kernel was asked", field.missed);
}

int main(void)
{
	tap_plan(1);
	tap_case("releases at the limit of mappings", held_case, NULL, 50);
	return tap_done();
}
