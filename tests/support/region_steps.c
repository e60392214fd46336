/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model of regions: its random operations.
 *
 * WHAT FOR. Each operation is carried out by the library and on the model's
 * pages, and the result must be the model's.
 *
 * STRATEGY. Operations pick a region and a page at random and do what makes
 * sense there, or on purpose what does not: wild, double and inner frees, ranges
 * across blocks. Where several results are right (which place, at a limit), any of
 * them is accepted and the model follows the library.
 *
 * CONCURRENCY. One thread.
 *
 * WHAT IT DOES NOT DO. It injects no failures: those are the fault tests'.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/random.h"
#include "support/region_model.h"
#include "tap/tap.h"

static uint64_t below(struct region_model *model, uint64_t bound)
{
	return vas_random_below(&model->random, bound);
}

static bool wrong(struct region_model *model, const char *what, int64_t got, int64_t want)
{
	snprintf(model->wrong, sizeof(model->wrong), "%s: %" PRId64 " instead of %" PRId64, what, got,
		 want);
	return false;
}

static uint64_t address_of(const struct region_model *model, const struct region_book *book,
			   unsigned page)
{
	return book->start + page * model->target->page;
}

static void *pointer_to(const struct region_model *model, const struct region_book *book, unsigned page)
{
	return (void *)(uintptr_t)address_of(model, book, page);
}

/* The pages of the block that page belongs to. */
static void block_range(const struct region_book *book, unsigned page, unsigned *first, unsigned *end)
{
	uint32_t block = book->page[page].block;

	for (*first = page; *first > 0 && book->page[*first - 1].block == block; (*first)--)
		;
	for (*end = page + 1; *end < book->pages && book->page[*end].block == block; (*end)++)
		;
}

/* A random page of a live block; -1 when none is found soon. */
static int live_page(struct region_model *model, const struct region_book *book)
{
	for (unsigned tries = 0; tries < 16; tries++) {
		unsigned page = (unsigned)below(model, book->pages);

		if (book->page[page].block)
			return (int)page;
	}
	return -1;
}

/* --- readers --- */

/* This thread joins: the region is one of its own kind. */
static int group_make(struct region_model *model, struct region_book *book)
{
	book->group = NULL;
	if (!(model->target->flags & VAS_REGION_QUARANTINE))
		return 0;
	for (unsigned i = 0; i < REGION_MODEL_REGIONS && !book->group; i++)
		if (!model->groups[i].books)
			book->group = &model->groups[i];
	*book->group = (struct region_group){ .books = 1 };
	return vas_region_join(book->region, &book->group->thread);
}

static bool step_enter(struct region_model *model, struct region_book *book)
{
	if (!book->group)
		return true;
	if (book->group->entered)
		vas_region_leave(book->group->thread);
	else
		vas_region_enter(book->group->thread);
	book->group->entered = book->group->entered ? 0 : model->done + 1;
	return true;
}

/* What has been passed is free. */
static bool step_tick(struct region_model *model, struct region_book *book)
{
	int err = vas_region_tick(book->region, 0);

	if (err || !book->group)
		return err ? wrong(model, "tick", err, 0) : true;
	for (unsigned i = 0; i < book->pages; i++)
		if (book->page[i].waited && !region_model_waits(book, &book->page[i]))
			book->page[i] = (struct region_page){ 0 };
	return true;
}

/* The block keeps what it has until everybody has passed. */
static void wait_pages(struct region_model *model, struct region_book *book, unsigned first,
		       unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		book->page[i].waited = book->page[i].block;
		book->page[i].freed = model->done + 1;
		book->page[i].block = 0;
	}
}

/* --- regions --- */

