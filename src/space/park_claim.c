/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is in a parked span: claiming again what a driver has given up, and
 * naming those who came first.
 *
 * WHAT FOR. A driver that unmaps its memory by itself leaves holes in a span that we
 * own. Anyone's next mmap may land in them. They are claimed as soon as a call
 * of the library passes, and nothing that is found is ever overwritten.
 *
 * STRATEGY. Places that may be another's are a set, apart: at first all that
 * drivers had; what is claimed leaves it. A claim (NOREPLACE, compared) is the truth.
 * When all of a range cannot be claimed at once, the mappings are read and each hole is
 * claimed by itself. Before unpark they are read once more: outside apart
 * only our reservation may be there, inside it only what the driver had there before.
 *
 * The mappings are told one by one (PROCMAP_QUERY), or read as text with a buffer on
 * the stack: a buffer mapped now could land in one of the holes.
 *
 * CONCURRENCY. The holding's lock is held throughout, so apart changes under one hand. Others map
 * and unmap meanwhile: each hole that shows up is claimed, a bounded number of times.
 *
 * WHAT IT DOES NOT DO. It cannot tell our inaccessible reservation from another's inaccessible mapping
 * that was put over it with MAP_FIXED: who does that overwrites what is owned.
 */
#include "space/park.h"

#include <errno.h>
#include <fcntl.h>

#include "base/assert.h"
#include "layout/reader.h"
#include "sys/strays.h"

#define SURVEY_BUFFER VAS_READER_BUFFER_MIN
#define SURVEY_ROUNDS 8u

/* Told one by one, in ascending order. */
struct survey {
	struct vas_space *space;
	struct vas_holding *holding;
	struct vas_parked *parked;
	struct vas_park_work *work; /* NULL: nobody wants a list */
	uint64_t intruders;
	bool holes; /* a hole was seen where the first pass had left none */
	int fd; /* of the maps file; -1 = text */
	struct vas_reader reader;
	struct vas_mapping line; /* read last, when text; I: end 0 = none yet */
	char buffer[SURVEY_BUFFER];
};

int vas_parked_make(struct vas_space *space, uint32_t places, struct vas_parked **parked)
{
	size_t capacity = places ? 2 * (size_t)places + 64 : 0;
	struct vas_parked *made;
	void *memory;
	int err;

	vas_lock_take(&space->lock);
	err = vas_pages_take(&space->pages, sizeof(*made) + capacity * sizeof(struct vas_span),
			     &memory);
	vas_lock_drop(&space->lock);
	if (err)
		return -ENOMEM;
	made = memory;
	vas_spanset_init(&made->apart, made->items, capacity);
	*parked = made;
	return 0;
}

void vas_parked_free(struct vas_space *space, struct vas_parked *parked)
{
	size_t size = sizeof(*parked) + parked->apart.capacity * sizeof(struct vas_span);

	VAS_ASSERT_DEBUG(vas_lock_held(&space->lock));
	vas_pages_give(&space->pages, parked, size);
}

bool vas_park_is_apart(const struct vas_holding *holding, uint64_t address, uint64_t *until)
{
	const struct vas_parked *parked = holding->park;
	size_t index;

	*until = vas_span_end(holding->span);
	if (!parked)
		return false;
	index = vas_spanset_find(&parked->apart, address);
	if (index == parked->apart.count)
		return false;
	if (parked->apart.items[index].start > address) {
		*until = parked->apart.items[index].start;
		return false;
	}
	*until = vas_span_end(parked->apart.items[index]);
	return true;
}

int vas_park_unmap(struct vas_space *space, struct vas_holding *holding)
{
	uint64_t end = vas_span_end(holding->span), until;

	for (uint64_t position = holding->span.start; position < end; position = until) {
		int64_t err;

		if (vas_park_is_apart(holding, position, &until))
			continue;
		err = VAS_CALL(space->sys, unmap, position, until - position);
		if (err)
			return (int)err;
		/* Joins what it lies between, so there is room: it is nobody's of ours any more. */
		(void)vas_spanset_add(&holding->park->apart, position, until);
	}
	return 0;
}

