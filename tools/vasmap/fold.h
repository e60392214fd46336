/* SPDX-License-Identifier: BSD-2-Clause */
/* Folds consecutive mappings of one kind into rows. */
#ifndef VASMAP_FOLD_H
#define VASMAP_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kind.h"
#include "name.h"

#define MAP_FOLD_GAP (UINT64_C(1) << 30) /* no row reaches over a larger gap */

struct map_row {
	uint64_t start; /* of the first mapping */
	uint64_t end; /* of the last one */
	uint64_t size; /* bytes mapped, gaps between not counted */
	struct vas_mapping first; /* its name is valid while the row is shown */
	enum map_kind kind;
	bool mixed; /* permissions differ */
	uint32_t vmas;
	uint32_t names; /* how often another name began; 0: none has a name */
	uint32_t threads; /* thread stacks by shape */
	const char *name; /* of the first with a name, all names for the kernel's; never NULL */
	size_t name_length;
};

typedef void map_row_sink(void *context, const struct map_row *row);

struct map_fold {
	map_row_sink *sink;
	void *context;
	bool all; /* one row per mapping */
	bool open; /* row has begun */
	struct map_row row;
	uint64_t last_inode; /* of the last mapping with a name */
	size_t last_length;
	const char *last_name; /* I: is name or next_name */
	char name[MAP_NAME_MAX + 1]; /* the row's */
	char next_name[MAP_NAME_MAX + 1]; /* one that differs from the row's first */
};

void map_fold_begin(struct map_fold *fold, bool all, map_row_sink *sink, void *context);
/* A map_sink whose context is the fold. */
void map_fold_show(void *fold, const struct vas_mapping *mapping, enum map_kind kind);
void map_fold_end(struct map_fold *fold);

/* PROT as shown: rwxp, or mixd. Writes 4 bytes. */
char *map_put_prot(char *at, const struct map_row *row);
/*
 * NAME as shown: escaped, "48 libraries", "33 thread stacks", " (deleted)", " +2". at has room for
 * MAP_NAME_TEXT_MAX + 32 bytes.
 */
char *map_put_label(char *at, const struct map_row *row);

#endif
