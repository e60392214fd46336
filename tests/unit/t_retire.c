/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * The retire ladder on simulated kernels at their limit of mappings: with the
 * ballast, without it, without guards; what was not GONE is, once there is room.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "space/part.h"
#include "support/ballast.h"
#include "sys/sim.h"
#include "support/sim_filler.h"
#include "tap/tap.h"

#define PAGE  UINT64_C(4096)
#define LIMIT 80u

static struct vas_sys_sim sim;
static struct vas_space space;
static struct vas_span span;
static uint64_t filler;
static uint64_t told; /* bytes that the user heard of */

static void begin(void)
{
	const struct vas_sim_config config = { .max_map_count = LIMIT, .seed = 1 };
	static const struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_failure failure;

	tap_ignore_leaks(TAP_LEAK_VMAS);
	if (vas_sys_sim_init(&sim, &config) || vas_space_init(&space, &sim.sys, vas_sys_real()) ||
	    vas_space_reserve(&space, 64 * PAGE, &opts, &failure, &span))
		tap_bail("no simulated span");
	told = 0;
}

static void fill(void)
{
	filler = sim_filler_take(&sim, LIMIT);
}

static void unfill(void)
{
	sim_filler_drop(&sim, LIMIT, filler);
}

static void commit(uint64_t first, uint64_t count)
{
	static const struct vas_commit_opts opts = { .size = sizeof(opts) };
	struct vas_failure failure = { 0 };

	is_i64(vas_space_commit(&space, span.start + first * PAGE, count * PAGE, &opts, &failure),
	       0, "commit");
}

static enum vas_retired decommit(uint64_t first, uint64_t count)
{
	const struct vas_span range = { span.start + first * PAGE, count * PAGE };
	enum vas_retired state = VAS_RETIRED_WAITING;
	struct vas_failure failure = { 0 };
	struct vas_holding_user *user = space.users;
	struct vas_holding *holding = user ? user->holding : NULL;

	if (user ? vas_part_pin_used(&space, user, &failure) :
		   vas_part_pin(&space, range.start, range.size, &holding, &failure))
		tap_bail("not pinned");
	is_i64(vas_part_decommit(&space, holding, range, true, &state, &failure), 0, "decommit");
	if (user)
		vas_part_unpin_used(&space, user);
	else
		vas_part_unpin(&space, holding);
	return state;
}

static enum vas_part_state state_at(uint64_t page)
{
	struct vas_part part;

	vas_part_at(&space, vas_space_find(&space, span.start), span.start + page * PAGE, &part);
	return part.state;
}

static void sound(void)
{
	uint64_t where = 0;

	is_i64(vas_space_check(&space, &where), 0, "books and mappings agree");
}

static void end(void)
{
	enum vas_retired state;
	uint64_t size;

	sound();
	is_i64(vas_space_release(&space, span.start, space.users, &state, &size), 0, "released");
	is_i64(state, VAS_RETIRED_GONE, "gone");
	vas_sys_sim_destroy(&sim);
}

static void test_ballast(void *arg)
{
	uint32_t pairs;

	(void)arg;
	begin();
	pairs = space.ballast.pairs;
	ok(pairs > 0, "a ballast of %u mappings", 2 * pairs);
	commit(0, 64);
	fill();
	for (uint32_t i = 0; i < pairs; i++)
		is_i64(decommit(2 + 4 * i, 1), VAS_RETIRED_GONE, "the middle is gone");
	is_i64(space.ballast.pairs, 0, "the ballast is spent");
	is_i64(decommit(50, 1), VAS_RETIRED_GUARDED, "one more is guarded");
	is_i64(state_at(50), VAS_PART_GUARDED, "as the books say");
	sound();
	unfill();
	is_i64(decommit(60, 1), VAS_RETIRED_GONE, "with room");
	is_i64(state_at(50), VAS_PART_RESERVED, "a later call brings it to its end");
	for (unsigned int i = 0; i < 64 && space.ballast.pairs < pairs; i++)
		vas_space_retry(&space);
	is_i64(space.ballast.pairs, pairs, "and the ballast back");
	end();
}

