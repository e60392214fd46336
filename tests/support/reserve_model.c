/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flat model: carries an operation out, keeps its own plain books, and
 * compares. What it believes is in arrays searched from end to end.
 */
#include "support/reserve_model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/random.h"
#include "layout/bounds.h"

#define MODEL_FOREIGN_STAMP 0xf0e1d2c3b4a59687ull
#define UNTOUCHED	    0x5a5a5a5a5a5a5a5aull

static bool __attribute__((format(printf, 2, 3)))
wrong(struct model *model, const char *format, ...)
{
	va_list arguments;

	if (model->wrong[0])
		return false;
	va_start(arguments, format);
	vsnprintf(model->wrong, sizeof(model->wrong), format, arguments);
	va_end(arguments);
	return false;
}

static struct model_span *span_numbered(struct model *model, uint32_t number)
{
	for (unsigned i = 0; i < model->span_count; i++)
		if (model->spans[i].number == number && !model->spans[i].held)
			return &model->spans[i];
	return NULL;
}

static const struct model_span *span_over(const struct model *model, uint64_t address)
{
	for (unsigned i = 0; i < model->span_count; i++)
		if (address - model->spans[i].span.start < model->spans[i].span.size)
			return &model->spans[i];
	return NULL;
}

static void span_remove(struct model *model, struct model_span *span)
{
	*span = model->spans[--model->span_count];
}

/* The commit that made the page at position, or NULL; and up to where that holds. */
static const struct model_commit *commit_at(const struct model_span *span, uint64_t position,
					    uint64_t *until)
{
	const struct model_commit *made = NULL;

	*until = span->span.start + span->span.size;
	for (unsigned i = 0; i < span->commit_count; i++) {
		const struct model_commit *commit = &span->commits[i];

		if (commit->start > position && commit->start < *until)
			*until = commit->start;
		if (commit->end > position && commit->end < *until)
			*until = commit->end;
		if (!made && position >= commit->start && position < commit->end)
			made = commit;
	}
	return made;
}

static uint64_t committed_bytes(const struct model_span *span)
{
	uint64_t position = span->span.start, until, bytes = 0;

	for (; position < span->span.start + span->span.size; position = until)
		if (commit_at(span, position, &until))
			bytes += until - position;
	return bytes;
}

static void kept_now(const struct model *model, struct vas_spanset *kept, struct vas_span *items)
{
	struct vas_space *space = model->target->space;
	struct vas_margins margins;

	vas_spanset_init(kept, items, 4);
	vas_margins_find(space->sys, 0, 0, &margins);
	(void)vas_bounds_avoid(space->sys, &space->bounds, &margins, kept);
}

/* Comparing with the kernel's list. */

/* Is all of [start, end) mapped with this protection? */
static bool covered(const struct model_pieces *view, uint64_t start, uint64_t end, uint32_t prot)
{
	size_t low = 0, high = view->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view->items[middle].end > start)
			high = middle;
		else
			low = middle + 1;
	}
	for (; start < end; start = view->items[low++].end)
		if (low == view->count || view->items[low].start > start ||
		    view->items[low].prot != prot)
			return false;
	return true;
}

/* Is all of it mapped, whatever its protection? */
static bool mapped(const struct model_pieces *view, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < view->count && start < end; i++)
		if (view->items[i].start <= start && view->items[i].end > start)
			start = view->items[i].end;
	return start >= end;
}

static bool span_agrees(struct model *model, const struct model_span *span)
{
	uint64_t position = span->span.start, until;
	const struct model_commit *commit;

	for (; position < span->span.start + span->span.size; position = until) {
		commit = commit_at(span, position, &until);
		if (span->held ? !mapped(&model->view, position, until)
			       : !covered(&model->view, position, until, commit ? commit->prot : 0))
			return wrong(model, "own memory at 0x%llx is not mapped as it should be",
				     (unsigned long long)position);
	}
	return true;
}

static uint64_t pieces_bytes(const struct model_piece *items, size_t count)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += items[i].end - items[i].start;
	return bytes;
}

/* Where memory is behind it, not one byte of somebody else's may have changed. */
static bool foreign_agrees(struct model *model)
{
	for (unsigned i = 0; model->target->accessible && i < model->foreign_count; i++) {
		const struct model_piece *piece = &model->foreign[i];

		if (!(piece->prot & PROT_WRITE))
			continue;
		for (uint64_t at = piece->start; at < piece->end; at += 64)
			if (*(const uint64_t *)(uintptr_t)at != (MODEL_FOREIGN_STAMP ^ at))
				return wrong(model, "memory of somebody else at 0x%llx was changed",
					     (unsigned long long)at);
	}
	return true;
}