/* --- claiming --- */

/* Claims a hole, or what was one a moment ago. */
static int claim_hole(const struct survey *survey, uint64_t start, uint64_t end)
{
	struct vas_space *space = survey->space;
	struct vas_span stray;
	int err;

	err = vas_space_claim(space, start, end - start, survey->holding->recipe, &stray);
	if (stray.size)
		vas_strays_drop(space->sys, stray.start, stray.size);
	if (err)
		return err;
	err = vas_spanset_remove(&survey->parked->apart, start, end);
	if (!err)
		return 0;
	/* No room to remember that it is ours: it is left to the next call. */
	vas_strays_drop(space->sys, start, end - start);
	return -ENOMEM;
}

/* --- reading --- */

static int survey_open(struct survey *survey)
{
	struct vas_sys *sys = survey->space->sys;
	int64_t got = -ENOTTY;
	int err;

	survey->fd = -1;
	survey->line.end = 0;
	if (vas_probe_has(&survey->space->probes, sys, VAS_PROBE_PROCMAP_QUERY))
		got = VAS_CALL(sys, open, "/proc/self/maps", O_RDONLY);
	if (got >= 0) {
		survey->fd = (int)got;
		return 0;
	}
	err = vas_reader_open_process(&survey->reader, sys, 0, survey->buffer,
				      sizeof(survey->buffer));
	return err;
}

static void survey_close(struct survey *survey)
{
	if (survey->fd >= 0)
		VAS_CALL(survey->space->sys, close, survey->fd);
	else
		vas_reader_close(&survey->reader);
}

static int survey_line(struct survey *survey, uint64_t address, struct vas_sys_query *found)
{
	while (survey->line.end <= address) {
		int got = vas_reader_next(&survey->reader, &survey->line);

		if (got <= 0)
			return got;
	}
	*found = (struct vas_sys_query){
		.start = survey->line.start,
		.end = survey->line.end,
		.offset = survey->line.offset,
		.inode = survey->line.inode,
		.device_major = survey->line.device_major,
		.device_minor = survey->line.device_minor,
		.prot = survey->line.prot,
		.shared = (survey->line.flags & VAS_MAPPING_SHARED) != 0,
	};
	return 1;
}

/* The mapping that covers address or follows it: 1, 0 for none, -errno. Addresses ascend. */
static int survey_next(struct survey *survey, uint64_t address, struct vas_sys_query *found)
{
	struct vas_sys *sys = survey->space->sys;
	int64_t got;

	if (survey->fd < 0)
		return survey_line(survey, address, found);
	*found = (struct vas_sys_query){ .name = NULL };
	got = VAS_CALL(sys, query, survey->fd, address, VAS_QUERY_COVERING_OR_NEXT, found);
	if (got == -ENOENT)
		return 0;
	if (got >= 0 && found->end > address && found->start < found->end)
		return 1;
	/* An answer that cannot be is as bad as none. */
	return got < 0 ? (int)got : -EIO;
}

typedef int survey_hole(struct survey *survey, uint64_t start, uint64_t end);
typedef void survey_mapping(struct survey *survey, uint64_t start, uint64_t end,
			    const struct vas_sys_query *mapping);

/* One reading of [start, end): every hole, and every mapping as far as it lies in it. */
static int survey_pass(struct survey *survey, struct vas_span range, survey_hole *hole,
		       survey_mapping *mapping)
{
	uint64_t position = range.start, end = vas_span_end(range);
	int err = survey_open(survey);

	if (err)
		return err;
	while (position < end && !err) {
		struct vas_sys_query found;
		uint64_t start = end, stop;
		int got = survey_next(survey, position, &found);

		if (got < 0) {
			err = got;
			break;
		}
		if (got && found.start < end)
			start = found.start < position ? position : found.start;
		if (start > position)
			err = hole(survey, position, start);
		stop = got && found.end < end ? found.end : end;
		if (start < end && mapping)
			mapping(survey, start, stop, &found);
		position = start < end ? stop : end;
	}
	survey_close(survey);
	return err;
}

