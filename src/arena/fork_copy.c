/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fork: a child's own copy of an arena that has an object.
 *
 * WHAT FOR. A child that is to go on with the bytes as they are, and change them without its parent's seeing it.
 *
 * STRATEGY. A memfd of the child's own takes the place of the parent's object: with the same name, policy of execution, seals and memory
 * policies. First the header, at its address, so that pointers to what lies behind it stay; then every view, each by one move, so that the addresses
 * are never anybody else's; then the bytes. These are read by descriptor, since that answers an error where touching would be a signal.
 * Only what was ever written is copied (SEEK_DATA), and memory for it is had first, in steps that look at the room under memory
 * groups. Positions are asked of a descriptor that was opened anew: the inherited one has its position in common with the parent.
 *
 * Others go on writing meanwhile: a page is copied at one moment, two pages at two; see vas_fork_hold_set and vas_fork_pause_set.
 *
 * CONCURRENCY. One thread, in the child's handler, with all locks free.
 *
 * WHAT IT DOES NOT DO. What nobody had written to has no memory in the child until it is touched there. It copies no pages of the
 * pool, which could be empty. After a refusal the child has nothing of the arena.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/arena.h"
#include "arena/queue.h"
#include "space/fork.h"
#include "space/sums.h"
#include "sys/strays.h"

#define STEP (UINT64_C(64) << 20) /* mapped and read at a time */

/* One copy under way. */
struct copy {
	struct vas_arena *arena;
	struct vas_object was; /* the parent's, as this process has it */
	struct vas_object companion; /* the same */
	uint64_t size;
	int reader; /* of was */
	bool positions; /* the reader can be asked where data is */
};

/* --- bytes --- */

/* [from, to) of the new object has memory, and is mapped at address. */
static int copy_read(const struct copy *copy, uint64_t from, uint64_t to, uint64_t address)
{
	struct vas_sys *sys = copy->arena->space->sys;

	while (from < to) {
		int64_t got = VAS_CALL(sys, read_at, copy->reader, (void *)(uintptr_t)address,
				       to - from, copy->was.offset + from);

		if (got <= 0) /* shorter than it was: somebody cut it off */
			return got < 0 ? (int)got : -EFAULT;
		address += (uint64_t)got;
		from += (uint64_t)got;
	}
	return 0;
}

static int copy_step(const struct copy *copy, uint64_t from, uint64_t to,
		     struct vas_failure *failure)
{
	struct vas_object *object = &copy->arena->object;
	struct vas_space *space = copy->arena->space;
	uint64_t reached;
	int64_t address;
	int err;

	err = vas_object_fill(object, space, from, to, to, object->page_size, failure, &reached);
	if (err)
		return err;
	address = VAS_CALL(space->sys, map, 0, to - from, PROT_READ | PROT_WRITE, MAP_SHARED,
			   object->fd, object->offset + from);
	if (address < 0)
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, (int)address);
	if (copy_read(copy, from, to, (uint64_t)address))
		err = vas_arena_refuse(failure, VAS_WHY_OBJECT, -EIO);
	vas_strays_drop(space->sys, (uint64_t)address, to - from);
	return err;
}

/* What is next from from on: data in [*from, *to). False: no more. Where that cannot be asked all is data. */
static bool copy_next(struct copy *copy, uint64_t *from, uint64_t *to)
{
	struct vas_sys *sys = copy->arena->space->sys;
	uint64_t offset = copy->was.offset, page = copy->arena->object.page_size;
	int64_t data = -EOPNOTSUPP, hole;

	*to = copy->size;
	if (*from >= copy->size)
		return false;
	if (copy->positions)
		data = VAS_CALL(sys, seek, copy->reader, offset + *from, SEEK_DATA);
	if (data == -ENXIO)
		return false;
	copy->positions = data >= 0;
	if (data < 0)
		return true;
	hole = VAS_CALL(sys, seek, copy->reader, (uint64_t)data, SEEK_HOLE);
	/* File systems may know smaller pieces than pages. */
	*from = ((uint64_t)data - offset) / page * page;
	if (hole >= 0 && (uint64_t)hole - offset < *to)
		*to = ((uint64_t)hole - offset + page - 1) / page * page;
	return *from < copy->size;
}

static int copy_bytes(struct copy *copy, struct vas_failure *failure)
{
	uint64_t from = 0, to;
	int err = 0;

	while (!err && copy_next(copy, &from, &to)) {
		to = to - from < STEP ? to : from + STEP;
		err = copy_step(copy, from, to, failure);
		from = to;
	}
	return err;
}

