/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Size classes of blocks: one to eight granules each of their own, then eight to the octave up
 * to 1024 granules. Rounding up to a class adds at most an eighth, about 6 % on average.
 */
#ifndef VAS_CORE_BLOCK_CLASS_H
#define VAS_CORE_BLOCK_CLASS_H

#include <stdint.h>

#define VAS_BLOCK_CLASSES    64u
#define VAS_BLOCK_CLASS_MOST 1024u /* granules in the largest */

/* The least class that holds last + 1 granules. I: last is below VAS_BLOCK_CLASS_MOST. */
static inline uint32_t vas_block_class(uint32_t last)
{
	uint32_t octave = 28 - (uint32_t)__builtin_clz(last | 8); /* 0 up to 16 granules */

	return octave * 8 + (last >> octave);
}

/*
 * Blocks of one size wait in lists of their own by where they were asked to be: a block's class is its
 * size class and 64 times its kind.
 */
#define VAS_BLOCK_KINDS 3u /* those that magazines keep: aligned as any, to 64 KiB, to 2 MiB; then shelves' */

/* How many granules a class holds, of any kind. */
static inline uint32_t vas_block_class_size(uint32_t kind_class)
{
	uint32_t class = kind_class % VAS_BLOCK_CLASSES;
	uint32_t octave = class < 16 ? 0 : class / 8 - 1;

	return (class - octave * 8 + 1) << octave;
}

#endif
