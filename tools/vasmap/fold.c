/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Folds consecutive mappings of one kind into rows.
 *
 * A row grows while mappings stream by, and is shown when one comes that does not belong to it:
 * another kind, a gap above 1 GiB, and for some kinds another name or permission. One row is kept,
 * whatever the number of mappings. The names of a row are counted by comparing each with the one
 * before.
 *
 * With all set every mapping is a row of its own, and nothing is copied.
 */
#include "fold.h"

#include <string.h>
#include <sys/mman.h>

#include "number.h"

void map_fold_begin(struct map_fold *fold, bool all, map_row_sink *sink, void *context)
{
	fold->sink = sink;
	fold->context = context;
	fold->all = all;
	fold->open = false;
}

static bool map_is_thread_stack(const struct vas_mapping *mapping, enum map_kind kind)
{
	return kind == MAP_KIND_STACK && map_is_plain(mapping);
}

static void map_row_begin(struct map_row *row, const struct vas_mapping *mapping,
			  enum map_kind kind)
{
	row->start = mapping->start;
	row->end = mapping->end;
	row->size = mapping->end - mapping->start;
	row->first = *mapping;
	row->kind = kind;
	row->mixed = false;
	row->vmas = 1;
	row->names = mapping->name_length != 0;
	row->threads = map_is_thread_stack(mapping, kind) && mapping->prot != PROT_NONE;
	row->name = mapping->name;
	row->name_length = mapping->name_length;
}

static size_t map_name_keep(char *kept, const struct vas_mapping *mapping)
{
	size_t length = mapping->name_length <= MAP_NAME_MAX ? mapping->name_length : MAP_NAME_MAX;

	if (length)
		memcpy(kept, mapping->name, length);
	kept[length] = 0;
	return length;
}

static bool map_fold_same_name(const struct map_fold *fold, const struct vas_mapping *mapping)
{
	return mapping->name_length == fold->last_length &&
	       (!fold->last_length ||
		memcmp(mapping->name, fold->last_name, fold->last_length) == 0);
}

/* Whether the name differs from the one seen last; remembers it. */
static bool map_fold_new_name(struct map_fold *fold, const struct vas_mapping *mapping)
{
	if (!mapping->name_length ||
	    (map_fold_same_name(fold, mapping) && mapping->inode == fold->last_inode))
		return false;
	fold->last_length = map_name_keep(fold->next_name, mapping);
	fold->last_name = fold->next_name;
	fold->last_inode = mapping->inode;
	return true;
}

static void map_fold_open(struct map_fold *fold, const struct vas_mapping *mapping,
			  enum map_kind kind)
{
	map_row_begin(&fold->row, mapping, kind);
	fold->row.name_length = map_name_keep(fold->name, mapping);
	fold->row.name = fold->name;
	fold->last_name = fold->name;
	fold->last_length = fold->row.name_length;
	fold->last_inode = mapping->inode;
	fold->row.first.name = fold->name;
	fold->open = true;
}

static void map_fold_close(struct map_fold *fold)
{
	if (fold->open)
		fold->sink(fold->context, &fold->row);
	fold->open = false;
}

static bool map_fold_takes(const struct map_fold *fold, const struct vas_mapping *mapping,
			   enum map_kind kind)
{
	const struct map_row *row = &fold->row;

	if (!fold->open || kind != row->kind || mapping->start - row->end > MAP_FOLD_GAP)
		return false;
	switch (kind) {
	case MAP_KIND_ARENA:
		return map_fold_same_name(fold, mapping);
	case MAP_KIND_ANON:
		return mapping->prot == row->first.prot &&
		       !((mapping->flags ^ row->first.flags) & VAS_MAPPING_SHARED) &&
		       map_fold_same_name(fold, mapping);
	case MAP_KIND_STACK:
		return map_is_thread_stack(mapping, kind) == map_is_thread_stack(&row->first, kind);
	default:
		return true;
	}
}

