/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations made up at random for the flat model: mostly sensible ones, close
 * together so that they meet, now and then broken on purpose.
 */
#include "support/reserve_model.h"

#include <string.h>
#include <sys/mman.h>

#include "base/random.h"

static uint64_t below(struct model *model, uint64_t bound)
{
	return vas_random_below(&model->random, bound);
}

/* 1 to most pages, small ones as likely as large ones. */
static uint64_t random_size(struct model *model, uint64_t most)
{
	uint64_t bits = 64 - (uint64_t)__builtin_clzll(most), pages;

	pages = vas_random_next(&model->random) >> (64 - 1 - below(model, bits));
	return (pages % most + 1) * model->target->page;
}

/* Somewhere in the arena, often beside what is there. */
static uint64_t random_place(struct model *model)
{
	const struct model_target *target = model->target;
	const struct model_span *span;

	if (model->span_count && below(model, 2)) {
		span = &model->spans[below(model, model->span_count)];
		return below(model, 2) ? span->span.start + span->span.size
				       : span->span.start - random_size(model, 8);
	}
	return target->arena_start + below(model, target->arena_size / target->page) * target->page;
}

static void random_alignment(struct model *model, struct model_op *op)
{
	uint64_t page = model->target->page;

	switch (below(model, 8)) {
	case 0:
		op->alignment = page << below(model, 8);
		break;
	case 1:
		op->alignment = page << (1 + below(model, 4));
		op->phase = below(model, op->alignment / page) * page;
		break;
	case 2:
		op->alignment = below(model, 2) ? 3 * page : 512;
		break;
	}
	/* Joining odd alignments of limits with powers of two is left to the tests of limits. */
	if (op->limits == 4)
		op->alignment = op->phase = 0;
}

static void random_window(struct model *model, struct model_op *op)
{
	const struct model_target *target = model->target;
	uint64_t page = target->page;

	op->min = target->arena_start;
	op->max = target->arena_start + target->arena_size;
	switch (below(model, 16)) {
	case 0:
		op->min = op->max = 0; /* all there is */
		if (target->high && below(model, 2)) {
			op->flags |= VAS_RESERVE_HIGH_WINDOW;
			op->size = random_size(model, target->space->bounds.high_max / 8 / page);
		}
		break;
	case 1:
		op->min += below(model, target->arena_size / 2);
		break;
	case 2:
		op->max -= below(model, target->arena_size / 2);
		break;
	case 3:
		op->min += below(model, target->arena_size / 2);
		op->max = op->min + random_size(model, target->arena_size / page / 8) + 17;
		break;
	}
}

static void random_breakage(struct model *model, struct model_op *op)
{
	uint64_t page = model->target->page;

	switch (below(model, 9)) {
	case 0:
		op->size = 0;
		break;
	case 1:
		op->size = UINT64_MAX - below(model, page);
		break;
	case 2:
		op->flags |= 0x8000;
		break;
	case 3:
		op->alignment = page + 8;
		break;
	case 4:
		op->phase = page / 2;
		break;
	case 5:
		op->min_size = op->size + 1;
		break;
	case 6:
		op->place = VAS_PLACE_EXACT + 1 + (uint8_t)below(model, 9);
		break;
	case 7:
		op->size = 1ull << 58;
		break;
	case 8:
		op->place = VAS_PLACE_EXACT;
		op->address = 1ull << (57 + below(model, 6));
		break;
	}
}

static void random_reserve(struct model *model, struct model_op *op)
{
	static const uint8_t places[] = { VAS_PLACE_ANY,     VAS_PLACE_ANY,   VAS_PLACE_LOW,
					  VAS_PLACE_HIGH,    VAS_PLACE_NEAR,  VAS_PLACE_NEAR,
					  VAS_PLACE_SCATTER, VAS_PLACE_EXACT, VAS_PLACE_EXACT };
	const struct model_target *target = model->target;
	uint64_t pages = target->arena_size / target->page;

	op->kind = MODEL_RESERVE;
	op->place = places[below(model, sizeof(places))];
	op->side = (uint8_t)below(model, 3);
	op->key = below(model, 8);
	op->size = random_size(model, pages / 8);
	random_window(model, op);
	if (below(model, 4) == 0)
		op->limits = (uint8_t)below(model, MODEL_LIMITS);
	random_alignment(model, op);
	op->address = random_place(model);
	if (op->place == VAS_PLACE_NEAR) {
		op->address += below(model, target->page);
		op->reach = below(model, 2) ? random_size(model, pages) : 0;
	} else if (op->place != VAS_PLACE_EXACT && below(model, 6) == 0) {
		op->flags |= VAS_RESERVE_PREFER;
	}
	if (op->place == VAS_PLACE_EXACT && below(model, 8))
		op->alignment = op->phase = 0;
	if (below(model, 2))
		op->flags |= VAS_RESERVE_STRICT;
	if (below(model, 16) == 0)
		op->flags |= VAS_RESERVE_NODUMP;
	if (below(model, 16) == 0)
		op->flags |= VAS_RESERVE_NOFORK;
	if (below(model, 6) == 0) {
		op->size = random_size(model, pages);
		op->min_size = 1 + below(model, op->size);
	}
	if (below(model, 8) == 0)
		op->size -= below(model, target->page);
	if (op->min_size > op->size)
		op->min_size = op->size;
	if (below(model, 32) == 0)
		random_breakage(model, op);
}

static bool random_target(struct model *model, struct model_op *op)
{
	const struct model_span *span;

	if (!model->span_count)
		return false;
	span = &model->spans[below(model, model->span_count)];
	op->target = span->number;
	return !span->held;
}

static void random_commit(struct model *model, struct model_op *op)
{
	static const int32_t prots[] = { 0, 0, PROT_READ, PROT_READ | PROT_EXEC,
					 PROT_READ | PROT_WRITE };

	op->kind = MODEL_COMMIT;
	op->address = below(model, 2) ? below(model, 1ull << 32) : 0;
	op->size = vas_random_next(&model->random) >> (40 + below(model, 24));
	op->prot = prots[below(model, sizeof(prots) / sizeof(prots[0]))];
	if (below(model, 16) == 0)
		op->flags = VAS_COMMIT_HUGE;
	else if (below(model, 16) == 0)
		op->flags = VAS_COMMIT_NOHUGE;
}

void model_random_op(struct model *model, uint32_t number, struct model_op *op)
{
	uint64_t dice = below(model, 100);

	(void)number;
	memset(op, 0, sizeof(*op));
	if (model->span_count >= model->target->live_max)
		dice = 60 + below(model, 28);
	if (dice < 38) {
		random_reserve(model, op);
	} else if (dice < 60 && random_target(model, op)) {
		random_commit(model, op);
	} else if (dice < 88 && random_target(model, op)) {
		op->kind = MODEL_RELEASE;
	} else if (dice < 92) {
		op->kind = MODEL_FOREIGN_MAP;
		op->size = random_size(model, 16);
		op->address = random_place(model);
		op->prot = below(model, 2) ? PROT_READ | PROT_WRITE : PROT_NONE;
	} else if (dice < 96 && model->foreign_count) {
		op->kind = MODEL_FOREIGN_UNMAP;
		op->target = model->foreign_number[below(model, model->foreign_count)];
		op->flags = (uint32_t)below(model, 2);
	} else {
		op->kind = below(model, 2) ? MODEL_STRAY_RELEASE : MODEL_STRAY_COMMIT;
		op->address = random_place(model);
		if (model->span_count && below(model, 2))
			op->address += model->target->page;
	}
}
