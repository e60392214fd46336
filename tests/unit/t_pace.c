/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 2 */
/* How far a walk tests at once: walls, runs, and holes at equal distances, from one side and from both. */
#include "layout/pace.h"

#include "tap/tap.h"

#define MIB  (1ull << 20)
#define ROOM (2048 * MIB)
#define NEED (4 * MIB)

static struct vas_pace pace;

/* The walk stands at edge; the next candidate's far page is NEED further (give or take a page). */
static uint64_t next(uint64_t edge)
{
	return vas_pace_next(&pace, edge, edge + NEED, ROOM - edge - NEED);
}

static void test_eager(void)
{
	vas_pace_begin(&pace, NEED, false);
	is_u64(next(0), 0, "nothing known: a query first");
	vas_pace_begin(&pace, NEED, true);
	is_u64(next(0), ROOM - NEED, "eager: all there is first");
	vas_pace_synced(&pace, NEED, ROOM - NEED, false);
	is_u64(next(0), 0, "a hole: one query tells how large mappings are");
	vas_pace_hit(&pace, 0, 0, 40 * MIB);
	is_u64(next(40 * MIB), 0, "and one more, in case it begins right there");
	vas_pace_hit(&pace, 40 * MIB, 40 * MIB, 80 * MIB);
	is_u64(next(80 * MIB), 84 * MIB, "then as much again as there was");
	vas_pace_synced(&pace, 84 * MIB, 84 * MIB, true);
	is_u64(next(168 * MIB), 172 * MIB, "doubling");
	is_u64(next(1200 * MIB), (ROOM - 1204 * MIB) / 2, "but half the way to the wall at most");
	is_u64(next(ROOM - 63 * MIB), 0, "until a mapping and a half is left");
}

static void test_runs(void)
{
	vas_pace_begin(&pace, NEED, false);
	for (uint64_t at = 0; at < 120 * MIB; at += 40 * MIB) {
		is_u64(next(at), 0, "queries, at first");
		vas_pace_hit(&pace, at, at, at + 40 * MIB);
	}
	is_u64(next(120 * MIB), 124 * MIB, "adjacent mappings: as much again as there was");
	vas_pace_synced(&pace, 124 * MIB, 124 * MIB, true);
	is_u64(next(248 * MIB), 252 * MIB, "doubling");
	vas_pace_hit(&pace, 240 * MIB, 241 * MIB, 248 * MIB);
	ok(!pace.hole_known,
	   "a mapping that begins behind an edge within another one tells no hole");
	vas_pace_hit(&pace, 248 * MIB, 250 * MIB, 260 * MIB);
	ok(pace.hole == 248 * MIB && pace.run == 248 * MIB, "a hole ends the run");
	is_u64(next(260 * MIB), 124 * MIB, "half of a usual run next");
}

/* Holes of a MiB at every period from first on, met by queries. */
static void meet(uint64_t first, uint64_t period, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t hole = first + i * period;

		vas_pace_hit(&pace, hole - 9 * MIB, hole - 9 * MIB, hole);
		vas_pace_hit(&pace, hole, hole + MIB, hole + 10 * MIB);
	}
}

static void test_period(void)
{
	vas_pace_begin(&pace, NEED, false);
	meet(100 * MIB, 80 * MIB, 3);
	is_u64(pace.period, 80 * MIB, "the period is learnt");
	is_u64(pace.missed, 0, "twice the same");
	is_u64(next(270 * MIB), 340 * MIB - NEED / 2 - 274 * MIB,
	       "up to half the need before the next hole");
	is_u64(next(338 * MIB), 420 * MIB - NEED / 2 - 342 * MIB, "behind it, up to the one after");
	is_u64(next(738 * MIB), 820 * MIB - NEED / 2 - 742 * MIB, "and so on");
	vas_pace_hit(&pace, 821 * MIB, 822 * MIB, 850 * MIB);
	ok(pace.missed == 0 && pace.period < 81 * MIB,
	   "a hole a little off, many periods on, corrects it");
	vas_pace_hit(&pace, 850 * MIB, 851 * MIB, 870 * MIB);
	vas_pace_hit(&pace, 870 * MIB, 875 * MIB, 890 * MIB);
	is_u64(pace.missed, 2, "two wrong ones");
	ok(next(890 * MIB) != pace.hole + pace.period - NEED / 2 - 894 * MIB,
	   "are believed no more");
}

/* A period is held against a hole from time to time. */
static void test_check(void)
{
	uint64_t edge = 270 * MIB, length = 0;

	vas_pace_begin(&pace, NEED, false);
	meet(100 * MIB, 80 * MIB, 3);
	for (unsigned int hop = 0; hop < 8; hop++) {
		length = next(edge);
		if (hop < 7)
			vas_pace_synced(&pace, edge + NEED, length, true);
		edge += hop < 7 ? 80 * MIB : 0;
	}
	ok(length > 40 * MIB && pace.checking, "the eighth goes right through the hole");
	is_u64(vas_pace_steps(&pace, 800 * MIB), 11, "ten periods and a part are eleven syncs");
	vas_pace_synced(&pace, edge + NEED, length, false);
	ok(pace.wall == 0 && pace.period, "that it fails is no news");
	ok(next(edge) < length, "then it goes up to the hole again");
	pace.checking = true;
	vas_pace_synced(&pace, edge + NEED, length, true);
	is_u64(pace.period, 0, "no hole where one should be: no period");
}

static void test_pair(void)
{
	struct vas_pace up, down;

	vas_pace_begin(&pace, NEED, true);
	vas_pace_hit(&pace, 0, 0, 90 * MIB);
	vas_pace_hit(&pace, 90 * MIB, 91 * MIB, 95 * MIB);
	up = pace;
	vas_pace_begin(&pace, NEED, true);
	down = pace;
	vas_pace_pair(&up, &down, NEED);
	is_u64(up.period, 0, "one hole tells nothing");
	vas_pace_hit(&pace, 0, 0, 70 * MIB);
	vas_pace_hit(&pace, 70 * MIB, 71 * MIB, 80 * MIB);
	down = pace;
	vas_pace_pair(&up, &down, NEED);
	is_u64(up.period, 157 * MIB, "one on either side tells the period");
	is_u64(down.period, 157 * MIB, "to both");
	pace = up;
	is_u64(next(95 * MIB), 247 * MIB - NEED / 2 - 99 * MIB, "which is used");
	up.period = 5;
	vas_pace_pair(&up, &down, NEED);
	is_u64(up.period, 5, "not where one is known already");
}

int main(void)
{
	tap_plan(0);
	test_eager();
	test_runs();
	test_period();
	test_check();
	test_pair();
	return tap_done();
}
