/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 6 */
/*
 * Replacing live pages against plain arrays: two spans and two blocks of a region, of private memory, of two objects' pages, and of
 * pages that are neither, change at random while batches are prepared, filled, committed and cancelled. After each step every page must have the bytes, the
 * protection and the backing of the model. In every second commit one kernel call fails, or all from one on: then the old pages are there,
 * or, where all fail, old or new ones of each part.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/part.h"
#include "sys/fault.h"
#include "tap/tap.h"

#define AREAS	4u
#define SPANS	2u /* the first areas; the others are blocks */
#define PAGES	12u /* of an area */
#define OBJECTS 2u
#define LENGTH	20u /* pages of an object */
#define PARTS	3u
#define STEPS	2500u

enum kind { NOTHING, OWN, SHARED, PRIVATE }; /* the last two: an object's */

/* What is at a page. */
struct cell {
	enum kind kind;
	int prot;
	unsigned int object; /* SHARED, PRIVATE; with the place, in pages */
	uint64_t place;
	unsigned char byte; /* but of SHARED */
};

struct batch {
	struct vas_replace *replace; /* NULL = none */
	struct vas_replace_part parts[PARTS];
	unsigned int area[PARTS];
	uint64_t from[PARTS], pages[PARTS];
	struct cell old[PARTS][PAGES], fresh[PARTS][PAGES];
	size_t count;
	bool refused; /* after that it may be spent, */
	bool shut; /* or not to be filled any more */
};

static struct vas_sys_fault fault;
static struct vas_space *space;
static struct vas_region *region;
static uint64_t page, random_state, struck, commits, lost, vetoed;
static unsigned int countdown; /* replacements until one is vetoed; 0 = none */

static struct {
	unsigned char *start[AREAS];
	struct cell cells[AREAS][PAGES];
	int fd[OBJECTS];
	uint64_t inode[OBJECTS];
	unsigned char bytes[OBJECTS][LENGTH];
	struct batch batch;
} model;

static uint64_t below(uint64_t limit)
{
	return vas_random_below(&random_state, limit);
}

static bool copy(unsigned char *at, unsigned char *byte, bool writing)
{
	struct iovec here = { byte, 1 }, there = { at, 1 };

	return (writing ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
			: process_vm_readv(getpid(), &here, 1, &there, 1, 0)) == 1;
}

static unsigned char byte_of(const struct cell *cell)
{
	return cell->kind == SHARED ? model.bytes[cell->object][cell->place] : cell->byte;
}

/* Whether replacing would take one for the other. */
static bool is_like(const struct cell *a, const struct cell *b)
{
	bool object = a->kind == SHARED || a->kind == PRIVATE;

	return a->kind == b->kind && a->prot == b->prot &&
	       (!object || (a->object == b->object && a->place == b->place));
}

/* --- what is there --- */

static bool books_say(const struct cell *cell, unsigned char *at)
{
	uint64_t address = (uint64_t)(uintptr_t)at;
	struct vas_holding *holding;
	struct vas_part part;

	vas_lock_take(&space->lock);
	holding = vas_space_find(space, address);
	vas_lock_drop(&space->lock);
	vas_part_at(space, holding, address, &part);
	if (cell->kind == NOTHING)
		return part.state != VAS_PART_COMMITTED;
	if (part.state != VAS_PART_COMMITTED || (int)part.prot != cell->prot)
		return false;
	if (cell->kind == OWN)
		return part.inode == 0 && part.flags == 0;
	return part.inode == model.inode[cell->object] && part.offset == cell->place * page &&
	       part.flags == (cell->kind == SHARED ? VAS_COMMIT_SHARED : VAS_COMMIT_PRIVATE);
}

static bool cell_is_there(const struct cell *cell, unsigned char *at)
{
	unsigned char byte = 0;
	bool there = cell->kind != NOTHING && cell->prot != PROT_NONE;

	if (copy(at, &byte, false) != there || (there && byte != byte_of(cell)))
		return false;
	byte = byte_of(cell);
	return copy(at, &byte, true) == (there && (cell->prot & PROT_WRITE)) && books_say(cell, at);
}

static bool cells_are_there(const struct cell *cells, unsigned char *start, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (!cell_is_there(&cells[i], start + i * page))
			return false;
	return true;
}

static bool all_is_right(void)
{
	for (unsigned int i = 0; i < AREAS; i++)
		if (!cells_are_there(model.cells[i], model.start[i], PAGES))
			return false;
	return true;
}

/* --- changes --- */

/* Of an area; whether all of it is committed. */
static bool choose(unsigned int *area, uint64_t *from, uint64_t *count)
{
	*area = (unsigned int)below(AREAS);
	*from = below(PAGES);
	*count = 1 + below(PAGES - *from);
	for (uint64_t i = 0; i < *count; i++)
		if (model.cells[*area][*from + i].kind == NOTHING)
			return false;
	return true;
}