static bool view_agrees(struct model *model)
{
	struct model_target *target = model->target;
	uint64_t bytes = pieces_bytes(model->foreign, model->foreign_count);

	target->view(target, &model->view);
	for (unsigned i = 0; i < model->span_count; i++) {
		if (!span_agrees(model, &model->spans[i]))
			return false;
		bytes += model->spans[i].span.size;
	}
	if (!foreign_agrees(model))
		return false;
	for (unsigned i = 0; i < model->foreign_count; i++)
		if (!covered(&model->view, model->foreign[i].start, model->foreign[i].end,
			     model->foreign[i].prot))
			return wrong(model, "memory of somebody else at 0x%llx is gone or changed",
				     (unsigned long long)model->foreign[i].start);
	if (target->crowded)
		return true;
	for (size_t i = 0; i < model->others.count; i++)
		if (!covered(&model->view, model->others.items[i].start, model->others.items[i].end,
			     model->others.items[i].prot))
			return wrong(model, "what was mapped before at 0x%llx is gone or changed",
				     (unsigned long long)model->others.items[i].start);
	bytes += pieces_bytes(model->others.items, model->others.count);
	if (bytes != pieces_bytes(model->view.items, model->view.count))
		return wrong(
			model, "%lld bytes more are mapped than there should be",
			(long long)(pieces_bytes(model->view.items, model->view.count) - bytes));
	return true;
}

bool model_agree(struct model *model)
{
	struct model_target *target = model->target;
	uint64_t where = 0;
	int err;

	if (!view_agrees(model))
		return false;
	err = target->check(target, &where);
	if (err)
		return wrong(model, "the library's own check says %d at 0x%llx", err,
			     (unsigned long long)where);
	if (!target->gaps(target, &model->view))
		return wrong(model, "the library reads other mappings or gaps");
	return true;
}

/* Sums, and a few look-ups, after each operation. */

static bool lookup_agrees(struct model *model)
{
	struct model_target *target = model->target;
	const struct model_span *span;
	struct vas_owner owner;
	uint64_t address;
	bool found;

	for (unsigned i = 0; i < 3; i++) {
		address =
			target->arena_start + vas_random_below(&model->random, target->arena_size);
		if (i && model->span_count) {
			span = &model->spans[vas_random_below(&model->random, model->span_count)];
			address = i == 1 ? span->span.start - vas_random_below(&model->random, 2)
					 : span->span.start + span->span.size -
						   vas_random_below(&model->random, 2);
		}
		span = span_over(model, address);
		found = vas_owner_index_find(&target->space->index, address, &owner);
		if (found != (span != NULL) ||
		    (found && (owner.span.start != span->span.start || owner.id != span->id ||
			       owner.span.size != span->span.size)))
			return wrong(model, "the owner of 0x%llx is told wrong",
				     (unsigned long long)address);
	}
	return true;
}

/* Held spans go when a later call could release them; which, only the owner index tells. */
static void held_update(struct model *model)
{
	struct vas_owner owner;

	for (unsigned i = 0; i < model->span_count; i++) {
		struct model_span *span = &model->spans[i];

		if (!span->held ||
		    (vas_owner_index_find(&model->target->space->index, span->span.start, &owner) &&
		     owner.id == span->id))
			continue;
		span_remove(model, span);
		i--;
	}
}

/* A claim that was moved elsewhere and could not be undone is held too: it is found by looking. */
static bool strays_adopt(struct model *model)
{
	struct model_target *target = model->target;
	struct model_span *span;
	struct vas_owner owner;

	target->view(target, &model->view);
	for (size_t i = 0; i < model->view.count; i++) {
		uint64_t position = model->view.items[i].start;

		for (; position < model->view.items[i].end; position += target->page) {
			const struct model_span *known = span_over(model, position);

			if (known) {
				position = known->span.start + known->span.size - target->page;
				continue;
			}
			if (!vas_owner_index_find(&target->space->index, position, &owner))
				break;
			if (model->span_count == MODEL_SPANS)
				return wrong(model, "too many held spans for the model");
			span = &model->spans[model->span_count++];
			*span = (struct model_span){ .number = UINT32_MAX,
						     .held = true,
						     .id = owner.id,
						     .span = owner.span };
		}
	}
	return true;
}

