/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adopt and disown: a span that the caller mapped becomes an owned one, and the reverse.
 *
 * WHAT FOR. Some addresses come from elsewhere: a linker script, a checkpoint, a driver's
 * reservation, a program that claimed them before this library was loaded.
 *
 * STRATEGY. Nothing is taken on trust. The kernel's maps are read: every byte
 * must be mapped, private and anonymous, and have one protection: none, or, when
 * the caller says that it is committed, any other. What is without access is then
 * replaced by one MAP_FIXED reservation, so that it is from then on what vas_reserve would have made:
 * without charge, without what was hidden in it, and merging with what is
 * freed in it later. What is accessible keeps its contents; only advice is given.
 *
 * CONCURRENCY. The space is quiet at the moment in which the overlap with owned
 * spans is looked for, so that none is between its kernel call and its record;
 * a pin then keeps other adoptions and fork away until this one is recorded.
 * That nobody else changes the range meanwhile is the caller's promise.
 *
 * WHAT IT DOES NOT DO. It adopts no files, shared memory, stacks or huge page pools.
 */
#include "space/adopt.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "layout/reader.h"
#include "space/part_work.h"
#include "space/policy.h"
#include "space/space.h"

#define ADOPT_BUFFER 8192

struct adopt {
	struct vas_space *space;
	struct vas_span span;
	const struct vas_adopt_opts *opts;
	uint32_t recipe;
	uint32_t prot; /* of what is mapped */
	struct vas_holding *holding;
	struct vas_failure *failure;
};

static uint64_t span_end(struct vas_span span)
{
	return span.start + span.size;
}

static int adopt_refuse(struct adopt *adopt, uint64_t address, enum vas_why why, int err)
{
	adopt->failure->address = address;
	adopt->failure->why = (uint8_t)why;
	return err;
}

/* The lowest address in the span that is owned already, or its end. Lock held, nothing in flight. */
static uint64_t adopt_owned(const struct adopt *adopt)
{
	const struct vas_owner_index *index = &adopt->space->index;
	uint64_t lowest = span_end(adopt->span);

	for (uint32_t id = 0; id < index->entry_next; id++) {
		const struct vas_owner_entry *entry = vas_owner_index_number(index, id);
		uint64_t start = entry->start;

		if (!(entry->generation & 1) || start >= lowest ||
		    start + entry->size <= adopt->span.start)
			continue;
		lowest = start > adopt->span.start ? start : adopt->span.start;
	}
	return lowest;
}

/* Everything that recording could need. */
static int adopt_prepare(struct adopt *adopt)
{
	struct vas_space *space = adopt->space;
	uint64_t owned;
	int err;

	vas_space_quiesce(space);
	owned = adopt_owned(adopt);
	if (owned != span_end(adopt->span)) {
		vas_space_resume(space);
		return adopt_refuse(adopt, owned, VAS_WHY_TAKEN, -EEXIST);
	}
	err = vas_space_prepare(space, adopt->opts->name, &adopt->holding);
	if (!err && (adopt->opts->flags & VAS_ADOPT_COMMITTED)) {
		err = vas_extents_room(&adopt->holding->extents, &space->pages, 1);
		if (err)
			vas_space_unprepare(space, adopt->holding);
	}
	if (!err && adopt->opts->policy) {
		err = vas_space_prepare_policy(space, adopt->holding, adopt->opts->policy);
		if (err)
			vas_space_unprepare(space, adopt->holding);
	}
	if (!err)
		space->pins++;
	vas_space_resume(space);
	return err ? adopt_refuse(adopt, adopt->span.start, VAS_WHY_BOOKS, -ENOMEM) : 0;
}

/* Neither a file, nor shared, nor something that the kernel names, but for names that programs give. */
static bool mapping_is_plain(const struct vas_mapping *mapping)
{
	if (mapping->inode || (mapping->flags & VAS_MAPPING_SHARED))
		return false;
	return mapping->name_length == 0 ||
	       (mapping->name_length > 6 && memcmp(mapping->name, "[anon:", 6) == 0);
}

