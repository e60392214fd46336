/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the model of reserve and commit found, each cut down by its shrinker:
 * a list of few operations over a simulated kernel.
 */
#include <errno.h>
#include <sys/mman.h>

#include "space/space.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define ARENA 0x100000000000ull
#define PAGE  4096ull

static struct vas_sys_sim sim;
static struct vas_space space;

static void begin(bool no_proc)
{
	struct vas_sim_config config = {
		.width = 47, .page_size = PAGE, .seed = 7, .no_proc = no_proc
	};

	if (vas_sys_sim_init(&sim, &config) || vas_space_init(&space, &sim.sys, vas_sys_real()))
		tap_bail("no simulated kernel");
}

static void foreign(uint64_t start, uint64_t size, int prot)
{
	sim.sys.map(&sim.sys, start, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static int reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_RESERVE, size);
	return vas_space_reserve(&space, size, opts, &failure, span);
}

static int commit(uint64_t start, uint64_t size)
{
	struct vas_commit_opts opts = { .size = sizeof(opts) };
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_COMMIT, size);
	return vas_space_commit(&space, start, size, &opts, &failure);
}

/* The walk down told the end of the whole gap, which went on above the anchor. */
static void test_near_below(void)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	begin(false);
	opts.place = VAS_PLACE_NEAR;
	opts.side = VAS_SIDE_BELOW;
	opts.address = ARENA + 0x800a41;
	opts.min = ARENA;
	opts.max = ARENA + 0x1800000;
	is_err(reserve(2 * PAGE, &opts, &span), 0, "near, below an anchor in a wide gap");
	is_u64(span.start, ARENA + 0x7fe000, "right below the anchor, not at the end of the gap");
}

/* "At least" at an exact place was refused when not all of it was free. */
static void test_exact_at_least(void)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	begin(false);
	foreign(ARENA + 11 * PAGE, PAGE, PROT_READ);
	opts.place = VAS_PLACE_EXACT;
	opts.address = ARENA;
	opts.min_size = PAGE;
	is_err(reserve(14 * PAGE, &opts, &span), 0, "less is free at an exact place, and enough");
	is_u64(span.size, 11 * PAGE, "all that is free there is taken");
	opts.address = ARENA + 12 * PAGE;
	opts.min_size = 4 * PAGE;
	foreign(ARENA + 14 * PAGE, PAGE, PROT_READ);
	is_err(reserve(14 * PAGE, &opts, &span), EEXIST, "too little is free there");
}

/* Without /proc the smaller sizes were put anywhere, although one fitted at the preferred place. */
static void test_prefer_at_least(void)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	begin(true);
	foreign(ARENA, 8 * PAGE, PROT_READ);
	foreign(ARENA + 15 * PAGE, 9 * PAGE, PROT_READ);
	opts.flags = VAS_RESERVE_PREFER;
	opts.address = ARENA + 8 * PAGE;
	opts.min = ARENA;
	opts.max = ARENA + 24 * PAGE;
	opts.min_size = PAGE;
	is_err(reserve(8 * PAGE, &opts, &span), 0, "less than asked at a preferred place");
	is_u64(span.start, ARENA + 8 * PAGE, "it is the preferred place");
}

/* madvise answers EAGAIN for a split that the VMA limit forbids: that was taken for locked memory. */
static void test_recipe_at_limit(void)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	begin(false);
	opts.place = VAS_PLACE_EXACT;
	opts.address = ARENA + 16 * PAGE;
	is_err(reserve(PAGE, &opts, &span), 0, "a plain span");
	sim.config.max_map_count = sim.count;
	opts.address = ARENA + 15 * PAGE;
	opts.flags = VAS_RESERVE_NODUMP;
	is_err(reserve(PAGE, &opts, &span), ENOMEM,
	       "at the VMA limit, a span that must not merge with its neighbour");
	is_err(vas_space_check(&space, NULL), 0, "books and maps agree");
}

/*
 * A commit that the VMA limit refuses after it was mapped: its memory had
 * merged with a neighbour's and could not be taken back.
 */
static void test_commit_at_limit(void)
{
	struct vas_stats stats;
	struct vas_span span;
	uint64_t limit;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	opts.flags = VAS_RESERVE_NODUMP;
	opts.address = ARENA;
	for (limit = 0; limit < 4; limit++) {
		begin(false);
		is_err(reserve(16 * PAGE, &opts, &span), 0, "a span that is kept out of dumps");
		foreign(ARENA + 16 * PAGE, PAGE, PROT_READ | PROT_WRITE);
		is_err(commit(ARENA + 8 * PAGE, PAGE), 0, "a page in its middle");
		sim.config.max_map_count = sim.count + limit - 1;
		if (commit(ARENA + 7 * PAGE, 9 * PAGE))
			is_err(commit(ARENA + 15 * PAGE, PAGE), ENOMEM, "%d VMAs are left: refused",
			       (int)limit - 1);
		vas_space_stats(&space, &stats);
		ok(stats.committed == PAGE || stats.committed == 9 * PAGE,
		   "all of it is committed or nothing");
		is_err(vas_space_check(&space, NULL), 0, "books and maps agree");
	}
}

int main(void)
{
	tap_plan(0);
	test_near_below();
	test_exact_at_least();
	test_prefer_at_least();
	test_recipe_at_limit();
	test_commit_at_limit();
	return tap_done();
}