static int random_prot(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE };

	return prots[below(4)];
}

static bool step_write(void)
{
	struct cell *cell;
	unsigned char byte = (unsigned char)below(256);
	uint64_t from, count;
	unsigned int area;

	if (!choose(&area, &from, &count))
		return true;
	cell = &model.cells[area][from];
	if (!(cell->prot & PROT_WRITE))
		return true;
	model.start[area][from * page] = byte;
	*(cell->kind == SHARED ? &model.bytes[cell->object][cell->place] : &cell->byte) = byte;
	return true;
}

enum change { COMMIT, DECOMMIT, PROTECT };

static int change_memory(enum change what, unsigned char *start, uint64_t bytes, int prot, bool block)
{
	switch (what) {
	case COMMIT:
		return block ? vas_region_commit(region, start, bytes, NULL) :
			       vas_commit(start, bytes, NULL);
	case DECOMMIT:
		return block ? vas_region_decommit(region, start, bytes, NULL) :
			       vas_decommit(start, bytes, NULL);
	default:
		return block ? vas_region_protect(region, start, bytes, prot) :
			       vas_protect(start, bytes, prot);
	}
}

static void cell_change(struct cell *cell, enum change what, int prot)
{
	if (what == PROTECT)
		cell->prot = prot;
	else if (what == DECOMMIT)
		*cell = (struct cell){ .kind = NOTHING };
	else if (cell->kind == NOTHING)
		*cell = (struct cell){ .kind = OWN, .prot = PROT_READ | PROT_WRITE };
}

static bool step_change(enum change what)
{
	int prot = random_prot();
	uint64_t from, count;
	unsigned int area;

	if (!choose(&area, &from, &count) && what == PROTECT)
		return true;
	for (uint64_t i = 0; i < count; i++)
		cell_change(&model.cells[area][from + i], what, prot);
	return change_memory(what, model.start[area] + from * page, count * page, prot, area >= SPANS) == 0;
}

/* --- batches --- */

static bool cells_are_alike(const struct cell *cells, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct cell want = cells[0];

		want.place += i;
		if (cells[i].kind == NOTHING || !is_like(&cells[i], &want))
			return false;
	}
	return true;
}

static bool overlaps_earlier(const struct batch *batch, size_t part)
{
	for (size_t i = 0; i < part; i++)
		if (batch->area[i] == batch->area[part] &&
		    batch->from[i] < batch->from[part] + batch->pages[part] &&
		    batch->from[part] < batch->from[i] + batch->pages[i])
			return true;
	return false;
}

static bool part_suits(const struct batch *batch, size_t i)
{
	const struct cell *first = &model.cells[batch->area[i]][batch->from[i]];

	if (overlaps_earlier(batch, i) || !cells_are_alike(first, batch->pages[i]))
		return false;
	if ((batch->parts[i].flags & VAS_REPLACE_COPY) &&
	    (first->kind != OWN || !(first->prot & PROT_READ)))
		return false;
	return batch->count == 1 ||
	       (first->kind == OWN ? (first->prot & PROT_READ) != 0 : first->kind == SHARED);
}

static struct vas_replace_part random_part(const struct batch *batch, size_t i, unsigned int object)
{
	static const uint32_t flags[] = { 0, VAS_REPLACE_COPY, VAS_REPLACE_SHARED,
					  VAS_REPLACE_PRIVATE };
	struct vas_replace_part part = {
		.start = model.start[batch->area[i]] + batch->from[i] * page,
		.size = batch->pages[i] * page,
		.flags = flags[below(4)],
		.prot = below(2) ? 0 : PROT_READ | (below(2) ? PROT_WRITE : 0),
	};

	if (part.flags & (VAS_REPLACE_SHARED | VAS_REPLACE_PRIVATE)) {
		part.fd = model.fd[object];
		part.offset = below(LENGTH - batch->pages[i] + 1) * page;
	}
	return part;
}

/* What a page will be. */
static struct cell fresh_cell(const struct vas_replace_part *part, const struct cell *old,
			      uint64_t i)
{
	struct cell cell = { .kind = OWN, .prot = part->prot ? part->prot : old->prot };

	if (part->flags & VAS_REPLACE_COPY)
		cell.byte = byte_of(old);
	if (!(part->flags & (VAS_REPLACE_SHARED | VAS_REPLACE_PRIVATE)))
		return cell;
	cell.kind = part->flags & VAS_REPLACE_SHARED ? SHARED : PRIVATE;
	cell.object = part->fd == model.fd[1];
	cell.place = part->offset / page + i;
	cell.byte = model.bytes[cell.object][cell.place];
	return cell;
}