static bool sums_agree(struct model *model)
{
	uint64_t spans = 0, reserved = 0, committed = 0, held = 0, held_bytes = 0;
	struct vas_stats stats;

	vas_space_stats(model->target->space, &stats);
	if (stats.held || model->target->ending || model->target->map_limit != UINT64_MAX) {
		held_update(model);
		for (unsigned i = 0; i < model->span_count; i++)
			held += model->spans[i].held;
		if (stats.held > held && !strays_adopt(model))
			return false;
		held = 0;
	}
	for (unsigned i = 0; i < model->span_count; i++) {
		const struct model_span *span = &model->spans[i];

		if (span->held) {
			held++;
			held_bytes += span->span.size;
			continue;
		}
		spans++;
		reserved += span->span.size;
		committed += committed_bytes(span);
	}
	if (stats.spans != spans || stats.reserved != reserved || stats.committed != committed ||
	    stats.held != held || stats.held_bytes != held_bytes)
		return wrong(model,
			     "sums differ: spans %llu/%llu, reserved 0x%llx/0x%llx, committed "
			     "0x%llx/0x%llx, held %llu/%llu",
			     (unsigned long long)stats.spans, (unsigned long long)spans,
			     (unsigned long long)stats.reserved, (unsigned long long)reserved,
			     (unsigned long long)stats.committed, (unsigned long long)committed,
			     (unsigned long long)stats.held, (unsigned long long)held);
	return true;
}

/* Reserve. */

struct trial {
	struct model *model;
	const struct model_op *op;
	struct model_want want;
	struct model_pieces free;
	struct vas_spanset kept;
	struct vas_span kept_items[4];
};

/* What was free before the call; own is what it took. */
static void trial_look(struct trial *trial, struct vas_span own)
{
	struct model *model = trial->model;

	model->target->view(model->target, &model->view);
	kept_now(model, &trial->kept, trial->kept_items);
	model_free(&trial->want, &model->view, own, &trial->kept, &trial->free);
}

static bool memory_limited(const struct model *model)
{
	return model->target->map_limit != UINT64_MAX || model->target->address_limit != UINT64_MAX;
}

/* The policy's own promise about the place. */
static bool placed_well(struct trial *trial, struct vas_span span)
{
	const struct model_want *want = &trial->want;
	struct model *model = trial->model;
	uint64_t place = span.start;

	if (want->prefer && model_fits(want, &trial->free, want->address, span.size))
		return span.start == want->address ||
		       wrong(model, "the preferred place was free and not taken");
	if (!model->target->looks)
		return true;
	/* High up the library's own books come and go during a call. */
	if (model->target->crowded && want->place == VAS_PLACE_HIGH &&
	    want->end > model->target->arena_start + model->target->arena_size)
		return true;
	switch (want->place) {
	case VAS_PLACE_EXACT:
		return span.start == want->address || wrong(model, "not the exact place");
	case VAS_PLACE_LOW:
		if (want->strict)
			model_lowest(want, &trial->free, span.size, &place);
		return span.start == place ||
		       wrong(model, "the lowest place is 0x%llx, not 0x%llx",
			     (unsigned long long)place, (unsigned long long)span.start);
	case VAS_PLACE_HIGH:
		if (want->strict)
			model_highest(want, &trial->free, span.size, &place);
		return span.start == place ||
		       wrong(model, "the highest place is 0x%llx, not 0x%llx",
			     (unsigned long long)place, (unsigned long long)span.start);
	case VAS_PLACE_NEAR:
		model_nearest(want, &trial->free, span.size, &place);
		return model_distance(want->address, span.start, span.size) ==
			       model_distance(want->address, place, span.size) ||
		       wrong(model, "the nearest place is 0x%llx, not 0x%llx",
			     (unsigned long long)place, (unsigned long long)span.start);
	default:
		return true;
	}
}