/* A hole that somebody takes in the same moment is a mapping of the next reading. */
static int hole_claim(struct survey *survey, uint64_t start, uint64_t end)
{
	int err = claim_hole(survey, start, end);

	if (err == -EEXIST)
		survey->holes = true;
	return err == -EEXIST ? 0 : err;
}

static int claim_pass(struct survey *survey, struct vas_span range)
{
	return survey_pass(survey, range, hole_claim, NULL);
}

/* --- judging --- */

static void note_intruder(struct survey *survey, uint64_t start, uint64_t end,
			  const struct vas_sys_query *mapping)
{
	const struct vas_park_opts *opts = survey->work ? survey->work->opts : NULL;

	if (opts && survey->intruders < opts->intruder_capacity)
		opts->intruders[survey->intruders] = (struct vas_intruder){
			.span = { start, end - start },
			.device = vas_sys_device(mapping->device_major, mapping->device_minor),
			.inode = mapping->inode,
		};
	survey->intruders++;
}

/* Whether [start, end) is what the driver had there, all of its part being there still or again. */
static bool is_drivers(const struct survey *survey, uint64_t start, uint64_t end,
		       const struct vas_sys_query *mapping)
{
	const struct vas_holding *holding = survey->holding;
	uint64_t position = start;
	struct vas_extent extent;
	struct vas_backing backing;

	while (position < end) {
		uint64_t from = position;

		(void)vas_extents_next(&holding->extents, &position, end, &extent);
		/* The piece is clipped at its low end too, if not here then below. */
		backing = vas_backings_get(&holding->backings, extent.backing, extent.delta);
		if (!(extent.flags & VAS_EXTENT_WHOLE) || !mapping->shared ||
		    mapping->inode != backing.inode ||
		    mapping->offset + (from - mapping->start) != from + extent.delta)
			return false;
	}
	return true;
}

static bool is_reservation(const struct vas_sys_query *mapping)
{
	return mapping->prot == 0 && !mapping->shared && mapping->inode == 0;
}

/* The driver is back on what was claimed meanwhile: its place is apart again. */
static bool is_returned(const struct survey *survey, uint64_t start, uint64_t end,
			const struct vas_sys_query *mapping)
{
	return is_drivers(survey, start, end, mapping) &&
	       vas_spanset_add(&survey->parked->apart, start, end) == 0;
}

static int hole_note(struct survey *survey, uint64_t start, uint64_t end)
{
	(void)start;
	(void)end;
	survey->holes = true;
	return 0;
}

/* Cut where apart begins or ends, each piece is judged. */
static void judge_mapping(struct survey *survey, uint64_t start, uint64_t end,
			  const struct vas_sys_query *mapping)
{
	const struct vas_spanset *apart = &survey->parked->apart;
	uint64_t position = start, wrong = start;

	while (position < end) {
		size_t index = vas_spanset_find(apart, position);
		bool inside = index < apart->count && apart->items[index].start <= position;
		uint64_t stop = end;
		bool right;

		if (inside && vas_span_end(apart->items[index]) < end)
			stop = vas_span_end(apart->items[index]);
		else if (!inside && index < apart->count && apart->items[index].start < end)
			stop = apart->items[index].start;
		if (inside)
			right = is_drivers(survey, position, stop, mapping);
		else
			right = is_reservation(mapping) || survey->parked->leftover ||
				is_returned(survey, position, stop, mapping);
		/* Pieces that are wrong and touch are one intruder. */
		if (right && wrong < position)
			note_intruder(survey, wrong, position, mapping);
		position = stop;
		if (right)
			wrong = position;
	}
	if (wrong < end)
		note_intruder(survey, wrong, end, mapping);
}

/*
 * A part of which some was claimed, and the rest is the driver's: it can neither be left nor
 * be mapped. The rest is in the way.
 */
