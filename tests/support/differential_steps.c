/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which calls the differential test makes: random ones, weighted towards what
 * merges, splits and overlaps, with one in ten carrying an argument that a
 * kernel refuses.
 *
 * Safety: a call that replaces or changes memory has a range inside the window
 * and half its margin, or one that is refused before anything is changed
 * (wrapped around, beyond user space, not aligned).
 */
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/random.h"
#include "support/differential.h"
#include "sys/definitions.h"

#define PAGE		 4096ull
#define WINDOW		 (DIFFERENTIAL_WINDOW * PAGE)
#define POPULATE_MAX	 (64 * PAGE)
#define FILE_MAPPING_MAX (64ull << 20)
#define TASK_END	 ((1ull << 47) - PAGE)
#define COUNT_OF(array)	 (sizeof(array) / sizeof((array)[0]))

struct source {
	uint64_t state;
	const struct differential_scenario *scenario;
};

static uint64_t below(struct source *source, uint64_t bound)
{
	return vas_random_below(&source->state, bound);
}

static bool one_in(struct source *source, uint64_t count)
{
	return below(source, count) == 0;
}

static int pick_prot(struct source *source)
{
	static const int common[] = { PROT_NONE, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				      PROT_READ | PROT_WRITE };

	if (source->scenario->dense)
		return one_in(source, 2) ? PROT_READ : PROT_READ | PROT_WRITE;
	if (one_in(source, 6))
		return (int)below(source, 8);
	return common[below(source, COUNT_OF(common))];
}

static uint64_t pick_pages(struct source *source)
{
	if (one_in(source, 20))
		return 1 + below(source, DIFFERENTIAL_WINDOW / 2);
	if (one_in(source, 4))
		return 1 + below(source, 24);
	return 1 + below(source, 5);
}

/* A range in the window, page aligned, that may reach into the margin above it. */
static void pick_range(struct source *source, struct differential_step *step)
{
	step->place = PLACE_WINDOW;
	step->address =
		(int64_t)(below(source, source->scenario->dense ? 10 : DIFFERENTIAL_WINDOW) * PAGE);
	step->size = (source->scenario->dense ? 1 + below(source, 3) : pick_pages(source)) * PAGE;
	if (one_in(source, 12))
		step->size -= 1 + below(source, PAGE - 1);
}

static void pick_elsewhere(struct source *source, struct differential_step *step)
{
	step->place = PLACE_ELSEWHERE;
	step->which = (uint32_t)below(source, 1000);
	step->address = (int64_t)(below(source, 4) * below(source, 400) * PAGE);
	step->size = one_in(source, 3) ? 1ull << 46 : pick_pages(source) * PAGE;
}

static uint64_t pick_large(struct source *source)
{
	static const uint64_t sizes[] = { 2ull << 20, 4ull << 20, (4ull << 20) + PAGE, 64ull << 20,
					  1ull << 30, 1ull << 40, 1ull << 45 };

	return sizes[below(source, COUNT_OF(sizes))];
}

static uint64_t pick_impossible(struct source *source)
{
	static const uint64_t sizes[] = { 0,	      UINT64_MAX, UINT64_MAX - PAGE + 1, 1ull << 63,
					  1ull << 47, TASK_END,	  TASK_END + PAGE };

	return sizes[below(source, COUNT_OF(sizes))];
}

/* Without address randomisation the topmost page is the stack's: calls on it would hit ourselves. */
static bool top_is_ours(void)
{
	return getauxval(AT_EXECFN) >= TASK_END - PAGE;
}

static int64_t pick_impossible_address(struct source *source)
{
	static const uint64_t addresses[] = { TASK_END - PAGE, TASK_END,   TASK_END + PAGE,
					      1ull << 48,      1ull << 63, UINT64_MAX - PAGE + 1 };

	uint64_t address = addresses[below(source, COUNT_OF(addresses))];

	return (int64_t)(address < TASK_END && top_is_ours() ? TASK_END : address);
}

static int pick_type(struct source *source)
{
	if (one_in(source, 60))
		return 0;
	return one_in(source, 8) ? MAP_SHARED : MAP_PRIVATE;
}

/* Two files without end; with objects also one that changes and one that is only read. */
static int pick_file(struct source *source)
{
	if (source->scenario->objects)
		return one_in(source, 4) ? (int)below(source, 2) : 2 + (int)below(source, 2);
	return (int)below(source, 2);
}

static void make_map_flags(struct source *source, struct differential_step *step)
{
	step->prot = pick_prot(source);
	step->flags = pick_type(source);
	if (one_in(source, 4))
		step->file = pick_file(source);
	if (step->file < 0 && !one_in(source, 100))
		step->flags |= MAP_ANONYMOUS;
	if (one_in(source, 3))
		step->flags |= MAP_NORESERVE;
	if (one_in(source, 30))
		step->flags |= MAP_GROWSDOWN;
	if (one_in(source, 12))
		step->flags |= MAP_POPULATE;
	/* Often in step with the address, so that pieces of a file merge. */
	if (step->file >= 0)
		step->offset =
			one_in(source, 3) ? below(source, 32) * PAGE : (uint64_t)step->address;
}