static void test_emptied(void *arg)
{
	(void)arg;
	begin();
	space.ballast.wanted = space.ballast.pairs = 0;
	space.probes.state[VAS_PROBE_GUARD] = (int8_t)VAS_PROBE_NO;
	commit(0, 64);
	fill();
	is_i64(decommit(2, 2), VAS_RETIRED_EMPTIED, "without guards: emptied");
	is_i64(decommit(8, 1), VAS_RETIRED_EMPTIED, "another");
	is_i64(decommit(2, 4), VAS_RETIRED_EMPTIED, "the first again, with more");
	is_u64(space.unretired_bytes, 5 * PAGE, "counted");
	sound();
	unfill();
	is_u64(vas_part_retry(&space, UINT32_MAX), 5 * PAGE, "all gone at once");
	is_u64(space.unretired_bytes, 0, "nothing is left");
	ok(!space.unretired, "nor listed");
	end();
}

/* At the limit, whole mappings and their ends can still be replaced. */
static void test_ends(void *arg)
{
	(void)arg;
	begin();
	space.ballast.wanted = space.ballast.pairs = 0;
	commit(8, 8);
	fill();
	is_i64(decommit(8, 2), VAS_RETIRED_GONE, "the first pages of a mapping");
	is_i64(decommit(14, 2), VAS_RETIRED_GONE, "the last");
	is_i64(decommit(10, 4), VAS_RETIRED_GONE, "the whole");
	end();
}

static void on_retired(struct vas_holding_user *user, struct vas_span gone)
{
	(void)user;
	told += gone.size;
}

static void test_told(void *arg)
{
	static const struct vas_holding_user_ops ops = { .retired = on_retired };
	struct vas_holding_user user = { .ops = &ops };
	static const struct vas_commit_opts opts = { .size = sizeof(opts) };
	struct vas_failure failure = { 0 };
	struct vas_holding *holding;

	(void)arg;
	begin();
	space.ballast.wanted = space.ballast.pairs = 0;
	is_i64(vas_space_use_at(&space, span.start, &user), 0, "used");
	is_i64(vas_part_pin_used(&space, &user, &failure), 0, "pinned");
	holding = user.holding;
	is_i64(vas_part_commit(&space, holding, span, &opts, NULL, &failure), 0, "commit");
	is_i64(vas_part_promise(&space, holding, 2), 0, "two promises");
	vas_part_unpin_used(&space, &user);
	fill();
	ok(decommit(4, 2) != VAS_RETIRED_GONE && decommit(8, 1) != VAS_RETIRED_GONE, "two wait");
	is_u64(told, 0, "nothing to tell");
	unfill();
	vas_space_retry(&space);
	vas_space_retry(&space);
	is_u64(told, 3 * PAGE, "the user is told of both");
	end();
}

/* Between two others with which it merged, a span cannot be unmapped. */
static void test_release(void *arg)
{
	static const struct vas_commit_opts opts = { .size = sizeof(opts) };
	struct vas_reserve_opts exact = { .size = sizeof(exact), .place = VAS_PLACE_EXACT };
	struct vas_failure failure = { 0 };
	struct vas_span parts[3];
	enum vas_retired state;
	uint64_t size;

	(void)arg;
	begin();
	is_i64(vas_space_release(&space, span.start, NULL, &state, &size), 0, "released");
	for (unsigned int i = 0; i < 3; i++) {
		exact.address = span.start + i * 16 * PAGE;
		is_i64(vas_space_reserve(&space, 16 * PAGE, &exact, &failure, &parts[i]), 0, "part");
		is_i64(vas_space_commit(&space, parts[i].start, parts[i].size, &opts, &failure), 0, "commit");
	}
	space.ballast.wanted = space.ballast.pairs = 0;
	space.ballast.missing = false;
	fill();
	is_i64(vas_space_release(&space, parts[1].start, NULL, &state, &size), 0, "released");
	is_i64(state, VAS_RETIRED_GUARDED, "but guarded");
	is_u64(space.stats.held, 1, "counted");
	sound();
	unfill();
	vas_space_retry(&space);
	is_u64(space.stats.held, 0, "unmapped when there is room");
	is_i64(vas_space_release(&space, parts[0].start, NULL, &state, &size), 0, "released");
	span = parts[2];
	end();
}

int main(void)
{
	tap_case("ballast", test_ballast, NULL, 10);
	tap_case("emptied", test_emptied, NULL, 10);
	tap_case("ends", test_ends, NULL, 10);
	tap_case("told", test_told, NULL, 10);
	tap_case("release", test_release, NULL, 10);
	return tap_done();
}
