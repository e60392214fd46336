/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mirrors.
 *
 * WHAT FOR. Shared memory that the library did not make is seen at a second place, and stays there when the first goes.
 *
 * STRATEGY. The ways, in the order in which they are tried:
 *
 *	1. memory of an arena of ours: a view of that
 *	2. mremap with an old size of 0, which makes a second mapping of shared memory of base pages (space/move.c)
 *	3. the kernel duplicates no mapping of the pool's huge pages: the object's descriptor by /proc/self/map_files, mapped
 *	   and closed
 *
 * Private memory cannot be seen twice: two mappings of it go their own ways. It is refused.
 *
 * A mirror is an owned span with a user of its own, like a view.
 *
 * CONCURRENCY. As of a view; with a lock of its own, since there is no arena's.
 *
 * WHAT IT DOES NOT DO. It does not grow with its object, and counts nothing as committed: whoever made the memory has it already.
 */
#include "arena/mirror.h"

#include <errno.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "base/assert.h"
#include "space/part.h"

/* --- fork --- */

static struct vas_mirror *mirror_of_user(struct vas_holding_user *user)
{
	return (struct vas_mirror *)(void *)user; /* the first member's first member */
}

static void mirror_fork_prepare(struct vas_holding_user *user)
{
	vas_lock_fork_hold(&mirror_of_user(user)->lock);
}

static bool mirror_fork_quiet(struct vas_holding_user *user, bool held)
{
	const struct vas_lock *lock = &mirror_of_user(user)->lock;

	return held ? vas_lock_fork_held(lock) : vas_lock_fork_quiet(lock);
}

static void mirror_fork_parent(struct vas_holding_user *user)
{
	vas_lock_fork_drop(&mirror_of_user(user)->lock);
}

static void mirror_fork_child(struct vas_holding_user *user, int state)
{
	struct vas_mirror *mirror = mirror_of_user(user);

	mirror->absent = state == VAS_FORK_ABSENT || state == VAS_FORK_TRAP;
	vas_lock_fork_reset(&mirror->lock);
}

static const struct vas_holding_user_ops mirror_user_ops = {
	.fork_prepare = mirror_fork_prepare,
	.fork_quiet = mirror_fork_quiet,
	.fork_parent = mirror_fork_parent,
	.fork_child = mirror_fork_child,
};

static int mirror_look(const struct vas_mirror *mirror, struct vas_failure *failure)
{
	if (vas_arena_books_lost(mirror->alive, mirror->era))
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -EOWNERDEAD);
	if (mirror->absent)
		return vas_arena_refuse(failure, VAS_WHY_FORKED, -ESTALE);
	return 0;
}

/* --- making --- */

static int mirror_take(struct vas_space *space, uint64_t size, struct vas_mirror **mirror)
{
	void *memory;
	int err = vas_arena_take_books(space, sizeof(**mirror), &memory);

	if (err)
		return err;
	*mirror = memory;
	(*mirror)->view.user.ops = &mirror_user_ops;
	(*mirror)->view.extent = size;
	(*mirror)->space = space;
	(*mirror)->alive = __atomic_load_n(&space->alive, __ATOMIC_RELAXED);
	(*mirror)->era = vas_space_era();
	return 0;
}

static void mirror_give(struct vas_mirror *mirror)
{
	vas_arena_give_books(mirror->space, mirror, sizeof(*mirror));
}

/* A span for it, at a multiple of the pages that will lie there. Memory that is shared is no copy and never wiped. */
static int mirror_reserve(struct vas_mirror *mirror, const struct vas_reserve_opts *wish,
			  uint64_t page_size, struct vas_failure *failure, uint64_t *start)
{
	struct vas_reserve_opts opts = { .size = sizeof(opts) };
	struct vas_space *space = mirror->space;
	struct vas_span span;
	int err;

	if (wish)
		opts = *wish;
	if (opts.fork == VAS_FORK_COPY || opts.fork == VAS_FORK_WIPE)
		return vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	if (opts.min_size || vas_arena_align(space->sys->page_size, page_size, &opts))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (!opts.name)
		opts.name = "mirror";
	err = vas_space_reserve(space, mirror->view.extent, &opts, failure, &span);
	if (err)
		return err;
	err = vas_space_use_at(space, span.start, &mirror->view.user);
	if (err) {
		vas_arena_unreserve(space, &mirror->view.user, span.start);
		return vas_arena_refuse(failure, VAS_WHY_NOT_OWNED, err);
	}
	*start = span.start;
	return 0;
}

