/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 8 */
/*
 * Everything that looks, while one span is reserved, committed by several threads and
 * released against their commits, again and again at the same place: owner
 * look-ups and details, statistics, the ledger, the comparison with the maps, reports.
 * Meanwhile the log hook is set and reset, and searches read the layout.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/crew.h"
#include "support/window.h"
#include "tap/tap.h"

#define WORKERS	     2u
#define WATCHERS     3u
#define PAGES	     128u /* of the span */
#define COMMITS	     24u
#define ROUNDS	     4000u
#define REPORT_EVERY 16u /* explaining reads all mappings */

static struct {
	struct window window; /* the span is all of it */
	struct window aside; /* where a watcher reserves */
	pthread_barrier_t meeting; /* of the workers */
	uint64_t seed, rounds;
	bool over; /* atomic */
	uint64_t seen, absent, stale, checks, reports, lines; /* atomic */
} field;

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint64_t span_size(void)
{
	return field.window.end - field.window.start;
}

static void *span_at(uint64_t page)
{
	return (void *)(uintptr_t)(field.window.start + page * field.window.page);
}

/* ---- the workers ---- */

static void reserve_span(void)
{
	struct vas_span span = { 0, 0 };
	int err;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	opts.address = field.window.start;
	opts.name = "watched";
	err = vas_reserve(span_size(), &opts, &span);
	if (err || span.start != field.window.start)
		crew_fault("reserve: %d", err);
}

/* The first worker releases in between, so that the other's commits meet it. */
static void work_round(unsigned int number, uint64_t *random)
{
	uint64_t release_at = number ? COMMITS : vas_random_below(random, COMMITS);
	int err;

	for (uint64_t i = 0; i < COMMITS; i++) {
		uint64_t first = vas_random_below(random, PAGES);
		uint64_t many = 1 + vas_random_below(random, (PAGES - first + 3) / 4);

		if (i == release_at) {
			err = vas_release(span_at(0), NULL);
			if (err)
				crew_fault("release: %d", err);
			return;
		}
		err = vas_commit(span_at(first), many * field.window.page, NULL);
		if (err && (number == 0 || (err != -ENOENT && err != -EBUSY)))
			crew_fault("commit: %d", err);
	}
}

static void worker(unsigned int number)
{
	uint64_t random = field.seed + number;

	for (uint64_t round = 0; round < field.rounds; round++) {
		if (number == 0)
			reserve_span();
		pthread_barrier_wait(&field.meeting);
		work_round(number, &random);
		pthread_barrier_wait(&field.meeting);
	}
	__atomic_store_n(&field.over, true, __ATOMIC_RELAXED);
}

/* ---- the watchers ---- */

static void watch_owner(uint64_t *random)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	uint64_t address = window_random(&field.window, random, field.window.page);
	struct vas_owner owner;
	int err;

	if (vas_owner_at((void *)(uintptr_t)address, &owner)) {
		count(&field.absent);
		return;
	}
	if (owner.span.start != field.window.start || owner.span.size != span_size())
		crew_fault("an owner at 0x%" PRIx64 " that never was", owner.span.start);
	err = vas_owner_details(owner.id, &details);
	if (err == -ESTALE) {
		count(&field.stale);
		return;
	}
	if (err || details.span.start != field.window.start || details.held || !details.vmas ||
	    details.committed > span_size() || strcmp(details.name, "watched") != 0)
		crew_fault("details that never were: %d", err);
	count(&field.seen);
}

