/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 2 */
/* The pool of nodes and pages: all that it hands out is apart, little lies idle, a refusal changes nothing. */
#include "core/block_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/block_memory.h"
#include "tap/tap.h"

#define FIRST 8192u

static struct block_memory memory;
static struct vas_block_pool *pool;

/* The pool in its own first chunk, as an allocator keeps it. */
static void pool_make(void)
{
	struct vas_blocks_support support = block_memory_support(&memory);
	void *first;

	memset(&memory, 0, sizeof(memory));
	if (support.take(&memory, FIRST, &first))
		tap_bail("no memory");
	pool = first;
	vas_block_pool_init(pool, &support, first, FIRST, sizeof(*pool));
}

static void pool_end(const char *what)
{
	ok(vas_block_pool_check(pool), "%s: the pool holds", what);
	vas_block_pool_destroy(pool);
	is_u64(memory.out, 0, "%s: all memory went back", what);
	is_u64(memory.overlaps, 0, "%s: locks were kept in pairs", what);
}

/* Fills what it gets with a number of its own, so that an overlap shows. */
struct piece {
	uint64_t *memory;
	uint64_t words;
	uint64_t stamp;
};

static void piece_stamp(struct piece *piece, void *at, uint64_t size, uint64_t stamp)
{
	*piece = (struct piece){ at, size / sizeof(uint64_t), stamp };
	for (uint64_t i = 0; i < piece->words; i++)
		piece->memory[i] = stamp + i;
}

static bool piece_holds(const struct piece *piece)
{
	for (uint64_t i = 0; i < piece->words; i++)
		if (piece->memory[i] != piece->stamp + i)
			return false;
	return ((uintptr_t)piece->memory & (VAS_BLOCK_NODE_SIZE - 1)) == 0;
}

enum { PIECES = 3000 };

static void test_apart(void)
{
	static struct piece pieces[PIECES];
	struct vas_block_spares spares = { 0 };
	uint64_t random = tap_seed(), used = 0, broken = 0;

	pool_make();
	for (uint32_t i = 0; i < PIECES; i++) {
		uint64_t kind = vas_random_below(&random, 40);
		void *at = NULL;

		if (kind == 0) {
			broken += vas_block_pool_array(pool, 12288, &at) != 0;
			piece_stamp(&pieces[i], at, 12288, (uint64_t)i << 32);
		} else if (kind < 20) {
			broken += vas_block_pool_fill(pool, &spares, 1, 0) != 0;
			piece_stamp(&pieces[i], vas_block_spares_take(&spares), 512,
				    (uint64_t)i << 32);
		} else {
			broken += vas_block_pool_fill(pool, &spares, 0, 1) != 0;
			piece_stamp(&pieces[i], vas_block_spares_take_page(&spares), 4096,
				    (uint64_t)i << 32);
		}
		used += pieces[i].words * sizeof(uint64_t);
	}
	is_u64(broken, 0, "every wish is met");
	for (uint32_t i = 0; i < PIECES; i++)
		broken += !piece_holds(&pieces[i]);
	is_u64(broken, 0, "nodes, pages and arrays are aligned and apart");
	is_u64(vas_block_pool_books(pool), memory.out, "the books are what was taken");
	ok(memory.out - used <= memory.out / 16 + 8192,
	   "of %llu bytes %llu lie idle: a sixteenth at most", (unsigned long long)memory.out,
	   (unsigned long long)(memory.out - used));
	ok(memory.calls < PIECES / 4, "few calls to support (%llu)",
	   (unsigned long long)memory.calls);
	pool_end("apart");
}

/* What a page does not fit into is still good for nodes. */
static void test_rests(void)
{
	struct vas_block_spares spares = { 0 };
	uint64_t wrong = 0, used = 0;

	pool_make();
	for (uint32_t i = 0; i < 24; i++) {
		wrong += vas_block_pool_fill(pool, &spares, 1, 1) != 0;
		vas_block_spares_take(&spares);
		vas_block_spares_take_page(&spares);
		used += VAS_BLOCK_NODE_SIZE + VAS_BLOCK_PAGE_SIZE;
	}
	ok(wrong == 0 && memory.out <= used + used / 16 + 8192, "%llu bytes for %llu that are used",
	   (unsigned long long)memory.out, (unsigned long long)used);
	pool_end("rests");
}

static void test_reuse(void)
{
	struct vas_block_spares spares = { 0 };
	uint64_t books;

	pool_make();
	is_err(vas_block_pool_fill(pool, &spares, 100, 20), 0, "spares are filled");
	ok(spares.node_count == 100 && spares.page_count == 20, "with what was asked for");
	books = vas_block_pool_books(pool);
	vas_block_pool_trim(pool, &spares, 3, 1);
	ok(spares.node_count == 3 && spares.page_count == 1, "they are trimmed");
	is_err(vas_block_pool_fill(pool, &spares, 100, 20), 0, "and filled again");
	is_u64(vas_block_pool_books(pool), books, "from what was given back");
	vas_block_pool_trim(pool, &spares, 0, 0);
	is_err(vas_block_pool_fill(pool, &spares, 200, 0), 0, "pages become nodes");
	is_u64(vas_block_pool_books(pool), books, "before more is taken");
	pool_end("reuse");
}

static void test_refusals(void)
{
	struct vas_block_spares spares = { 0 };
	uint64_t wrong = 0, refused = 0;

	pool_make();
	memory.limited = true;
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t nodes = spares.node_count, pages = spares.page_count;
		int error;

		memory.left = i % 3;
		error = vas_block_pool_fill(pool, &spares, nodes + i, pages + i % 5);
		if (error) {
			refused++;
			wrong += error != -ENOMEM || spares.node_count != nodes ||
				 spares.page_count != pages;
		}
		wrong += !vas_block_pool_check(pool);
		if (i % 10 == 0)
			vas_block_pool_trim(pool, &spares, i / 2, 1);
	}
	is_u64(wrong, 0, "a refused fill leaves the spares as they were");
	ok(refused > 20, "%llu were refused", (unsigned long long)refused);
	pool_end("refusals");
}

static void test_array_refusals(void)
{
	static const uint64_t sizes[] = { 512, 4096, 8192 };
	uint64_t wrong = 0;

	pool_make();
	memory.limited = true;
	for (uint32_t i = 0; i < 200; i++) {
		void *at = &wrong;
		int error;

		memory.left = i % 4;
		error = vas_block_pool_array(pool, sizes[i % 3], &at);
		wrong += (error == 0) != (at != &wrong) || (error != 0 && error != -ENOMEM) ||
			 !vas_block_pool_check(pool);
	}
	is_u64(wrong, 0, "an array comes or does not");
	pool_end("array refusals");
}

static void test_no_locks(void)
{
	struct vas_blocks_support support = block_memory_support(&memory);
	struct vas_block_spares spares = { 0 };
	struct vas_block_pool plain;
	void *first;

	memset(&memory, 0, sizeof(memory));
	support.lock = NULL;
	support.unlock = NULL;
	if (support.take(&memory, FIRST, &first))
		tap_bail("no memory");
	vas_block_pool_init(&plain, &support, first, FIRST, FIRST);
	is_err(vas_block_pool_fill(&plain, &spares, 1, 1), 0, "a pool without locks works");
	ok(vas_block_pool_check(&plain), "and holds");
	vas_block_pool_destroy(&plain);
	is_u64(memory.out, 0, "and gives its memory back");
}

int main(void)
{
	tap_plan(0);
	test_apart();
	test_rests();
	test_reuse();
	test_refusals();
	test_array_refusals();
	test_no_locks();
	return tap_done();
}
