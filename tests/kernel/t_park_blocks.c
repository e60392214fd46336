/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Park and unpark of regions that keep freed blocks: warm ones in a cache, ones that wait in
 * quarantine, addresses whose reuse is delayed, red zones. Nothing of what was freed is in the image, nothing
 * of it comes back, and nothing that is live is lost.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

#define PAGES	    8u /* of each block */
#define BLOCKS	    8u
#define REGION_PAGES 256u

static uint64_t page;

struct field {
	struct vas_region *region;
	unsigned char *blocks[BLOCKS];
	int image;
	struct vas_park_opts opts; /* room for half of the blocks, not for more */
};

/* Committed and filled with its number, from 1. */
static unsigned char *take(struct field *field, unsigned number)
{
	struct vas_block block;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	if (vas_region_alloc(field->region, PAGES * page, &opts, &block))
		tap_bail("no block");
	memset(block.start, (int)number + 1, PAGES * page);
	return block.start;
}

static bool is_all(const unsigned char *start, unsigned value)
{
	for (uint64_t i = 0; i < PAGES * page; i++)
		if (start[i] != value)
			return false;
	return true;
}

/* Every second block is freed. */
static void field_make(struct field *field, uint32_t flags, uint64_t cache)
{
	*field = (struct field){ .image = memfd_create("image", MFD_CLOEXEC) };
	VAS_OPTS(vas_region_opts, opts);
	opts.flags = flags;
	opts.cache_bytes = cache;
	if (vas_region_create(REGION_PAGES * page, &opts, &field->region))
		tap_bail("no region");
	for (unsigned i = 0; i < BLOCKS; i++)
		field->blocks[i] = take(field, i);
	field->opts = (struct vas_park_opts){ .size = sizeof(field->opts) };
	field->opts.image = field->image;
	field->opts.image_size = BLOCKS / 2 * PAGES * page;
}

static enum vas_retired field_free(struct field *field)
{
	enum vas_retired state = VAS_RETIRED_GONE;

	for (unsigned i = 0; i < BLOCKS; i += 2)
		is_err(vas_region_free(field->region, field->blocks[i], &state), 0, "freed");
	return state;
}

static struct vas_region_stats stats_of(const struct field *field)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	if (vas_region_stats(field->region, &stats))
		tap_bail("no statistics");
	return stats;
}

static bool live_are_whole(const struct field *field)
{
	bool whole = true;

	for (unsigned i = 1; i < BLOCKS; i += 2)
		whole = whole && is_all(field->blocks[i], i + 1);
	return whole;
}

/* Over park and unpark, and what there is afterwards. */
static void round_trip(struct field *field)
{
	struct stat status;

	is_err(vas_region_park(field->region, &field->opts), 0, "parked");
	fstat(field->image, &status);
	is_u64(status.st_size, field->opts.image_size, "the image has live blocks only");
	is_err(vas_sync_check(NULL), 0, "nothing is mapped");
	is_err(vas_region_unpark(field->region, &field->opts), 0, "unparked");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	ok(live_are_whole(field), "live blocks have their contents");
	is_u64(stats_of(field).committed, BLOCKS / 2 * PAGES * page, "and nothing else has memory");
	is_u64(stats_of(field).warm, 0, "nothing is warm");
}

static void field_end(struct field *field)
{
	is_err(vas_region_destroy(field->region, NULL), 0, "the region ends");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	close(field->image);
}

static void cache_case(void *unused)
{
	struct vas_park_opts nothing = { .size = sizeof(nothing) };
	struct vas_block block;
	struct field field;

	(void)unused;
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	field_make(&field, 0, BLOCKS * PAGES * page);
	is_u64(field_free(&field), VAS_RETIRED_WARM, "blocks are kept warm");
	is_u64(stats_of(&field).warm, BLOCKS / 2 * PAGES * page, "all of them");
	is_err(vas_region_park(field.region, &nothing), EOPNOTSUPP, "not parked without an image");
	ok(live_are_whole(&field), "live blocks are as they were");
	round_trip(&field);
	is_err(vas_region_alloc(field.region, PAGES * page, &opts, &block), 0, "a block is taken");
	ok(is_all(block.start, 0), "and reads as zeroes");
	is_err(vas_region_free(field.region, block.start, NULL), 0, "freed");
	is_u64(stats_of(&field).warm, PAGES * page, "the cache works as before");
	/* What is warm is a live block's again: its contents are saved. */
	field.blocks[0] = take(&field, 0);
	field.opts.image_size += PAGES * page;
	is_err(vas_region_park(field.region, &field.opts), 0, "parked");
	is_err(vas_region_unpark(field.region, &field.opts), 0, "unparked");
	ok(is_all(field.blocks[0], 1) && live_are_whole(&field), "warm memory in use is kept");
	is_err(vas_region_free(field.region, field.blocks[1], NULL), 0, "freed");
	is_err(vas_region_alloc(field.region, PAGES * page, &opts, &block), 0, "and taken");
	ok(is_all(block.start, 0), "what came back from the image is zeroed for the next one");
	field_end(&field);
}