static bool success_is_right(struct trial *trial, struct vas_span span)
{
	const struct model_want *want = &trial->want;
	struct model *model = trial->model;
	uint64_t largest;

	if (span.size > want->size || span.size < want->min_size || span.size % want->granule)
		return wrong(model, "got 0x%llx bytes, asked for 0x%llx and at least 0x%llx",
			     (unsigned long long)span.size, (unsigned long long)want->size,
			     (unsigned long long)want->min_size);
	trial_look(trial, span);
	if (!model_fits(want, &trial->free, span.start, span.size))
		return wrong(model, "0x%llx + 0x%llx is not allowed or was not free",
			     (unsigned long long)span.start, (unsigned long long)span.size);
	if (!placed_well(trial, span))
		return false;
	if (span.size == want->size)
		return true;
	model->shortfalls++;
	largest = model_largest(want, &trial->free);
	if (model->target->looks && !memory_limited(model) &&
	    span.size != (largest < want->size ? largest : want->size))
		return wrong(model, "got 0x%llx bytes where 0x%llx were free",
			     (unsigned long long)span.size, (unsigned long long)largest);
	return true;
}

static uint64_t bytes_mapped(const struct model *model)
{
	return pieces_bytes(model->view.items, model->view.count);
}

static bool refusal_is_justified(struct trial *trial, int err)
{
	const struct model_want *want = &trial->want;
	struct model *model = trial->model;
	uint64_t largest;

	model->refusals++;
	trial_look(trial, (struct vas_span){ 0, 0 });
	largest = model_largest(want, &trial->free);
	switch (err) {
	case -EEXIST:
		if (want->place == VAS_PLACE_EXACT && largest < want->min_size)
			return true;
		break;
	case -ENOSPC:
		if (want->place != VAS_PLACE_EXACT &&
		    (largest < want->min_size || !model->target->looks))
			return true;
		break;
	case -EBUSY:
		if (model->target->raced_count)
			return true;
		break;
	case -ENOMEM:
		if (model->view.count >= model->target->map_limit)
			return true;
		if (bytes_mapped(model) + want->min_size > model->target->address_limit)
			return true;
		break;
	}
	return wrong(model,
		     "refused with %d, although 0x%llx bytes were free there (at least 0x%llx)",
		     err, (unsigned long long)largest, (unsigned long long)want->min_size);
}

static void opts_from(const struct model_op *op, struct vas_reserve_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->size = sizeof(*opts);
	opts->min = op->min;
	opts->max = op->max;
	opts->alignment = op->alignment;
	opts->phase = op->phase;
	opts->min_size = op->min_size;
	opts->place = op->place;
	opts->side = op->side;
	opts->address = op->address;
	opts->reach = op->reach;
	opts->key = op->key;
	opts->flags = op->flags;
}

static bool apply_reserve(struct model *model, uint32_t number, const struct model_op *op)
{
	struct model_target *target = model->target;
	struct vas_span span = { UNTOUCHED, UNTOUCHED };
	static struct trial trial;
	const struct vas_limits *list[4];
	struct vas_reserve_opts opts;
	struct model_span *own;
	struct vas_owner owner;
	int err, expected;

	if (model->span_count == MODEL_SPANS)
		return true;
	trial.model = model;
	trial.op = op;
	expected = model_want_make(target, op, &trial.want);
	opts_from(op, &opts);
	opts.limit_count = model_limits(target, op->limits, list);
	opts.limits = list;
	opts.name = number & 1 ? "odd" : NULL;
	err = target->reserve(target, op->size, &opts, &span);
	if (err && (span.start != UNTOUCHED || span.size != UNTOUCHED))
		return wrong(model, "a failed reserve touched its output");
	if (expected || (err == -EINVAL) || (err == -ERANGE))
		return err == expected ||
		       wrong(model, "reserve answered %d instead of %d", err, expected);
	if (err)
		return refusal_is_justified(&trial, err);
	if (!success_is_right(&trial, span))
		return false;
	if (!vas_owner_index_find(&target->space->index, span.start, &owner))
		return wrong(model, "a new span has no owner");
	model->succeeded++;
	own = &model->spans[model->span_count++];
	*own = (struct model_span){ .number = number, .id = owner.id, .span = span };
	return true;
}

/* Commit. */

static bool stamps_agree(struct model *model, const struct model_span *span)
{
	uint64_t until;

	if (!model->target->accessible)
		return true;
	for (unsigned i = 0; i < span->commit_count; i++) {
		const struct model_commit *commit = &span->commits[i];
		const uint64_t *word = (const uint64_t *)(uintptr_t)commit->start;

		if (!(commit->prot & PROT_WRITE) ||
		    commit_at(span, commit->start, &until) != commit)
			continue;
		if (*word != (span->id ^ commit->start))
			return wrong(model, "committed memory at 0x%llx lost what was written",
				     (unsigned long long)commit->start);
	}
	return true;
}

