/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model of regions: comparison and driver.
 *
 * WHAT FOR. One place that knows what several regions must look like after any
 * sequence of calls, without any of the library's own structures.
 *
 * STRATEGY. Everything is kept page by page. The kernel's view is compared for each
 * page; blocks are compared by walking the library's and the model's together.
 *
 * CONCURRENCY. One thread.
 *
 * WHAT IT DOES NOT DO. The operations are in region_steps.c.
 */
#include "support/region_model.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tap/tap.h"

static bool wrong(struct region_model *model, const char *what, const struct region_book *book,
		  unsigned page)
{
	snprintf(model->wrong, sizeof(model->wrong), "%s: page %u of the region at %#" PRIx64, what,
		 page, book->start);
	return false;
}

bool region_model_waits(const struct region_book *book, const struct region_page *page)
{
	return page->waited && book->group->entered && book->group->entered < page->freed;
}

bool region_model_fits(const struct region_model *model, const struct region_book *book,
		       const struct region_want *want, unsigned page, bool hopeful)
{
	uint64_t unit = model->target->page, start = book->start + page * unit;
	unsigned pages = (unsigned)(want->size / unit);

	if (page + pages > book->pages)
		return false;
	if (want->alignment && start % want->alignment != want->phase)
		return false;
	if (start < want->min || (want->max && start + want->size > want->max))
		return false;
	if (want->boundary && start / want->boundary != (start + want->size - 1) / want->boundary)
		return false;
	for (unsigned i = page; i < page + pages; i++)
		if (book->page[i].block || region_model_waits(book, &book->page[i]) ||
		    (book->page[i].unsettled && !hopeful))
			return false;
	return true;
}

int region_model_first(const struct region_model *model, const struct region_book *book,
		       const struct region_want *want, bool from_top, bool hopeful)
{
	for (unsigned i = 0; i < book->pages; i++) {
		unsigned page = from_top ? book->pages - 1 - i : i;

		if (region_model_fits(model, book, want, page, hopeful))
			return (int)page;
	}
	return -1;
}

/* What the kernel must show for a page. */
static bool view_agrees(const struct region_model *model, const struct region_book *book,
			const struct region_page *page, const struct region_view *view)
{
	if (!view->mapped)
		return false;
	/* Everybody has passed; it goes when somebody calls. */
	if (page->waited && !region_model_waits(book, page))
		return true;
	/* Free pages may be warm; at a limit, a refused allocation may have left some to be retired. */
	if (page->unsettled ||
	    (!page->block && (model->target->cache_bytes || model->target->limited)))
		return true;
	if (!page->committed)
		return view->prot == 0 && !view->object;
	if (view->prot != page->prot && !(page->guard && view->prot == 0))
		return false;
	if (view->object != page->object)
		return false;
	return !page->object || view->offset == page->offset;
}

static uint8_t page_value(const struct region_model *model, const struct region_page *page)
{
	return page->object ? model->object[page->offset] : page->value;
}

static bool contents_agree(struct region_model *model, const struct region_book *book)
{
	for (unsigned i = 0; i < book->pages; i++) {
		const struct region_page *page = &book->page[i];
		const volatile uint8_t *byte = (void *)(uintptr_t)(book->start + i * model->target->page);

		if (!page->committed || !(page->prot & PROT_READ) || page->guard || page->unsettled ||
		    (page->waited && !region_model_waits(book, page)))
			continue;
		if (*byte == page_value(model, page))
			continue;
		tap_diag("byte %u instead of %u; object %d at %u, prot %u", *byte,
			 page_value(model, page), page->object, page->offset, page->prot);
		return wrong(model, "contents differ", book, i);
	}
	return true;
}

/* The library's blocks, in order, are the model's. */
static bool blocks_agree(struct region_model *model, const struct region_book *book,
			 uint64_t *used, uint64_t *blocks)
{
	uint64_t unit = model->target->page;
	struct vas_block block;
	unsigned i = 0, end;

	while (i < book->pages) {
		if (!book->page[i].block) {
			i++;
			continue;
		}
		for (end = i; end < book->pages && book->page[end].block == book->page[i].block; end++)
			;
		if (vas_region_block_at(book->region, (void *)(uintptr_t)(book->start + i * unit),
					&block) ||
		    (uint64_t)(uintptr_t)block.start != book->start + i * unit ||
		    block.size != (end - i) * unit)
			return wrong(model, "another block lives there", book, i);
		*used += block.size;
		(*blocks)++;
		i = end;
	}
	return true;
}