static void quarantine_case(void *unused)
{
	struct vas_region_thread *thread;
	struct vas_report report = { .size = sizeof(report) };
	struct field field;

	(void)unused;
	field_make(&field, VAS_REGION_QUARANTINE, 0);
	is_err(vas_region_join(field.region, &thread), 0, "a thread joins");
	vas_region_enter(thread);
	is_u64(field_free(&field), VAS_RETIRED_WAITING, "blocks wait for it");
	is_err(vas_region_park(field.region, &field.opts), EBUSY, "it may use them: not parked");
	is_err(vas_report_get(&report), 0, "reported");
	is_u64(report.why, VAS_WHY_RACE, "the reason tells it");
	ok(is_all(field.blocks[0], 1) && live_are_whole(&field), "everything is as it was");
	is_u64(stats_of(&field).waiting, BLOCKS / 2 * PAGES * page, "and waits");
	vas_region_leave(thread);
	round_trip(&field);
	is_u64(stats_of(&field).waiting, 0, "nothing waits any more");
	/* A thread that entered while it was parked is inside afterwards. */
	is_err(vas_region_park(field.region, &field.opts), 0, "parked");
	vas_region_enter(thread);
	is_err(vas_region_unpark(field.region, &field.opts), 0, "unparked");
	ok(live_are_whole(&field), "with contents");
	field.blocks[0] = take(&field, 0);
	is_u64(field_free(&(struct field){ .region = field.region, .blocks = {
		[0] = field.blocks[0], [2] = field.blocks[1], [4] = field.blocks[3],
		[6] = field.blocks[5] } }), VAS_RETIRED_WAITING, "frees wait for it");
	ok(is_all(field.blocks[0], 1), "its block can still be read");
	vas_region_leave(thread);
	is_err(vas_region_quit(thread), 0, "the thread goes");
	field_end(&field);
}

static pid_t inside;

static void *stand_inside(void *argument)
{
	struct vas_region_thread *thread;

	inside = (pid_t)syscall(SYS_gettid);
	if (vas_region_join(argument, &thread) == 0)
		vas_region_enter(thread);
	return NULL;
}

/* A thread that ended inside keeps nobody from parking. */
static void dead_case(void *unused)
{
	struct field field;
	pthread_t thread;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	field_make(&field, VAS_REGION_QUARANTINE, 0);
	if (pthread_create(&thread, NULL, stand_inside, field.region))
		tap_bail("no thread");
	pthread_join(thread, NULL);
	/* The kernel's thread ends a little later than libc's. */
	for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), inside, 0) == 0; i++)
		usleep(1000);
	(void)field_free(&field);
	round_trip(&field);
	field_end(&field);
}

static void delay_case(void *unused)
{
	struct field field;
	struct vas_block block;
	bool early = false;

	(void)unused;
	field_make(&field, VAS_REGION_DELAY, 0);
	(void)field_free(&field);
	round_trip(&field);
	is_u64(stats_of(&field).waiting, BLOCKS / 2 * PAGES * page, "addresses wait");
	for (unsigned i = 0; i < BLOCKS; i++) {
		if (vas_region_alloc(field.region, PAGES * page, NULL, &block))
			tap_bail("no block");
		for (unsigned j = 0; j < BLOCKS; j++)
			early = early || block.start == field.blocks[j];
	}
	ok(!early, "freed addresses still wait for their turn");
	field_end(&field);
}

/* All of it at once, and debug mode's zones. */
static void debug_case(void *unused)
{
	struct field field;

	(void)unused;
	field_make(&field, VAS_REGION_RED_ZONES | VAS_REGION_DELAY | VAS_REGION_FILL |
			   VAS_REGION_QUARANTINE, BLOCKS * PAGES * page);
	(void)field_free(&field);
	round_trip(&field);
	for (unsigned i = 0; i < BLOCKS; i += 2)
		field.blocks[i] = take(&field, i);
	field.opts.image_size = BLOCKS * PAGES * page;
	is_err(vas_region_park(field.region, &field.opts), 0, "parked with new blocks");
	is_err(vas_region_unpark(field.region, &field.opts), 0, "unparked");
	for (unsigned i = 0; i < BLOCKS; i++)
		ok(is_all(field.blocks[i], i + 1), "block %u", i);
	field_end(&field);
}

/* What the first use keeps is no leak of a case. */
static void warm_up(void)
{
	struct field field;

	field_make(&field, VAS_REGION_QUARANTINE, page);
	if (vas_region_destroy(field.region, NULL) || vas_sync_check(NULL))
		tap_bail("it does not work at all");
	close(field.image);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	warm_up();
	tap_case("a cache", cache_case, NULL, 20);
	tap_case("quarantine", quarantine_case, NULL, 20);
	tap_case("quarantine, and a thread that ended", dead_case, NULL, 20);
	tap_case("delayed reuse", delay_case, NULL, 20);
	tap_case("red zones and all", debug_case, NULL, 20);
	return tap_done();
}