static void batch_note(struct batch *batch)
{
	batch->refused = batch->shut = false;
	for (size_t i = 0; i < batch->count; i++)
		for (uint64_t at = 0; at < batch->pages[i]; at++) {
			struct cell *old = &model.cells[batch->area[i]][batch->from[i] + at];

			batch->old[i][at] = *old;
			batch->fresh[i][at] = fresh_cell(&batch->parts[i], old, at);
		}
}

static bool aside_is_right(const struct batch *batch, size_t i)
{
	unsigned char *aside = batch->parts[i].aside;

	for (uint64_t at = 0; at < batch->pages[i]; at++)
		if (aside[at * page] != byte_of(&batch->fresh[i][at]))
			return false;
	return true;
}

static bool step_prepare(void)
{
	struct batch *batch = &model.batch;
	bool suits = true;
	int err;

	if (batch->replace)
		return true;
	batch->count = 1 + below(PARTS);
	for (size_t i = 0; i < batch->count; i++) {
		(void)choose(&batch->area[i], &batch->from[i], &batch->pages[i]);
		/* What is alike is short. */
		while (batch->pages[i] > 1 &&
		       !cells_are_alike(&model.cells[batch->area[i]][batch->from[i]],
					batch->pages[i]))
			batch->pages[i]--;
		batch->parts[i] = random_part(batch, i, (unsigned int)below(OBJECTS));
		suits = part_suits(batch, i) && suits;
	}
	err = vas_replace_prepare(batch->parts, batch->count, &batch->replace);
	if ((err == 0) != suits)
		return false;
	if (err)
		return batch->replace == NULL;
	batch_note(batch);
	for (size_t i = 0; i < batch->count; i++)
		if (!aside_is_right(batch, i))
			return false;
	return true;
}

static bool step_fill(void)
{
	struct batch *batch = &model.batch;
	size_t i = below(batch->count ? batch->count : 1);
	unsigned char byte = (unsigned char)below(256);
	struct cell *cell;
	uint64_t at;

	if (!batch->replace || batch->shut)
		return true;
	at = below(batch->pages[i]);
	cell = &batch->fresh[i][at];
	if (cell->kind == SHARED && !(cell->prot & PROT_WRITE))
		return true;
	((unsigned char *)batch->parts[i].aside)[at * page] = byte;
	*(cell->kind == SHARED ? &model.bytes[cell->object][cell->place] : &cell->byte) = byte;
	return true;
}

static bool is_stale(const struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		for (uint64_t at = 0; at < batch->pages[i]; at++)
			if (!is_like(&batch->old[i][at],
				     &model.cells[batch->area[i]][batch->from[i] + at]))
				return true;
	return false;
}

static void take_over(const struct batch *batch, size_t i, const struct cell *cells)
{
	memcpy(&model.cells[batch->area[i]][batch->from[i]], cells,
	       batch->pages[i] * sizeof(struct cell));
}

/* Where even the undo was refused: the old bytes in new pages, or the new ones. */
static bool part_is_half(const struct batch *batch, size_t i)
{
	struct cell *cells = &model.cells[batch->area[i]][batch->from[i]], copied[PAGES];
	uint64_t count = batch->pages[i];

	memcpy(copied, batch->fresh[i], count * sizeof(copied[0]));
	if (cells[0].kind == OWN && copied[0].kind == OWN && (copied[0].prot & PROT_WRITE))
		for (uint64_t at = 0; at < count; at++)
			copied[at].byte = cells[at].byte;
	if (!cells_are_there(copied, batch->parts[i].start, count))
		return false;
	take_over(batch, i, copied);
	return true;
}

/* Whatever fails, and however often: what the batch came to. */
static bool is_undone(const struct batch *batch, bool once)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct cell *cells = &model.cells[batch->area[i]][batch->from[i]];

		if (!cells_are_there(cells, batch->parts[i].start, batch->pages[i]) &&
		    (once || !part_is_half(batch, i)))
			return false;
	}
	return true;
}

static bool batch_end(struct batch *batch)
{
	int err = vas_replace_cancel(batch->replace);

	batch->replace = NULL;
	return err == 0;
}

