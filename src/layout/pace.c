/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pace of a walk.
 *
 * What for: a query passes one mapping; a sync passes any number that adjoin,
 * for a third of the cost and a tenth of that for each mapping, but only tells
 * yes or no. Which is better depends on how far the holes lie apart, and
 * that is learnt on the way.
 *
 * Strategy. As long as no hole is known, the sync takes all there is (eager), or
 * starts once a few queries met adjacent mappings and doubles. A sync that
 * failed put up a wall: what lies before it is approached in doubling steps, at
 * most half of the way, until about one mapping is left, which a query settles.
 *
 * Behind a hole there are three cases. Holes that lie at equal distances (arenas,
 * stacks, guards often do): the sync goes up to half the needed size before
 * the next one; the step behind it then crosses the hole without a question of
 * its own, and so one sync settles a whole period. Two wrong tellings in a row
 * end that until two periods are alike again; and since a success tells nothing
 * about the hole behind it, every eighth sync goes right through its place and
 * has to fail. Else, where runs hold several mappings, half of the usual run is
 * tested, then doubled. Where runs are short, queries are as good.
 *
 * Concurrency: none, a value. Not done here: any question.
 */
#include "layout/pace.h"

#define HITS_ADJACENT  3u /* so many queries without meeting a hole: longer tests pay */
#define RUN_MAPPINGS   4u /* runs of so many mappings are worth bisecting */
#define MISSES_MOST    2u
#define TOLD_LEAST     2u /* then the rest is reckoned by the period */
#define HOPS_UNCHECKED 8u /* so often a period is trusted without meeting a hole */

void vas_pace_begin(struct vas_pace *pace, uint64_t need, bool eager)
{
	*pace = (struct vas_pace){ .need = need, .eager = eager };
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t average(uint64_t before, uint64_t value)
{
	return before ? before - before / 4 + value / 4 : value;
}

static void period_told(struct vas_pace *pace, bool right)
{
	pace->missed = right ? 0 : pace->missed + 1;
	pace->told = right ? pace->told + 1 : 0;
}

static bool period_believed(const struct vas_pace *pace)
{
	return pace->period > 2 * pace->need && pace->missed < MISSES_MOST;
}

/* Another hole, so far from the one before: how often does the period go into that? */
static void learn_period(struct vas_pace *pace, uint64_t distance)
{
	uint64_t count = pace->period ? (distance + pace->period / 2) / pace->period : 1;
	uint64_t period = count > 1 ? distance / count : distance;
	uint64_t error = higher(period, pace->period) - lower(period, pace->period);

	if (pace->period)
		period_told(pace, error <= pace->need / 2);
	else
		pace->told = 0;
	pace->period = period;
}

/* The run ended at edge; the hole about at hole_end, and the walk goes on at begin. */
static void cross(struct vas_pace *pace, uint64_t edge, uint64_t hole_end, uint64_t begin)
{
	if (pace->hole_known && pace->hole < edge)
		learn_period(pace, edge - pace->hole);
	pace->hole_end = pace->hole_known ? 0 : hole_end;
	pace->run = average(pace->run, edge - lower(edge, pace->begin));
	pace->hole = edge;
	pace->hole_known = true;
	pace->wall = 0;
	pace->confirm = false;
	pace->begin = begin;
	pace->hits = 0;
}

/*
 * Up to half the needed size before the next hole, if they lie at equal
 * distances. Now and then right through it: that must fail.
 */
static uint64_t next_by_period(struct vas_pace *pace, uint64_t from)
{
	uint64_t passed, stop;

	if (!period_believed(pace))
		return 0;
	passed = (from - lower(from, pace->hole)) / pace->period;
	stop = pace->hole + (passed + 1) * pace->period - pace->need / 2;
	if (stop <= from)
		return 0;
	pace->hops++;
	pace->checking = pace->hops >= HOPS_UNCHECKED;
	return stop - from + (pace->checking ? 2 * pace->need : 0);
}

static uint64_t next_freely(struct vas_pace *pace, uint64_t from, uint64_t room)
{
	uint64_t length = next_by_period(pace, from);

	if (length)
		return length;
	if (!pace->hole_known && pace->eager)
		return room;
	if (pace->run >= RUN_MAPPINGS * pace->mapping && pace->run > 0)
		return higher(pace->run / 2, from - lower(from, pace->begin));
	/* Adjacent for longer than usual: there may be no holes any more. */
	if (pace->hits < HITS_ADJACENT || from - lower(from, pace->begin) < 2 * pace->run)
		return 0;
	return higher(2 * pace->mapping, from - lower(from, pace->begin));
}

static uint64_t next_before_wall(const struct vas_pace *pace, uint64_t from)
{
	uint64_t distance = pace->wall - from;

	/* How large mappings are here, one query tells. */
	if (pace->mapping == 0 || pace->confirm || distance / 3 <= pace->mapping / 2 ||
	    distance <= pace->need)
		return 0;
	return lower(distance / 2, higher(2 * pace->mapping, from - lower(from, pace->begin)));
}

uint64_t vas_pace_next(struct vas_pace *pace, uint64_t edge, uint64_t from, uint64_t room)
{
	uint64_t length;

	if (pace->wall && from >= pace->wall)
		cross(pace, edge, edge + pace->need / 8, from);
	length = pace->wall ? next_before_wall(pace, from) : next_freely(pace, from, room);
	length = lower(length, room);
	return length < pace->mapping / 2 ? 0 : length;
}

void vas_pace_synced(struct vas_pace *pace, uint64_t from, uint64_t length, bool all_mapped)
{
	bool by_period = pace->wall == 0 && period_believed(pace);

	if (pace->checking) {
		pace->checking = false;
		pace->hops = 0;
		if (all_mapped)
			pace->period = 0;
		pace->at_end = pace->at_end && !all_mapped;
		return;
	}
	if (!all_mapped) {
		/* A period that tells wrong is off by little, most times: the hole is right here. */
		pace->confirm = by_period;
		pace->wall = from + length;
		return;
	}
	pace->at_end = false;
	if (by_period && from > pace->hole)
		period_told(pace, true);
}

void vas_pace_hit(struct vas_pace *pace, uint64_t edge, uint64_t near, uint64_t far)
{
	pace->mapping = average(pace->mapping, far - near);
	if (pace->at_end && near > edge && !(pace->hole_known && pace->hole == edge))
		cross(pace, edge, near, near);
	else if (far >= pace->wall)
		pace->wall = 0;
	pace->at_end = true;
	pace->confirm = pace->wall != 0 && !pace->confirm;
	pace->hits++;
}

void vas_pace_pair(struct vas_pace *up, struct vas_pace *down, uint64_t apart)
{
	uint64_t period;

	if (!up->hole_end || !down->hole_end || up->period || down->period)
		return;
	period = up->hole + down->hole_end;
	if (period <= apart)
		return;
	up->period = period - apart;
	down->period = up->period;
}

uint64_t vas_pace_steps(const struct vas_pace *pace, uint64_t left)
{
	if (!period_believed(pace) || pace->told < TOLD_LEAST)
		return 0;
	return left / pace->period + 1;
}
