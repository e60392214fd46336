/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of mappings as text that is safe to show. */
#ifndef VASMAP_NAME_H
#define VASMAP_NAME_H

#include <stddef.h>

#define MAP_NAME_MAX	  4096 /* bytes of a name that the library keeps */
#define MAP_NAME_TEXT_MAX (4 * MAP_NAME_MAX) /* bytes that an escaped name can need */

/*
 * Writes name with every byte that is not printable text escaped as \ooo, and \ as \\; returns the
 * end. at has room for four times length. *columns (may be NULL) is how many columns it fills.
 */
char *map_put_name(char *at, const char *name, size_t length, size_t *columns);

/* Cuts the middle out of the text [at, end) until it fills at most columns; returns the new end. */
char *map_cut_middle(char *at, char *end, size_t columns);

/* The length of the valid, shown UTF-8 character at text (1 to 4 bytes), else 0. */
size_t map_character_length(const char *text, size_t length);

#endif
