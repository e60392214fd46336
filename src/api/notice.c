/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/notice.h. */
#include <vaspace/notice.h>

#include <errno.h>

#include "space/space.h"

int vas_notice_subscribe(const struct vas_span *span, vas_notice_hook *hook, void *context,
			 uint64_t *id)
{
	struct vas_space *space;
	uint64_t end;
	int err;

	if (!hook || !id)
		return -EINVAL;
	if (span && (!span->size || __builtin_add_overflow(span->start, span->size, &end)))
		return -EINVAL;
	err = vas_space_default(&space);
	return err ? err : vas_space_subscribe(space, span, hook, context, id);
}

int vas_notice_cancel(uint64_t id)
{
	struct vas_space *space = vas_space_if_made();

	return space ? vas_space_cancel(space, id) : vas_space_missing(-ENOENT);
}

int vas_generation_at(const void *address, uint64_t *generation)
{
	const struct vas_space *space = vas_space_if_made();

	if (!space)
		return vas_space_missing(-ENOENT);
	return vas_space_generation(space, (uint64_t)(uintptr_t)address, generation);
}
