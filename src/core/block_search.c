/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where in a zone a piece can be put.
 *
 * WHAT FOR. The lowest, the highest or any place that satisfies a request, and a refusal
 * only when there is none.
 *
 * STRATEGY. One step: the next gap with enough room at or after a place, by the leaf's
 * own gaps, else up the way until a node has a child with room further on, and down
 * from there. Without a window the first step is the answer. A window begins with
 * the way to its edge, and only the gaps at its two edges can have room and yet not
 * take the piece.
 *
 * Other alignments, phases, boundaries and margins (query) can be refused by a gap that has
 * the room. The exact searches then step on; that is bounded by the number of gaps that
 * have the room and yet do not take it. "Any" looks at LOOKS such gaps, then for a gap
 * so large that it takes the piece wherever it begins, and only when there is none
 * looks at all of them, since the refusal must be true.
 *
 * Such a look at all gaps that an alignment alone made vain is remembered with the tree: the
 * alignment and the size. A gap that grows, and takes that, ends it; taking never does. So each is
 * paid for by a block that was freed and would have done.
 *
 * What is small and may lie anywhere would take the places, one in 512 pages, where something aligned to 2 MiB
 * can begin. So in a gap with one of these it begins at the upper end, if at the lower one it would be the last.
 *
 * CONCURRENCY. None; the zone's lock is held.
 */
#include "core/block_search.h"

#include "base/hot.h"
#include "base/number.h"
#include "core/block_node.h"
#include "core/blocks_fit.h"

#define LOOKS 64u

/* One search: the tree's or what the want says, made ready. */
struct search {
	const struct vas_block_tree *tree;
	const struct vas_block_want *want;
	uint32_t need; /* as in want, or more */
	uint32_t key;
	uint32_t mask;
	uint32_t looks; /* that are left; 0 = no bound */
	bool high;
};

/* The bits from n on. */
static uint64_t bits_from(uint32_t n)
{
	return n < 64 ? ~UINT64_C(0) << n : 0;
}

static uint32_t pick(uint64_t bits, bool high)
{
	return high ? 63 - (uint32_t)__builtin_clzll(bits) : (uint32_t)__builtin_ctzll(bits);
}

static uint64_t inner_bits(const struct search *search, const struct vas_block_inner *inner)
{
	return vas_block_inner_from(inner, search->need, search->key);
}

static uint64_t leaf_bits(const struct search *search, const struct vas_block_leaf *leaf)
{
	return vas_block_leaf_from(leaf, search->need, search->mask);
}

/* Goes down from a node of this level (0: a leaf) to the first gap with room. I: there is one. */
static inline void room_down(const struct search *search, struct vas_block_place *place, void *node,
			     uint32_t level)
{
	while (level-- > 0) {
		struct vas_block_inner *inner = node;
		uint32_t slot = pick(inner_bits(search, inner), search->high);

		place->way[level] = inner;
		place->slot[level] = slot;
		node = inner->child[slot];
	}
	place->leaf = node;
	place->index = pick(leaf_bits(search, place->leaf), search->high);
}

/* Goes to the next gap with room: from that of the place on (here), or beyond it. */
static bool room_next(const struct search *search, struct vas_block_place *place, bool here)
{
	uint64_t bits = leaf_bits(search, place->leaf);

	bits &= search->high ? ~bits_from(place->index + here) : bits_from(place->index + !here);
	if (bits) {
		place->index = pick(bits, search->high);
		return true;
	}
	for (uint32_t level = 0; level < search->tree->levels; level++) {
		struct vas_block_inner *inner = place->way[level];
		uint32_t slot = place->slot[level];

		bits = inner_bits(search, inner);
		bits &= search->high ? ~bits_from(slot) : bits_from(slot + 1);
		if (!bits)
			continue;
		slot = pick(bits, search->high);
		place->slot[level] = slot;
		room_down(search, place, inner->child[slot], level);
		return true;
	}
	return false;
}

/* The first gap with room in the window or at its edge. */
static bool room_first(const struct search *search, struct vas_block_place *place)
{
	const struct vas_block_tree *tree = search->tree;
	struct vas_block_run window = search->want->window;

	if (search->need > tree->room[search->key] || window.start >= window.end ||
	    window.start >= tree->range.end || window.end <= tree->range.start)
		return false;
	if (search->high ? window.end >= tree->range.end : window.start <= tree->range.start) {
		room_down(search, place, tree->root, tree->levels);
		return true;
	}
	vas_block_tree_find(tree, search->high ? window.end - 1 : window.start, place);
	return room_next(search, place, true);
}

static bool gap_query(const struct search *search, struct vas_block_run gap, uint32_t *start)
{
	const struct vas_block_query *query = search->want->query;
	const struct vas_block_tree *tree = search->tree;
	uint64_t from = tree->base + ((uint64_t)gap.start << tree->shift) + query->margin;
	uint64_t to = tree->base + ((uint64_t)gap.end << tree->shift) - query->margin;
	uint64_t found;

	/* I: need has room for both margins. */
	if (search->high ? !vas_block_fit_high(query, from, to, &found)
			 : !vas_block_fit_low(query, from, to, &found))
		return false;
	*start = (uint32_t)((found - tree->base) >> tree->shift);
	return true;
}

