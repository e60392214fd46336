/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Combining limits: what several owners can all use.
 *
 * Strategy: one pass over the list takes maxima, minima, multiples and
 * obligations, then the holes are united, then the result is held against the
 * rules. Only when a rule is broken does a second, slower look find the pair
 * to blame; success never pays for it.
 *
 * The union of holes: all spans are gathered in the caller's buffer and sorted
 * by their natural runs, one per list that was sorted already. Where the
 * buffer has no spare room for sorting, they come in chunks that a small array on
 * the stack can sort, and each chunk is merged into what is there.
 *
 * Blame: a pair is chosen that breaks the rule by itself, whenever there is
 * one. The rules on alignment, granule and holes can be broken by three owners
 * of whom no two disagree; then the pair is the one that comes closest.
 *
 * Pure: no state, no memory but the caller's, about 4 KiB of stack. Entries are
 * loaded by value one at a time, so callers of older versions may pass shorter ones.
 * It does not look at the page size or at the kernel's window: a request does.
 */
#include "core/combine.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/code.h"
#include "base/number.h"
#include "base/spanset.h"

#define CHUNK 256 /* spans sorted at a time when the buffer has no room to sort in */

int vas_combine_load(const struct vas_limits *limits, struct vas_limits *known)
{
	struct vas_limits loaded;
	bool wraps = false;
	int error;

	if (!limits)
		return -EINVAL;
	error = vas_options_load(limits, &loaded, sizeof(loaded), sizeof(loaded));
	if (error)
		return error;
	if (loaded.obligations & ~VAS_OBLIGE_ALL)
		return -EINVAL;
	if (loaded.hole_count > 0 && !loaded.holes)
		return -EINVAL;
	for (size_t i = 0; i < loaded.hole_count; i++)
		wraps |= loaded.holes[i].size > UINT64_MAX - loaded.holes[i].start;
	if (wraps)
		return -EINVAL;
	*known = loaded;
	return 0;
}

int vas_combine_check(const struct vas_limits *limits, struct vas_span span)
{
	struct vas_limits known;
	uint64_t end;
	int error = vas_combine_load(limits, &known);

	if (error)
		return error;
	if (span.size == 0 || !vas_add(span.start, span.size, &end))
		return -EINVAL;
	if (span.start < known.min || (known.max != 0 && end > known.max))
		return -ERANGE;
	if (known.alignment != 0 && span.start % known.alignment != 0)
		return -ERANGE;
	if (known.granule != 0 && span.size % known.granule != 0)
		return -ERANGE;
	if (known.max_size != 0 && span.size > known.max_size)
		return -ERANGE;
	if (known.max_total != 0 && span.size > known.max_total)
		return -ERANGE;
	for (size_t i = 0; i < known.hole_count; i++) {
		struct vas_span hole = known.holes[i];

		if (hole.size > 0 && hole.start < end && vas_span_end(hole) > span.start)
			return -ERANGE;
	}
	return 0;
}

/* The smaller of two caps of which 0 means none. */
static uint64_t lower_cap(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* Folds b into *a, of which 0 means none; false when the multiple does not fit. */
static bool fold_multiple(uint64_t *a, uint64_t b)
{
	if (b == 0 || *a == b)
		return true;
	if (*a == 0) {
		*a = b;
		return true;
	}
	return vas_least_common_multiple(*a, b, a);
}

/* The smallest size that a single span of these limits may have at most; 0 = no cap. */
static uint64_t size_cap(const struct vas_limits *limits)
{
	return lower_cap(limits->max_size, limits->max_total);
}

/* Folds all but the holes; overflown tells of alignment and granule. */
static void fold(struct vas_limits *sum, const struct vas_limits *entry, bool overflown[2])
{
	if (entry->min > sum->min)
		sum->min = entry->min;
	sum->max = lower_cap(sum->max, entry->max);
	sum->max_size = lower_cap(sum->max_size, entry->max_size);
	sum->max_total = lower_cap(sum->max_total, entry->max_total);
	sum->max_count = (uint32_t)lower_cap(sum->max_count, entry->max_count);
	sum->obligations |= entry->obligations;
	overflown[0] |= !fold_multiple(&sum->alignment, entry->alignment);
	overflown[1] |= !fold_multiple(&sum->granule, entry->granule);
}

/* The first rule that the folded limits break, their holes apart. */
static enum vas_limits_rule broken_rule(const struct vas_limits *sum, const bool overflown[2])
{
	uint64_t cap = size_cap(sum);

	if (sum->max != 0 && sum->min >= sum->max)
		return VAS_LIMITS_RULE_RANGE;
	if (overflown[0])
		return VAS_LIMITS_RULE_ALIGNMENT;
	if (overflown[1])
		return VAS_LIMITS_RULE_GRANULE;
	if (cap != 0 && sum->granule > cap)
		return VAS_LIMITS_RULE_SIZE;
	return VAS_LIMITS_RULE_NONE;
}

/* Whether the united holes leave nothing of the window. The last byte of the space is never in a hole. */
static bool holes_cover(const struct vas_limits *sum, const struct vas_span *holes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (holes[i].start <= sum->min && sum->max != 0 &&
		    vas_span_end(holes[i]) >= sum->max)
			return true;
	}
	return false;
}