/* A fresh page reads as zeroes, and keeps what is written. */
static bool stamp(struct model *model, const struct model_span *span,
		  const struct model_commit *commit)
{
	uint64_t *word = (uint64_t *)(uintptr_t)commit->start, until;

	if (!model->target->accessible || !(commit->prot & PROT_READ) ||
	    commit_at(span, commit->start, &until) != commit)
		return true;
	if (*word)
		return wrong(model, "committed memory at 0x%llx is not zero",
			     (unsigned long long)commit->start);
	if (commit->prot & PROT_WRITE)
		*word = span->id ^ commit->start;
	return true;
}

static bool apply_commit(struct model *model, const struct model_op *op)
{
	struct model_span *span = span_numbered(model, op->target);
	struct vas_commit_opts opts = { .size = sizeof(opts), .prot = op->prot, .flags = op->flags };
	uint64_t page = model->target->page, pages, first, count;
	struct model_commit *commit;
	int err;

	if (!span || span->commit_count == MODEL_COMMITS)
		return true;
	/* The operation says fractions: the span may have another size than when it was made up. */
	pages = span->span.size / page;
	first = op->address % pages;
	count = 1 + op->size % (pages - first);
	if (model->target->accessible && count > 256)
		count = 256;
	err = model->target->commit(model->target, span->span.start + first * page, count * page,
				    &opts);
	if (err == -ENOMEM) {
		model->target->view(model->target, &model->view);
		return model->view.count >= model->target->map_limit - 3 ||
		       bytes_mapped(model) > model->target->address_limit ||
		       wrong(model, "a commit was refused without need");
	}
	if (err)
		return wrong(model, "commit answered %d", err);
	commit = &span->commits[span->commit_count++];
	*commit = (struct model_commit){ span->span.start + first * page,
					 span->span.start + (first + count) * page,
					 op->prot ? (uint32_t)op->prot : PROT_READ | PROT_WRITE };
	return stamp(model, span, commit);
}

static bool apply_stray_commit(struct model *model, const struct model_op *op)
{
	const struct model_span *span;
	uint64_t page = model->target->page, start = op->address - op->address % page, until = 0;
	int err;

	span = span_over(model, start);
	if (span && span->held)
		return true;
	if (span) /* one page too far */
		until = span->span.start + span->span.size - start + page;
	err = model->target->commit(model->target, start, until ? until : page, NULL);
	return err == -ENOENT || wrong(model, "a commit outside of spans answered %d", err);
}

/* Release. */

static bool apply_release(struct model *model, const struct model_op *op)
{
	struct model_span *span = span_numbered(model, op->target);
	enum vas_retired state = VAS_RETIRED_HELD + 1;
	int err;

	if (!span)
		return true;
	if (!stamps_agree(model, span))
		return false;
	err = model->target->release(model->target, span->span.start, &state);
	if (err)
		return wrong(model, "release answered %d", err);
	if (state >= VAS_RETIRED_GUARDED && state <= VAS_RETIRED_HELD) {
		model->target->view(model->target, &model->view);
		if (model->view.count < model->target->map_limit)
			return wrong(model, "a span is held without need");
		span->held = true;
		/* What was committed in it is emptied, and may be inaccessible. */
		span->commit_count = 0;
		model->held_seen++;
		return true;
	}
	if (state != VAS_RETIRED_GONE)
		return wrong(model, "release told no state");
	span_remove(model, span);
	return true;
}

static bool apply_stray_release(struct model *model, const struct model_op *op)
{
	enum vas_retired state = VAS_RETIRED_HELD + 1;
	uint64_t start = op->address - op->address % model->target->page;
	const struct model_span *span = span_over(model, start);
	int err;

	if (span && span->span.start == start && !span->held)
		return true;
	err = model->target->release(model->target, start, &state);
	if (err != -ENOENT || state != VAS_RETIRED_HELD + 1)
		return wrong(model, "a release of nothing answered %d", err);
	return true;
}

/* Somebody else. */