static bool create(struct region_model *model, struct region_book *book)
{
	unsigned pages = 32 + (unsigned)below(model, REGION_MODEL_PAGES - 31);
	uint64_t size = pages * model->target->page, kind = model->target->sys ? below(model, 6) : 0;
	struct region_view first;
	struct vas_region_stats stats = { .size = sizeof(stats) };
	int err;

	VAS_OPTS(vas_region_opts, opts);
	opts.flags = model->target->flags;
	opts.cache_bytes = model->target->cache_bytes;
	opts.seed = below(model, UINT64_MAX);
	book->claimed = kind == 5;
	err = kind < 4 ? 0 : kind == 4 ? region_span_adopt(model, size, &opts.start) :
			  region_span_claim(model, size, &opts.start);
	if (err == -ENOMEM && model->target->limited)
		return true;
	if (err)
		return wrong(model, kind == 4 ? "adopt" : "claim", err, 0);
	err = vas_region_create(opts.start ? 0 : size, &opts, &book->region);
	if (err == -ENOMEM && model->target->limited)
		return opts.start && vas_release(opts.start, NULL) ? wrong(model, "release", 0, 0) : true;
	if (!err)
		err = group_make(model, book);
	if (err || vas_region_stats(book->region, &stats))
		return wrong(model, "create", err, 0);
	memset(book->page, 0, sizeof(book->page));
	book->start = stats.span.start;
	book->pages = (unsigned)(stats.span.size / model->target->page);
	memset(&first, 0, sizeof(first));
	if (model->target->refresh)
		model->target->refresh(model->target);
	model->target->view(model->target, book->start, &first, 1);
	return book->pages == pages && first.mapped && first.prot == 0 ? true :
	       wrong(model, "a new region's pages", book->pages, pages);
}

/* What is owned is not adopted, and what a region uses not disowned. */
static bool step_adopt(struct region_model *model, struct region_book *book)
{
	int err = vas_adopt(pointer_to(model, book, (unsigned)below(model, book->pages)),
			    model->target->page, NULL);

	if (err != -EEXIST)
		return wrong(model, "adopt what is owned", err, -EEXIST);
	err = vas_disown(pointer_to(model, book, 0));
	return err == -EBUSY ? true : wrong(model, "disown what is used", err, -EBUSY);
}

static bool step_destroy(struct region_model *model, struct region_book *book)
{
	enum vas_retired state;
	int err = vas_region_destroy(book->region, &state);

	for (unsigned i = 0; i < book->pages; i++)
		if (book->page[i].committed && book->page[i].punch)
			model->object[book->page[i].offset] = 0;
	book->region = NULL;
	if (book->group)
		book->group->books--;
	return err == 0 ? true : wrong(model, "destroy", err, 0);
}

/* A request that may or may not have a place. */
static void random_want(struct region_model *model, const struct region_book *book,
			struct region_want *want, struct vas_alloc_opts *opts)
{
	uint64_t unit = model->target->page;

	*want = (struct region_want){ .size = (1 + below(model, below(model, 4) ? 6 : 40)) * unit };
	if (below(model, 4) == 0) {
		want->alignment = unit << below(model, 6);
		if (below(model, 2))
			want->phase = below(model, want->alignment / unit) * unit;
	}
	if (below(model, 6) == 0)
		want->boundary = unit << (3 + below(model, 5));
	if (want->boundary && want->boundary < want->size)
		want->boundary = 0;
	if (below(model, 4) == 0) {
		want->min = book->start + below(model, book->pages / 2) * unit;
		want->max = want->min + (1 + below(model, book->pages / 2)) * unit;
	}
	if (want->max && want->max - want->min < want->size)
		want->min = want->max = 0;
	opts->alignment = want->alignment;
	opts->phase = want->phase;
	opts->min = want->min;
	opts->max = want->max;
	opts->boundary = want->boundary;
}

static void take_pages(struct region_model *model, struct region_book *book, unsigned page,
		       unsigned pages)
{
	model->last_block++;
	for (unsigned i = page; i < page + pages; i++)
		book->page[i] = (struct region_page){ .block = model->last_block,
						      .unsettled = book->page[i].unsettled };
}

