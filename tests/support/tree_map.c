/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/tree_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tap/tap.h"

static void spares_fill(struct vas_block_spares *spares, uint32_t nodes)
{
	while (spares->node_count < nodes) {
		void *node = aligned_alloc(64, VAS_BLOCK_NODE_SIZE);

		if (!node)
			tap_bail("no memory");
		/* What the tree must not rely on. */
		memset(node, 0xa5, VAS_BLOCK_NODE_SIZE);
		vas_block_spares_give(spares, node);
	}
}

static void spares_empty(struct vas_block_spares *spares)
{
	while (spares->node_count)
		free(vas_block_spares_take(spares));
}

/* No more than what the header asks for, so that a test sees when it is too little. */
static void spares_top_up(struct tree_map *map)
{
	spares_empty(&map->spares);
	spares_fill(&map->spares, vas_block_tree_wants(&map->tree));
}

void tree_map_open(struct tree_map *map)
{
	map->tree = (struct vas_block_tree){ 0 };
	map->spares = (struct vas_block_spares){ 0 };
	map->pieces = map->used = 0;
	map->searches = map->refused = 0;
	memset(map->owner, 0, sizeof(map->owner));
	memset(&map->free, 0, sizeof(map->free));
	cell_bits_fill(&map->free, map->range.start, map->range.end - map->range.start, true);
	spares_top_up(map);
	vas_block_tree_init(&map->tree, &map->spares, map->base, map->shift, map->range);
}

bool tree_map_close(struct tree_map *map)
{
	vas_block_tree_clear(&map->tree);
	spares_empty(&map->spares);
	return map->tree.nodes == 0;
}

static void paint(struct tree_map *map, struct vas_block_run run, uint32_t owner)
{
	for (uint32_t i = run.start; i < run.end; i++)
		map->owner[i] = owner;
	cell_bits_fill(&map->free, run.start, run.end - run.start, !owner);
}

/* The run of equal cells around offset: a piece, or a gap. */
static struct vas_block_run run_at(const struct tree_map *map, uint32_t offset)
{
	struct vas_block_run run = { offset, offset + 1 };

	while (run.start > map->range.start &&
	       map->owner[run.start - 1] == map->owner[offset])
		run.start--;
	while (run.end < map->range.end && map->owner[run.end] == map->owner[offset])
		run.end++;
	return run;
}

static bool same(struct vas_block_run a, struct vas_block_run b)
{
	return a.start == b.start && a.end == b.end;
}

/* Puts a piece into the gap of a place that a search found. */
static bool take(struct tree_map *map, struct vas_block_place *place, struct vas_block_run piece)
{
	spares_top_up(map);
	vas_block_tree_insert(&map->tree, place, piece);
	paint(map, piece, piece.start + 1);
	map->pieces++;
	map->used += piece.end - piece.start;
	return true;
}

/* Whether a piece of the query may start at offset, if all were free. */
static bool acceptable(const struct tree_map *map, const struct vas_block_query *query,
		       uint32_t offset)
{
	uint64_t start = map->base + ((uint64_t)offset << map->shift);
	uint64_t end = start + query->size;
	uint64_t from = map->base + ((uint64_t)map->range.start << map->shift);
	uint64_t to = map->base + ((uint64_t)map->range.end << map->shift);

	if (start < query->min || end > query->max)
		return false;
	if (query->boundary && (start ^ (end - 1)) >= query->boundary)
		return false;
	return start >= from + query->margin && end + query->margin <= to &&
	       start % query->alignment == query->phase;
}

struct truth {
	bool any;
	uint32_t lowest;
	uint32_t highest;
};

/* By trying every place. */
static struct truth try_all(const struct tree_map *map, const struct vas_block_query *query)
{
	uint32_t size = (uint32_t)(query->size >> map->shift);
	uint32_t margin = (uint32_t)(query->margin >> map->shift);
	struct truth truth = { 0 };
	uint32_t run = 0;