/* The lowest or highest start in a gap with room, which the window may yet cut. */
static bool gap_take(const struct search *search, struct vas_block_run gap, uint32_t *start)
{
	struct vas_block_run window = search->want->window;
	uint32_t need = search->want->need;
	uint32_t at;

	if (search->want->query)
		return gap_query(search, gap, start);
	gap.start = gap.start > window.start ? gap.start : window.start;
	gap.end = gap.end < window.end ? gap.end : window.end;
	at = (gap.start + search->mask) & ~search->mask;
	if (at >= gap.end || gap.end - at < need)
		return false;
	*start = search->high ? (gap.end - need) & ~search->mask : at;
	return true;
}

static enum vas_block_found search_run(struct search *search, struct vas_block_place *place,
				       uint32_t *start)
{
	struct vas_block_run window = search->want->window;
	struct vas_block_run gap;

	if (!room_first(search, place))
		return VAS_BLOCK_ABSENT;
	do {
		gap = vas_block_place_gap(place);
		if (search->high ? gap.end <= window.start : gap.start >= window.end)
			return VAS_BLOCK_ABSENT;
		if (gap_take(search, gap, start))
			return VAS_BLOCK_FOUND;
		if (search->looks && --search->looks == 0)
			return VAS_BLOCK_TIRED;
	} while (room_next(search, place, false));
	return VAS_BLOCK_ABSENT;
}

static struct search search_of(const struct vas_block_tree *tree,
			       const struct vas_block_want *want, bool high)
{
	VAS_ASSERT_DEBUG(want->need > 0 && want->key < VAS_BLOCK_ROOMS);
	return (struct search){
		.tree = tree,
		.want = want,
		.need = want->need,
		.key = want->key,
		.mask = tree->mask[want->key],
		.looks = want->query ? want->looks : 0,
		.high = high,
	};
}

/* The room for what is aligned to mask + 1 in a range. */
static uint32_t room_in(uint32_t start, uint32_t end, uint32_t mask)
{
	uint32_t from = (start + mask) & ~mask;

	return end > from ? end - from : 0;
}

/* The larger one of the rooms that a piece leaves in a gap, on its two sides. */
static uint32_t room_left(struct vas_block_run gap, uint32_t start, uint32_t need, uint32_t mask)
{
	uint32_t below = room_in(gap.start, start, mask);
	uint32_t above = room_in(start + need, gap.end, mask);

	return below > above ? below : above;
}

/*
 * Where in a gap that takes it a piece begins: at the lower end, unless that leaves no room at all for what is aligned
 * more strictly, and the upper one does. Trees that are not large fill from below.
 */
static inline uint32_t gap_choose(const struct vas_block_tree *tree, struct vas_block_run gap,
				  uint32_t need, uint32_t key)
{
	uint32_t mask = tree->mask[key], low = (gap.start + mask) & ~mask;
	uint32_t high = (gap.end - need) & ~mask, below, above;

	if (tree->range.end - tree->range.start <
	    VAS_BLOCK_SEARCH_LARGE * (tree->mask[VAS_BLOCK_ROOMS - 1] + 1))
		return low;
	for (uint32_t other = VAS_BLOCK_ROOMS; --other > key;) {
		below = room_left(gap, low, need, tree->mask[other]);
		above = room_left(gap, high, need, tree->mask[other]);
		if ((below == 0) != (above == 0))
			return below ? low : high;
	}
	return low;
}

VAS_HOT bool vas_block_search_size(const struct vas_block_tree *tree, uint32_t need, uint32_t key,
				   struct vas_block_place *place, uint32_t *start)
{
	uint32_t mask = tree->mask[key];
	void *node = tree->root;

	if (need > tree->room[key])
		return false;
	for (uint32_t level = tree->levels; level-- > 0;) {
		struct vas_block_inner *inner = node;
		uint32_t slot = pick(vas_block_inner_from(inner, need, key), false);

		place->way[level] = inner;
		place->slot[level] = slot;
		node = inner->child[slot];
	}
	place->leaf = node;
	place->index = pick(vas_block_leaf_from(place->leaf, need, mask), false);
	*start = gap_choose(tree, vas_block_place_gap(place), need, key);
	return true;
}

enum vas_block_found vas_block_search_low(const struct vas_block_tree *tree,
					  const struct vas_block_want *want,
					  struct vas_block_place *place, uint32_t *start)
{
	struct search search = search_of(tree, want, false);

	return search_run(&search, place, start);
}

enum vas_block_found vas_block_search_high(const struct vas_block_tree *tree,
					   const struct vas_block_want *want,
					   struct vas_block_place *place, uint32_t *start)
{
	struct search search = search_of(tree, want, true);

