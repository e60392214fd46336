/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 60 */
/*
 * A million random operations over simulated kernels of several widths, page
 * sizes and treatments of MAP_FIXED_NOREPLACE, against the flat model: what is
 * reserved was free and fits, the policies keep their word, every refusal is
 * justified, nobody else's mapping changes, and books, sums and maps agree.
 */
#include "tap/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/random.h"
#include "layout/gaps.h"
#include "layout/reader.h"
#include "support/reserve_model.h"
#include "sys/sim.h"

struct setup {
	const char *name;
	uint32_t share; /* of a thousand operations */
	struct vas_sim_config config;
	bool high;
	bool race; /* somebody else maps in the middle of calls */
	bool lie; /* a planted fault, for the test of the driver */
};

static struct vas_sys_sim sim;
static struct vas_space space;
static bool lying;

static int on_reserve(struct model_target *target, uint64_t size,
		      const struct vas_reserve_opts *opts, struct vas_span *span)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_RESERVE, size);
	return vas_space_reserve(target->space, size, opts, &failure, span);
}

static int on_commit(struct model_target *target, uint64_t start, uint64_t size,
		     const struct vas_commit_opts *opts)
{
	static const struct vas_commit_opts defaults = { .size = sizeof(defaults) };
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_COMMIT, size);
	return vas_space_commit(target->space, start, size, opts ? opts : &defaults, &failure);
}

/* The planted fault: releasing a span with executable memory in it takes a neighbour's page. */
static void lie_about(uint64_t start)
{
	const struct vas_holding *holding = vas_space_find(&space, start);

	uint64_t position = start;
	struct vas_extent piece;

	while (holding && vas_extents_next(&holding->extents, &position,
					   start + holding->span.size, &piece))
		if (piece.prot & PROT_EXEC)
			space.stats.committed += sim.config.page_size;
}

static int on_release(struct model_target *target, uint64_t start, enum vas_retired *state)
{
	uint64_t size;

	if (lying)
		lie_about(start);
	return vas_space_release(target->space, start, NULL, state, &size);
}

/* The kernel's own books are checked with the library's. */
static int on_check(struct model_target *target, uint64_t *where)
{
	const char *reason = "";

	if (!vas_sys_sim_check(&sim, &reason))
		return -EIO;
	if (sim.config.no_proc)
		return 0;
	return vas_space_check(target->space, where);
}

static void on_view(struct model_target *target, struct model_pieces *pieces)
{
	if (target->ending) {
		sim.config.max_map_count = 1u << 20;
		sim.config.address_limit = UINT64_MAX;
	}
	pieces->count = 0;
	for (size_t i = 0; i < sim.count && i < MODEL_PIECES; i++)
		pieces->items[pieces->count++] =
			(struct model_piece){ sim.mappings[i].start, sim.mappings[i].end,
					      sim.mappings[i].prot };
}

/* Reads the text, and compares mappings and the gaps between them. */
static bool on_gaps(struct model_target *target, const struct model_pieces *pieces)
{
	uint64_t end = target->space->bounds.high_max, position = target->space->bounds.min;
	static char buffer[65536];
	struct vas_mapping mapping;
	struct vas_reader reader;
	struct vas_gaps gaps;
	struct vas_gap gap;
	size_t i = 0;
	int more;

	if (sim.config.no_proc)
		return true;
	if (vas_reader_open_process(&reader, target->space->sys, 0, buffer, sizeof(buffer)))
		return false;
	vas_gaps_begin(&gaps, position, end, NULL, 0);
	do {
		more = vas_reader_next(&reader, &mapping);
		while (vas_gaps_show(&gaps, more > 0 ? &mapping : NULL, &gap)) {
			uint64_t stop = i < pieces->count ? pieces->items[i].start : end;

			if (gap.start != position || gap.end != stop) {
				fprintf(stderr, "gap %lx-%lx want %lx-%lx\n", gap.start, gap.end,
					position, stop);
				return false;
			}
			position = gap.end;
		}
		if (more > 0 &&
		    mapping.start < end) { /* not the [vsyscall] page of the kernel's half */
			if (i == pieces->count || mapping.start != pieces->items[i].start ||
			    mapping.end != pieces->items[i].end ||
			    mapping.prot != pieces->items[i].prot || position > mapping.start) {
				fprintf(stderr, "map %lx-%lx %x want %lx-%lx %x\n", mapping.start,
					mapping.end, mapping.prot, pieces->items[i].start,
					pieces->items[i].end, pieces->items[i].prot);
				return false;
			}
			position = mapping.end;
			i++;
		}
	} while (more > 0);
	vas_reader_close(&reader);
	return more == 0 && i == pieces->count;
}

static bool strangers_mapping; /* somebody else's own call is not raced by another one */