/* A union of holes under construction in the caller's buffer. */
struct hole_union {
	struct vas_span *spans;
	size_t capacity;
	size_t sorted; /* in order so far, perhaps still overlapping */
	size_t pending; /* gathered behind them, in any order */
	bool roomy; /* the upper half of the buffer can hold them all once more */
};

static void unite_begin(struct hole_union *holes, struct vas_span *spans, size_t capacity,
			size_t total)
{
	*holes = (struct hole_union){ .spans = spans, .capacity = capacity };
	holes->roomy = total <= capacity / 2;
}

/* Sorts the pending chunk and merges it into what is sorted, from the back. */
static void unite_pending(struct hole_union *holes)
{
	struct vas_span scratch[CHUNK];
	struct vas_span *spans = holes->spans;
	size_t old = holes->sorted;
	size_t added = holes->pending;
	size_t out = old + added;

	if (added == 0)
		return;
	vas_span_sort(spans + old, added, scratch);
	holes->sorted = out;
	holes->pending = 0;
	if (old == 0 || spans[old - 1].start <= spans[old].start)
		return;
	memcpy(scratch, spans + old, added * sizeof(*spans));
	while (old > 0 && added > 0) {
		size_t take = scratch[added - 1].start < spans[old - 1].start;
		const struct vas_span *from[2] = { scratch + added - 1, spans + old - 1 };

		spans[--out] = *from[take];
		old -= take;
		added -= 1 - take;
	}
	memcpy(spans, scratch, added * sizeof(*spans));
}

/* Room for one more span at least, by joining what there is when the buffer is full. */
static bool unite_room(struct hole_union *holes)
{
	if (holes->capacity > holes->sorted + holes->pending)
		return true;
	if (VAS_NEVER(holes->roomy)) /* its capacity is twice what comes */
		return false;
	unite_pending(holes);
	holes->sorted = vas_span_join(holes->spans, holes->sorted);
	return holes->capacity > holes->sorted;
}

static int unite_entry(struct hole_union *holes, const struct vas_limits *entry)
{
	for (size_t done = 0; done < entry->hole_count;) {
		size_t count = entry->hole_count - done;
		size_t room;

		if (!unite_room(holes))
			return -ENOSPC;
		room = holes->capacity - holes->sorted - holes->pending;
		if (!holes->roomy && room > CHUNK - holes->pending)
			room = CHUNK - holes->pending;
		if (count > room)
			count = room;
		memcpy(holes->spans + holes->sorted + holes->pending, entry->holes + done,
		       count * sizeof(*holes->spans));
		holes->pending += count;
		done += count;
		if (!holes->roomy && holes->pending == CHUNK)
			unite_pending(holes);
	}
	return 0;
}

/* Returns how many spans the union has. */
static size_t unite_end(struct hole_union *holes)
{
	if (holes->sorted + holes->pending == 0)
		return 0; /* perhaps without any buffer */
	if (holes->roomy)
		return vas_span_normalise(holes->spans, holes->pending,
					  holes->spans + holes->capacity / 2);
	unite_pending(holes);
	return vas_span_join(holes->spans, holes->sorted);
}

/* Entry index of the list as this version knows it; the list was validated. */
static void entry_at(const struct vas_limits *const *list, size_t index, struct vas_limits *entry)
{
	int error = vas_options_load(list[index], entry, sizeof(*entry), sizeof(*entry));

	if (VAS_NEVER(error))
		memset(entry, 0, sizeof(*entry));
}

/* What the blame for holes needs to know. */
struct blame {
	const struct vas_limits *const *list;
	size_t count;
	struct vas_span *spans; /* the buffer once more: its contents are of no use by now */
	size_t capacity;
	const struct vas_limits *sum;
};

