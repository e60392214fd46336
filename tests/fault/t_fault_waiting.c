/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * Warm blocks and blocks in quarantine, with every kernel call failing in turn, also over a fork: what was
 * freed is kept or goes, is never handed out while somebody may look at it, and is handed out as zeroes.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "region/region.h"
#include "support/fault_loop.h"
#include "tap/tap.h"

#define PAGES 2048u
#define LARGE (3u << 20) /* a warm block of that size is zeroed by giving its pages back */
#define MANY  400u /* blocks: two chunks of records */
#define GONE  0x7ffffff0u /* no thread's number */

static struct vas_region *region;
static struct vas_region_thread *inside;
static struct vas_block block;

static void check_region(struct fault_world *world)
{
	(void)world;
	if (!vas_region_check(region))
		fault_wrong("the region's books are not whole");
}

static void finish_region(struct fault_world *world)
{
	check_region(world);
	must(vas_region_destroy(region, NULL), "the region stays");
	block.start = NULL;
}

static void make_region(struct fault_world *world, uint32_t flags, uint64_t cache)
{
	VAS_OPTS(vas_region_opts, opts);
	opts.flags = flags;
	opts.cache_bytes = cache;
	opts.cache_age = 10;
	must(vas_region_create(PAGES * world->page, &opts, &region), "no region");
}

static struct vas_region_stats sums(void)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	must(vas_region_stats(region, &stats), "no statistics");
	return stats;
}

static int take(uint64_t size, struct vas_block *made)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	return vas_region_alloc(region, size, &opts, made);
}

/* So many blocks of a size that were written to, and freed. */
static void free_blocks(unsigned int count, uint64_t size)
{
	struct vas_block blocks[8];

	for (unsigned int i = 0; i < count; i++) {
		must(take(size, &blocks[i]), "no block");
		memset(blocks[i].start, 0x5a, 64);
		memset((char *)blocks[i].start + size - 64, 0x5a, 64);
	}
	while (count-- > 0)
		must(vas_region_free(region, blocks[count].start, NULL), "a free fails");
}

/* --- warm --- */

static void setup_warm(struct fault_world *world)
{
	make_region(world, 0, PAGES * world->page);
}

static void prepare_large(struct fault_world *world)
{
	(void)world;
	if (!sums().warm)
		free_blocks(1, LARGE);
}

static int call_take(struct fault_world *world)
{
	return take(LARGE, (struct vas_block *)&world->out);
}

static void undo_take(struct fault_world *world)
{
	const struct vas_block *made = (struct vas_block *)&world->out;
	const char *bytes = made->start;

	for (size_t i = 0; i < 64; i++)
		if (bytes[i] || bytes[LARGE - 64 + i])
			fault_wrong("what was warm is handed out as it was left");
	check_region(world);
	memset(made->start, 0x5a, 64);
	must(vas_region_free(region, made->start, NULL), "a free fails");
}

static void prepare_warm(struct fault_world *world)
{
	/* Those of one batch lie side by side, the others do not. */
	free_blocks(6, 4 * world->page);
	free_blocks(2, world->page);
}

static int call_trim(struct fault_world *world)
{
	(void)world;
	return vas_region_trim(region, UINT64_MAX, NULL);
}

static int call_tick(struct fault_world *world)
{
	static uint64_t now;

	(void)world;
	now += 100;
	return vas_region_tick(region, now);
}

/* What could not be given back is not lost. */
static void undo_warm(struct fault_world *world)
{
	const struct vas_region_stats stats = sums();

	check_region(world);
	if (stats.blocks || stats.warm)
		fault_wrong("%llu bytes are warm still", (unsigned long long)stats.warm);
}

static void setup_narrow(struct fault_world *world)
{
	make_region(world, 0, 8 * world->page);
}

static void prepare_narrow(struct fault_world *world)
{
	free_blocks(2, 4 * world->page);
	must(take(2 * world->page, &block), "no block");
}

static int call_free(struct fault_world *world)
{
	(void)world;
	return vas_region_free(region, block.start, NULL);
}

static void undo_narrow(struct fault_world *world)
{
	check_region(world);
	if (sums().blocks || sums().warm > 8 * world->page)
		fault_wrong("%llu bytes are warm", (unsigned long long)sums().warm);
	must(vas_region_trim(region, UINT64_MAX, NULL), "it is not trimmed");
}

/* --- waiting --- */

static void setup_waiting(struct fault_world *world)
{
	make_region(world, VAS_REGION_QUARANTINE, 0);
	inside = NULL;
}