static bool on_foreign_map(struct model_target *target, uint64_t start, uint64_t size, int prot)
{
	struct vas_sys *sys = target->space->sys;
	int64_t got;

	/* Whatever the claims of this kernel do, another's mapping never lands on one that is there. */
	for (size_t i = 0; i < sim.count; i++)
		if (sim.mappings[i].start < start + size && sim.mappings[i].end > start)
			return false;
	if (target->map_limit != UINT64_MAX && sim.count > target->map_limit / 2)
		return false; /* leave some for the spans */
	if (start < target->space->bounds.min || start + size > target->space->bounds.max)
		return false;
	strangers_mapping = true;
	got = sys->map(sys, start, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	strangers_mapping = false;
	return got == (int64_t)start;
}

static bool on_foreign_unmap(struct model_target *target, uint64_t start, uint64_t size)
{
	return target->space->sys->unmap(target->space->sys, start, size) == 0;
}

static struct model_target *raced_target;
static uint64_t race_random;

/* Before each map operation, one time in four, somebody else takes a part of the arena. */
static void on_before_map(struct vas_sys_sim *kernel, void *context)
{
	struct model_target *target = context;
	uint64_t size = target->page << vas_random_below(&race_random, 10), start;

	(void)kernel;
	if (strangers_mapping || !raced_target || target->raced_count == MODEL_RACED ||
	    vas_random_below(&race_random, 4))
		return;
	start = target->arena_start +
		vas_random_below(&race_random, target->arena_size / target->page) * target->page;
	if (on_foreign_map(target, start, size, PROT_READ))
		target->raced[target->raced_count++] =
			(struct model_piece){ start, start + size, PROT_READ };
}

static bool make(struct model_target *target, const void *argument)
{
	const struct setup *setup = argument;
	uint64_t page = setup->config.page_size;

	lying = setup->lie;
	if (vas_sys_sim_init(&sim, &setup->config) ||
	    vas_space_init(&space, &sim.sys, vas_sys_real()))
		return false;
	/* No spare mappings: what the limit makes of each call is wanted. */
	space.ballast = (struct vas_ballast){ 0 };
	space.random = 1; /* the same choices when a list of operations is run again */
	*target = (struct model_target){
		.space = &space,
		.page = page,
		.arena_start = 1ull << ((setup->config.width < 47 ? setup->config.width : 47) - 3),
		.arena_size = 2048 * page * 3,
		.live_max = 48,
		.looks = !setup->config.no_proc,
		.high = setup->high,
		.map_limit = setup->config.max_map_count ? setup->config.max_map_count : UINT64_MAX,
		.address_limit =
			setup->config.address_limit ? setup->config.address_limit : UINT64_MAX,
		.reserve = on_reserve,
		.commit = on_commit,
		.release = on_release,
		.check = on_check,
		.view = on_view,
		.gaps = on_gaps,
		.foreign_map = on_foreign_map,
		.foreign_unmap = on_foreign_unmap,
	};
	raced_target = setup->race ? target : NULL;
	race_random = 1;
	sim.before_map = on_before_map;
	sim.context = target;
	return true;
}

#define CONFIG(bits, page, ...)                                                                    \
	{                                                                                          \
		.width = (bits), .page_size = (page), .seed = 7, __VA_ARGS__                       \
	}

static const struct setup setups[] = {
	{ "47 bits", 220, CONFIG(47, 4096), false, false, false },
	{ "57 bits, high window", 120, CONFIG(57, 4096), true, false, false },
	{ "48 bits, 64 KiB pages", 120, CONFIG(48, 65536), false, false, false },
	{ "39 bits, 16 KiB pages", 80, CONFIG(39, 16384), false, false, false },
	{ "38 bits", 60, CONFIG(38, 4096), false, false, false },
	{ "somebody else maps meanwhile", 60, CONFIG(47, 4096), false, true, false },
	{ "somebody else maps meanwhile, flag ignored", 40,
	  CONFIG(47, 4096, .noreplace = VAS_SIM_NOREPLACE_IGNORED), false, true, false },
	{ "flag ignored", 110, CONFIG(47, 4096, .noreplace = VAS_SIM_NOREPLACE_IGNORED), false,
	  false, false },
	{ "flag clobbers partial overlaps", 60,
	  CONFIG(47, 4096, .noreplace = VAS_SIM_NOREPLACE_PARTIAL), false, false, false },
	{ "no queries", 60, CONFIG(47, 4096, .no_query = true), false, false, false },
	{ "no /proc", 30, CONFIG(47, 4096, .no_proc = true), false, false, false },
	{ "at most 40 mappings", 40, CONFIG(47, 4096, .max_map_count = 40), false, false, false },
	{ "40 mappings, flag ignored", 10,
	  CONFIG(47, 4096, .max_map_count = 40, .noreplace = VAS_SIM_NOREPLACE_IGNORED), false,
	  false, false },
	{ "at most 20 MiB of addresses", 20, CONFIG(47, 4096, .address_limit = 20ull << 20), false,
	  false, false },
};

static void test_driver(void)
{
	static const struct setup liar = { "", 0, CONFIG(47, 4096), false, false, true };
	size_t left = model_shrunk(make, &liar, 2000, 1);

	ok(left == 2,
	   "a planted fault is found and its list cut down to a reserve and a commit (%zu left)",
	   left);
}

int main(void)
{
	uint64_t seed = tap_seed(), count = 0;

	tap_plan(0);
	test_driver();
	for (unsigned i = 0; i < sizeof(setups) / sizeof(setups[0]); i++)
		count += model_run(setups[i].name, make, &setups[i],
				   tap_scaled(1000 * (uint64_t)setups[i].share), 0,
				   vas_mix64(seed + i));
	tap_figure("operations", (double)count, "operations");
	return tap_done();
}
