/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Explanations of refusals of simulated kernels, whose limits, widths and pages
 * this machine has not: the reason is what the simulator was told to be short of.
 */
#include <errno.h>
#include <string.h>

#include "record/report.h"
#include "space/explain.h"
#include "space/space.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

struct world {
	struct vas_sys_sim sim;
	struct vas_space space;
	struct vas_failure failure;
	struct vas_report report;
};

static struct world world;

static void begin(const struct vas_sim_config *config)
{
	if (vas_sys_sim_init(&world.sim, config) != 0)
		tap_bail("no simulated kernel");
	if (vas_space_init(&world.space, &world.sim.sys, vas_sys_real()) != 0)
		tap_bail("no space over it");
}

static void end(void)
{
	vas_sys_sim_destroy(&world.sim);
}

static int reserve(uint64_t size, struct vas_reserve_opts *opts, struct vas_span *span)
{
	int err;

	opts->size = sizeof(*opts);
	memset(&world.failure, 0, sizeof(world.failure));
	err = vas_space_reserve(&world.space, size, opts, &world.failure, span);
	world.failure.error = err; /* as the public function does */
	return err;
}

static void is_explained(const char *want, bool inferred, const char *name)
{
	vas_explain(&world.space, &world.failure, &world.report);
	is_str(vas_why_name(world.report.why), want, "%s: the reason", name);
	is_u64(world.report.inferred, inferred, "%s: inferred or told", name);
}

static void test_address_limit(uint32_t width, uint64_t page)
{
	const struct vas_sim_config config = {
		.width = width,
		.page_size = page,
		.address_limit = GIB,
		.seed = tap_seed(),
	};
	struct vas_reserve_opts opts = { 0 };
	struct vas_span span = { 0, 0 };
	uint64_t room;

	begin(&config);
	is_err(reserve(4 * GIB, &opts, &span), ENOMEM, "%u bits, RLIMIT_AS: refused", width);
	is_explained("address-limit", true, "RLIMIT_AS");
	is_u64(world.report.address_limit, GIB, "the limit is told");
	is_u64(world.report.address_used, world.sim.address_used, "and what is in use");
	room = GIB - world.sim.address_used;
	opts.min_size = page;
	is_err(reserve(4 * GIB, &opts, &span), 0, "at least a page: there is more");
	ok(span.size <= room && room - span.size < 4 * MIB, "all that the limit leaves");
	is_str(vas_why_name((enum vas_why)world.failure.shortfall), "address-limit",
	       "what stopped the rest");
	end();
}

static void test_vma_limit(uint64_t page)
{
	const struct vas_sim_config config = {
		.width = 47,
		.page_size = page,
		.max_map_count = 40,
		.seed = tap_seed(),
	};
	struct vas_reserve_opts opts = { .place = VAS_PLACE_SCATTER };
	struct vas_span span;
	int err = 0;

	begin(&config);
	for (opts.key = 0; err == 0 && opts.key < 60; opts.key++)
		err = reserve(MIB, &opts, &span);
	is_err(err, ENOMEM, "the VMA limit: refused");
	is_explained("vma-limit", true, "the VMA limit");
	is_u64(world.report.vmas_limit, 40, "the limit is told");
	ok(world.report.vmas_used + 2 >= 40, "and the mappings in use");
	opts.min_size = page;
	is_err(reserve(MIB, &opts, &span), ENOMEM, "at least a page: not even that");
	end();
}

/* A window of 64 pages with one taken in its middle. */
static void test_gaps(uint32_t width, uint64_t page)
{
	const struct vas_sim_config config = { .width = width,
					       .page_size = page,
					       .seed = tap_seed() };
	struct vas_reserve_opts opts = { .place = VAS_PLACE_EXACT, .alignment = page };
	enum vas_retired state;
	struct vas_span span;
	uint64_t start, size;

	begin(&config);
	is_err(reserve(64 * page, &(struct vas_reserve_opts){ .alignment = page }, &span), 0,
	       "%u bits, a window", width);
	start = span.start;
	is_err(vas_space_release(&world.space, start, NULL, &state, &size), 0, "given back");
	opts.address = start + 32 * page;
	is_err(reserve(page, &opts, &span), 0, "something in it");
	opts = (struct vas_reserve_opts){
		.alignment = page,
		.min = start,
		.max = start + 64 * page,
	};
	is_err(reserve(40 * page, &opts, &span), ENOSPC, "more than a half");
	is_explained("fragmented", true, "more than a half");
	is_u64(world.report.free_total, 63 * page, "free in all");
	is_u64(world.report.largest_gap, 32 * page, "free in one piece");
	is_u64(world.report.largest_gap_start, start, "there");
	is_err(reserve(64 * page, &opts, &span), ENOSPC, "all of it");
	is_explained("full", true, "all of it");
	/* A failure from before there was a window: all of the space is looked at. */
	vas_failure_begin(&world.failure, VAS_OPERATION_RESERVE, MIB);
	world.failure.error = -ENOMEM;
	world.failure.why = VAS_WHY_BOOKS;
	is_explained("books", false, "no window");
	ok(world.report.free_total != UINT64_MAX && world.report.free_total > 64 * GIB,
	   "what is free in the whole space is told");
	world.failure.high_window = 1;
	is_explained("books", false, "the high window too");
	ok(world.report.largest_gap != UINT64_MAX && world.report.largest_gap > 64 * GIB,
	   "what is free there too");
	end();
}

static void test_no_proc(void)
{
	const struct vas_sim_config config = {
		.width = 47,
		.page_size = 4096,
		.address_limit = GIB,
		.no_proc = true,
		.seed = tap_seed(),
	};
	struct vas_reserve_opts opts = { 0 };
	struct vas_span span;

	begin(&config);
	is_err(reserve(4 * GIB, &opts, &span), ENOMEM, "no /proc: refused");
	is_explained("kernel", false, "no /proc");
	is_u64(world.report.address_used, UINT64_MAX, "what is in use is not known");
	is_u64(world.report.address_limit, GIB, "the limit is");
	opts.min_size = 4096;
	is_err(reserve(4 * GIB, &opts, &span), 0, "at least a page: found by trying");
	ok(span.size >= 64 * MIB, "a good part of what there is");
	end();
}

int main(void)
{
	static const uint64_t pages[] = { 4096, 16384, 65536 };

	tap_plan(0);
	for (size_t i = 0; i < 3; i++) {
		test_address_limit(39, pages[i]);
		test_address_limit(47, pages[i]);
		test_vma_limit(pages[i]);
		test_gaps(42, pages[i]);
		test_gaps(57, pages[i]);
	}
	test_no_proc();
	return tap_done();
}