/* Way 2. What the kernel says no to whatever the moment is -EOPNOTSUPP with "object". */
static int show_duplicate(struct vas_mirror *mirror, const struct vas_mirror_source *source,
			  int prot, struct vas_failure *failure)
{
	struct vas_holding *holding = mirror->view.user.holding;
	const struct vas_backing backing = {
		.ops = &vas_backing_object,
		.fd = -1,
		.flags = VAS_COMMIT_SHARED,
		.kind = VAS_SYS_KIND_OTHER,
		.device = source->device,
		.inode = source->inode,
		.page_size = mirror->space->sys->page_size,
		.delta = source->range.start + source->delta - holding->span.start,
	};
	const struct vas_span range = { holding->span.start, mirror->view.extent };

	return vas_part_duplicate(mirror->space, holding, range, source->range.start, &backing, prot,
				  failure);
}

/* Way 3. */
static int show_object(struct vas_mirror *mirror, const struct vas_mirror_source *source, int prot,
		       int fd, struct vas_failure *failure)
{
	struct vas_holding *holding = mirror->view.user.holding;
	const struct vas_commit_opts opts = {
		.size = sizeof(opts),
		.flags = VAS_COMMIT_SHARED | VAS_COMMIT_SHOWN,
		.prot = prot,
		.fd = fd,
		.offset = source->range.start + source->delta,
	};

	const struct vas_span range = { holding->span.start, mirror->view.extent };
	int err = vas_part_commit(mirror->space, holding, range, &opts, NULL, failure);

	return vas_view_judge(err, failure);
}

/* fd: -1 = way 2. */
static int mirror_show(struct vas_mirror *mirror, const struct vas_mirror_source *source, int prot,
		       int fd, struct vas_failure *failure)
{
	int err;

	vas_lock_take(&mirror->lock);
	err = vas_part_pin_used(mirror->space, &mirror->view.user, failure);
	vas_lock_drop(&mirror->lock);
	if (err)
		return err;
	err = fd < 0 ? show_duplicate(mirror, source, prot, failure) :
		       show_object(mirror, source, prot, fd, failure);
	vas_part_unpin_used(mirror->space, &mirror->view.user);
	return err;
}

static int mirror_build(struct vas_mirror *mirror, const struct vas_mirror_source *source,
			const struct vas_view_opts *opts, int fd, uint64_t page_size,
			struct vas_failure *failure)
{
	uint64_t start;
	int err;

	err = mirror_reserve(mirror, opts->reserve, page_size, failure, &start);
	if (err)
		return err;
	err = mirror_show(mirror, source, opts->prot ? opts->prot : source->prot, fd, failure);
	if (err)
		vas_arena_unreserve(mirror->space, &mirror->view.user, start);
	return err;
}

/* By the object's descriptor. *way, after a refusal: what would work. */
static int mirror_open(struct vas_mirror *mirror, const struct vas_mirror_source *source,
		       const struct vas_view_opts *opts, struct vas_failure *failure,
		       enum vas_mirror_way *way)
{
	int prot = opts->prot ? opts->prot : source->prot;
	uint64_t page_size;
	int fd, err;

	*way = source->anonymous ? VAS_MIRROR_MAP_FILES : VAS_MIRROR_DESCRIPTOR;
	failure->why = VAS_WHY_NONE;
	err = vas_mirror_descriptor(mirror->space, source, prot, failure, &fd, &page_size);
	if (err) {
		*way = err == -EOPNOTSUPP ? VAS_MIRROR_DESCRIPTOR : *way;
		return err;
	}
	if ((source->range.start | source->range.size) % page_size)
		err = vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	else
		err = mirror_build(mirror, source, opts, fd, page_size, failure);
	(void)VAS_CALL(mirror->space->sys, close, fd);
	return err;
}

static int mirror_climb(struct vas_mirror *mirror, struct vas_span range,
			const struct vas_view_opts *opts, struct vas_failure *failure,
			enum vas_mirror_way *way)
{
	struct vas_space *space = mirror->space;
	struct vas_mirror_source source;
	int err;