static void blame_range(const struct blame *blame, struct vas_limits_conflict *conflict)
{
	struct vas_limits entry;
	bool min_found = false;
	bool max_found = false;

	for (size_t i = 0; i < blame->count; i++) {
		entry_at(blame->list, i, &entry);
		if (!min_found && entry.min == blame->sum->min) {
			conflict->first = i;
			min_found = true;
		}
		if (!max_found && entry.max == blame->sum->max) {
			conflict->second = i;
			max_found = true;
		}
	}
}

static uint64_t multiple_of(const struct blame *blame, size_t index, enum vas_limits_rule rule)
{
	struct vas_limits entry;
	uint64_t value;

	entry_at(blame->list, index, &entry);
	value = rule == VAS_LIMITS_RULE_ALIGNMENT ? entry.alignment : entry.granule;
	return value != 0 ? value : 1;
}

/*
 * A pair whose multiple does not fit; else the entry at which the multiple of
 * all before it overflows, with the one before it that shares least with it.
 */
static void blame_multiple(const struct blame *blame, enum vas_limits_rule rule,
			   struct vas_limits_conflict *conflict)
{
	uint64_t sum = 1;
	bool overflown = false;

	for (size_t second = 0; second < blame->count; second++) {
		uint64_t b = multiple_of(blame, second, rule);
		uint64_t largest = 0;
		size_t closest = 0;

		for (size_t first = 0; first < second; first++) {
			uint64_t multiple;

			if (!vas_least_common_multiple(multiple_of(blame, first, rule), b,
						       &multiple)) {
				conflict->first = first;
				conflict->second = second;
				return;
			}
			if (multiple > largest) {
				largest = multiple;
				closest = first;
			}
		}
		if (!overflown && !vas_least_common_multiple(sum, b, &sum)) {
			overflown = true;
			conflict->first = closest;
			conflict->second = second;
		}
	}
}

static uint64_t cap_of(const struct blame *blame, size_t index)
{
	struct vas_limits entry;

	entry_at(blame->list, index, &entry);
	return size_cap(&entry);
}

/* Whether the granules of two entries are together above the cap of the second. */
static bool above_cap(const struct blame *blame, size_t first, size_t second)
{
	uint64_t cap = cap_of(blame, second);
	uint64_t multiple;

	/* A multiple that does not fit breaks the rule on granules, not this one. */
	return cap != 0 &&
	       vas_least_common_multiple(multiple_of(blame, first, VAS_LIMITS_RULE_GRANULE),
					 multiple_of(blame, second, VAS_LIMITS_RULE_GRANULE),
					 &multiple) &&
	       multiple > cap;
}

/* One entry or two of which one's granule excludes the other's cap. */
static bool find_above_cap(const struct blame *blame, struct vas_limits_conflict *conflict)
{
	for (size_t i = 0; i < blame->count; i++) {
		if (above_cap(blame, i, i)) {
			conflict->first = conflict->second = i;
			return true;
		}
	}
	for (size_t i = 0; i < blame->count * blame->count; i++) {
		if (above_cap(blame, i % blame->count, i / blame->count)) {
			conflict->first = i % blame->count;
			conflict->second = i / blame->count;
			return true;
		}
	}
	return false;
}

/* As above; else the largest granule and the lowest cap. */
static void blame_size(const struct blame *blame, struct vas_limits_conflict *conflict)
{
	uint64_t lowest_cap = 0;
	uint64_t largest_granule = 0;

	if (find_above_cap(blame, conflict))
		return;
	for (size_t i = 0; i < blame->count; i++) {
		uint64_t granule = multiple_of(blame, i, VAS_LIMITS_RULE_GRANULE);
		uint64_t cap = cap_of(blame, i);

		if (granule > largest_granule) {
			largest_granule = granule;
			conflict->first = i;
		}
		if (cap != 0 && (lowest_cap == 0 || cap < lowest_cap)) {
			lowest_cap = cap;
			conflict->second = i;
		}
	}
}