static void set_committed(struct region_model *model, struct region_book *book, unsigned page,
			  unsigned pages, uint8_t prot)
{
	(void)model;
	for (unsigned i = page; i < page + pages; i++) {
		if (book->page[i].committed)
			continue;
		book->page[i].committed = true;
		book->page[i].unsettled = false;
		book->page[i].prot = prot;
		book->page[i].value = 0;
	}
}

/* A refusal of an allocation: nothing may have had room for sure. */
static bool refusal_is_right(struct region_model *model, const struct region_book *book,
			     const struct region_want *want, int err)
{
	uint64_t window = want->max ? want->max - want->min : book->pages * model->target->page;

	model->refusals++;
	if (err == -ENOMEM && model->target->limited)
		return true;
	if (err == -ERANGE && (want->size > window || want->alignment || want->boundary || want->max))
		return region_model_first(model, book, want, false, false) < 0;
	if (err != -ENOSPC && !(err == -ERANGE && want->size > window))
		return wrong(model, "alloc refused", err, -ENOSPC);
	if (region_model_first(model, book, want, false, false) >= 0)
		return wrong(model, "refused though there is a place", err,
			     region_model_first(model, book, want, false, false));
	return true;
}

static bool dirty_is_told(struct region_model *model, const struct region_book *book, unsigned page,
			  const struct vas_block *block)
{
	const uint8_t *bytes = block->start;

	(void)book;
	(void)page;
	if (!model->target->accessible || !(block->flags & VAS_BLOCK_COMMITTED) ||
	    (block->flags & VAS_BLOCK_DIRTY))
		return true;
	for (uint64_t i = 0; i < block->size; i += model->target->page)
		if (bytes[i] || bytes[i + model->target->page - 1])
			return wrong(model, "memory promised to be zero", bytes[i], 0);
	return true;
}

static bool step_alloc(struct region_model *model, struct region_book *book)
{
	static const uint32_t directions[] = { 0, VAS_ALLOC_LOW, VAS_ALLOC_HIGH, VAS_ALLOC_RANDOM };
	struct region_want want;
	struct vas_block block;
	unsigned page, pages;
	int best, err;

	VAS_OPTS(vas_alloc_opts, opts);
	random_want(model, book, &want, &opts);
	opts.flags = directions[below(model, 4)];
	if (below(model, 3) == 0)
		opts.flags |= VAS_ALLOC_COMMIT;
	/* Warm memory is zeroed by writing to it, which a simulated address does not bear. */
	if (!model->target->accessible || below(model, 4) == 0)
		opts.flags |= VAS_ALLOC_DIRTY;
	err = vas_region_alloc(book->region, want.size, &opts, &block);
	if (err)
		return refusal_is_right(model, book, &want, err);
	page = (unsigned)(((uint64_t)(uintptr_t)block.start - book->start) / model->target->page);
	pages = (unsigned)(want.size / model->target->page);
	if (block.size != want.size || !region_model_fits(model, book, &want, page, true))
		return wrong(model, "a place that does not fit", page, (int64_t)pages);
	best = region_model_first(model, book, &want, opts.flags & VAS_ALLOC_HIGH, false);
	if ((opts.flags & (VAS_ALLOC_LOW | VAS_ALLOC_HIGH)) && !model->target->limited &&
	    !model->target->cache_bytes && !book->group && best != (int)page)
		return wrong(model, "not the outermost place", page, best);
	if (!dirty_is_told(model, book, page, &block))
		return false;
	take_pages(model, book, page, pages);
	if (!(opts.flags & VAS_ALLOC_COMMIT))
		return true;
	set_committed(model, book, page, pages, PROT_READ | PROT_WRITE);
	if (model->target->accessible)
		for (unsigned i = page; i < page + pages; i++)
			*(uint8_t *)pointer_to(model, book, i) = book->page[i].value =
				(uint8_t)below(model, 256);
	return true;
}

