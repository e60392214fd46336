/* SPDX-License-Identifier: BSD-2-Clause */
/* What a mapping is for, as far as it tells by itself. */
#ifndef VASMAP_KIND_H
#define VASMAP_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include <vaspace/layout.h>

enum map_kind {
	MAP_KIND_ARENA, /* named vas:... by this library */
	MAP_KIND_MALLOC, /* a heap */
	MAP_KIND_IMAGE, /* a program or library, with its .bss */
	MAP_KIND_FILE, /* any other file */
	MAP_KIND_DEVICE, /* something else uses these addresses too */
	MAP_KIND_STACK, /* of the process or a thread */
	MAP_KIND_ANON, /* anonymous memory that nothing more is known of */
	MAP_KIND_GUARD, /* anonymous, no access, at most MAP_GUARD_MAX */
	MAP_KIND_RESERVE, /* anonymous, no access, larger */
	MAP_KIND_KERNEL, /* [vdso] and its like */
	MAP_KIND_COUNT
};

#define MAP_GUARD_MAX (UINT64_C(1) << 20)

enum map_kind map_kind_of(const struct vas_mapping *mapping);
/* The word, at most 7 letters, with NULs behind it up to 8 bytes. */
const char *map_kind_word(enum map_kind kind);
/* The escape sequence that colours the word; "" for none. */
const char *map_kind_colour(enum map_kind kind);

/* Whether the mapping is private anonymous memory without a name. */
static inline bool map_is_plain(const struct vas_mapping *mapping)
{
	return !(mapping->flags & (VAS_MAPPING_FILE | VAS_MAPPING_SHARED)) && !mapping->name_length;
}
bool map_same_file(const struct vas_mapping *a, const struct vas_mapping *b);

/*
 * The part of a name that is shown: vas:main for [anon:vas:main] and /memfd:vas:main. Returns its
 * start and writes its length.
 */
const char *map_shown_name(const char *name, size_t length, size_t *shown_length);

#endif
