/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* Span sets against an array of bytes, one for each address of a tiny space. */
#include "base/spanset.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "tap/tap.h"

enum { SPACE = 96, ITEMS = 12, MANY = 3000 };

static bool agrees(const struct vas_spanset *set, const bool model[SPACE])
{
	size_t runs = 0;

	for (uint64_t i = 0; i < SPACE; i++) {
		bool starts = model[i] && (i == 0 || !model[i - 1]);

		runs += starts;
		if (vas_spanset_contains(set, i, i + 1) != model[i] ||
		    vas_spanset_overlaps(set, i, i + 1) != model[i])
			return false;
	}
	return runs == set->count && vas_spanset_check(set);
}

static bool ranges_agree(const struct vas_spanset *set, const bool model[SPACE], uint64_t *state)
{
	uint64_t start = vas_random_below(state, SPACE);
	uint64_t end = start + vas_random_below(state, SPACE - start + 1);
	size_t found = vas_spanset_find(set, start);
	bool any = false;
	bool all = true;

	for (uint64_t i = start; i < end; i++) {
		any |= model[i];
		all &= model[i];
	}
	if (found > set->count || (found > 0 && vas_span_end(set->items[found - 1]) > start) ||
	    (found < set->count && vas_span_end(set->items[found]) <= start))
		return false;
	return vas_spanset_overlaps(set, start, end) == any &&
	       vas_spanset_contains(set, start, end) == all;
}

/* One random change to both. Refused changes must change nothing and be justified. */
static bool change(struct vas_spanset *set, bool model[SPACE], uint64_t *state, uint64_t *refused)
{
	struct vas_span before[ITEMS];
	size_t count = set->count;
	bool changed[SPACE];
	size_t runs = 0;
	uint64_t start = vas_random_below(state, SPACE);
	uint64_t end = start + vas_random_below(state, 12);
	bool add = vas_random_below(state, 2);
	int error;

	if (end > SPACE)
		end = SPACE;
	memcpy(before, set->items, count * sizeof(before[0]));
	memcpy(changed, model, sizeof(changed));
	for (uint64_t i = start; i < end; i++)
		changed[i] = add;
	for (uint64_t i = 0; i < SPACE; i++)
		runs += changed[i] && (i == 0 || !changed[i - 1]);
	error = add ? vas_spanset_add(set, start, end) : vas_spanset_remove(set, start, end);
	if (error) {
		(*refused)++;
		return error == -ENOSPC && runs > set->capacity && set->count == count &&
		       memcmp(before, set->items, count * sizeof(before[0])) == 0;
	}
	memcpy(model, changed, sizeof(changed));
	return true;
}

static void random_changes(uint64_t *state)
{
	struct vas_span items[ITEMS];
	struct vas_spanset set;
	bool model[SPACE] = { false };
	uint64_t refused = 0;
	bool right = true;

	vas_spanset_init(&set, items, ITEMS);
	for (uint64_t i = tap_scaled(100000); i > 0 && right; i--) {
		right = change(&set, model, state, &refused) && agrees(&set, model) &&
			ranges_agree(&set, model, state);
	}
	ok(right, "random changes agree with the model");
	/* A short run, as under valgrind, may not fill it. */
	ok(refused > 0 || tap_scaled(100) < 100, "some of them met a full set");
}

/* Spans in runs of a random length, so that the sort meets sorted, reversed and mixed input. */
static size_t make_spans(struct vas_span *spans, bool model[SPACE], uint64_t *state)
{
	size_t count = vas_random_below(state, 40);
	uint64_t start = 0;

	memset(model, 0, SPACE * sizeof(model[0]));
	for (size_t i = 0; i < count; i++) {
		uint64_t size = vas_random_below(state, 5);

		if (vas_random_below(state, 4) == 0)
			start = vas_random_below(state, SPACE);
		else
			start = (start + vas_random_below(state, 9)) % SPACE;
		if (start + size > SPACE)
			size = SPACE - start;
		spans[i] = (struct vas_span){ start, size };
		memset(model + start, 1, size);
	}
	return count;
}