	err = vas_mirror_look(space, range, failure, &source);
	if (err) {
		if (err == -EOPNOTSUPP)
			*way = VAS_MIRROR_MEMFD;
		return err;
	}
	*way = VAS_MIRROR_DUPLICATE;
	err = mirror_build(mirror, &source, opts, -1, space->sys->page_size, failure);
	if (err == -EOPNOTSUPP && failure->why == VAS_WHY_OBJECT)
		err = mirror_open(mirror, &source, opts, failure, way);
	return err;
}

/* --- of arenas --- */

/* The view of an arena in which all of a range lies, once. That the memory stays meanwhile is the caller's promise. */
static struct vas_view *mirror_find(struct vas_space *space, struct vas_span range, uint64_t *offset)
{
	struct vas_view *view = NULL;
	struct vas_holding *holding;
	uint64_t copies, within;

	vas_space_enter(space);
	holding = vas_space_find(space, range.start);
	if (holding && holding->user)
		view = vas_view_of_user(holding->user);
	/* What was written to a private one is private memory. */
	if (view && (view->flags & VAS_VIEW_PRIVATE))
		view = NULL;
	if (view) {
		copies = view == &view->arena->first ? view->arena->copies : 1;
		within = range.start - holding->span.start;
		*offset = view->offset + within % view->extent;
		/* A span that the caller had may be larger. */
		if (within / view->extent >= copies ||
		    range.size > view->extent - within % view->extent)
			view = NULL;
	}
	vas_lock_drop(&space->lock);
	return view;
}

static int mirror_view(struct vas_view *seen, uint64_t offset, uint64_t size,
		       const struct vas_view_opts *opts, struct vas_failure *failure,
		       enum vas_mirror_way *way, struct vas_view **view)
{
	struct vas_view_opts wish = *opts;
	int err;

	*way = VAS_MIRROR_ARENA;
	wish.offset = offset;
	wish.extent = size;
	err = vas_view_make(seen->arena, &wish, failure, view);
	if (err == -EOPNOTSUPP && failure->why == VAS_WHY_PRIVATE)
		*way = VAS_MIRROR_MEMFD;
	return err;
}

int vas_mirror_make(struct vas_space *space, struct vas_span range,
		    const struct vas_view_opts *opts, struct vas_failure *failure,
		    enum vas_mirror_way *way, struct vas_view **made)
{
	struct vas_mirror *mirror;
	struct vas_view *seen;
	uint64_t offset;
	int err;

	*way = VAS_MIRROR_NONE;
	seen = mirror_find(space, range, &offset);
	if (seen)
		return mirror_view(seen, offset, range.size, opts, failure, way, made);
	if (mirror_take(space, range.size, &mirror))
		return vas_arena_refuse(failure, VAS_WHY_BOOKS, -ENOMEM);
	err = mirror_climb(mirror, range, opts, failure, way);
	if (err) {
		mirror_give(mirror);
		return err;
	}
	mirror->way = *way;
	*made = &mirror->view;
	return 0;
}

/* --- looking, protecting, ending --- */

int vas_mirror_tell(struct vas_mirror *mirror, struct vas_view_info *info,
		    struct vas_failure *failure)
{
	struct vas_holding *holding = mirror->view.user.holding;
	struct vas_part part;
	int err;

	err = mirror_look(mirror, failure);
	if (err)
		return err;
	vas_part_at(mirror->space, holding, holding->span.start, &part);
	info->span = holding->span;
	info->bytes = info->extent = mirror->view.extent;
	info->prot = (int32_t)part.prot;
	info->way = mirror->way;
	return 0;
}

int vas_mirror_reprotect(struct vas_mirror *mirror, int prot, struct vas_failure *failure)
{
	int err = mirror_look(mirror, failure);

	return err ? err :
		     vas_view_protect_by(mirror->space, &mirror->lock, &mirror->view, prot, failure);
}

int vas_mirror_unmake(struct vas_mirror *mirror, enum vas_retired *state,
		      struct vas_failure *failure)
{
	struct vas_holding *holding = mirror->view.user.holding;
	uint64_t size;
	int err;

	err = mirror_look(mirror, failure);
	if (err)
		return err;
	if (vas_notice_inside(mirror->space, vas_owner_id(holding->entry)))
		return vas_arena_refuse(failure, VAS_WHY_REENTERED, -EDEADLK);
	err = vas_space_release(mirror->space, holding->span.start, &mirror->view.user, state,
				&size);
	if (err)
		return vas_arena_refuse(failure, VAS_WHY_NOT_OWNED, -ENOENT);
	mirror_give(mirror);
	return 0;
}
