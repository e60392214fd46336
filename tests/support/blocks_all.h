/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of the block allocator that its tunable constants go into. A test that wants other
 * constants defines them and includes this, and so has an allocator of its own.
 */
#ifndef TESTS_SUPPORT_BLOCKS_ALL_H
#define TESTS_SUPPORT_BLOCKS_ALL_H

#include "core/block_room.c"
#include "core/block_search.c"
#include "core/block_tree.c"
#include "core/block_tree_check.c"
#include "core/block_tree_cut.c"
#include "core/blocks.c"
#include "core/blocks_book.c"
#include "core/blocks_cache.c"
#include "core/blocks_change.c"
#include "core/blocks_check.c"
#include "core/blocks_free.c"
#include "core/blocks_hold.c"
#include "core/blocks_look.c"
#include "core/blocks_make.c"
#include "core/blocks_mark.c"
#include "core/blocks_place.c"
#include "core/blocks_shelf.c"
#include "core/blocks_zone.c"

#endif