static void judge_halves(struct survey *survey)
{
	const struct vas_spanset *apart = &survey->parked->apart;
	uint64_t position = survey->holding->span.start;
	uint64_t end = vas_span_end(survey->holding->span);
	struct vas_extent extent;

	while (vas_extents_next(&survey->holding->extents, &position, end, &extent)) {
		size_t index;

		if (!(extent.flags & VAS_EXTENT_WHOLE) ||
		    !vas_spanset_overlaps(apart, extent.start, extent.end) ||
		    vas_spanset_contains(apart, extent.start, extent.end))
			continue;
		for (index = vas_spanset_find(apart, extent.start);
		     index < apart->count && apart->items[index].start < extent.end; index++) {
			struct vas_span item = apart->items[index];
			uint64_t start = item.start > extent.start ? item.start : extent.start;
			uint64_t stop =
				vas_span_end(item) < extent.end ? vas_span_end(item) : extent.end;
			struct vas_sys_query mapping = { .start = start, .end = stop };

			note_intruder(survey, start, stop, &mapping);
		}
	}
}

int vas_park_survey(struct vas_park_work *work)
{
	struct survey survey = {
		.space = work->part.space,
		.holding = work->part.holding,
		.parked = work->parked,
		.work = work,
	};
	struct vas_span span = work->part.holding->span;
	int err = 0;

	for (uint32_t round = 0; round < SURVEY_ROUNDS; round++) {
		survey.holes = false;
		survey.intruders = 0;
		err = claim_pass(&survey, span);
		if (err)
			break;
		err = survey_pass(&survey, span, hole_note, judge_mapping);
		if (err || !survey.holes)
			break;
	}
	if (err)
		return err;
	if (!survey.intruders)
		judge_halves(&survey);
	/* Holes that come and go faster than they are claimed are somebody's, too. */
	if (!survey.intruders && !survey.holes)
		return 0;
	if (work->opts->intruder_count)
		*work->opts->intruder_count = survey.intruders;
	work->failure->why = VAS_WHY_TAKEN;
	return -EEXIST;
}

void vas_space_settle_apart(struct vas_space *space, struct vas_holding *holding)
{
	struct survey survey = { .space = space, .holding = holding };

	vas_lock_take(&holding->lock);
	survey.parked = holding->park;
	if (holding->parked && survey.parked && survey.parked->apart.count) {
		struct vas_spanset *apart = &survey.parked->apart;
		uint64_t start = apart->items[0].start;
		uint64_t end = vas_span_end(apart->items[apart->count - 1]);

		(void)claim_pass(&survey, (struct vas_span){ start, end - start });
	}
	vas_lock_drop(&holding->lock);
}

/* --- a driver's hook --- */

/* Every byte of the range was a driver's, apart or claimed since. */
static bool range_is_whole(const struct vas_holding *holding, struct vas_span range)
{
	uint64_t position = range.start, end = vas_span_end(range);
	struct vas_extent extent;

	while (vas_extents_next(&holding->extents, &position, end, &extent))
		if (!(extent.flags & VAS_EXTENT_WHOLE))
			return false;
	return true;
}

/* Holding's lock held. */
static int detached_locked(struct survey *survey, struct vas_span range)
{
	struct vas_spanset *apart = &survey->parked->apart;
	int err = 0;

	if (vas_spanset_contains(apart, range.start, vas_span_end(range)))
		err = claim_hole(survey, range.start, vas_span_end(range));
	if (err && err != -EEXIST)
		return err;
	if (vas_spanset_overlaps(apart, range.start, vas_span_end(range))) {
		err = claim_pass(survey, range);
		if (err)
			return err;
	}
	return vas_spanset_overlaps(apart, range.start, vas_span_end(range)) ? -EEXIST : 0;
}

int vas_space_detached(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		       struct vas_failure *failure)
{
	struct survey survey = { .space = space, .holding = holding };
	int err;

	vas_lock_take(&holding->lock);
	survey.parked = holding->park;
	if (!holding->parked || !survey.parked || !range_is_whole(holding, range)) {
		failure->why = VAS_WHY_ARGUMENT;
		err = -EINVAL;
	} else {
		err = detached_locked(&survey, range);
		if (err == -EEXIST)
			failure->why = VAS_WHY_TAKEN;
		else
			err = vas_part_classify(err, failure);
	}
	vas_lock_drop(&holding->lock);
	return err;
}