static bool step_alloc_exact(struct region_model *model, struct region_book *book)
{
	unsigned page = (unsigned)below(model, book->pages), pages = 1 + (unsigned)below(model, 8);
	struct region_want want = { .size = pages * model->target->page };
	struct vas_block block;
	int err;

	VAS_OPTS(vas_alloc_opts, opts);
	if (page + pages > book->pages)
		return true;
	opts.flags = VAS_ALLOC_EXACT;
	opts.address = pointer_to(model, book, page);
	err = vas_region_alloc(book->region, want.size, &opts, &block);
	if (err == -ENOMEM && model->target->limited)
		return true;
	if (err == -EEXIST && !region_model_fits(model, book, &want, page, false))
		return true;
	if (err || block.start != opts.address || !region_model_fits(model, book, &want, page, true))
		return wrong(model, "alloc at an address", err, 0);
	take_pages(model, book, page, pages);
	return true;
}

/* What freeing or decommitting leaves of pages. */
static void clear_pages(struct region_model *model, struct region_book *book, unsigned first,
			unsigned end, enum vas_retired state, bool freed)
{
	for (unsigned i = first; i < end; i++) {
		struct region_page *page = &book->page[i];

		if (page->committed && page->object && page->punch)
			model->object[page->offset] = 0;
		/* What was short of GONE before may be so still, if nothing was committed there since. */
		*page = (struct region_page){ .block = freed ? 0 : page->block,
					      .unsettled = page->unsettled && !page->committed };
		page->unsettled |= state != VAS_RETIRED_GONE && state != VAS_RETIRED_WARM;
	}
}

static void count_state(struct region_model *model, enum vas_retired state)
{
	if (state <= VAS_RETIRED_HELD)
		model->states[state]++;
}

static bool step_free(struct region_model *model, struct region_book *book)
{
	enum vas_retired state = VAS_RETIRED_HELD;
	int page = live_page(model, book), err;
	unsigned first, end;

	if (page < 0)
		return true;
	block_range(book, (unsigned)page, &first, &end);
	err = vas_region_free(book->region, pointer_to(model, book, first), &state);
	if (err)
		return wrong(model, "free", err, 0);
	if (book->group) {
		wait_pages(model, book, first, end);
		return state == VAS_RETIRED_WAITING ? true :
		       wrong(model, "freed into a state", state, VAS_RETIRED_WAITING);
	}
	if (!model->target->limited && state != VAS_RETIRED_GONE && !model->target->cache_bytes)
		return wrong(model, "freed into a state", state, VAS_RETIRED_GONE);
	count_state(model, state);
	clear_pages(model, book, first, end, state, true);
	return true;
}

static bool step_bad_free(struct region_model *model, struct region_book *book)
{
	unsigned page = (unsigned)below(model, book->pages), first, end;
	int err, want;

	if (below(model, 4) == 0) {
		err = vas_region_free(book->region, pointer_to(model, book, book->pages), NULL);
		return err == -ERANGE ? true : wrong(model, "a free outside", err, -ERANGE);
	}
	if (!book->page[page].block) {
		err = vas_region_free(book->region, pointer_to(model, book, page), NULL);
		return err == -ENOENT ? true : wrong(model, "a free of nothing", err, -ENOENT);
	}
	block_range(book, page, &first, &end);
	want = -EINVAL;
	if (page == first)
		return true;
	err = vas_region_free(book->region, pointer_to(model, book, page), NULL);
	return err == want ? true : wrong(model, "a free inside a block", err, want);
}

/* Some pages inside one live block. */
static bool random_range(struct region_model *model, const struct region_book *book, unsigned *first,
			 unsigned *end)
{
	unsigned low, high;
	int page = live_page(model, book);

	if (page < 0)
		return false;
	block_range(book, (unsigned)page, &low, &high);
	*first = low + (unsigned)below(model, high - low);
	*end = *first + 1 + (unsigned)below(model, high - *first);
	return true;
}

static uint8_t random_prot(struct region_model *model)
{
	static const uint8_t prots[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ,
					 PROT_READ | PROT_WRITE };

	return prots[below(model, 4)];
}

/* At the limit the undo of a change may be refused too: then any page of it may have changed. */
static bool unsettle_all(struct region_book *book, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		book->page[i].unsettled = true;
	return true;
}