static void make_map(struct source *source, struct differential_step *step)
{
	uint64_t way = below(source, 10);

	pick_range(source, step);
	if (way == 0) {
		step->place = PLACE_ABSOLUTE;
		step->address = 0;
		if (one_in(source, 2))
			step->size = pick_large(source);
	}
	make_map_flags(source, step);
	if (way >= 1 && way <= 4)
		step->flags |= MAP_FIXED;
	else if (way >= 5 && way <= 7)
		step->flags |= MAP_FIXED_NOREPLACE;
	else if (way == 8 && one_in(source, 4))
		step->size = pick_large(source);
	if (way > 4 && one_in(source, 10))
		step->address += (int64_t)below(source, PAGE);
}

static void make_bad_map(struct source *source, struct differential_step *step)
{
	pick_range(source, step);
	make_map_flags(source, step);
	if (one_in(source, 2))
		step->flags |= one_in(source, 2) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	switch (below(source, 5)) {
	case 0:
		step->size = pick_impossible(source);
		break;
	case 1:
		step->place = PLACE_ABSOLUTE;
		step->address = pick_impossible_address(source);
		break;
	case 2:
		step->address += 1 + (int64_t)below(source, PAGE - 1);
		break;
	case 3:
		step->offset = one_in(source, 2) ? 1 + below(source, PAGE - 1) : 1ull << 63;
		break;
	default:
		/* Below mmap_min_addr, or not. */
		step->place = PLACE_ABSOLUTE;
		step->address = (int64_t)(below(source, 20) * PAGE);
		step->size = PAGE;
		step->flags &= ~MAP_POPULATE;
		break;
	}
	/* Impossible sizes at a possible address must not replace anything on their way. */
	if (step->place == PLACE_ABSOLUTE && (uint64_t)step->address < 1ull << 32)
		step->size = PAGE;
}

static int pick_advice(struct source *source)
{
	static const int plain[] = { MADV_NORMAL,     MADV_RANDOM,   MADV_SEQUENTIAL,
				     MADV_DONTNEED,   MADV_FREE,     MADV_DONTFORK,
				     MADV_DOFORK,     MADV_HUGEPAGE, MADV_NOHUGEPAGE,
				     MADV_DONTDUMP,   MADV_DODUMP,   MADV_WIPEONFORK,
				     MADV_KEEPONFORK, MADV_DONTDUMP, MADV_DODUMP,
				     MADV_REMOVE,     MADV_COLD };
	static const int pages[] = { MADV_POPULATE_READ,   MADV_POPULATE_WRITE, MADV_GUARD_INSTALL,
				     MADV_GUARD_INSTALL,   MADV_GUARD_REMOVE,	MADV_REMOVE,
				     MADV_DONTNEED_LOCKED, MADV_DONTNEED,	MADV_FREE };

	if (!one_in(source, source->scenario->objects ? 2 : 6))
		return plain[below(source, COUNT_OF(plain))];
	return pages[below(source, COUNT_OF(pages))];
}

static int pick_sync(struct source *source)
{
	static const int flags[] = { MS_ASYNC,
				     MS_ASYNC,
				     MS_ASYNC,
				     0,
				     MS_SYNC,
				     MS_INVALIDATE,
				     MS_ASYNC | MS_INVALIDATE,
				     MS_ASYNC | MS_SYNC,
				     64 };

	return flags[below(source, COUNT_OF(flags))];
}

static void make_change(struct source *source, struct differential_step *step)
{
	if (one_in(source, 5))
		pick_elsewhere(source, step);
	else
		pick_range(source, step);
	if (step->kind == STEP_PROTECT)
		step->prot = pick_prot(source);
	else if (step->kind == STEP_ADVISE)
		step->prot = pick_advice(source);
	else if (step->kind == STEP_SYNC)
		step->prot = pick_sync(source);
	else
		step->prot = (int)below(source, 2);
}

static void make_bad_change(struct source *source, struct differential_step *step)
{
	make_change(source, step);
	if (step->place == PLACE_ELSEWHERE)
		pick_range(source, step);
	switch (below(source, 4)) {
	case 0:
		step->address += 1 + (int64_t)below(source, PAGE - 1);
		break;
	case 1:
		step->size = 0;
		break;
	case 2:
		/* All of these refuse it: unmap by size, the others because it wraps around. */
		step->size = one_in(source, 2) ? UINT64_MAX : UINT64_MAX - PAGE + 1;
		if (step->kind == STEP_UNMAP || step->kind == STEP_SYNC)
			step->size = pick_impossible(source);
		break;
	default:
		step->place = PLACE_ABSOLUTE;
		step->address = pick_impossible_address(source);
		if (step->kind == STEP_PROTECT && one_in(source, 2))
			step->prot = 0x10 << below(source, 20);
		break;
	}
	if (step->kind == STEP_ADVISE && one_in(source, 4))
		step->prot = (int)below(source, 2) ? 5 : 99;
}

