/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 30 */
/*
 * Every call on a region with every kernel call that it makes failing in turn: what it answers is a
 * row of its table, a failure leaves everything as it was, and a free frees whatever fails.
 * support/fault_loop.h has the loop and what is compared.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "region/region.h"
#include "support/fault_loop.h"
#include "tap/tap.h"

#define PAGES 32u

/* What the calls work on: one case is one process. */
static struct vas_region *region, *upper;
static struct vas_block block;

static void check_region(void)
{
	if (!vas_region_check(region))
		tap_bail("the region's books are not whole");
}

static void setup_region(struct fault_world *world)
{
	must(vas_region_create(PAGES * world->page, NULL, &region), "no region");
	upper = NULL;
	block.start = NULL;
}

static void finish_region(struct fault_world *world)
{
	(void)world;
	check_region();
	if (upper)
		must(vas_region_destroy(upper, NULL), "the upper region stays");
	must(vas_region_destroy(region, NULL), "the region stays");
}

/* Eight pages, of which the second and third are committed and the third written to. */
static void take_block(struct fault_world *world)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_LOW;
	opts.tag = 7;
	must(vas_region_alloc(region, 8 * world->page, &opts, &block), "no block");
	must(vas_region_commit(region, (char *)block.start + world->page, 2 * world->page, NULL),
	     "no memory");
	((char *)block.start)[2 * world->page] = 0x5a;
}

static void setup_block(struct fault_world *world)
{
	setup_region(world);
	take_block(world);
}

static char *in_block(const struct fault_world *world, unsigned int page)
{
	return (char *)block.start + page * world->page;
}

/* --- create and destroy --- */

