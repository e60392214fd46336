/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines above a listing: what is looked at, and its totals.
 *
 * Of a saved file nothing but its name is known: the machine it comes from may have had another
 * page size and width. The time is that of the end of the reading.
 */
#include "head.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "number.h"

static char *map_put_time(char *at)
{
	struct timespec now;
	struct tm local;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!localtime_r(&now.tv_sec, &local))
		return at;
	return at + sprintf(at, "  at %02d:%02d:%02d.%03ld", local.tm_hour, local.tm_min,
			    local.tm_sec, now.tv_nsec / 1000000);
}

char *map_put_identity(char *at, const struct map_target *target)
{
	char page[MAP_NUMBER_MAX];

	if (target->path) {
		at = stpcpy(at, "file ");
		at = map_put_name(at, target->operand, strnlen(target->operand, 256), NULL);
		*at++ = '\n';
		return at;
	}
	if (target->command[0]) {
		at = map_put_name(at, target->command, strlen(target->command), NULL);
		at = stpcpy(at, "  ");
	}
	at += sprintf(at, "pid %d", (int)target->pid);
	if (target->uid >= 0)
		at += sprintf(at, "  uid %" PRId64, target->uid);
	return at + sprintf(at, "  %" PRIu32 "-bit VA  page %s  source: maps (no walk)\n",
			    target->window.bits,
			    map_size_text(page, target->window.page_size, false));
}

char *map_put_totals(char *at, const struct map_target *target, const struct map_totals *totals,
		     bool exact)
{
	char size[MAP_NUMBER_MAX], no_access[MAP_NUMBER_MAX];

	at += sprintf(at, "VMAs %" PRIu64, totals->vmas);
	if (target->vma_limit != MAP_UNKNOWN && target->vma_limit)
		at += sprintf(at, "/%" PRIu64 " (%.1f%%)", target->vma_limit,
			      100.0 * (double)totals->vmas / (double)target->vma_limit);
	at += sprintf(at, "  mapped %s (PROT_NONE %s)", map_size_text(size, totals->size, exact),
		      map_size_text(no_access, totals->no_access, exact));
	if (!target->path)
		at = map_put_time(at);
	*at++ = '\n';
	return at;
}
