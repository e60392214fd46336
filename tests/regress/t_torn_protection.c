/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is alike in the books may be several kernel mappings, and mprotect changes the first of them
 * before it refuses to cut the last. Books and mappings must agree after that.
 */
#include <errno.h>
#include <sys/mman.h>

#include "space/part.h"
#include "sys/fault.h"
#include "sys/sim.h"
#include "support/sim_filler.h"
#include "tap/tap.h"

#define PAGE  UINT64_C(4096)
#define LIMIT 80u

static struct vas_sys_sim sim;
static struct vas_sys_fault fault;
static struct vas_space space;
static struct vas_span span;
static uint64_t filler;

static void commit(uint64_t first, uint64_t count, uint32_t flags)
{
	const struct vas_commit_opts opts = { .size = sizeof(opts), .flags = flags };
	struct vas_failure failure = { 0 };

	is_err(vas_space_commit(&space, span.start + first * PAGE, count * PAGE, &opts, &failure), 0,
	       "commit");
}

static void fill(void)
{
	filler = sim_filler_take(&sim, LIMIT);
}

/* One beyond the limit, as mmap allows: now nothing can be replaced. */
static void overfill(void)
{
	int64_t got = sim.sys.map(&sim.sys, filler + 8 * LIMIT * PAGE, PAGE, PROT_READ,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ok(got > 0, "one mapping more");
	is_u64(sim.count, LIMIT + 1, "than there may be");
}

static size_t mappings_in_span(void)
{
	size_t count = 0;

	for (size_t i = 0; i < sim.count; i++)
		count += sim.mappings[i].start >= span.start && sim.mappings[i].end <= vas_span_end(span) &&
			 sim.mappings[i].prot;
	return count;
}

/* Pages 0 to 5, one extent in two kernel mappings: both sides had pages when the middle came. */
static void begin(void)
{
	const struct vas_sim_config config = { .max_map_count = LIMIT, .seed = 1 };
	static const struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_failure failure;

	tap_ignore_leaks(TAP_LEAK_VMAS);
	if (vas_sys_sim_init(&sim, &config))
		tap_bail("no simulated kernel");
	vas_sys_fault_init(&fault, &sim.sys);
	if (vas_space_init(&space, &fault.sys, vas_sys_real()) ||
	    vas_space_reserve(&space, 64 * PAGE, &opts, &failure, &span))
		tap_bail("no simulated span");
	commit(0, 3, VAS_COMMIT_POPULATE);
	commit(4, 2, VAS_COMMIT_POPULATE);
	commit(3, 1, 0);
	is_u64(mappings_in_span(), 2, "two kernel mappings");
	space.ballast.wanted = space.ballast.pairs = 0;
	fill();
}

static void sound(const char *when)
{
	uint64_t where = 0;

	is_err(vas_space_check(&space, &where), 0, "books and mappings agree %s", when);
}

static void end(void)
{
	enum vas_retired state;
	uint64_t size;

	sound("at the end");
	is_err(vas_space_release(&space, span.start, space.users, &state, &size), 0, "released");
	vas_sys_sim_destroy(&sim);
}

static struct vas_holding *pin(void)
{
	struct vas_holding *holding;
	struct vas_failure failure = { 0 };

	if (vas_part_pin(&space, span.start, span.size, &holding, &failure))
		tap_bail("not pinned");
	return holding;
}

static int protect(uint64_t count, int prot)
{
	struct vas_failure failure = { 0 };
	struct vas_holding *holding = pin();
	int err = vas_part_protect(&space, holding, (struct vas_span){ span.start, count * PAGE }, prot,
				   &failure);

	vas_part_unpin(&space, holding);
	return err;
}

static int guard(uint64_t count)
{
	struct vas_failure failure = { 0 };
	struct vas_holding *holding = pin();
	int err = vas_part_guard(&space, holding, (struct vas_span){ span.start, count * PAGE },
				 &failure);

	vas_part_unpin(&space, holding);
	return err;
}

static enum vas_retired decommit(uint64_t count)
{
	enum vas_retired state = VAS_RETIRED_WAITING;
	struct vas_failure failure = { 0 };
	struct vas_holding *holding = pin();

	is_err(vas_part_decommit(&space, holding, (struct vas_span){ span.start, count * PAGE }, true,
				 &state, &failure),
	       0, "decommit");
	vas_part_unpin(&space, holding);
	return state;
}

static int kernel_prot(uint64_t page)
{
	for (size_t i = 0; i < sim.count; i++)
		if (sim.mappings[i].start <= span.start + page * PAGE &&
		    sim.mappings[i].end > span.start + page * PAGE)
			return sim.mappings[i].prot;
	return -1;
}

static void refuse(uint64_t call)
{
	fault.operation = "protect";
	vas_sys_fault_arm(&fault, call, true, ENOMEM);
}

static void allow(void)
{
	vas_sys_fault_arm(&fault, 0, false, 0);
	sim_filler_drop(&sim, LIMIT, filler);
}

static void test_protect(void *arg)
{
	(void)arg;
	begin();
	is_err(protect(5, PROT_READ), ENOMEM, "the second mapping cannot be cut");
	is_i64(kernel_prot(0), PROT_READ | PROT_WRITE, "the first is as it was");
	sound("after that");
	is_err(protect(6, PROT_READ), 0, "whole mappings can be changed");
	is_i64(kernel_prot(0), PROT_READ, "both are");
	end();
}

static void test_protect_torn(void *arg)
{
	(void)arg;
	begin();
	refuse(2);
	is_err(protect(5, PROT_READ), ENOMEM, "refused, and changing it back too");
	is_i64(kernel_prot(0), PROT_READ, "the first mapping is changed");
	sound("when it is torn");
	allow();
	is_err(protect(5, PROT_READ | PROT_WRITE), 0, "what the books say already is set again");
	is_i64(kernel_prot(0), PROT_READ | PROT_WRITE, "the first mapping has it");
	sound("when it is mended");
	is_i64(sim.sys.protect(&sim.sys, span.start, PAGE, PROT_READ), 0, "somebody else changes a page");
	is_err(vas_space_check(&space, NULL), EBADMSG, "and that is seen again");
	is_i64(sim.sys.protect(&sim.sys, span.start, PAGE, PROT_READ | PROT_WRITE), 0, "changed back");
	end();
}

static void test_guard(void *arg)
{
	(void)arg;
	begin();
	space.probes.state[VAS_PROBE_GUARD] = (int8_t)VAS_PROBE_NO;
	is_err(guard(5), ENOMEM, "the second mapping cannot be cut");
	is_i64(kernel_prot(0), PROT_READ | PROT_WRITE, "the first is as it was");
	sound("after that");
	refuse(2);
	is_err(guard(5), ENOMEM, "refused, and changing it back too");
	is_i64(kernel_prot(0), PROT_NONE, "the first mapping is closed");
	sound("when it is torn");
	allow();
	is_err(guard(5), 0, "with room");
	is_i64(kernel_prot(4), PROT_NONE, "all is guarded");
	end();
}

static void test_retire(void *arg)
{
	(void)arg;
	begin();
	overfill();
	is_i64(decommit(5), VAS_RETIRED_GUARDED, "guarded");
	is_i64(kernel_prot(0), PROT_READ | PROT_WRITE, "by guards alone");
	sound("after that");
	allow();
	end();
}

static void test_retire_torn(void *arg)
{
	(void)arg;
	begin();
	overfill();
	refuse(2);
	is_i64(decommit(5), VAS_RETIRED_GUARDED, "guarded");
	is_i64(kernel_prot(0), PROT_NONE, "the first mapping is closed as well");
	sound("when it is torn");
	allow();
	is_u64(vas_part_retry(&space, UINT32_MAX), 5 * PAGE, "gone, with room");
	end();
}

int main(void)
{
	tap_plan(5);
	tap_case("protect", test_protect, NULL, 0);
	tap_case("protect, and no way back", test_protect_torn, NULL, 0);
	tap_case("guard", test_guard, NULL, 0);
	tap_case("retire", test_retire, NULL, 0);
	tap_case("retire, and no way back", test_retire_torn, NULL, 0);
	return tap_done();
}
