/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/stats.h. */
#include <vaspace/stats.h>

#include <errno.h>

#include "base/code.h"
#include "space/space.h"

int vas_stats_get(struct vas_stats *stats)
{
	struct vas_stats known = { .size = sizeof(known) };
	struct vas_space *space = vas_space_if_made();

	if (!stats || stats->size < sizeof(known))
		return -EINVAL;
	if (space)
		vas_space_stats(space, &known);
	else if (vas_space_missing(0))
		return -EOWNERDEAD;
	return vas_options_store(stats, &known, sizeof(known), sizeof(known));
}

int vas_ledger_get(size_t index, struct vas_ledger_entry *entry)
{
	struct vas_ledger_entry known = { .size = sizeof(known) };
	struct vas_space *space = vas_space_if_made();
	int err;

	if (!entry || entry->size < sizeof(known))
		return -EINVAL;
	if (!space)
		return vas_space_missing(-ENOENT);
	err = vas_space_ledger(space, index, &known);
	return err ? err : vas_options_store(entry, &known, sizeof(known), sizeof(known));
}

int vas_sync_check(uint64_t *where)
{
	struct vas_space *space = vas_space_if_made();

	return space ? vas_space_check(space, where) : vas_space_missing(0);
}
