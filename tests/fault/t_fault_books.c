/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * No memory for the books: each time that they grow is made to fail, once and
 * for good, while thousands of spans are reserved under hundreds of names and
 * committed in pieces. The call that needed the memory fails with -ENOMEM and
 * the reason "books", and everything is as it was; with memory again it works.
 *
 * And: a release needs none. It asks the kernel for no memory, whatever state
 * the books are in, and what was released is used again before the books grow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "support/recorder.h"
#include "tap/tap.h"

#define SPANS 3000u
#define NAMES 300u
#define PIECES 400u /* of one span, committed with gaps between: its extents grow */
#define GROWTHS_MOST 200u

static const int errors[] = { ENOMEM, EPERM, EINVAL, EEXIST, ENOSYS, EAGAIN };

static struct recorder recorder;
static struct vas_span spans[SPANS];
static unsigned int spans_most = SPANS;
static unsigned int count; /* of spans */
static unsigned int pieces; /* committed in the first one */
static uint64_t page;
static unsigned int refused, injected;
static unsigned int wrongs;

#define WRONG(...)                                                                                 \
	do {                                                                                       \
		if (wrongs++ < 10)                                                                 \
			tap_diag(__VA_ARGS__);                                                     \
	} while (0)

static struct vas_stats stats_now(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };

	if (vas_stats_get(&stats))
		WRONG("vas_stats_get fails");
	return stats;
}

/* The next call of the sequence. 1: there is none. */
static int next_call(void)
{
	char name[16];

	VAS_OPTS(vas_reserve_opts, opts);
	if (count == 0) {
		int err = vas_reserve(2 * PIECES * page, NULL, &spans[0]);

		count += !err;
		return err;
	}
	if (pieces < PIECES && pieces <= count) {
		int err = vas_commit((char *)vas_span_pointer(spans[0]) + 2 * pieces * page, page,
				     NULL);

		pieces += !err;
		return err;
	}
	if (count == spans_most)
		return 1;
	snprintf(name, sizeof(name), "name %u", count % NAMES);
	opts.name = name;
	/* Far from each other: the owner index needs further nodes. */
	if (count % 8 == 0) {
		opts.place = VAS_PLACE_SCATTER;
		opts.key = count;
	}
	{
		int err = vas_reserve(page, &opts, &spans[count]);

		count += !err;
		return err;
	}
}

static void begin(void)
{
	recorder_init(&recorder, vas_sys_real());
	vas_space_forget();
	vas_sys_replace(&recorder.sys);
	count = 0;
	pieces = 0;
}

/* Releases all without one request for memory. */
static void release_all(void)
{
	uint64_t asked = recorder.maps;
	enum vas_retired state;

	recorder.books_fail_at = 1;
	recorder.books_persistent = true;
	recorder.books_error = ENOMEM;
	for (unsigned int i = 0; i < count; i++)
		if (vas_release(vas_span_pointer(spans[i]), &state) || state != VAS_RETIRED_GONE)
			WRONG("span %u of %u is not released", i, count);
	recorder.books_fail_at = 0;
	if (recorder.maps != asked)
		WRONG("releasing %u spans asked the kernel for memory", count);
	count = 0;
	pieces = 0;
}

static void end(void)
{
	struct vas_stats stats;

	if (vas_sync_check(NULL))
		WRONG("books and kernel differ");
	release_all();
	stats = stats_now();
	if (stats.spans || stats.reserved || stats.committed || stats.held || stats.vmas)
		WRONG("something is left in the books");
	if (recorder_bytes(&recorder) != stats.books)
		WRONG("leaked: %llu bytes are mapped, the books have %llu",
		      (unsigned long long)recorder_bytes(&recorder),
		      (unsigned long long)stats.books);
	vas_sys_replace(NULL);
	vas_space_forget();
	recorder_clear(&recorder);
}

/* A call failed: with the right error, and nothing changed. */
static void check_refusal(int err, const struct vas_stats *before)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_stats after = stats_now();

	refused++;
	if (err != -ENOMEM && !(err == -EPERM && !vas_space_if_made()) &&
	    !(err == -ENOSYS && !vas_space_if_made()))
		WRONG("without memory for the books a call answers %d", err);
	if (vas_report_get(&report) || report.why != VAS_WHY_BOOKS)
		WRONG("without memory for the books the reason is %s", vas_why_name(report.why));
	if (after.spans != before->spans || after.reserved != before->reserved ||
	    after.committed != before->committed || after.vmas != before->vmas)
		WRONG("a call without memory for the books changed the sums");
	if (vas_sync_check(NULL) == -EBADMSG)
		WRONG("after a call without memory for the books, they differ from the kernel");
}

/* The whole sequence, with one failing growth. False: there were not so many. */
static bool run(unsigned int fail_at, bool persistent, int error)
{
	struct vas_stats before;
	bool reached;
	int err;

	begin();
	recorder.books_fail_at = fail_at;
	recorder.books_persistent = persistent;
	recorder.books_error = error;
	do {
		before = stats_now();
		err = next_call();
	} while (err == 0);
	reached = recorder.books_maps >= fail_at;
	injected += reached;
	if (err < 0)
		check_refusal(err, &before);
	else if (persistent && reached)
		WRONG("growth %u failed for good, and nobody minded", fail_at);
	recorder.books_fail_at = 0;
	/* With memory again, on from there. */
	for (unsigned int more = 0; err != 1 && more < 20; more++) {
		err = next_call();
		if (err < 0)
			WRONG("with memory again a call answers %d", err);
	}
	end();
	return reached;
}

static void growth_case(void *arg)
{
	bool persistent = *(bool *)arg;
	bool all = tap_scaled(100) >= 100;
	unsigned int at;

	for (at = 1; at < GROWTHS_MOST; at++) {
		bool reached = false;

		/* Whatever the kernel answers, the books say -ENOMEM: two of six will do for each. */
		for (unsigned int i = 0; i < (all ? 2 : 1); i++)
			reached |= run(at, persistent, errors[(2 * at + i) % 6]);
		if (!reached)
			break;
	}
	ok(at > 2 && at < GROWTHS_MOST, "the books grew %u times", at - 1);
	ok(wrongs == 0, "each failing one left everything as it was");
	ok(refused > 0, "%u calls were refused", refused);
	tap_figure(persistent ? "growths of the books that failed for good" :
				"growths of the books that failed once",
		   injected, "faults");
}

/* What was released is used again. */
static void reuse_case(void *arg)
{
	uint64_t books, grown;

	(void)arg;
	begin();
	while (next_call() == 0)
		;
	is_i64(count, spans_most, "all spans are reserved");
	books = stats_now().books;
	release_all();
	is_u64(stats_now().books, books, "releasing neither takes nor gives back memory of the books");
	grown = recorder.books_maps;
	while (next_call() == 0)
		;
	is_i64(count, spans_most, "and again");
	is_u64(recorder.books_maps, grown, "for which the books did not grow");
	end();
	ok(wrongs == 0, "%u releases asked for no memory", 2 * spans_most);
}

int main(void)
{
	bool once = false, persistently = true;

	page = vas_sys_real()->page_size;
	/* Where the books are checked at every step, that takes time by the square. */
	if (tap_scaled(100) < 100)
		spans_most = 1000;
	tap_plan(0);
	tap_case("each growth fails once", growth_case, &once, 60);
	tap_case("each growth fails for good", growth_case, &persistently, 60);
	tap_case("release needs no memory", reuse_case, NULL, 60);
	return tap_done();
}