/* Of a commit: then pages stay committed, and empty. */
static bool unsettle(struct region_book *book, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		if (!book->page[i].committed)
			book->page[i].unsettled = true;
	return true;
}

static bool step_commit(struct region_model *model, struct region_book *book)
{
	uint64_t unit = model->target->page;
	unsigned first, end, offset = 0;
	uint8_t prot = random_prot(model);
	int err;

	VAS_OPTS(vas_commit_opts, opts);
	if (!random_range(model, book, &first, &end))
		return true;
	opts.prot = prot;
	if (model->target->fd >= 0 && below(model, 3) == 0) {
		offset = (unsigned)below(model, REGION_MODEL_OBJECT - REGION_MODEL_PAGES);
		opts.flags = VAS_COMMIT_SHARED | (below(model, 2) ? VAS_COMMIT_PUNCH : 0);
		opts.fd = model->target->fd;
		opts.offset = offset * unit;
	} else if (below(model, 8) == 0 && (prot & PROT_WRITE)) {
		opts.flags = VAS_COMMIT_POPULATE;
	}
	err = vas_region_commit(book->region, pointer_to(model, book, first), (end - first) * unit, &opts);
	if (err == -ENOMEM && model->target->limited)
		return unsettle(book, first, end);
	if (err)
		return wrong(model, "commit", err, 0);
	for (unsigned i = first; i < end; i++) {
		struct region_page *page = &book->page[i];

		if (page->committed)
			continue;
		*page = (struct region_page){ .block = page->block, .committed = true, .prot = prot };
		page->object = opts.flags & VAS_COMMIT_SHARED;
		page->punch = opts.flags & VAS_COMMIT_PUNCH;
		page->offset = page->object ? (uint16_t)(offset + i - first) : 0;
	}
	return true;
}

static bool step_decommit(struct region_model *model, struct region_book *book)
{
	enum vas_retired state = VAS_RETIRED_HELD;
	unsigned first, end;
	int err;

	if (!random_range(model, book, &first, &end))
		return true;
	err = vas_region_decommit(book->region, pointer_to(model, book, first),
				  (end - first) * model->target->page, &state);
	if (err == -ENOMEM && model->target->limited)
		return true;
	if (err)
		return wrong(model, "decommit", err, 0);
	if (!model->target->limited && state != VAS_RETIRED_GONE)
		return wrong(model, "decommitted into a state", state, VAS_RETIRED_GONE);
	count_state(model, state);
	clear_pages(model, book, first, end, state, false);
	return true;
}

/* Whether all pages can be written now, and none is guarded. */
static bool all_plain(const struct region_book *book, unsigned first, unsigned end, bool anonymous)
{
	for (unsigned i = first; i < end; i++) {
		const struct region_page *page = &book->page[i];

		if (!page->committed || page->guard || page->unsettled || (anonymous && page->object))
			return false;
	}
	return true;
}

static bool step_protect(struct region_model *model, struct region_book *book)
{
	uint8_t prot = random_prot(model);
	unsigned first, end;
	int err;

	if (!random_range(model, book, &first, &end) || !all_plain(book, first, end, false))
		return true;
	err = vas_region_protect(book->region, pointer_to(model, book, first),
				 (end - first) * model->target->page, prot);
	if (err == -ENOMEM && model->target->limited)
		return unsettle_all(book, first, end);
	if (err)
		return wrong(model, "protect", err, 0);
	for (unsigned i = first; i < end; i++)
		book->page[i].prot = prot;
	return true;
}

static bool step_guard(struct region_model *model, struct region_book *book)
{
	unsigned first, end;
	int err;

	if (!random_range(model, book, &first, &end) || !all_plain(book, first, end, true))
		return true;
	err = vas_region_guard(book->region, pointer_to(model, book, first),
			       (end - first) * model->target->page);
	if (err == -ENOMEM && model->target->limited)
		return unsettle_all(book, first, end);
	if (err)
		return wrong(model, "guard", err, 0);
	for (unsigned i = first; i < end; i++) {
		book->page[i].guard = true;
		book->page[i].value = 0;
	}
	return true;
}