static int call_join(struct fault_world *world)
{
	struct vas_region_thread *thread;
	int err;

	memcpy(&thread, &world->out, sizeof(thread));
	err = vas_region_join(region, &thread);
	memcpy(&world->out, &thread, sizeof(thread));
	return err;
}

static void undo_join(struct fault_world *world)
{
	struct vas_region_thread *thread;

	check_region(world);
	memcpy(&thread, &world->out, sizeof(thread));
	must(vas_region_quit(thread), "it has not joined");
}

/* Blocks wait for a thread that ended inside. */
static void prepare_dead(struct fault_world *world)
{
	if (sums().waiting)
		return;
	must(vas_region_join(region, &inside), "it does not join");
	vas_region_enter(inside);
	inside->id = GONE;
	free_blocks(3, 2 * world->page);
	if (sums().waiting != 6 * world->page)
		tap_bail("nothing waits");
}

/* Who cannot be asked for lives. */
static void undo_dead(struct fault_world *world)
{
	check_region(world);
	if (inside->id && sums().waiting != 6 * world->page)
		fault_wrong("it lives, but %llu bytes wait", (unsigned long long)sums().waiting);
	if (inside->id)
		must(vas_region_trim(region, UINT64_MAX, NULL), "it is not trimmed");
	if (sums().waiting)
		fault_wrong("nothing fails, but blocks wait for a thread that ended");
}

/* --- waiting, split and merged --- */

static struct vas_region *upper;

static void *middle_of(const struct fault_world *world)
{
	return (char *)vas_span_pointer(sums().span) + PAGES / 2 * world->page;
}

/* This thread is inside, and of many blocks on both sides of the middle every other one waits. */
static void setup_many(struct fault_world *world)
{
	struct vas_block blocks[MANY];

	setup_waiting(world);
	upper = NULL;
	must(vas_region_join(region, &inside), "it does not join");
	vas_region_enter(inside);
	for (unsigned int i = 0; i < MANY; i++) {
		VAS_OPTS(vas_alloc_opts, opts);
		opts.flags = i % 4 < 2 ? VAS_ALLOC_LOW : VAS_ALLOC_HIGH;
		must(vas_region_alloc(region, world->page, &opts, &blocks[i]), "no block");
	}
	for (unsigned int i = 0; i < MANY; i += 2)
		must(vas_region_free(region, blocks[i].start, NULL), "a free fails");
}

/* All that the pages of the books have left: whoever needs some must ask the kernel. */
static struct piece {
	struct piece *next;
	size_t size;
} *pieces;

static void take_books(struct fault_world *world)
{
	struct vas_space *space = vas_space_if_made();
	void *memory;

	world->recorder.books_maps = 0;
	world->recorder.books_fail_at = 1;
	world->recorder.books_persistent = true;
	world->recorder.books_error = ENOMEM;
	for (size_t size = 1u << 20; size >= 64; size /= 2)
		while (vas_region_take(space, size, &memory) == 0) {
			*(struct piece *)memory = (struct piece){ pieces, size };
			pieces = memory;
		}
	world->recorder.books_fail_at = 0;
}

static void give_books(void)
{
	struct piece *piece = pieces, *next;

	for (; piece; piece = next) {
		next = piece->next;
		vas_region_give(vas_space_if_made(), piece, piece->size);
	}
	pieces = NULL;
}

static void finish_many(struct fault_world *world)
{
	give_books();
	check_region(world);
	if (upper && vas_region_merge(region, upper))
		fault_wrong("they are not merged");
	if (sums().waiting != MANY / 2 * world->page)
		fault_wrong("%llu bytes wait", (unsigned long long)sums().waiting);
	vas_region_leave(inside);
	must(vas_region_trim(region, UINT64_MAX, NULL), "it is not trimmed");
	if (sums().waiting)
		fault_wrong("blocks wait for nobody");
	finish_region(world);
}

