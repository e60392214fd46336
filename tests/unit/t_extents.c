/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded msan valgrind */
/* budget: 5 */
/*
 * Extents against a flat array of pages: random changes, small and large, with the
 * checker after each; ten thousand extents and more; promises that never run dry.
 */
#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "space/extents.h"
#include "sys/real.h"
#include "tap/tap.h"

#define PAGE UINT64_C(4096)
#define BASE (UINT64_C(1) << 32)
#define MODEL_PAGES 1500u
#define MANY	    12000u

static struct vas_pages pages;
static struct vas_extents extents;
static uint64_t seed;

/* What the model says of a page; all zero = reserved. */
struct cell {
	uint8_t state;
	uint8_t prot;
	uint8_t flags;
	uint8_t backing;
};
static struct cell model[MODEL_PAGES];

static uint64_t at(uint64_t page)
{
	return BASE + page * PAGE;
}

static struct vas_extent extent_of(struct cell cell)
{
	return (struct vas_extent){
		.state = cell.state,
		.prot = cell.prot,
		.flags = cell.flags ? VAS_EXTENT_CLOSED : 0,
		.backing = cell.backing,
		.delta = cell.backing ? 5 * PAGE : 0,
	};
}

static bool cell_is(struct cell cell, const struct vas_extent *piece)
{
	struct vas_extent want = extent_of(cell);

	if (cell.state == VAS_PART_RESERVED)
		return piece->state == VAS_PART_RESERVED;
	return piece->state == want.state && piece->prot == want.prot &&
	       piece->flags == want.flags && piece->backing == want.backing &&
	       piece->delta == want.delta;
}

static struct cell random_cell(void)
{
	struct cell cell = { 0 };

	if (vas_random_next(&seed) % 3 == 0)
		return cell;
	cell.state = (uint8_t)(1 + vas_random_next(&seed) % (VAS_PART_STATES - 1));
	cell.prot = vas_random_next(&seed) % 2 ? 3 : 1;
	cell.flags = vas_random_next(&seed) % 4 == 0;
	cell.backing = vas_random_next(&seed) % 3 == 0;
	return cell;
}

static bool model_agrees(void)
{
	uint64_t position = BASE, committed = 0, unretired = 0;
	struct vas_extent piece;

	while (vas_extents_next(&extents, &position, at(MODEL_PAGES), &piece))
		for (uint64_t page = (piece.start - BASE) / PAGE; at(page) < piece.end; page++)
			if (!cell_is(model[page], &piece))
				return false;
	for (unsigned int i = 0; i < MODEL_PAGES; i++) {
		if (model[i].state == VAS_PART_COMMITTED || model[i].state == VAS_PART_GUARD)
			committed += PAGE;
		else if (model[i].state != VAS_PART_RESERVED && model[i].state != VAS_PART_VIEW)
			unretired += PAGE;
	}
	return position == at(MODEL_PAGES) && committed == vas_extents_bytes(&extents) &&
	       unretired == vas_extents_unretired(&extents);
}

/* Kernel mappings as the model sees them. */
static uint32_t model_runs(void)
{
	uint32_t runs = 1;

	for (unsigned int i = 1; i < MODEL_PAGES; i++) {
		struct vas_extent a = extent_of(model[i - 1]), b = extent_of(model[i]);
		bool none_a = model[i - 1].state == 0, none_b = model[i].state == 0;

		if (none_a && none_b)
			continue;
		runs += none_a || none_b ||
			vas_extent_kernel_prot(&a) != vas_extent_kernel_prot(&b) ||
			a.backing != b.backing;
	}
	return runs;
}

static void set_both(unsigned int page, unsigned int count, struct cell cell)
{
	struct vas_extent what = extent_of(cell);

	vas_extents_set(&extents, at(page), at(page + count), cell.state ? &what : NULL);
	for (unsigned int i = 0; i < count; i++)
		model[page + i] = cell;
}

static void begin(void)
{
	/* The books' chunks stay mapped. */
	tap_ignore_leaks(TAP_LEAK_VMAS);
}