static bool step_unguard(struct region_model *model, struct region_book *book)
{
	unsigned first, end;
	int err;

	if (!random_range(model, book, &first, &end) || !book->page[first].guard)
		return true;
	for (end = first; end < book->pages && book->page[end].guard &&
			  book->page[end].block == book->page[first].block; end++)
		;
	err = vas_region_unguard(book->region, pointer_to(model, book, first),
				 (end - first) * model->target->page);
	if (err == -ENOMEM && model->target->limited)
		return unsettle_all(book, first, end);
	if (err)
		return wrong(model, "unguard", err, 0);
	for (unsigned i = first; i < end; i++)
		book->page[i].guard = false;
	return true;
}

static bool step_write(struct region_model *model, struct region_book *book)
{
	int page = live_page(model, book);
	uint8_t value = (uint8_t)below(model, 256);
	struct region_page *item;

	if (page < 0 || !model->target->accessible)
		return true;
	item = &book->page[page];
	if (!item->committed || !(item->prot & PROT_WRITE) || item->guard || item->unsettled)
		return true;
	*(volatile uint8_t *)pointer_to(model, book, (unsigned)page) = value;
	if (item->object)
		model->object[item->offset] = value;
	else
		item->value = value;
	return true;
}

static bool step_resize(struct region_model *model, struct region_book *book)
{
	int page = live_page(model, book), err;
	unsigned first, end, pages, i;
	bool room = true, sure = true;

	if (page < 0)
		return true;
	block_range(book, (unsigned)page, &first, &end);
	pages = 1 + (unsigned)below(model, 2 * (end - first) + 2);
	for (i = end; i < first + pages; i++) {
		room = room && i < book->pages && !book->page[i].block &&
		       !region_model_waits(book, &book->page[i]);
		sure = sure && room && !book->page[i].unsettled;
	}
	err = vas_region_resize(book->region, pointer_to(model, book, first), pages * model->target->page);
	if (err == -ENOMEM && model->target->limited)
		return true;
	if ((err == -ENOSPC || (err == -ERANGE && first + pages > book->pages)) && !sure)
		return true;
	/* Warm neighbours may have to be given up first, or may stand in the way: both are right. */
	if (err || !room)
		return wrong(model, "resize", err, room ? 0 : -ENOSPC);
	if (first + pages < end)
		clear_pages(model, book, first + pages, end,
			    model->target->limited ? VAS_RETIRED_HELD : VAS_RETIRED_GONE, true);
	for (i = end; i < first + pages; i++)
		book->page[i] = (struct region_page){ .block = book->page[first].block,
						      .unsettled = book->page[i].unsettled };
	return true;
}

static bool step_split_block(struct region_model *model, struct region_book *book)
{
	int page = live_page(model, book), err;
	unsigned first, end, at;

	if (page < 0)
		return true;
	block_range(book, (unsigned)page, &first, &end);
	if (end - first < 2)
		return true;
	at = first + 1 + (unsigned)below(model, end - first - 1);
	err = vas_region_split_block(book->region, pointer_to(model, book, first),
				     pointer_to(model, book, at));
	if (err)
		return err == -ENOMEM && model->target->limited ? true : wrong(model, "split", err, 0);
	model->last_block++;
	for (unsigned i = at; i < end; i++)
		book->page[i].block = model->last_block;
	return true;
}

static bool step_merge_blocks(struct region_model *model, struct region_book *book)
{
	int page = live_page(model, book), err;
	unsigned first, end, middle, last;

	if (page < 0)
		return true;
	block_range(book, (unsigned)page, &first, &end);
	if (end == book->pages || !book->page[end].block)
		return true;
	block_range(book, end, &middle, &last);
	err = vas_region_merge_blocks(book->region, pointer_to(model, book, first),
				      pointer_to(model, book, end));
	if (err)
		return wrong(model, "merge", err, 0);
	for (unsigned i = end; i < last; i++)
		book->page[i].block = book->page[first].block;
	return true;
}