static int adopt_mapping(struct adopt *adopt, const struct vas_mapping *mapping, uint64_t position)
{
	bool committed = adopt->opts->flags & VAS_ADOPT_COMMITTED;

	if (mapping->start > position)
		return adopt_refuse(adopt, position, VAS_WHY_NOT_MAPPED, -EINVAL);
	if (!mapping_is_plain(mapping))
		return adopt_refuse(adopt, position, VAS_WHY_TAKEN, -EEXIST);
	if (position == adopt->span.start)
		adopt->prot = mapping->prot;
	if (committed != (mapping->prot != PROT_NONE) || mapping->prot != adopt->prot)
		return adopt_refuse(adopt, position, VAS_WHY_UNLIKE, -EINVAL);
	return 0;
}

/* What the errors of reading mean here: that nothing can be checked. */
static int adopt_unread(struct adopt *adopt, int err)
{
	switch (err) {
	case -ENOMEM:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_KERNEL, err);
	case -EMFILE:
	case -ENFILE:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_NONE, err);
	default:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_DENIED, -EOPNOTSUPP);
	}
}

/* Looks whether all of the span is what the caller says. */
static int adopt_look(struct adopt *adopt)
{
	uint64_t position = adopt->span.start, end = span_end(adopt->span);
	char buffer[ADOPT_BUFFER];
	struct vas_mapping mapping;
	struct vas_reader reader;
	int err, more;

	err = vas_reader_open_process(&reader, adopt->space->sys, 0, buffer, sizeof(buffer));
	if (err)
		return adopt_unread(adopt, err);
	do {
		more = vas_reader_next(&reader, &mapping);
		if (more > 0 && mapping.end > position) {
			err = adopt_mapping(adopt, &mapping, position);
			position = mapping.end;
		}
	} while (more > 0 && !err && position < end);
	vas_reader_close(&reader);
	if (err)
		return err;
	if (more < 0)
		return adopt_unread(adopt, more);
	return position < end ? adopt_refuse(adopt, position, VAS_WHY_NOT_MAPPED, -EINVAL) : 0;
}

/* What is without access becomes a reservation of ours; in place. */
static int adopt_replace(struct adopt *adopt)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	struct vas_sys *sys = adopt->space->sys;
	struct vas_span stray;
	int64_t got;

	got = VAS_CALL(sys, map, adopt->span.start, adopt->span.size, PROT_NONE, flags, -1, 0);
	/* Some kernels take the old mapping away before they refuse; anywhere else this is refused too. */
	if (got < 0 && vas_probe_has(&adopt->space->probes, sys, VAS_PROBE_NOREPLACE))
		(void)vas_space_claim(adopt->space, adopt->span.start, adopt->span.size, 0, &stray);
	return got < 0 ? (int)got : 0;
}

static int adopt_kernel(struct adopt *adopt)
{
	int err = 0;

	if (!(adopt->opts->flags & VAS_ADOPT_COMMITTED))
		err = adopt_replace(adopt);
	if (!err)
		err = vas_space_apply_recipe(adopt->space, adopt->span.start, adopt->span.size,
					     adopt->recipe & VAS_RECIPE_ALL);
	if (!err && (adopt->opts->flags & VAS_ADOPT_COMMITTED) && adopt->opts->policy) {
		err = vas_policy_apply(adopt->space->sys, adopt->span, adopt->opts->policy);
		if (err == -EINVAL)
			return adopt_refuse(adopt, adopt->span.start, VAS_WHY_ARGUMENT, err);
	}
	switch (err) {
	case 0:
		return 0;
	case -ENOMEM:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_KERNEL, err);
	case -EAGAIN:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_LOCKED, err);
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
	case -EOPNOTSUPP:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_DENIED,
				    err == -EACCES ? -EPERM : err);
	default:
		return adopt_refuse(adopt, adopt->span.start, VAS_WHY_KERNEL, -EPERM);
	}
}

/* Bytes that are committed as they came. */
static void adopt_record_committed(struct adopt *adopt)
{
	struct vas_holding *holding = adopt->holding;
	uint64_t size = adopt->span.size;

	const struct vas_extent extent = { .state = VAS_PART_COMMITTED, .prot = (uint8_t)adopt->prot };

	vas_extents_set(&holding->extents, adopt->span.start, span_end(adopt->span), &extent);
	vas_ledger_commit(holding->line, (int64_t)size);
	adopt->space->stats.committed += size;
}