static bool sums_agree(struct region_model *model, const struct region_book *book)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	uint64_t used = 0, blocks = 0, committed = 0, unsettled = 0;

	if (!blocks_agree(model, book, &used, &blocks))
		return false;
	for (unsigned i = 0; i < book->pages; i++) {
		committed += book->page[i].committed ? model->target->page : 0;
		unsettled += book->page[i].unsettled ||
			     (book->page[i].waited && !region_model_waits(book, &book->page[i]));
	}
	if (vas_region_stats(book->region, &stats))
		return wrong(model, "no statistics", book, 0);
	if (stats.used != used || stats.blocks != blocks)
		return wrong(model, "sums of blocks differ", book, (unsigned)(stats.used / model->target->page));
	if (stats.committed != committed + stats.warm && !unsettled)
		return wrong(model, "committed bytes differ", book,
			     (unsigned)(stats.committed / model->target->page));
	return true;
}

static bool book_agrees(struct region_model *model, const struct region_book *book)
{
	static struct region_view view[REGION_MODEL_PAGES];
	struct vas_owner owner;

	memset(view, 0, sizeof(view));
	model->target->view(model->target, book->start, view, book->pages);
	for (unsigned i = 0; i < book->pages; i++) {
		uint64_t address = book->start + i * model->target->page;

		if (!view_agrees(model, book, &book->page[i], &view[i])) {
			tap_diag("mapped %d, object %d at %u, prot %u; block %u, committed %d, object %d at %u, prot %u, guard %d",
				 view[i].mapped, view[i].object, view[i].offset, view[i].prot,
				 book->page[i].block, book->page[i].committed, book->page[i].object,
				 book->page[i].offset, book->page[i].prot, book->page[i].guard);
			return wrong(model, "the kernel shows something else", book, i);
		}
		if (vas_owner_at((void *)(uintptr_t)address, &owner) ||
		    owner.span.start != book->start)
			return wrong(model, "the owner is another", book, i);
	}
	if (model->target->accessible && !contents_agree(model, book))
		return false;
	return sums_agree(model, book);
}

bool region_model_agree(struct region_model *model)
{
	uint64_t where = 0;
	int err;

	if (model->target->refresh)
		model->target->refresh(model->target);
	for (unsigned i = 0; i < REGION_MODEL_REGIONS; i++)
		if (model->books[i].region && !book_agrees(model, &model->books[i]))
			return false;
	if (model->target->check && !model->target->check(model->target)) {
		snprintf(model->wrong, sizeof(model->wrong), "the kernel's own books are broken");
		return false;
	}
	if (model->done % (model->target->limited ? 50 : 1000))
		return true;
	err = vas_sync_check(&where);
	if (err == 0 || (err == -ENOMEM && model->target->limited))
		return true;
	snprintf(model->wrong, sizeof(model->wrong), "the library's books: %d at %#" PRIx64, err, where);
	return false;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool model_end(struct region_model *model)
{
	for (unsigned i = 0; i < REGION_MODEL_REGIONS; i++)
		if (model->books[i].region && vas_region_destroy(model->books[i].region, NULL)) {
			snprintf(model->wrong, sizeof(model->wrong), "a region cannot be destroyed");
			return false;
		}
	return true;
}

uint64_t region_model_run(struct region_target *target, uint64_t count, double seconds, uint64_t seed)
{
	static struct region_model model;
	double started = now();
	bool held = true;

	memset(&model, 0, sizeof(model));
	model.target = target;
	model.random = seed;
	while (held && model.done < count) {
		held = region_model_step(&model);
		model.done++;
		if (held && model.done % (target->stride ? target->stride : 10) == 0)
			held = region_model_agree(&model);
		if (seconds > 0 && model.done % 1000 == 0 && now() - started > seconds)
			break;
	}
	held = held && model_end(&model);
	if (!ok(held, "%s: %" PRIu64 " operations", target->name, model.done))
		tap_diag("seed %#" PRIx64 ", operation %" PRIu64 ": %s", seed, model.done, model.wrong);
	tap_diag("refusals %" PRIu64 "; freed into GONE %" PRIu64 ", GUARDED %" PRIu64
		 ", EMPTIED %" PRIu64 ", HELD %" PRIu64, model.refusals, model.states[0],
		 model.states[1], model.states[2], model.states[3]);
	return model.done;
}