static void test_model(void *arg)
{
	const struct vas_span span = { BASE, MODEL_PAGES * PAGE };
	unsigned int rounds = tap_scaled(20000), wrong = 0;

	(void)arg;
	begin();
	for (unsigned int i = 0; i < rounds && wrong < 3; i++) {
		bool small = vas_random_next(&seed) % 8 != 0;
		unsigned int page = (unsigned int)(vas_random_next(&seed) % MODEL_PAGES);
		unsigned int most = small ? 3 : MODEL_PAGES / 4;
		unsigned int count = 1 + (unsigned int)(vas_random_next(&seed) % most);

		if (count > MODEL_PAGES - page)
			count = MODEL_PAGES - page;
		if (vas_extents_room(&extents, &pages, 1))
			tap_bail("no room");
		set_both(page, count, random_cell());
		if (!vas_extents_check(&extents, span)) {
			tap_diag("change %u: the checker", i);
			wrong++;
		}
		if (i % 16 == 0 && !model_agrees()) {
			tap_diag("change %u: contents or sums", i);
			wrong++;
		}
		if (i % 16 == 0 && model_runs() != vas_extents_runs(&extents, span)) {
			tap_diag("change %u: %u mappings, not %u", i, vas_extents_runs(&extents, span), model_runs());
			wrong++;
		}
	}
	is_i64(wrong, 0, "%u changes: as the model, and sound", rounds);
	tap_figure("extents at the end", extents.count, "extents");
	vas_extents_free(&extents, &pages);
	memset(model, 0, sizeof(model));
}

static void test_holes(void *arg)
{
	const struct cell committed = { VAS_PART_COMMITTED, 3, 0, 0 };
	const struct cell emptied = { VAS_PART_EMPTIED, 3, 0, 0 };
	uint64_t position = BASE;
	struct vas_span hole;

	(void)arg;
	begin();
	is_i64(vas_extents_room(&extents, &pages, 3), 0, "room");
	set_both(2, 2, committed);
	set_both(6, 1, emptied);
	set_both(8, 2, committed);
	is_i64(vas_extents_holes(&extents, BASE, at(10)), 2, "two holes");
	ok(vas_extents_hole(&extents, &position, at(10), &hole) && hole.start == BASE &&
		   hole.size == 2 * PAGE, "the first begins at the start");
	ok(vas_extents_hole(&extents, &position, at(10), &hole) && hole.start == at(4) &&
		   hole.size == 4 * PAGE, "the second spans what is emptied");
	ok(!vas_extents_hole(&extents, &position, at(10), &hole), "and no third");
	ok(vas_extents_same(&extents, at(3)) && !vas_extents_same(&extents, at(4)) &&
		   !vas_extents_same(&extents, at(2)), "what lies across an address is told");
	vas_extents_free(&extents, &pages);
	memset(model, 0, sizeof(model));
}

/* What goes only whole is joined with nothing. */
static void test_whole(void *arg)
{
	const struct vas_extent whole = { .state = VAS_PART_COMMITTED, .prot = 3,
					  .flags = VAS_EXTENT_WHOLE, .backing = 1 };
	const struct vas_span span = { BASE, 16 * PAGE };

	(void)arg;
	begin();
	is_i64(vas_extents_room(&extents, &pages, 2), 0, "room");
	vas_extents_set(&extents, at(1), at(2), &whole);
	vas_extents_set(&extents, at(2), at(3), &whole);
	is_i64(extents.count, 2, "two neighbours stay two");
	is_i64(vas_extents_runs(&extents, span), 4, "in as many mappings");
	ok(vas_extents_check(&extents, span), "sound");
	vas_extents_free(&extents, &pages);
}