	/* From the top: run counts the free cells from i on. */
	for (uint32_t i = map->range.end; i-- > map->range.start;) {
		run = map->owner[i] ? 0 : run + 1;
		if (run < size + 2 * margin || !acceptable(map, query, i + margin))
			continue;
		truth.lowest = i + margin;
		truth.highest = truth.any ? truth.highest : i + margin;
		truth.any = true;
	}
	return truth;
}

struct trial {
	const struct tree_map *map;
	const struct vas_block_query *query;
};

static bool offset_acceptable(const void *context, uint32_t offset)
{
	const struct trial *trial = context;

	return acceptable(trial->map, trial->query, offset);
}

/* By all free runs that are long enough, and now and then by every place as well. */
static struct truth find_truth(const struct tree_map *map, const struct vas_block_query *query)
{
	uint64_t size = (query->size + 2 * query->margin) >> map->shift;
	uint64_t alignment = query->alignment;
	struct trial trial = { map, query };
	struct cell_want want = {
		.first = (uint32_t)((query->phase + alignment - map->base % alignment) % alignment >>
				    map->shift),
		.stride = (uint32_t)(alignment >> map->shift),
		.margin = (uint32_t)(query->margin >> map->shift),
		.to = map->range.end,
		.acceptable = offset_acceptable,
		.context = &trial,
	};
	struct truth truth = { 0 }, tried;
	struct cell_bits places;

	cell_bits_runs(&map->free, size > TREE_MAP_MOST ? UINT32_MAX : (uint32_t)size, &places);
	truth.lowest = cell_bits_lowest(&places, &want);
	truth.any = truth.lowest != CELL_BITS_NONE;
	truth.lowest = truth.any ? truth.lowest : 0;
	truth.highest = truth.any ? cell_bits_highest(&places, &want) : 0;
	if (map->searches % 64)
		return truth;
	tried = try_all(map, query);
	if (truth.any != tried.any || truth.lowest != tried.lowest ||
	    truth.highest != tried.highest)
		tap_bail("the map is wrong: lowest %" PRIx32 ", by trying %" PRIx32, truth.lowest,
			 tried.lowest);
	return truth;
}

static bool place_right(const struct tree_map *map, const struct vas_block_query *query,
			enum tree_map_way way, const struct truth *truth, uint32_t start)
{
	uint32_t margin = (uint32_t)(query->margin >> map->shift);
	struct vas_block_run gap;

	if (way == TREE_MAP_LOW)
		return start == truth->lowest;
	if (way == TREE_MAP_HIGH)
		return start == truth->highest;
	if (start < truth->lowest || start > truth->highest || map->owner[start] ||
	    !acceptable(map, query, start))
		return false;
	gap = run_at(map, start);
	return gap.start + margin <= start &&
	       gap.end >= start + (query->size >> map->shift) + margin;
}

bool tree_map_search(struct tree_map *map, const struct vas_block_query *query,
		     enum tree_map_way way, struct vas_block_run *piece)
{
	struct truth truth = find_truth(map, query);
	enum vas_block_found found = VAS_BLOCK_ABSENT;
	struct vas_block_place place;
	struct vas_block_want want;
	uint32_t start = 1;

	map->searches++;
	map->refused += !truth.any;
	if (vas_block_want_make(&map->tree, query, &want)) {
		if (way == TREE_MAP_LOW)
			found = vas_block_search_low(&map->tree, &want, &place, &start);
		else if (way == TREE_MAP_HIGH)
			found = vas_block_search_high(&map->tree, &want, &place, &start);
		else
			found = vas_block_search_any(&map->tree, &want, &place, &start);
	}
	if (found == (truth.any ? VAS_BLOCK_FOUND : VAS_BLOCK_ABSENT) &&
	    (!truth.any || (place_right(map, query, way, &truth, start) &&
			    same(vas_block_place_gap(&place), run_at(map, start))))) {
		if (!truth.any || !piece)
			return true;
		*piece = (struct vas_block_run){
			start, start + (uint32_t)(query->size >> map->shift)
		};
		return take(map, &place, *piece);
	}
	tap_diag("size %" PRIx64 " alignment %" PRIx64 " phase %" PRIx64 " boundary %" PRIx64
		 " margin %" PRIx64 " min %" PRIx64 " max %" PRIx64,
		 query->size, query->alignment, query->phase, query->boundary, query->margin,
		 query->min, query->max);
	tap_diag("way %d: got %d at %" PRIx32 ", expected %d, lowest %" PRIx32 ", highest %" PRIx32,
		 way, found, start, truth.any, truth.lowest, truth.highest);
	return false;
}

