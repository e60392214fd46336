/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/replace.h: what callers pass is checked here; then one call down. */
#include <vaspace/replace.h>

#include <errno.h>
#include <sys/mman.h>

#include "api/edge.h"
#include "arena/replace.h"

static bool part_is_sound(uint64_t page, const struct vas_replace_part *part)
{
	const uint32_t object = VAS_REPLACE_SHARED | VAS_REPLACE_PRIVATE;
	const struct vas_span range = { (uint64_t)(uintptr_t)part->start, part->size };
	uint32_t flags = part->flags;

	if (!vas_edge_range_sound(page, range) || (flags & ~VAS_REPLACE_ALL) || part->reserved ||
	    (part->prot & ~VAS_EDGE_PROT))
		return false;
	/* An object has bytes of its own; and it is either way. */
	if ((flags & object) == object || ((flags & object) && (flags & VAS_REPLACE_COPY)))
		return false;
	return (flags & object) || part->offset == 0;
}

int vas_replace_prepare(struct vas_replace_part *parts, size_t count, struct vas_replace **replace)
{
	struct vas_failure failure;
	struct vas_space *space;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_REPLACE, 0);
	if (!parts || !replace || count == 0 || count > VAS_REPLACE_PARTS)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	for (size_t i = 0; i < count; i++)
		if (!part_is_sound(space->sys->page_size, &parts[i]))
			return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure,
			       vas_replace_make(space, parts, count, &failure, replace));
}

int vas_replace_commit(struct vas_replace *replace)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_REPLACE, 0);
	if (!replace)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_replace_do(replace, &failure));
}

int vas_replace_cancel(struct vas_replace *replace)
{
	struct vas_failure failure;

	if (!replace)
		return 0;
	vas_failure_begin(&failure, VAS_OPERATION_REPLACE, 0);
	return vas_edge_finish(&failure, vas_replace_unmake(replace, &failure));
}
