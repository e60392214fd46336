/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 5 */
/*
 * Live pages are replaced while others read them: each page has a version at its beginning and its end, and the versions that a
 * reader sees of it never go back, nor is there ever a signal. 2 MiB in one part, then a batch over several spans, then one over blocks of
 * a region that is allocated from, split and merged meanwhile. Some batches are vetoed at their last part: then the old versions stay, or come back.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/crew.h"
#include "tap/tap.h"

#define READERS 3u
#define ROUNDS	60u
#define PARTS	3u
#define MOST	(2ull << 20) /* bytes of a part */

static struct {
	unsigned char *start[PARTS];
	uint64_t size[PARTS];
	uint32_t parts;
	struct vas_region *region; /* NULL: parts are spans */
	uint64_t page;
	uint64_t rounds;
	uint64_t seed;
	uint32_t floor; /* versions below it are gone for good (atomic) */
	uint32_t newest; /* that was ever written (atomic) */
	uint32_t over; /* (atomic) */
	uint32_t veto; /* the next change of the last part (atomic) */
} field;

static uint32_t *stamp_at(unsigned char *page, bool last)
{
	return (uint32_t *)(void *)(page + (last ? field.page - sizeof(uint32_t) : 0));
}

static void stamp(unsigned char *memory, uint64_t size, uint32_t version)
{
	for (uint64_t at = 0; at < size; at += field.page) {
		__atomic_store_n(stamp_at(memory + at, false), version, __ATOMIC_RELAXED);
		__atomic_store_n(stamp_at(memory + at, true), version, __ATOMIC_RELAXED);
	}
}

static void read_some(uint64_t *random)
{
	uint32_t part = (uint32_t)vas_random_below(random, field.parts);
	uint64_t pages = field.size[part] / field.page;
	unsigned char *page = field.start[part] + vas_random_below(random, pages) * field.page;
	uint32_t floor = __atomic_load_n(&field.floor, __ATOMIC_ACQUIRE);
	uint32_t first = __atomic_load_n(stamp_at(page, false), __ATOMIC_ACQUIRE);
	uint32_t last = __atomic_load_n(stamp_at(page, true), __ATOMIC_ACQUIRE);
	uint32_t newest = __atomic_load_n(&field.newest, __ATOMIC_ACQUIRE);

	if (first < floor || last < floor || first > newest || last > newest)
		crew_fault("versions %u and %u, though all from %u to %u were there", first, last,
			   floor, newest);
}

static int on_notice(void *context, const struct vas_notice *notice)
{
	(void)context;
	return notice->phase == VAS_NOTICE_BEFORE && !notice->final &&
			       notice->span.start ==
				       (uint64_t)(uintptr_t)field.start[field.parts - 1] &&
			       __atomic_exchange_n(&field.veto, 0, __ATOMIC_RELAXED) ?
		       -EBUSY : 0;
}

static void replace_all(uint32_t version, bool veto)
{
	struct vas_replace_part parts[PARTS] = { 0 };
	struct vas_replace *replace = NULL;
	int err;

	for (uint32_t i = 0; i < field.parts; i++) {
		parts[i].start = field.start[i];
		parts[i].size = field.size[i];
	}
	err = vas_replace_prepare(parts, field.parts, &replace);
	if (err) {
		crew_fault("not prepared: %d", err);
		return;
	}
	for (uint32_t i = 0; i < field.parts; i++)
		stamp(parts[i].aside, field.size[i], version);
	__atomic_store_n(&field.newest, version, __ATOMIC_RELEASE);
	__atomic_store_n(&field.veto, veto, __ATOMIC_RELAXED);
	err = vas_replace_commit(replace);
	/* A block may have come to another region. */
	if (err != (veto ? -EBUSY : 0) && !(field.region && err == -ESTALE))
		crew_fault("commit answers %d", err);
	if (err)
		vas_replace_cancel(replace);
	else
		__atomic_store_n(&field.floor, version, __ATOMIC_RELEASE);
}

/* What is there comes and goes, and during some batches the last part goes to another region and back. */
static void churn(void)
{
	struct vas_region *upper;
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	if (vas_region_alloc(field.region, field.page, &opts, &block) ||
	    vas_region_free(field.region, block.start, NULL))
		crew_fault("no block");
	if (__atomic_load_n(&field.newest, __ATOMIC_RELAXED) % 2)
		return;
	if (vas_region_split(field.region, field.start[field.parts - 1], &upper) ||
	    vas_region_merge(field.region, upper))
		crew_fault("the region stays as it is");
}

static void work(void *unused, unsigned int number)
{
	uint64_t random = field.seed + number;

	(void)unused;
	if (number == 0) {
		for (uint32_t version = 1; version <= field.rounds; version++)
			replace_all(version, version % 5 == 0);
		__atomic_store_n(&field.over, 1, __ATOMIC_RELEASE);
		return;
	}
	while (!__atomic_load_n(&field.over, __ATOMIC_ACQUIRE)) {
		if (number == READERS && field.region)
			churn();
		read_some(&random);
	}
}

static void make_spans(void)
{
	struct vas_span span;

	for (uint32_t i = 0; i < field.parts; i++) {
		if (vas_reserve(field.size[i], NULL, &span) ||
		    vas_commit(vas_span_pointer(span), field.size[i], NULL))
			tap_bail("no memory");
		field.start[i] = vas_span_pointer(span);
	}
}

/* One behind the other. */
static void make_blocks(uint64_t size)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	if (vas_region_create(8 * field.parts * size, NULL, &field.region))
		tap_bail("no region");
	opts.flags = VAS_ALLOC_COMMIT | VAS_ALLOC_LOW;
	for (uint32_t i = 0; i < field.parts; i++) {
		if (vas_region_alloc(field.region, size, &opts, &block))
			tap_bail("no block");
		field.start[i] = block.start;
	}
}

static int part_goes(uint32_t i)
{
	return field.region ? vas_region_free(field.region, field.start[i], NULL)
			    : vas_release(field.start[i], NULL);
}

static void run(uint32_t parts, uint64_t size, bool blocks)
{
	uint64_t id;

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	field.page = (uint64_t)sysconf(_SC_PAGESIZE);
	field.rounds = tap_scaled(ROUNDS);
	field.seed = tap_seed();
	field.parts = parts;
	for (uint32_t i = 0; i < parts; i++)
		field.size[i] = size;
	if (blocks)
		make_blocks(size);
	else
		make_spans();
	if (vas_notice_subscribe(NULL, on_notice, NULL, &id))
		tap_bail("no notices");
	crew_run(READERS + 1, work, NULL);
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	ok(field.floor > 0, "up to version %u", field.floor);
	for (uint32_t i = 0; i < parts; i++) {
		uint32_t version = *stamp_at(field.start[i] + size - field.page, true);

		is_u64(version, field.floor, "part %u has the last version", i);
		is_err(part_goes(i), 0, "and goes");
	}
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	if (field.region)
		is_err(vas_region_destroy(field.region, NULL), 0, "so does the region");
}

static void test_one(void *unused)
{
	(void)unused;
	run(1, MOST, false);
}

static void test_batch(void *unused)
{
	(void)unused;
	run(PARTS, MOST / 8, false);
}

static void test_blocks(void *unused)
{
	(void)unused;
	run(PARTS, MOST / 8, true);
}

int main(void)
{
	tap_plan(0);
	tap_case("2 MiB at once", test_one, NULL, 60);
	tap_case("a batch over three spans", test_batch, NULL, 60);
	tap_case("a batch over blocks of a region", test_blocks, NULL, 60);
	return tap_done();
}