/* Whether a piece leaves a place in a gap where something with this alignment can begin. */
static bool leaves_start(struct vas_block_run gap, uint32_t start, uint32_t need, uint32_t mask)
{
	for (uint32_t i = gap.start; i < gap.end; i++)
		if ((i & mask) == 0 && (i < start || i >= start + need))
			return true;
	return false;
}

/*
 * Where a piece should be in the lowest gap: at the lower end, unless only the upper one leaves a start for what is
 * aligned more strictly. What is not large fills from below.
 */
static uint32_t size_start(const struct tree_map *map, uint32_t lowest, uint32_t need, uint32_t key)
{
	struct vas_block_run gap = run_at(map, lowest);
	uint32_t highest = gap.end - need;

	while (highest & map->tree.mask[key])
		highest--;
	if (map->range.end - map->range.start <
	    VAS_BLOCK_SEARCH_LARGE * (map->tree.mask[VAS_BLOCK_ROOMS - 1] + 1))
		return lowest;
	for (uint32_t i = VAS_BLOCK_ROOMS; --i > key;) {
		bool low = leaves_start(gap, lowest, need, map->tree.mask[i]);
		bool high = leaves_start(gap, highest, need, map->tree.mask[i]);

		if (low != high)
			return low ? lowest : highest;
	}
	return lowest;
}

bool tree_map_search_size(struct tree_map *map, uint32_t need, uint32_t key,
			  struct vas_block_run *piece)
{
	struct vas_block_query query = {
		.size = (uint64_t)need << map->shift,
		.alignment = ((uint64_t)map->tree.mask[key] + 1) << map->shift,
		.max = UINT64_MAX,
	};
	struct truth truth = find_truth(map, &query);
	struct vas_block_place place;
	uint32_t start = 0;

	if (vas_block_search_size(&map->tree, need, key, &place, &start) != truth.any)
		return false;
	if (!truth.any)
		return true;
	if (start != size_start(map, truth.lowest, need, key) ||
	    !same(vas_block_place_gap(&place), run_at(map, start)))
		return false;
	*piece = (struct vas_block_run){ start, start + need };
	return take(map, &place, *piece);
}

bool tree_map_insert(struct tree_map *map, struct vas_block_run piece)
{
	struct vas_block_place place;

	for (uint32_t i = piece.start; i < piece.end; i++)
		if (map->owner[i])
			return true;
	vas_block_tree_find(&map->tree, piece.start, &place);
	return take(map, &place, piece);
}

bool tree_map_remove(struct tree_map *map, uint32_t offset)
{
	struct vas_block_place place;
	struct vas_block_run piece;

	if (!map->owner[offset])
		return true;
	piece = run_at(map, offset);
	vas_block_tree_find(&map->tree, offset, &place);
	if (!same(vas_block_place_piece(&place), piece))
		return false;
	vas_block_tree_remove(&map->tree, &place);
	paint(map, piece, 0);
	map->pieces--;
	map->used -= piece.end - piece.start;
	return true;
}

bool tree_map_set_end(struct tree_map *map, uint32_t offset, uint32_t end)
{
	struct vas_block_place place;
	struct vas_block_run piece;

	if (!map->owner[offset])
		return true;
	piece = run_at(map, offset);
	if (end <= piece.start || end > map->range.end)
		return true;
	for (uint32_t i = piece.end; i < end; i++)
		if (map->owner[i])
			return true;
	vas_block_tree_find(&map->tree, offset, &place);
	vas_block_tree_set_end(&map->tree, &place, end);
	paint(map, piece, 0);
	map->used += end - piece.end;
	piece.end = end;
	paint(map, piece, piece.start + 1);
	return true;
}

