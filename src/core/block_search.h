/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where in a zone a piece can be put. See block_search.c.
 *
 * Bounds, with n pieces: without query O(log n), one way down the tree and one more for each edge
 * of a window. With query so much for each gap that has the room and yet does not
 * take the piece; looks bounds how many. What an alignment alone refuses is remembered, so
 * that such a look over many gaps is not repeated until there is something to find.
 */
#ifndef VAS_CORE_BLOCK_SEARCH_H
#define VAS_CORE_BLOCK_SEARCH_H

#include "core/block_tree.h"

/* So many of the largest alignments that rooms are known for make a tree large. A test makes it smaller. */
#ifndef VAS_BLOCK_SEARCH_LARGE
#define VAS_BLOCK_SEARCH_LARGE 64u
#endif

struct vas_block_query; /* core/blocks_fit.h */

struct vas_block_want {
	uint32_t need; /* granules; not 0 */
	uint32_t key; /* the start is aligned to so much: an index of tree->mask */
	struct vas_block_run window; /* where the piece lies; beyond the range it does not matter */
	/*
	 * What else it must satisfy, in addresses; NULL: nothing. need and key are then what every
	 * gap must have that can take it, and window is where such a gap may lie: the query has
	 * its own.
	 */
	const struct vas_block_query *query;
	uint32_t looks; /* with query: gaps that may be looked at in vain; 0 = all */
};

enum vas_block_found {
	VAS_BLOCK_ABSENT, /* there is no place */
	VAS_BLOCK_FOUND,
	VAS_BLOCK_TIRED, /* looked at so many gaps; there may be a place */
};

/* What a query wants of one zone, all looks allowed. False: no place even if all were free. */
bool vas_block_want_make(const struct vas_block_tree *tree, const struct vas_block_query *query,
			 struct vas_block_want *want);

/*
 * The lowest gap with room for need granules from an aligned start on, and a start in it: the lowest, unless that
 * leaves no room for what is aligned more strictly and the highest one does, and the tree is large.
 */
bool vas_block_search_size(const struct vas_block_tree *tree, uint32_t need, uint32_t key,
			   struct vas_block_place *place, uint32_t *start);
/* The lowest or highest start that there is. place is the gap's, for vas_block_tree_insert. */
enum vas_block_found vas_block_search_low(const struct vas_block_tree *tree,
					  const struct vas_block_want *want,
					  struct vas_block_place *place, uint32_t *start);
enum vas_block_found vas_block_search_high(const struct vas_block_tree *tree,
					   const struct vas_block_want *want,
					   struct vas_block_place *place, uint32_t *start);
/*
 * A low place that is found soon: the lowest, unless many gaps refuse it. Looks at 128 gaps at most
 * where some gap takes it wherever that begins. ABSENT is true: there is no place.
 */
enum vas_block_found vas_block_search_any(const struct vas_block_tree *tree,
					  const struct vas_block_want *want,
					  struct vas_block_place *place, uint32_t *start);

/*
 * Whether no gap of the tree takes what is asked for, as an earlier refusal knows; O(1).
 * refused: it was wanted in vain. O(n) when that is to be remembered, which it is until
 * a gap grows that takes it.
 */
bool vas_block_is_refused(const struct vas_block_tree *tree, const struct vas_block_query *query);
void vas_block_refused(struct vas_block_tree *tree, const struct vas_block_want *want);
#endif