static int call_split(struct fault_world *world)
{
	struct vas_region *made;
	int err;

	memcpy(&made, &world->out, sizeof(made));
	err = vas_region_split(region, middle_of(world), &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_split(struct fault_world *world)
{
	struct vas_region *made;

	memcpy(&made, &world->out, sizeof(made));
	check_region(world);
	if (!vas_region_check(made) || sums().waiting != MANY / 4 * world->page)
		fault_wrong("the parts are not right");
	must(vas_region_merge(region, made), "they are not merged");
}

static void prepare_merge(struct fault_world *world)
{
	if (!upper)
		must(vas_region_split(region, middle_of(world), &upper), "no split");
	take_books(world);
}

/* The lower one has no room for all records of the upper one. */
static void setup_halves(struct fault_world *world)
{
	struct vas_block made;

	setup_many(world);
	must(vas_region_split(region, middle_of(world), &upper), "no split");
	for (unsigned int i = 0; i < 500 - MANY / 2; i++)
		must(vas_region_alloc(region, world->page, NULL, &made), "no block");
	/* Books of spans to spare: what fails is further on. */
	for (unsigned int i = 0; i < 4; i++)
		must(vas_reserve(world->page, NULL, &world->more[i]), "no span");
	for (unsigned int i = 0; i < 4; i++)
		must(vas_release(vas_span_pointer(world->more[i]), NULL), "a span stays");
}

static int call_merge(struct fault_world *world)
{
	int err = vas_region_merge(region, upper);

	if (err && !vas_region_check(upper))
		fault_wrong("what was not merged is not as it was");
	upper = err ? upper : NULL;
	(void)world;
	return err;
}

/* --- forks --- */

/* This thread is inside, and a block waits for it. */
static void setup_inside(struct fault_world *world)
{
	setup_waiting(world);
	must(vas_region_join(region, &inside), "it does not join");
	vas_region_enter(inside);
	free_blocks(1, 2 * world->page);
}

static void finish_inside(struct fault_world *world)
{
	vas_region_leave(inside);
	must(vas_region_trim(region, UINT64_MAX, NULL), "it is not trimmed");
	if (sums().waiting)
		fault_wrong("the block waits for nobody");
	finish_region(world);
}

/* A child that was forked inside is inside, also when nobody tells its number. */
static void look_inside(struct fault_world *world, int answer)
{
	(void)answer;
	free_blocks(1, world->page);
	must(vas_region_trim(region, UINT64_MAX, NULL), "it is not trimmed");
	if (sums().waiting != 3 * world->page)
		fault_wrong("the child is inside, but %llu bytes wait",
			    (unsigned long long)sums().waiting);
	finish_inside(world);
}

static int call_fork(struct fault_world *world)
{
	return fault_fork(world, look_inside);
}

static void check_inside(struct fault_world *world)
{
	must(vas_region_trim(region, UINT64_MAX, NULL), "it is not trimmed");
	if (sums().waiting != 2 * world->page)
		fault_wrong("a thread is inside, but %llu bytes wait",
			    (unsigned long long)sums().waiting);
}

static const struct fault_scenario scenarios[] = {
#define ON(start) .setup = start, .finish = finish_region
	{ .name = "warm, handed out", .function = "vas_region_alloc", .call = call_take,
	  .prepare = prepare_large, .undo = undo_take, ON(setup_warm) },
	{ .name = "warm, trimmed", .function = "vas_region_trim", .call = call_trim,
	  .prepare = prepare_warm, .undo = undo_warm, ON(setup_warm) },
	{ .name = "warm, too old", .function = "vas_region_tick", .call = call_tick,
	  .prepare = prepare_warm, .undo = undo_warm, ON(setup_warm) },
	{ .name = "warm, too much", .function = "vas_region_free", .call = call_free,
	  .prepare = prepare_narrow, .undo = undo_narrow, ON(setup_narrow) },
	{ .name = "join", .function = "vas_region_join", .call = call_join, .undo = undo_join,
	  ON(setup_waiting) },
	{ .name = "waiting for a dead thread", .function = "vas_region_trim", .call = call_trim,
	  .prepare = prepare_dead, .undo = undo_dead, ON(setup_waiting) },
	{ .name = "waiting for a thread that lives", .function = "vas_region_trim",
	  .call = call_trim, .undo = check_inside, .setup = setup_inside, .finish = finish_inside },
	{ .name = "waiting, split", .function = "vas_region_split", .call = call_split,
	  .prepare = take_books, .undo = undo_split, .setup = setup_many, .finish = finish_many },
	{ .name = "waiting, merged", .function = "vas_region_merge", .call = call_merge,
	  .prepare = prepare_merge, .undo = check_region, .setup = setup_halves,
	  .finish = finish_many },
	{ .name = "fork inside", .function = "vas_fork_child", .call = call_fork,
	  .undo = check_inside, .setup = setup_inside, .finish = finish_inside },
};

static bool of_region(const char *file)
{
	return strstr(file, "src/region/") != NULL;
}

int main(void)
{
	tap_plan(0);
	fault_list_run(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
	fault_sites_report(of_region);
	return tap_done();
}