/* Everything private and anonymous, in place, and written, protected or replaced. */
static void make_dense_step(struct source *source, struct differential_step *step)
{
	static const enum differential_kind kinds[] = { STEP_MAP,     STEP_PROTECT, STEP_PROTECT,
							STEP_PROTECT, STEP_TOUCH,   STEP_TOUCH };

	pick_range(source, step);
	step->kind = kinds[below(source, COUNT_OF(kinds))];
	step->prot = pick_prot(source);
	if (step->kind == STEP_MAP)
		step->flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
}

static void make_object_step(struct source *source, struct differential_step *step)
{
	static const int modes[] = { 0,
				     0,
				     FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE,
				     0x40 };
	static const uint64_t nodes[] = { 0, 1, 1, 1, 2, 3 };

	pick_range(source, step);
	step->kind = STEP_ALLOCATE + (int)below(source, 5);
	switch (step->kind) {
	case STEP_ALLOCATE:
		step->file = 2 + (int)below(source, 2);
		step->flags = modes[below(source, COUNT_OF(modes))];
		step->offset = below(source, 60) * PAGE + (one_in(source, 4) ? 100 : 0);
		if (one_in(source, 12))
			step->size = one_in(source, 2) ? 0 : 1ull << 63;
		if (one_in(source, 12))
			step->offset = (1ull << 63) - PAGE;
		break;
	case STEP_TRUNCATE:
		step->file = 2 + (int)below(source, 2);
		step->size = below(source, 60) * PAGE + (one_in(source, 4) ? 100 : 0);
		if (one_in(source, 12))
			step->size = 1ull << 63;
		break;
	case STEP_POLICY:
		step->prot = (int)below(source, 8);
		step->offset = nodes[below(source, COUNT_OF(nodes))];
		step->address += one_in(source, 20) ? 8 : 0;
		break;
	case STEP_LOCK:
		step->prot = !one_in(source, 3);
		break;
	default:
		step->size += one_in(source, 20) ? 8 : 0;
		step->address += one_in(source, 20) ? 8 : 0;
		step->offset =
			below(source, DIFFERENTIAL_WINDOW) * PAGE + (one_in(source, 20) ? 8 : 0);
		step->flags = one_in(source, 20) ? MREMAP_FIXED : MREMAP_FIXED | MREMAP_MAYMOVE;
		break;
	}
}

static const enum differential_kind weights[] = {
	STEP_MAP,    STEP_MAP,	  STEP_MAP,	STEP_MAP,     STEP_MAP,	    STEP_MAP,
	STEP_UNMAP,  STEP_UNMAP,  STEP_PROTECT, STEP_PROTECT, STEP_PROTECT, STEP_PROTECT,
	STEP_ADVISE, STEP_ADVISE, STEP_ADVISE,	STEP_SYNC,    STEP_SYNC,    STEP_NAME,
	STEP_TOUCH,  STEP_TOUCH,  STEP_TOUCH,
};

static void make_step(struct source *source, struct differential_step *step)
{
	bool bad = one_in(source, 10);

	memset(step, 0, sizeof(*step));
	step->file = -1;
	step->kind = weights[below(source, COUNT_OF(weights))];
	if (source->scenario->objects && one_in(source, 3))
		make_object_step(source, step);
	else if (step->kind == STEP_MAP && bad)
		make_bad_map(source, step);
	else if (step->kind == STEP_MAP)
		make_map(source, step);
	else if (bad && step->kind != STEP_TOUCH)
		make_bad_change(source, step);
	else
		make_change(source, step);
	if (step->size > POPULATE_MAX)
		step->flags &= ~MAP_POPULATE;
	/* The simulator knows no file sizes: all of a mapping is inside its file. */
	if (step->file >= 0 && step->size > FILE_MAPPING_MAX && step->size <= 1ull << 45)
		step->size = FILE_MAPPING_MAX;
}

void differential_generate(struct differential_round *round, uint64_t seed,
			   const struct differential_scenario *scenario, uint32_t count)
{
	struct source source = { .state = seed, .scenario = scenario };

	round->count = count < DIFFERENTIAL_STEPS ? count : DIFFERENTIAL_STEPS;
	round->compare_every = 8;
	for (uint32_t i = 0; i < round->count; i++) {
		make_step(&source, &round->steps[i]);
		if (scenario->dense && !one_in(&source, 10)) {
			memset(&round->steps[i], 0, sizeof(round->steps[i]));
			round->steps[i].file = -1;
			make_dense_step(&source, &round->steps[i]);
		}
	}
}