static void adopt_finish(struct adopt *adopt, int err)
{
	struct vas_space *space = adopt->space;

	vas_lock_take(&space->lock);
	space->pins--;
	if (err) {
		vas_space_unprepare(space, adopt->holding);
	} else {
		vas_space_publish(space, adopt->holding, adopt->span, adopt->recipe);
		if (adopt->opts->flags & VAS_ADOPT_COMMITTED)
			adopt_record_committed(adopt);
	}
	vas_lock_drop(&space->lock);
}

static uint32_t adopt_recipe(const struct vas_adopt_opts *opts)
{
	uint32_t recipe = (uint32_t)opts->fork << VAS_RECIPE_FORK_SHIFT;

	if (opts->flags & VAS_ADOPT_NODUMP)
		recipe |= VAS_RECIPE_NODUMP;
	if (opts->fork == VAS_FORK_ABSENT || opts->fork == VAS_FORK_TRAP)
		recipe |= VAS_RECIPE_NOFORK;
	if (opts->fork == VAS_FORK_WIPE)
		recipe |= VAS_RECIPE_WIPE;
	return recipe;
}

int vas_space_adopt(struct vas_space *space, struct vas_span span,
		    const struct vas_adopt_opts *opts, struct vas_failure *failure)
{
	struct adopt adopt = { .space = space, .span = span, .opts = opts, .failure = failure };
	int err;

	if (span_end(span) > space->bounds.high_max)
		return adopt_refuse(&adopt, span.start, VAS_WHY_ARGUMENT, -EINVAL);
	if ((opts->flags & VAS_ADOPT_COMMITTED) && opts->fork == VAS_FORK_SHARE)
		return adopt_refuse(&adopt, span.start, VAS_WHY_ARGUMENT, -EOPNOTSUPP);
	adopt.recipe = adopt_recipe(opts);
	err = adopt_prepare(&adopt);
	if (err)
		return err;
	err = adopt_look(&adopt);
	if (!err)
		err = adopt_kernel(&adopt);
	adopt_finish(&adopt, err);
	return err;
}

/* Finds and pins the live span that starts there. */
static int disown_begin(struct vas_space *space, uint64_t start, struct vas_holding **found)
{
	struct vas_holding *holding;
	int err = 0;

	vas_space_enter(space);
	holding = vas_space_find(space, start);
	if (!holding || holding->span.start != start || holding->state != VAS_HOLDING_LIVE) {
		err = -ENOENT;
	} else if (holding->user) {
		err = -EBUSY;
	} else {
		holding->pins++;
		space->pins++;
		*found = holding;
	}
	vas_lock_drop(&space->lock);
	return err;
}

/* The state is looked at again: hooks ran meanwhile. */
static int disown_forget(struct vas_space *space, struct vas_holding *holding)
{
	int err = -ENOENT;

	vas_lock_take(&holding->lock); /* commits in flight end first */
	vas_part_await(holding, holding->span);
	vas_lock_take(&space->lock);
	if (holding->state == VAS_HOLDING_LIVE) {
		err = holding->user ? -EBUSY : 0;
		if (!err) {
			vas_owner_index_hide(&space->index, holding->entry);
			vas_space_remove(space, holding);
		}
	}
	vas_lock_drop(&space->lock);
	vas_lock_drop(&holding->lock);
	return err;
}

int vas_space_disown(struct vas_space *space, uint64_t start, struct vas_span *span)
{
	struct vas_notice_run run;
	struct vas_holding *holding;
	int err;

	err = disown_begin(space, start, &holding);
	if (err)
		return err;
	*span = holding->span;
	err = vas_notice_before(space, holding, *span, VAS_CHANGE_RELEASE, true, &run);
	if (!err) {
		err = disown_forget(space, holding);
		vas_notice_after(space, holding, &run, err == 0);
	}
	vas_lock_take(&space->lock);
	vas_space_unpin(space, holding);
	vas_lock_drop(&space->lock);
	return err;
}