static void normalising(uint64_t *state)
{
	struct vas_span spans[40];
	struct vas_span scratch[40];
	bool model[SPACE];
	bool right = true;

	for (uint64_t i = tap_scaled(50000); i > 0 && right; i--) {
		size_t count = make_spans(spans, model, state);
		struct vas_spanset set = { spans, 0, 40 };

		set.count = vas_span_normalise(spans, count, scratch);
		right = agrees(&set, model);
	}
	ok(right, "normalised spans agree with the model");
}

static bool is_sorted(const struct vas_span *spans, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (spans[i - 1].start > spans[i].start)
			return false;
	}
	return true;
}

/* Sorting keeps every span: the sum of a hash over them stays. */
static uint64_t fingerprint(const struct vas_span *spans, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += vas_mix64(spans[i].start ^ vas_mix64(spans[i].size));
	return sum;
}

static void sorting(uint64_t *state)
{
	static struct vas_span spans[MANY];
	static struct vas_span scratch[MANY];
	bool right = true;

	for (uint64_t round = tap_scaled(300); round > 0 && right; round--) {
		size_t count = vas_random_below(state, MANY + 1);
		uint64_t run = 1 + vas_random_below(state, 200);
		uint64_t before;

		for (size_t i = 0; i < count; i++) {
			uint64_t step = vas_random_next(state) >> 24;

			spans[i].start = i % run ? spans[i - 1].start + (step >> 8) : step;
			spans[i].size = i;
		}
		before = fingerprint(spans, count);
		vas_span_sort(spans, count, scratch);
		right = is_sorted(spans, count) && fingerprint(spans, count) == before;
	}
	ok(right, "long arrays of runs are sorted and lose nothing");
}

static void edges(void)
{
	struct vas_span items[4];
	struct vas_spanset set;

	vas_spanset_init(&set, items, 4);
	ok(vas_spanset_check(&set), "an empty set");
	is_u64(vas_spanset_find(&set, 5), 0, "finds nothing in it");
	ok(vas_spanset_contains(&set, 5, 5) && !vas_spanset_overlaps(&set, 5, 5),
	   "the empty span is in every set and overlaps none");
	is_err(vas_spanset_add(&set, 9, 9), 0, "adding nothing");
	is_u64(set.count, 0, "adds nothing");
	is_err(vas_spanset_add(&set, UINT64_MAX - 1, UINT64_MAX), 0, "the highest byte of a set");
	is_err(vas_spanset_add(&set, 0, 1), 0, "the lowest");
	is_u64(set.count, 2, "two items");
	is_err(vas_spanset_add(&set, 1, UINT64_MAX - 1), 0, "all between");
	is_u64(set.count, 1, "one item");
	ok(vas_spanset_contains(&set, 0, UINT64_MAX), "that is everything");
	is_err(vas_spanset_remove(&set, 100, 200), 0, "a hole in it");
	is_u64(set.count, 2, "makes two items");
	items[1].start = 50;
	ok(!vas_spanset_check(&set), "the checker sees an overlap");
	items[1] = (struct vas_span){ 100, 5 };
	ok(!vas_spanset_check(&set), "and items that touch");
	items[1] = (struct vas_span){ 200, 0 };
	ok(!vas_spanset_check(&set), "and an empty item");
	items[1] = (struct vas_span){ 200, UINT64_MAX - 199 };
	ok(!vas_spanset_check(&set), "and one that wraps");
	set.capacity = 1;
	ok(!vas_spanset_check(&set), "and more items than there is room for");
	is_u64(vas_span_normalise(NULL, 0, NULL), 0, "normalising nothing");
}

int main(void)
{
	uint64_t state = tap_seed();

	tap_plan(0);
	edges();
	random_changes(&state);
	normalising(&state);
	sorting(&state);
	return tap_done();
}