static int call_create(struct fault_world *world)
{
	struct vas_region *made;
	int err;

	VAS_OPTS(vas_region_opts, opts);
	opts.reserve = &world->opts;
	opts.granule = 4 * world->page;
	memcpy(&made, &world->out, sizeof(made));
	err = vas_region_create(PAGES * world->page, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_create(struct fault_world *world)
{
	struct vas_region *made;

	memcpy(&made, &world->out, sizeof(made));
	must(vas_region_destroy(made, NULL), "what was made cannot be unmade");
}

static void prepare_recipe(struct fault_world *world)
{
	world->opts.flags = VAS_RESERVE_NODUMP;
}

static void setup_span(struct fault_world *world)
{
	must(vas_reserve(PAGES * world->page, NULL, &world->more[0]), "no span");
}

static void finish_span(struct fault_world *world)
{
	must(vas_release(vas_span_pointer(world->more[0]), NULL), "the span stays");
}

static int call_create_over(struct fault_world *world)
{
	struct vas_region *made;
	int err;

	VAS_OPTS(vas_region_opts, opts);
	opts.start = vas_span_pointer(world->more[0]);
	memcpy(&made, &world->out, sizeof(made));
	err = vas_region_create(0, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

/* The span went with the region. */
static void undo_create_over(struct fault_world *world)
{
	undo_create(world);
	setup_span(world);
}

static void prepare_destroy(struct fault_world *world)
{
	setup_block(world);
}

static int call_destroy(struct fault_world *world)
{
	(void)world;
	return vas_region_destroy(region, NULL);
}

/* --- blocks --- */

static int call_alloc(struct fault_world *world)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.tag = 9;
	return vas_region_alloc(region, 3 * world->page, &opts, (struct vas_block *)&world->out);
}

static int call_alloc_commit(struct fault_world *world)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	opts.commit = &world->commit;
	return vas_region_alloc(region, 3 * world->page, &opts, (struct vas_block *)&world->out);
}

static void prepare_populate(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_POPULATE;
}

static void undo_alloc(struct fault_world *world)
{
	check_region();
	must(vas_region_free(region, ((struct vas_block *)&world->out)->start, NULL),
	     "what was taken cannot be freed");
}

static void prepare_free(struct fault_world *world)
{
	if (block.start)
		return;
	take_block(world);
}

/* A free does not fail, so it must have worked whatever the kernel said. */
static int call_free(struct fault_world *world)
{
	int err = vas_region_free(region, block.start, NULL);

	(void)world;
	if (err)
		tap_bail("a free fails: %d", err);
	block.start = NULL;
	return err;
}

static void prepare_resize(struct fault_world *world)
{
	/* A tail that could not be made inaccessible is still in the way: another block, then. */
	if (vas_region_resize(region, block.start, 8 * world->page) == -ENOSPC) {
		must(vas_region_free(region, block.start, NULL), "a free fails");
		take_block(world);
	}
	must(vas_region_commit(region, block.start, 8 * world->page, NULL), "no memory");
}

static int call_shrink(struct fault_world *world)
{
	return vas_region_resize(region, block.start, 2 * world->page);
}

static int call_grow(struct fault_world *world)
{
	return vas_region_resize(region, block.start, 16 * world->page);
}

static void undo_grow(struct fault_world *world)
{
	must(vas_region_resize(region, block.start, 8 * world->page), "it does not shrink");
}

static int call_split_block(struct fault_world *world)
{
	return vas_region_split_block(region, block.start, in_block(world, 2));
}

static void undo_split_block(struct fault_world *world)
{
	check_region();
	must(vas_region_merge_blocks(region, block.start, in_block(world, 2)), "they do not merge");
}

/* --- memory --- */

static int call_commit(struct fault_world *world)
{
	return vas_region_commit(region, block.start, 6 * world->page, &world->commit);
}

static void undo_commit(struct fault_world *world)
{
	if (*in_block(world, 2) != 0x5a || *in_block(world, 0) != 0 || *in_block(world, 5) != 0)
		tap_bail("what was committed is not as it should be");
}

static void prepare_committed(struct fault_world *world)
{
	must(vas_region_commit(region, block.start, 6 * world->page, NULL), "no memory");
}

static int call_decommit(struct fault_world *world)
{
	return vas_region_decommit(region, block.start, 3 * world->page, NULL);
}

static int call_protect(struct fault_world *world)
{
	return vas_region_protect(region, in_block(world, 1), world->page, PROT_READ);
}

static int call_guard(struct fault_world *world)
{
	return vas_region_guard(region, in_block(world, 1), world->page);
}

static void undo_guard(struct fault_world *world)
{
	must(vas_region_unguard(region, in_block(world, 1), world->page), "the guard stays");
}

static void prepare_guarded(struct fault_world *world)
{
	(void)vas_region_guard(region, in_block(world, 1), world->page);
}

static int call_unguard(struct fault_world *world)
{
	return vas_region_unguard(region, in_block(world, 1), world->page);
}

/* --- split, merge, looking --- */

static int call_split(struct fault_world *world)
{
	struct vas_region *made;
	int err;

	memcpy(&made, &world->out, sizeof(made));
	err = vas_region_split(region, in_block(world, 16), &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_split(struct fault_world *world)
{
	struct vas_region *made;

	memcpy(&made, &world->out, sizeof(made));
	must(vas_region_merge(region, made), "they do not merge");
}

static void prepare_merge(struct fault_world *world)
{
	if (!upper)
		must(vas_region_split(region, in_block(world, 16), &upper), "no split");
}

static int call_merge(struct fault_world *world)
{
	int err = vas_region_merge(region, upper);

	(void)world;
	if (!err)
		upper = NULL;
	return err;
}

static int call_look(struct fault_world *world)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block other;
	int err = vas_region_stats(region, &stats);

	(void)world;
	err = err ? err : vas_region_block_at(region, block.start, &other);
	return err ? err : vas_region_next(region, NULL, &other);
}

static const struct fault_scenario scenarios[] = {
#define ON_BLOCK .setup = setup_block, .finish = finish_region
	{ .name = "region create", .function = "vas_region_create", .call = call_create,
	  .undo = undo_create },
	{ .name = "region create at first", .function = "vas_region_create", .cold = true,
	  .call = call_create, .undo = undo_create, .stride = 7 },
	{ .name = "region create with a recipe", .function = "vas_region_create",
	  .call = call_create, .prepare = prepare_recipe, .undo = undo_create },
	{ .name = "region create over a span", .function = "vas_region_create",
	  .call = call_create_over, .undo = undo_create_over, .setup = setup_span,
	  .finish = finish_span },
	{ .name = "region destroy", .function = "vas_region_destroy", .call = call_destroy,
	  .prepare = prepare_destroy },
	{ .name = "region alloc", .function = "vas_region_alloc", .call = call_alloc,
	  .undo = undo_alloc, .setup = setup_region, .finish = finish_region },
	{ .name = "region alloc and commit", .function = "vas_region_alloc",
	  .call = call_alloc_commit, .undo = undo_alloc, ON_BLOCK },
	{ .name = "region alloc and commit at first", .function = "vas_region_alloc",
	  .call = call_alloc_commit, .undo = undo_alloc, .setup = setup_region,
	  .finish = finish_region },
	{ .name = "region alloc and populate", .function = "vas_region_alloc",
	  .call = call_alloc_commit, .prepare = prepare_populate, .undo = undo_alloc, ON_BLOCK },
	{ .name = "region free", .function = "vas_region_free", .call = call_free,
	  .prepare = prepare_free, ON_BLOCK },
	{ .name = "region free, all refused", .function = "vas_region_free", .call = call_free,
	  .prepare = prepare_free, .also = "map", ON_BLOCK },
	{ .name = "region shrink a block", .function = "vas_region_resize", .call = call_shrink,
	  .prepare = prepare_resize, ON_BLOCK },
	{ .name = "region grow a block", .function = "vas_region_resize", .call = call_grow,
	  .undo = undo_grow, ON_BLOCK },
	{ .name = "region split a block", .function = "vas_region_split_block",
	  .call = call_split_block, .undo = undo_split_block, ON_BLOCK },
	{ .name = "region commit", .function = "vas_region_commit", .call = call_commit,
	  .undo = undo_commit, ON_BLOCK },
	{ .name = "region decommit", .function = "vas_region_decommit", .call = call_decommit,
	  .prepare = prepare_committed, ON_BLOCK },
	{ .name = "region protect", .function = "vas_region_protect", .call = call_protect,
	  ON_BLOCK },
	{ .name = "region guard", .function = "vas_region_guard", .call = call_guard,
	  .undo = undo_guard, ON_BLOCK },
	{ .name = "region unguard", .function = "vas_region_unguard", .call = call_unguard,
	  .prepare = prepare_guarded, ON_BLOCK },
	{ .name = "region split", .function = "vas_region_split", .call = call_split,
	  .undo = undo_split, ON_BLOCK },
	{ .name = "region merge", .function = "vas_region_merge", .call = call_merge,
	  .prepare = prepare_merge, ON_BLOCK },
	{ .name = "region stats", .function = "vas_region_stats", .call = call_look, ON_BLOCK },
};

int main(void)
{
	const char *only = getenv("VASPACE_TEST_ONLY");

	tap_plan(0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (!only || strstr(scenarios[i].name, only))
			fault_scenario_run(&scenarios[i]);
	return tap_done();
}
