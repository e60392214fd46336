/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/view.h: what callers pass is checked here; then one call down. */
#include <vaspace/view.h>

#include <errno.h>

#include "api/edge_arena.h"
#include "arena/arena.h"
#include "arena/mirror.h"
#include "base/code.h"

/* The first versions' sizes. */
#define VIEW_OPTS_MIN sizeof(struct vas_view_opts)
#define INFO_MIN      sizeof(struct vas_view_info)

/* What the options point to is loaded too. */
static int load_open(const struct vas_view_opts *opts, struct vas_view_opts *known,
		     struct vas_reserve_opts *reserve, struct vas_policy *policy)
{
	int err = vas_options_load(opts, known, sizeof(*known), VIEW_OPTS_MIN);

	if (!err && known->reserve)
		err = vas_edge_reserve(&known->reserve, reserve, policy);
	if (!err && known->start && known->reserve)
		err = -EINVAL;
	if (!err && ((known->prot & ~VAS_EDGE_PROT) || (known->flags & ~VAS_VIEW_ALL)))
		err = -EINVAL;
	return err;
}

int vas_view_open(struct vas_arena *arena, const struct vas_view_opts *opts, struct vas_view **view)
{
	struct vas_reserve_opts reserve;
	struct vas_view_opts known;
	struct vas_failure failure;
	struct vas_policy policy;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_VIEW, 0);
	err = arena && view ? load_open(opts, &known, &reserve, &policy) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	return vas_edge_finish(&failure, vas_view_make(arena, &known, &failure, view));
}

int vas_view_close(struct vas_view *view, enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_VIEW, 0);
	if (!view)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (view->arena)
		err = vas_view_unmake(view, &reached, &failure);
	else
		err = vas_mirror_unmake(vas_mirror_of(view), &reached, &failure);
	err = vas_edge_finish(&failure, err);
	if (!err && state)
		*state = reached;
	return err;
}

struct vas_view *vas_view_first(struct vas_arena *arena)
{
	return arena ? &arena->first : NULL;
}

int vas_view_protect(struct vas_view *view, int prot)
{
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_VIEW, 0);
	if (!view || (prot & ~VAS_EDGE_PROT))
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = view->arena ? vas_view_reprotect(view, prot, &failure) :
			    vas_mirror_reprotect(vas_mirror_of(view), prot, &failure);
	return vas_edge_finish(&failure, err);
}

int vas_view_get(struct vas_view *view, struct vas_view_info *info)
{
	struct vas_view_info known = { .size = sizeof(known) };
	struct vas_failure failure;
	int err;

	if (!view || !info || info->size < INFO_MIN)
		return -EINVAL;
	err = view->arena ? vas_view_tell(view, &known, &failure) :
			    vas_mirror_tell(vas_mirror_of(view), &known, &failure);
	return err ? err : vas_options_store(info, &known, sizeof(known), INFO_MIN);
}

int vas_mirror_open(const void *start, uint64_t size, const struct vas_view_opts *opts,
		    enum vas_mirror_way *way, struct vas_view **view)
{
	const struct vas_span range = { (uint64_t)(uintptr_t)start, size };
	enum vas_mirror_way found = VAS_MIRROR_NONE;
	struct vas_reserve_opts reserve;
	struct vas_view_opts known;
	struct vas_failure failure;
	struct vas_policy policy;
	struct vas_space *space;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_VIEW, size);
	failure.address = range.start;
	if (way)
		*way = VAS_MIRROR_NONE;
	err = view ? load_open(opts, &known, &reserve, &policy) : -EINVAL;
	if (!err && (known.start || known.offset || known.extent || known.flags))
		err = -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	if (!vas_edge_range_sound(space->sys->page_size, range))
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_mirror_make(space, range, &known, &failure, &found, view);
	if (way)
		*way = found;
	return vas_edge_finish(&failure, err);
}