static struct region_book *unused_book(struct region_model *model)
{
	for (unsigned i = 0; i < REGION_MODEL_REGIONS; i++)
		if (!model->books[i].region)
			return &model->books[i];
	return NULL;
}

static bool step_split_region(struct region_model *model, struct region_book *book)
{
	struct region_book *upper = unused_book(model);
	unsigned at = (unsigned)below(model, book->pages);
	bool waits;
	int err;

	if (!upper || at < 8 || book->pages - at < 8)
		return true;
	waits = book->page[at].waited && book->page[at].waited == book->page[at - 1].waited;
	err = vas_region_split(book->region, pointer_to(model, book, at), &upper->region);
	if (book->claimed)
		return err == -EOPNOTSUPP ? true : wrong(model, "a device's region cut", err, -EOPNOTSUPP);
	if (book->page[at].block && book->page[at].block == book->page[at - 1].block)
		return err == -EINVAL ? true : wrong(model, "a cut through a block", err, -EINVAL);
	if (waits && !err && region_model_waits(book, &book->page[at]))
		return wrong(model, "a cut through a block that waits", err, -EINVAL);
	if (waits && err == -EINVAL)
		return true;
	if (err) {
		upper->region = NULL;
		/* What was freed at a limit may still be in the way. */
		return model->target->limited || model->target->cache_bytes ? true :
		       wrong(model, "a region's cut", err, 0);
	}
	upper->start = address_of(model, book, at);
	upper->pages = book->pages - at;
	memcpy(upper->page, book->page + at, upper->pages * sizeof(upper->page[0]));
	book->pages = at;
	upper->claimed = false;
	upper->group = book->group;
	if (upper->group)
		upper->group->books++;
	return true;
}

static bool step_merge_regions(struct region_model *model, struct region_book *book)
{
	for (unsigned i = 0; i < REGION_MODEL_REGIONS; i++) {
		struct region_book *upper = &model->books[i];
		int err;

		if (!upper->region || upper->start != address_of(model, book, book->pages) ||
		    book->pages + upper->pages > REGION_MODEL_PAGES)
			continue;
		err = vas_region_merge(book->region, upper->region);
		if (book->group == upper->group && (book->claimed || upper->claimed))
			return err == -EOPNOTSUPP ? true : wrong(model, "a device's regions", err, -EOPNOTSUPP);
		if (book->group != upper->group)
			return err == -EINVAL ? true : wrong(model, "of other threads", err, -EINVAL);
		if (err)
			return err == -ENOMEM && model->target->limited ? true :
			       wrong(model, "two regions into one", err, 0);
		memcpy(book->page + book->pages, upper->page, upper->pages * sizeof(upper->page[0]));
		book->pages += upper->pages;
		upper->region = NULL;
		if (book->group)
			book->group->books--;
		return true;
	}
	return true;
}

/* How often each comes, of a thousand. */
static const struct {
	unsigned share;
	bool (*step)(struct region_model *model, struct region_book *book);
} steps[] = {
	{ 210, step_alloc },	   { 40, step_alloc_exact }, { 180, step_free },
	{ 30, step_bad_free },	   { 176, step_commit },     { 70, step_decommit },
	{ 50, step_protect },	   { 30, step_guard },	     { 20, step_unguard },
	{ 40, step_write },	   { 50, step_resize },	     { 20, step_split_block },
	{ 20, step_merge_blocks }, { 8, step_split_region }, { 8, step_merge_regions },
	{ 4, step_destroy },	   { 30, step_enter },	     { 10, step_tick },
	{ 4, step_adopt },
};

bool region_model_step(struct region_model *model)
{
	struct region_book *book = &model->books[below(model, REGION_MODEL_REGIONS)];
	uint64_t drawn = below(model, 1000);

	if (!book->region)
		return below(model, 4) ? true : create(model, book);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (drawn < steps[i].share)
			return steps[i].step(model, book);
		drawn -= steps[i].share;
	}
	return true;
}