/* Three spans at most: the one that is watched, and one aside for each who sets the log. */
static void watch_sums(uint64_t turn)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_ledger_entry entry = { .size = sizeof(entry) };
	uint64_t where = 0;
	char line[512];
	int err;

	if (vas_stats_get(&stats) || stats.committed > stats.reserved || stats.spans > 3 ||
	    stats.held || stats.vmas < (int64_t)stats.spans)
		crew_fault("statistics that do not add up");
	for (size_t i = 0; vas_ledger_get(i, &entry) == 0; i++)
		if (entry.committed > entry.reserved || entry.reserved > entry.peak_reserved ||
		    entry.spans > 2)
			crew_fault("a line of the ledger that does not add up");
	err = vas_sync_check(&where);
	if (err)
		crew_fault("books and maps differ at 0x%" PRIx64 ": %d", where, err);
	count(&field.checks);
	if (turn % REPORT_EVERY)
		return;
	err = vas_commit((void *)(uintptr_t)field.aside.end, field.window.page,
			 NULL); /* nobody's */
	if (err != -ENOENT || vas_report_format(line, sizeof(line)) <= 0 || !line[0])
		crew_fault("a failure without a report: %d", err);
	count(&field.reports);
}

static void listen_to(void *context, enum vas_log_level level, const char *line)
{
	if (context != &field.lines || level > VAS_LOG_DEBUG || !line[0])
		crew_fault("a log line that nobody asked for");
	count(&field.lines);
}

/* Sets the hook, reserves by looking, and resets it. */
static void watch_log(uint64_t *random)
{
	struct vas_span span;
	int err;

	vas_log_set(listen_to, &field.lines,
		    vas_random_below(random, 2) ? VAS_LOG_DEBUG : VAS_LOG_WARNING);
	VAS_OPTS(vas_reserve_opts, opts);
	opts.min = field.aside.start;
	opts.max = field.aside.end;
	opts.place = vas_random_below(random, 2) ? VAS_PLACE_HIGH : VAS_PLACE_LOW;
	opts.flags = VAS_RESERVE_STRICT;
	err = vas_reserve(field.window.page, &opts, &span);
	if (err || vas_release(vas_span_pointer(span), NULL))
		crew_fault("reserve aside: %d", err);
	vas_log_set(NULL, NULL, VAS_LOG_ERROR);
}

static void watcher(unsigned int number)
{
	uint64_t random = field.seed + number;

	for (uint64_t turn = 0; !__atomic_load_n(&field.over, __ATOMIC_RELAXED); turn++) {
		if (number == WORKERS)
			watch_owner(&random);
		else if (number == WORKERS + 1)
			watch_sums(turn);
		if (number != WORKERS)
			watch_log(&random);
	}
}

static void work(void *argument, unsigned int number)
{
	(void)argument;
	if (number < WORKERS)
		worker(number);
	else
		watcher(number);
}

static void run(uint64_t rounds)
{
	field.rounds = rounds;
	field.over = false;
	field.seed = vas_mix64(field.seed);
	crew_run(WORKERS + WATCHERS, work, NULL);
}

/* Both in one range: the second half is for the watchers' own spans. */
static void find_places(void)
{
	window_find(&field.window, 2 * PAGES);
	field.aside = field.window;
	field.window.end = field.aside.start = field.window.start + PAGES * field.window.page;
}

static void watch_case(void *argument)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	uint64_t where = 0;

	(void)argument;
	field.seed = tap_seed();
	find_places();
	pthread_barrier_init(&field.meeting, NULL, WORKERS);
	run(tap_scaled(ROUNDS) / 10 + 1);
	tap_baseline();
	run(tap_scaled(ROUNDS));
	pthread_barrier_destroy(&field.meeting);

	is_u64(crew_faults(), 0, "whoever looked saw what was so at some moment");
	is_err(vas_sync_check(&where), 0, "books and maps agree");
	vas_stats_get(&stats);
	is_u64(stats.spans + stats.reserved + stats.committed + stats.held, 0, "nothing is owned");
	is_i64(stats.vmas, 0, "no mapping is counted");
	tap_diag("look-ups: %" PRIu64 " owned, %" PRIu64 " not, %" PRIu64 " stale; %" PRIu64
		 " checks, %" PRIu64 " reports, %" PRIu64 " lines",
		 field.seen, field.absent, field.stale, field.checks, field.reports, field.lines);
}

int main(void)
{
	tap_plan(1);
	tap_case("all that looks, beside changes of one span", watch_case, NULL, 40);
	return tap_done();
}
