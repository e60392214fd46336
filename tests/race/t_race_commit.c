/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 6 */
/*
 * Four threads commit overlapping parts of one span. Each page reads as zeroes
 * when its thread first sees it committed, and keeps from then on what that thread wrote:
 * no page is mapped a second time. In the end the books count each page once.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/crew.h"
#include "support/window.h"
#include "tap/tap.h"

#define WORKERS 4u
#define PAGES	256u /* of the span */
#define COMMITS 24u /* of one worker in a round */
#define ROUNDS	1200u

static struct {
	struct window window; /* the span is all of it */
	uint64_t seed, rounds;
	uint8_t committed[PAGES]; /* atomic; by anybody in this round */
	uint8_t stamped[PAGES]; /* by the worker whose lane the page is in */
} field;

static struct vas_span pages_at(uint64_t first, uint64_t many)
{
	return (struct vas_span){ field.window.start + first * field.window.page,
				  many * field.window.page };
}

/* Every worker looks at the pages of its own lane only: number, number + 4, ... */
static void stamp_lane(unsigned int number, uint64_t first, uint64_t many, const int ends[2])
{
	for (uint64_t page = first; page < first + many; page++) {
		__atomic_store_n(&field.committed[page], 1, __ATOMIC_RELAXED);
		if (page % WORKERS != number || field.stamped[page])
			continue;
		if (!stamp_is_zero(ends, pages_at(page, 1)))
			crew_fault("page %" PRIu64 " was committed with something in it", page);
		stamp_write(pages_at(page, 1), number);
		field.stamped[page] = 1;
	}
}

static void commit_some(unsigned int number, uint64_t *random, const int ends[2])
{
	for (uint32_t i = 0; i < COMMITS; i++) {
		uint64_t first = vas_random_below(random, PAGES);
		uint64_t many = 1 + vas_random_below(random, PAGES - first);
		struct vas_span part = pages_at(first, many);
		int err = vas_commit(vas_span_pointer(part), part.size, NULL);

		if (err)
			crew_fault("a commit beside others: %d", err);
		else
			stamp_lane(number, first, many, ends);
	}
	for (uint64_t page = number; page < PAGES; page += WORKERS)
		if (field.stamped[page] && !stamp_holds(ends, pages_at(page, 1), number))
			crew_fault("page %" PRIu64 " was committed a second time", page);
}

/* By the first worker, while the others wait. */
static void round_begin(void)
{
	struct vas_span span = { 0, 0 };
	int err;

	memset(field.committed, 0, sizeof(field.committed));
	memset(field.stamped, 0, sizeof(field.stamped));
	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	opts.address = field.window.start;
	err = vas_reserve(pages_at(0, PAGES).size, &opts, &span);
	if (err || span.start != field.window.start)
		crew_fault("reserve: %d", err);
}

static void round_end(void)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	uint64_t expected = 0, where = 0;
	struct vas_owner owner;

	for (uint32_t page = 0; page < PAGES; page++)
		expected += field.committed[page] * field.window.page;
	if (vas_owner_at(vas_span_pointer(pages_at(0, 1)), &owner) ||
	    vas_owner_details(owner.id, &details) || details.committed != expected)
		crew_fault("0x%" PRIx64 " bytes are committed, the books say 0x%" PRIx64, expected,
			   details.committed);
	if (vas_sync_check(&where))
		crew_fault("books and maps differ at 0x%" PRIx64, where);
	if (vas_release(vas_span_pointer(pages_at(0, 1)), NULL))
		crew_fault("the release at the end of a round");
}

static void work(void *argument, unsigned int number)
{
	uint64_t random = field.seed + number;
	int ends[2];

	(void)argument;
	if (pipe(ends))
		tap_bail("no pipe");
	for (uint64_t round = 0; round < field.rounds; round++) {
		if (number == 0)
			round_begin();
		crew_meet();
		commit_some(number, &random, ends);
		crew_meet();
		if (number == 0)
			round_end();
	}
	close(ends[0]);
	close(ends[1]);
}

static void run(uint64_t rounds)
{
	field.rounds = rounds;
	field.seed = vas_mix64(field.seed);
	crew_run(WORKERS, work, NULL);
}

static void commit_case(void *argument)
{
	struct vas_stats stats = { .size = sizeof(stats) };

	(void)argument;
	field.seed = tap_seed();
	window_find(&field.window, PAGES);
	run(tap_scaled(ROUNDS) / 20 + 1);
	tap_baseline();
	run(tap_scaled(ROUNDS));
	is_u64(crew_faults(), 0, "every page was committed once, and counted once");
	vas_stats_get(&stats);
	is_u64(stats.spans + stats.reserved + stats.committed + stats.held, 0, "nothing is owned");
	is_i64(stats.vmas, 0, "no mapping is counted");
	is_u64(window_mapped(&field.window), 0, "nothing is mapped in the window");
}

int main(void)
{
	tap_plan(1);
	tap_case("overlapping commits of one span", commit_case, NULL, 30);
	return tap_done();
}