static bool apply_foreign_map(struct model *model, uint32_t number, const struct model_op *op)
{
	struct model_target *target = model->target;

	if (model->foreign_count == MODEL_FOREIGN ||
	    !target->foreign_map(target, op->address, op->size, op->prot))
		return true;
	for (uint64_t at = op->address;
	     target->accessible && (op->prot & PROT_WRITE) && at < op->address + op->size; at += 64)
		*(uint64_t *)(uintptr_t)at = MODEL_FOREIGN_STAMP ^ at;
	model->foreign_number[model->foreign_count] = number;
	model->foreign[model->foreign_count++] =
		(struct model_piece){ op->address, op->address + op->size, (uint32_t)op->prot };
	return true;
}

static bool apply_foreign_unmap(struct model *model, const struct model_op *op)
{
	struct model_target *target = model->target;
	struct model_piece *piece;
	uint64_t size;
	unsigned i;

	for (i = 0; i < model->foreign_count; i++)
		if (model->foreign_number[i] == op->target)
			break;
	if (i == model->foreign_count)
		return true;
	piece = &model->foreign[i];
	size = piece->end - piece->start;
	if (op->flags && size > target->page)
		size = target->page; /* only its first page */
	if (!target->foreign_unmap(target, piece->start, size))
		return true;
	piece->start += size;
	if (piece->start < piece->end)
		return true;
	*piece = model->foreign[--model->foreign_count];
	model->foreign_number[i] = model->foreign_number[model->foreign_count];
	return true;
}

static bool dispatch(struct model *model, uint32_t number, const struct model_op *op)
{
	switch (op->kind) {
	case MODEL_RESERVE:
		return apply_reserve(model, number, op);
	case MODEL_COMMIT:
		return apply_commit(model, op);
	case MODEL_RELEASE:
		return apply_release(model, op);
	case MODEL_FOREIGN_MAP:
		return apply_foreign_map(model, number, op);
	case MODEL_FOREIGN_UNMAP:
		return apply_foreign_unmap(model, op);
	case MODEL_STRAY_RELEASE:
		return apply_stray_release(model, op);
	case MODEL_STRAY_COMMIT:
		return apply_stray_commit(model, op);
	}
	return wrong(model, "no such operation");
}

/* What somebody else mapped during the call stays theirs. */
static void raced_adopt(struct model *model)
{
	struct model_target *target = model->target;

	model->raced += target->raced_count;
	for (unsigned i = 0; i < target->raced_count; i++) {
		if (model->foreign_count > MODEL_FOREIGN / 2) {
			target->foreign_unmap(target, target->raced[i].start,
					      target->raced[i].end - target->raced[i].start);
			continue;
		}
		model->foreign_number[model->foreign_count] = UINT32_MAX - (uint32_t)model->raced - i;
		model->foreign[model->foreign_count++] = target->raced[i];
	}
	target->raced_count = 0;
}

static bool carry_out(struct model *model, uint32_t number, const struct model_op *op)
{
	bool held;

	model->target->raced_count = 0;
	held = dispatch(model, number, op);
	raced_adopt(model);
	return held;
}

bool model_apply(struct model *model, uint32_t number, const struct model_op *op)
{
	return carry_out(model, number, op) && sums_agree(model) && lookup_agrees(model);
}

void model_begin(struct model *model, struct model_target *target, uint64_t seed)
{
	memset(model, 0, sizeof(*model));
	model->target = target;
	model->random = seed;
	target->view(target, &model->others);
}

bool model_end(struct model *model)
{
	struct vas_space *space = model->target->space;
	struct model_op op = { .kind = MODEL_RELEASE };
	struct vas_stats stats;

	/* Without the limit nothing stays held, and everything can go. */
	model->target->ending = true;
	model->target->map_limit = model->target->address_limit = UINT64_MAX;
	model->target->view(model->target, &model->view);
	for (unsigned i = 0; i < model->span_count;) {
		if (model->spans[i].held) {
			i++;
			continue;
		}
		op.target = model->spans[i].number;
		if (!model_apply(model, 0, &op))
			return false;
		i = 0;
	}
	if (vas_space_retry_held(space))
		return wrong(model, "something is still held at the end");
	vas_space_stats(space, &stats);
	model->span_count = 0;
	if (stats.spans || stats.reserved || stats.committed || stats.held || stats.held_bytes ||
	    stats.vmas)
		return wrong(model, "sums are not zero at the end");
	if (space->index.node_free_count != space->index.node_count || space->index.claims ||
	    space->pins)
		return wrong(model, "the books are not empty at the end");
	return model_agree(model);
}