	return search_run(&search, place, start);
}

/* Room that takes the piece wherever it begins, but for odd alignments with a boundary. */
static uint32_t sure_need(const struct vas_block_tree *tree, const struct vas_block_want *want)
{
	const struct vas_block_query *query = want->query;
	uint64_t sure = want->need;
	uint64_t alignment = query->alignment >> tree->shift;

	if (alignment >= VAS_BLOCK_TREE_MOST)
		return VAS_BLOCK_NEVER;
	sure += query->boundary ? 2 * alignment + (query->size >> tree->shift) : alignment;
	return sure < VAS_BLOCK_NEVER ? (uint32_t)sure : VAS_BLOCK_NEVER;
}

enum vas_block_found vas_block_search_any(const struct vas_block_tree *tree,
					  const struct vas_block_want *want,
					  struct vas_block_place *place, uint32_t *start)
{
	struct search search = search_of(tree, want, false);
	enum vas_block_found found;

	search.looks = want->query ? LOOKS : 0;
	found = search_run(&search, place, start);
	if (found != VAS_BLOCK_TIRED)
		return found;
	search.need = sure_need(tree, want);
	search.key = 0;
	search.mask = 0;
	search.looks = LOOKS;
	found = search_run(&search, place, start);
	if (found == VAS_BLOCK_FOUND)
		return found;
	search = search_of(tree, want, false);
	search.looks = 0;
	return search_run(&search, place, start);
}

/* The largest alignment that the query's own contains. */
static uint32_t query_key(const struct vas_block_tree *tree, const struct vas_block_query *query)
{
	uint32_t key = VAS_BLOCK_ROOMS - 1;

	/* Rooms count from an aligned place on; a margin lies before it. */
	if (query->margin)
		return 0;
	while (key > 0 &&
	       (((query->alignment | query->phase) >> tree->shift) & tree->mask[key]) != 0)
		key--;
	return key;
}

/* An address as an offset; what lies outside is at the end that it lies beyond. */
static uint32_t offset_of(const struct vas_block_tree *tree, uint64_t address)
{
	uint64_t offset = (address - tree->base) >> tree->shift;

	if (address < tree->base || offset < tree->range.start)
		return tree->range.start;
	return offset < tree->range.end ? (uint32_t)offset : tree->range.end;
}

bool vas_block_want_make(const struct vas_block_tree *tree, const struct vas_block_query *query,
			 struct vas_block_want *want)
{
	uint32_t key = query_key(tree, query);
	uint64_t need = (query->size + 2 * query->margin) >> tree->shift;
	bool plain = query->phase == 0 && query->boundary == 0 && query->margin == 0 &&
		     query->alignment >> tree->shift == (uint64_t)tree->mask[key] + 1;
	uint64_t max;
	struct vas_block_run window;

	if (!vas_add(query->max, query->margin, &max))
		max = UINT64_MAX;
	window.end = offset_of(tree, max);
	window.start = query->min < query->margin ? tree->range.start
						  : offset_of(tree, query->min - query->margin);
	if (window.start > window.end || window.end - window.start < need)
		return false;
	*want = (struct vas_block_want){
		.need = (uint32_t)need,
		.key = key,
		.window = window,
		.query = plain ? NULL : query,
	};
	return true;
}

/* --- what was refused --- */

static bool is_alignment_alone(const struct vas_block_query *query)
{
	return (query->phase | query->boundary | query->margin) == 0;
}

bool vas_block_is_refused(const struct vas_block_tree *tree, const struct vas_block_query *query)
{
	const struct vas_block_refusal *refused = &tree->refused;

	if (refused->need == 0 || query->size >> tree->shift < refused->need ||
	    !is_alignment_alone(query))
		return false;
	return query->alignment == refused->alignment || query->alignment % refused->alignment == 0;
}

/* Whether the window had anything to do with it. */
static bool is_absent_everywhere(const struct vas_block_tree *tree,
				 const struct vas_block_want *want)
{
	struct vas_block_query query = *want->query;
	struct vas_block_want everywhere = *want;
	struct vas_block_place place;
	uint32_t start;

	if (want->window.start <= tree->range.start && want->window.end >= tree->range.end)
		return true;
	query.min = tree->base + ((uint64_t)tree->range.start << tree->shift);
	query.max = tree->base + ((uint64_t)tree->range.end << tree->shift);
	everywhere.window = tree->range;
	everywhere.query = &query;
	return vas_block_search_low(tree, &everywhere, &place, &start) == VAS_BLOCK_ABSENT;
}

void vas_block_refused(struct vas_block_tree *tree, const struct vas_block_want *want)
{
	/* Where no gap has the room, that is told at once. */
	if (want->need > tree->room[want->key] || !want->query ||
	    !is_alignment_alone(want->query) || !is_absent_everywhere(tree, want))
		return;
	tree->refused = (struct vas_block_refusal){ want->query->alignment, want->need };
}