/* Pages of their own, out of reach: no change may ask for memory after its promise. */
static void test_promises(void *arg)
{
	const struct vas_extent committed = { .state = VAS_PART_COMMITTED, .prot = 3 };
	const struct vas_extent emptied = { .state = VAS_PART_EMPTIED, .prot = 3 };
	unsigned int wrong = 0, blocks = tap_scaled(MANY);
	const struct vas_span span = { BASE, (4 * (uint64_t)blocks + 1) * PAGE };

	(void)arg;
	begin();
	is_i64(vas_extents_room(&extents, &pages, 1), 0, "room");
	vas_extents_set(&extents, BASE, at(4 * (uint64_t)blocks), &committed);
	is_i64(vas_extents_promise(&extents, &pages, blocks), 0, "so many promises");
	for (unsigned int i = 0; i < blocks; i++) {
		/* Far from each other, then between: leaves fill again and again. */
		uint64_t block = (uint64_t)i * 7919 % blocks;

		if (blocks % 7919 == 0)
			block = i;
		vas_extents_unpromise(&extents, 1);
		vas_extents_set(&extents, at(4 * block + 1), at(4 * block + 2), &emptied);
		wrong += !vas_extents_ready(&extents, 0);
		if (i % 512 == 0)
			wrong += !vas_extents_check(&extents, span);
	}
	is_i64(wrong, 0, "each found room");
	is_i64(extents.count, 2 * blocks + 1, "and is there");
	ok(vas_extents_check(&extents, span), "sound");
	for (unsigned int i = 0; i < blocks; i++)
		vas_extents_set(&extents, at(4 * (uint64_t)i + 1), at(4 * (uint64_t)i + 2), &committed);
	is_i64(extents.count, 1, "and one again");
	ok(vas_extents_check(&extents, span), "sound");
	vas_extents_free(&extents, &pages);
}

/* Between promises others change what they have room for themselves. */
static void test_promises_mixed(void *arg)
{
	const struct vas_span span = { BASE, MODEL_PAGES * PAGE };
	unsigned int wrong = 0, promised = 0, rounds = tap_scaled(20000);

	(void)arg;
	begin();
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int page = (unsigned int)(vas_random_next(&seed) % (MODEL_PAGES - 4));

		if (vas_random_next(&seed) % 3 == 0 && promised < 700) {
			if (vas_extents_promise(&extents, &pages, 3))
				tap_bail("no room");
			promised += 3;
		} else if (vas_random_next(&seed) % 2 && promised) {
			promised--;
			vas_extents_unpromise(&extents, 1);
			set_both(page, 1 + page % 3, random_cell());
		} else {
			if (vas_extents_room(&extents, &pages, 1))
				tap_bail("no room");
			set_both(page, 1 + page % 3, random_cell());
		}
		wrong += !vas_extents_check(&extents, span);
	}
	is_i64(wrong, 0, "promises hold after every change");
	ok(model_agrees(), "as the model");
	vas_extents_free(&extents, &pages);
	memset(model, 0, sizeof(model));
}

/* With so many leaves that searches begin at hints: those that leaves which moved have left behind, too. */
static void test_hints(void *arg)
{
	static uint8_t taken[2 * MANY];
	const struct vas_extent what = { .state = VAS_PART_COMMITTED, .prot = 3 };
	const struct vas_span span = { BASE, 2 * MANY * PAGE };
	unsigned int rounds = tap_scaled(200000), wrong = 0;

	(void)arg;
	begin();
	for (unsigned int i = 0; i < rounds && !wrong; i++) {
		/* A part of the span at a time is filled, then emptied: leaves split and go. */
		uint64_t stretch = i / 5000 % 8, page = vas_random_next(&seed) % (MANY / 4);
		uint64_t position, place = 2 * (page + stretch * MANY / 8) % (2 * MANY);
		bool fill = i / 40000 % 2 == 0;
		struct vas_extent piece;

		vas_extents_foresee(&extents, at(place));
		position = at(place);
		wrong += !vas_extents_next(&extents, &position, at(place + 1), &piece) ||
			 piece.state != (taken[place] ? VAS_PART_COMMITTED : VAS_PART_RESERVED) ||
			 piece.end != at(place + 1);
		if (vas_extents_room(&extents, &pages, 1))
			tap_bail("no room");
		vas_extents_set(&extents, at(place), at(place + 1), fill ? &what : NULL);
		taken[place] = fill;
		if (i % 5000 == 0)
			wrong += !vas_extents_check(&extents, span);
	}
	is_i64(wrong, 0, "%u changes among many leaves: each place was found", rounds);
	ok(vas_extents_check(&extents, span), "sound");
	vas_extents_free(&extents, &pages);
}

int main(void)
{
	seed = tap_seed();
	vas_pages_init(&pages, vas_sys_real());
	tap_case("model", test_model, NULL, 60);
	tap_case("holes", test_holes, NULL, 10);
	tap_case("whole", test_whole, NULL, 10);
	tap_case("promises", test_promises, NULL, 60);
	tap_case("promises mixed", test_promises_mixed, NULL, 60);
	tap_case("hints", test_hints, NULL, 60);
	return tap_done();
}
