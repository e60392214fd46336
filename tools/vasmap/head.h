/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines above a listing: what is looked at, and its totals. */
#ifndef VASMAP_HEAD_H
#define VASMAP_HEAD_H

#include <stddef.h>

#include "reading.h"

#define MAP_HEAD_MAX 2048 /* bytes that both lines need */

/* Each writes one line with its newline. */
char *map_put_identity(char *at, const struct map_target *target);
char *map_put_totals(char *at, const struct map_target *target, const struct map_totals *totals,
		     bool exact);

#endif