/* Bytes of the combined window that the holes of two entries leave; *alone: none of their own window. */
static uint64_t uncovered(const struct blame *blame, size_t first, size_t second, bool *alone)
{
	struct vas_limits entries[2];
	struct vas_limits sum = { .size = sizeof(sum) };
	struct hole_union holes;
	bool overflown[2] = { false, false };
	uint64_t left = blame->sum->max - blame->sum->min;
	size_t count = first == second ? 1 : 2;
	size_t merged;

	entry_at(blame->list, first, &entries[0]);
	entry_at(blame->list, second, &entries[1]);
	unite_begin(&holes, blame->spans, blame->capacity,
		    entries[0].hole_count + (count == 2 ? entries[1].hole_count : 0));
	for (size_t i = 0; i < count; i++) {
		fold(&sum, &entries[i], overflown);
		if (unite_entry(&holes, &entries[i]) != 0)
			return left;
	}
	merged = unite_end(&holes);
	*alone = holes_cover(&sum, holes.spans, merged);
	for (size_t i = 0; i < merged; i++) {
		uint64_t start = holes.spans[i].start;
		uint64_t end = vas_span_end(holes.spans[i]);

		start = start > blame->sum->min ? start : blame->sum->min;
		end = end < blame->sum->max ? end : blame->sum->max;
		if (start < end)
			left -= end - start;
	}
	return left;
}

/* One entry or two whose holes leave nothing of their window; else the two that leave least. */
static void blame_holes(const struct blame *blame, struct vas_limits_conflict *conflict)
{
	uint64_t least = UINT64_MAX;

	for (size_t distance = 0; distance < blame->count; distance++) {
		for (size_t first = 0; first + distance < blame->count; first++) {
			bool alone = false;
			uint64_t left = uncovered(blame, first, first + distance, &alone);

			if (!alone && left >= least)
				continue;
			least = left;
			conflict->first = first;
			conflict->second = first + distance;
			if (alone)
				return;
		}
	}
}

static int refuse(const struct blame *blame, enum vas_limits_rule rule,
		  struct vas_limits_conflict *conflict)
{
	struct vas_limits_conflict found = { .rule = rule };

	if (!conflict)
		return -ERANGE;
	switch (rule) {
	case VAS_LIMITS_RULE_RANGE:
		blame_range(blame, &found);
		break;
	case VAS_LIMITS_RULE_ALIGNMENT:
	case VAS_LIMITS_RULE_GRANULE:
		blame_multiple(blame, rule, &found);
		break;
	case VAS_LIMITS_RULE_SIZE:
		blame_size(blame, &found);
		break;
	case VAS_LIMITS_RULE_HOLES:
		blame_holes(blame, &found);
		break;
	case VAS_LIMITS_RULE_NONE:
		break;
	}
	*conflict = found;
	return -ERANGE;
}

/* Folds the list into *sum and counts its holes; validates every entry before it judges any. */
static int fold_list(const struct vas_limits *const *list, size_t count, struct vas_limits *sum,
		     size_t *total, enum vas_limits_rule *rule)
{
	bool overflown[2] = { false, false }; /* alignment, granule */

	for (size_t i = 0; i < count; i++) {
		struct vas_limits entry;
		int error = vas_combine_load(list[i], &entry);

		if (error)
			return error;
		if (VAS_NEVER(__builtin_add_overflow(*total, entry.hole_count, total)))
			return -ENOSPC;
		fold(sum, &entry, overflown);
	}
	*rule = broken_rule(sum, overflown);
	return 0;
}

int vas_combine(const struct vas_limits *const *list, size_t count, struct vas_span *holes,
		size_t capacity, struct vas_limits *out, struct vas_limits_conflict *conflict)
{
	struct vas_limits sum = { .size = sizeof(sum) };
	struct blame blame = { list, count, holes, capacity, &sum };
	enum vas_limits_rule rule = VAS_LIMITS_RULE_NONE;
	struct hole_union united;
	size_t total = 0;
	int error;

	if (count > 0 && !list)
		return -EINVAL;
	error = fold_list(list, count, &sum, &total, &rule);
	if (error)
		return error;
	if (rule != VAS_LIMITS_RULE_NONE)
		return refuse(&blame, rule, conflict);
	unite_begin(&united, holes, capacity, total);
	for (size_t i = 0; i < count && total > 0; i++) {
		struct vas_limits entry;

		entry_at(list, i, &entry);
		error = unite_entry(&united, &entry);
		if (error)
			return error;
	}
	sum.hole_count = unite_end(&united);
	sum.holes = sum.hole_count > 0 ? holes : NULL;
	if (holes_cover(&sum, holes, sum.hole_count))
		return refuse(&blame, VAS_LIMITS_RULE_HOLES, conflict);
	*out = sum;
	return 0;
}