/* --- what shows them --- */

/* A header of its own in an object of its own, which ends where the arena does. */
static int copy_object(struct copy *copy, struct vas_failure *failure)
{
	struct vas_arena *arena = copy->arena;
	struct vas_sys *sys = arena->space->sys;
	bool beside = copy->companion.fd >= 0;
	int err;

	if (arena->kind != VAS_ARENA_MEMFD)
		arena->exec = VAS_EXEC_VIEWS;
	arena->kind = VAS_ARENA_MEMFD;
	arena->flags &= ~VAS_ARENA_READ_ONLY;
	arena->flags |= beside ? VAS_ARENA_COMPANION : 0;
	err = vas_object_create(sys, arena->name, 0, arena->exec, failure, &arena->object);
	if (err)
		return err;
	vas_arena_pass_policy(arena);
	err = vas_companion_copy(arena, beside ? copy->companion.fd : copy->was.fd, copy->size,
				 failure);
	if (err)
		return err;
	arena->object.offset = copy->was.offset;
	if (arena->facts.use == VAS_HEADER_QUEUE)
		vas_queue_forked(arena);
	return vas_object_cut(&arena->object, sys, copy->size, copy->size, failure);
}

static int copy_views(struct copy *copy, struct vas_failure *failure)
{
	struct vas_arena *arena = copy->arena;
	int err = 0;

	for (struct vas_view *view = &arena->first; view && !err; view = view->next)
		err = vas_part_turn(arena->space, view->user.holding, arena->object.fd,
				    arena->object.offset + copy->size, failure);
	if (!err)
		err = vas_arena_policy_renew(arena, failure);
	return err;
}

/* What is there when all bytes are. */
static int copy_finish(struct copy *copy, struct vas_failure *failure)
{
	struct vas_arena *arena = copy->arena;
	int err;

	err = vas_ladder_collapse(arena, 0, copy->size, failure);
	if (!err)
		err = vas_arena_seal_as(arena, copy->was.fd, failure);
	if (!err && !vas_fork_in_time())
		err = vas_arena_refuse(failure, VAS_WHY_RACE, -EBUSY);
	if (err)
		return err;
	(void)vas_part_set_shown(arena->space, arena->user.holding, copy->size);
	vas_tails_closed(arena, copy->size, arena->maximum);
	return 0;
}

static int copy_all(struct copy *copy, struct vas_failure *failure)
{
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	struct vas_sys *sys = copy->arena->space->sys;
	bool opened;
	int err;

	err = vas_object_same(&copy->was, sys, failure);
	if (err)
		return err;
	opened = vas_arena_open_reader(copy->arena, &ignored, &copy->reader) == 0;
	copy->positions = opened;
	if (!opened)
		copy->reader = copy->was.fd;
	copy->arena->object = (struct vas_object){ .fd = -1, .page_size = sys->page_size };
	copy->arena->companion.fd = -1;
	err = copy_object(copy, failure);
	if (!err)
		err = copy_views(copy, failure);
	if (!err)
		err = copy_bytes(copy, failure);
	if (!err)
		err = copy_finish(copy, failure);
	if (opened)
		(void)VAS_CALL(sys, close, copy->reader);
	vas_object_close(sys, &copy->was);
	vas_object_close(sys, &copy->companion);
	return err;
}

static void view_lose(struct vas_view *view)
{
	struct vas_space *space = view->arena->space;

	vas_lock_take(&space->lock);
	vas_fork_lose(space, view->user.holding);
	vas_lock_drop(&space->lock);
}

int vas_arena_fork_copy(struct vas_holding_user *user)
{
	struct vas_arena *arena = vas_arena_of(user);
	struct vas_failure failure;
	struct copy copy = {
		.arena = arena,
		.was = arena->object,
		.companion = arena->companion,
		.size = vas_arena_bytes(arena),
	};
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, copy.size);
	err = copy_all(&copy, &failure);
	if (!err)
		return 0;
	failure.error = err;
	vas_failure_publish(&failure);
	arena->state = VAS_ARENA_ABSENT;
	for (struct vas_view *view = &arena->first; view; view = view->next)
		view_lose(view);
	return err;
}

int vas_view_fork_copy(struct vas_holding_user *user)
{
	struct vas_view *view = vas_view_of_user(user), *other = &view->arena->first;

	while (other && other != view)
		other = other->next;
	/* Another thread of the parent was about to open it. */
	if (!other)
		view_lose(view);
	return 0;
}