/* The kernel's own mappings are few, and each has its name in the row. */
static void map_fold_append_name(struct map_fold *fold, const struct vas_mapping *mapping)
{
	struct map_row *row = &fold->row;

	if (row->name_length + 1 + mapping->name_length > MAP_NAME_MAX)
		return;
	fold->name[row->name_length++] = ' ';
	memcpy(fold->name + row->name_length, mapping->name, mapping->name_length);
	row->name_length += mapping->name_length;
	fold->name[row->name_length] = 0;
}

static void map_fold_add(struct map_fold *fold, const struct vas_mapping *mapping,
			 enum map_kind kind)
{
	struct map_row *row = &fold->row;

	row->end = mapping->end;
	row->size += mapping->end - mapping->start;
	row->mixed |= mapping->prot != row->first.prot ||
		      ((mapping->flags ^ row->first.flags) & VAS_MAPPING_SHARED);
	row->vmas++;
	row->threads += map_is_thread_stack(mapping, kind) && mapping->prot != PROT_NONE;
	if (!map_fold_new_name(fold, mapping))
		return;
	if (kind == MAP_KIND_KERNEL)
		map_fold_append_name(fold, mapping);
	else if (row->names == 0)
		row->name_length = map_name_keep(fold->name, mapping);
	row->names++;
}

void map_fold_show(void *context, const struct vas_mapping *mapping, enum map_kind kind)
{
	struct map_fold *fold = context;

	if (fold->all) {
		map_row_begin(&fold->row, mapping, kind);
		fold->sink(fold->context, &fold->row);
	} else if (map_fold_takes(fold, mapping, kind)) {
		map_fold_add(fold, mapping, kind);
	} else {
		map_fold_close(fold);
		map_fold_open(fold, mapping, kind);
	}
}

void map_fold_end(struct map_fold *fold)
{
	map_fold_close(fold);
}

char *map_put_prot(char *at, const struct map_row *row)
{
	static const char texts[2][8][4] = {
		{ "---p", "r--p", "-w-p", "rw-p", "--xp", "r-xp", "-wxp", "rwxp" },
		{ "---s", "r--s", "-w-s", "rw-s", "--xs", "r-xs", "-wxs", "rwxs" },
	};
	bool shared = row->first.flags & VAS_MAPPING_SHARED;

	_Static_assert(PROT_READ == 1 && PROT_WRITE == 2 && PROT_EXEC == 4, "the order of texts");
	memcpy(at, row->mixed ? "mixd" : texts[shared][row->first.prot & 7], 4);
	return at + 4;
}

static char *map_put_count(char *at, uint32_t count, const char *what)
{
	size_t length = strlen(what);

	at = map_put_decimal(at, count);
	memcpy(at, what, length);
	return at + length;
}

char *map_put_label(char *at, const struct map_row *row)
{
	static const char deleted[] = " (deleted)";
	const char *name;
	size_t length;

	if (row->kind == MAP_KIND_IMAGE && row->names > 1)
		return map_put_count(at, row->names, " libraries");
	if (row->threads > 1)
		return map_put_count(at, row->threads, " thread stacks");
	if (row->threads == 1) {
		memcpy(at, "thread stack", 12);
		return at + 12;
	}
	if (!row->name_length)
		return at;
	name = row->name;
	length = row->name_length;
	if (row->kind == MAP_KIND_ARENA)
		name = map_shown_name(name, length, &length);
	at = map_put_name(at, name, length, NULL);
	/* Every memfd counts as deleted. */
	if ((row->first.flags & VAS_MAPPING_DELETED) && strncmp(row->name, "/memfd:", 7) != 0) {
		memcpy(at, deleted, sizeof(deleted) - 1);
		at += sizeof(deleted) - 1;
	}
	if (row->names > 1 && row->kind != MAP_KIND_KERNEL) {
		memcpy(at, " +", 2);
		at = map_put_decimal(at + 2, row->names - 1);
	}
	return at;
}