bool tree_map_set_limit(struct tree_map *map, uint32_t limit)
{
	if (limit <= map->range.start || limit > TREE_MAP_MOST)
		return true;
	for (uint32_t i = limit; i < map->range.end; i++)
		if (map->owner[i])
			return true;
	vas_block_tree_set_limit(&map->tree, limit);
	if (limit > map->range.end)
		cell_bits_fill(&map->free, map->range.end, limit - map->range.end, true);
	else
		cell_bits_fill(&map->free, limit, map->range.end - limit, false);
	map->range.end = limit;
	return true;
}

static uint32_t most_room(const struct tree_map *map, uint32_t start, uint32_t end)
{
	uint32_t run = 0, most = 0;

	for (uint32_t i = start; i < end; i++) {
		run = map->owner[i] ? 0 : run + 1;
		most = run > most ? run : most;
	}
	return most;
}

bool tree_map_cut(struct tree_map *map, uint32_t at)
{
	struct vas_block_run range = { at, map->range.end };
	struct vas_block_spares spares = { 0 };
	struct vas_block_tree upper;
	uint32_t used = map->used, pieces = map->pieces;
	bool held;

	if (at <= map->range.start || at >= map->range.end ||
	    (map->owner[at] && map->owner[at] != at + 1))
		return true;
	spares_fill(&spares, vas_block_tree_wants_run(&map->tree, pieces));
	vas_block_tree_init(&upper, &spares, map->base, map->shift, range);
	vas_block_tree_cut(&map->tree, &upper);
	held = vas_block_tree_check(&map->tree) && vas_block_tree_check(&upper) &&
	       map->tree.pieces + upper.pieces == pieces && map->tree.used + upper.used == used &&
	       map->tree.room[0] == most_room(map, map->range.start, at) &&
	       upper.room[0] == most_room(map, at, map->range.end);
	spares_empty(&map->spares);
	spares_fill(&map->spares, vas_block_tree_wants_run(&map->tree, upper.pieces));
	vas_block_tree_join(&map->tree, &upper);
	spares_empty(&spares);
	return held && upper.nodes == 0 && tree_map_check(map);
}

bool tree_map_look(struct tree_map *map, uint32_t offset)
{
	struct vas_block_place place;
	struct vas_block_run piece, gap, run = run_at(map, offset);

	vas_block_tree_find(&map->tree, offset, &place);
	piece = vas_block_place_piece(&place);
	gap = vas_block_place_gap(&place);
	if (map->owner[offset])
		return same(piece, run);
	return same(gap, run) && piece.end == gap.start;
}

/* The walk from one end to the other and back: pieces and gaps without a hole. */
static bool walk_right(struct tree_map *map)
{
	struct vas_block_place place;
	struct vas_block_run piece, gap;
	uint32_t at = map->range.start, pieces = 0, gaps = 0;

	vas_block_tree_first(&map->tree, &place);
	if (vas_block_tree_prev(&map->tree, &place))
		return false;
	do {
		piece = vas_block_place_piece(&place);
		gap = vas_block_place_gap(&place);
		if (piece.start != at || piece.end != gap.start ||
		    (piece.start < piece.end && (map->owner[piece.start] != piece.start + 1 ||
						 !same(piece, run_at(map, piece.start)))) ||
		    (gap.start < gap.end && (map->owner[gap.start] ||
					     !same(gap, run_at(map, gap.start)))))
			return false;
		at = gap.end;
		pieces++;
		gaps += gap.start < gap.end;
	} while (vas_block_tree_next(&map->tree, &place));
	if (at != map->range.end || pieces != map->pieces + 1 || gaps != map->tree.gaps)
		return false;
	vas_block_tree_last(&map->tree, &place);
	if (vas_block_place_gap(&place).end != at || vas_block_tree_next(&map->tree, &place))
		return false;
	for (; vas_block_tree_prev(&map->tree, &place); pieces--)
		if (vas_block_place_gap(&place).end != piece.start)
			return false;
		else
			piece = vas_block_place_piece(&place);
	return pieces == 1;
}

bool tree_map_check(struct tree_map *map)
{
	return vas_block_tree_check(&map->tree) && map->tree.pieces == map->pieces &&
	       map->tree.used == map->used && walk_right(map);
}