static bool step_batch_commit(void)
{
	static const int errors[] = { ENOMEM, EAGAIN, EPERM, ENOSYS };
	struct batch *batch = &model.batch;
	bool failing = below(2), persistent = failing && below(3) == 0, stale, once;
	int err;

	if (!batch->replace)
		return true;
	stale = is_stale(batch);
	countdown = below(8) ? 0 : 1 + (unsigned int)below(batch->count);
	vas_sys_fault_arm(&fault, failing ? 1 + below(6 * batch->count) : 0, persistent,
			  errors[below(4)]);
	err = vas_replace_commit(batch->replace);
	failing = fault.faults > 0;
	vas_sys_fault_arm(&fault, 0, false, ENOMEM);
	struck += failing;
	commits += err == 0;
	if (!err) {
		batch->replace = NULL;
		for (size_t i = 0; i < batch->count; i++)
			take_over(batch, i, batch->fresh[i]);
		return !stale;
	}
	if (!failing && !stale && !batch->refused && !(err == -EBUSY && vetoed))
		return false;
	/* A second refusal may meet what puts the old pages back. */
	once = !failing || (!persistent && !stale && !vetoed);
	vetoed = 0;
	lost += !once;
	batch->refused = true;
	batch->shut |= !once || batch->count > 1;
	return is_undone(batch, once);
}

static int on_notice(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (notice->phase != VAS_NOTICE_BEFORE || notice->change != VAS_CHANGE_REPLACE ||
	    countdown == 0 || --countdown || notice->final)
		return 0;
	vetoed++;
	return -EBUSY;
}

static bool step(void)
{
	switch (below(16)) {
	case 0:
		return step_change(PROTECT);
	case 1:
		return step_change(DECOMMIT);
	case 2:
	case 3:
		return step_change(COMMIT);
	case 4:
	case 5:
	case 6:
		return step_prepare();
	case 7:
	case 8:
	case 9:
		return step_fill();
	case 10:
	case 11:
	case 12:
		return step_batch_commit();
	case 13:
		return below(3) || !model.batch.replace || batch_end(&model.batch);
	default:
		return step_write();
	}
}

/* --- the world --- */

static void make_objects(void)
{
	struct vas_sys_stat stat;

	for (unsigned int i = 0; i < OBJECTS; i++) {
		model.fd[i] = memfd_create("model", MFD_CLOEXEC);
		if (model.fd[i] < 0 || ftruncate(model.fd[i], (off_t)(LENGTH * page)) ||
		    fault.sys.stat(&fault.sys, model.fd[i], VAS_STAT_KIND, &stat) < 0)
			tap_bail("no object");
		model.inode[i] = stat.inode;
	}
}

static void make_areas(void)
{
	struct vas_block block;
	struct vas_span span;

	for (unsigned int i = 0; i < SPANS; i++) {
		VAS_OPTS(vas_reserve_opts, opts);
		opts.flags = i ? VAS_RESERVE_NODUMP : 0;
		if (vas_reserve(PAGES * page, &opts, &span))
			tap_bail("no span");
		model.start[i] = vas_span_pointer(span);
	}
	if (vas_region_create(8 * PAGES * page, NULL, &region))
		tap_bail("no region");
	for (unsigned int i = SPANS; i < AREAS; i++) {
		if (vas_region_alloc(region, PAGES * page, NULL, &block))
			tap_bail("no block");
		model.start[i] = block.start;
	}
	if (vas_space_default(&space))
		tap_bail("no space");
}

static void end(void)
{
	ok(!model.batch.replace || batch_end(&model.batch), "the last batch goes");
	for (unsigned int i = 0; i < SPANS; i++)
		is_err(vas_release(model.start[i], NULL), 0, "a span goes");
	for (unsigned int i = SPANS; i < AREAS; i++)
		is_err(vas_region_free(region, model.start[i], NULL), 0, "a block goes");
	is_err(vas_region_destroy(region, NULL), 0, "the region goes");
	is_err(vas_sync_check(NULL), 0, "nothing is left");
}

static void run(void *unused)
{
	uint64_t id, steps = tap_scaled(STEPS);

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	random_state = tap_seed();
	vas_sys_fault_init(&fault, vas_sys_real());
	vas_sys_replace(&fault.sys);
	make_objects();
	make_areas();
	if (vas_notice_subscribe(NULL, on_notice, NULL, &id))
		tap_bail("no notices");
	for (uint64_t i = 0; i < steps; i++) {
		if (!step() || !all_is_right()) {
			ok(false, "step %ju is as the model says", (uintmax_t)i);
			return;
		}
		if (i % 64 == 0 &&
		    !is_err(vas_sync_check(NULL), 0, "step %ju: the books", (uintmax_t)i))
			return;
	}
	ok(true, "every step is as the model says");
	ok((commits > 0 && struck > 0) || steps < STEPS / 2,
	   "%ju commits; in %ju some call failed, in %ju perhaps twice", (uintmax_t)commits,
	   (uintmax_t)struck, (uintmax_t)lost);
	if (vas_notice_cancel(id))
		tap_bail("notices go on");
	end();
	for (unsigned int i = 0; i < OBJECTS; i++)
		close(model.fd[i]);
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("replacing", run, NULL, 60);
	return tap_done();
}
