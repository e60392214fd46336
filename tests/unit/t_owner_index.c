/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 10 */
/*
 * The owner index by itself: what is published is found at every byte and
 * nowhere else, hidden means not found, slots split and nodes come back, no id
 * is used twice, and the checker sees what is broken on purpose. At the end
 * random steps are compared with a flat list.
 */
#include "tap/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/index_world.h"

static void test_edges(uint64_t page)
{
	const unsigned kib = (unsigned)(page >> 10);
	struct vas_owner_entry *entry;
	struct index_world world;
	bool all = true;

	index_world_make(&world, page);
	ok(index_nobody(&world, 0) && index_nobody(&world, page) &&
		   index_nobody(&world, INDEX_TOP - 1) && index_nobody(&world, INDEX_TOP) &&
		   index_nobody(&world, UINT64_MAX),
	   "%u KiB: an empty index knows nobody, also beyond the width", kib);
	ok(vas_owner_index_by_id(&world.index, 1ull << 32) == NULL,
	   "%u KiB: an empty index has no ids", kib);

	/* A span at each scale: one page, a slot of each level, a bit more and a bit less. */
	for (unsigned shift = 0; shift < 40 && (page << shift) < INDEX_TOP / 4; shift++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t start = (page << shift) + page * (uint64_t)(off + 1);
			uint64_t size = (page << shift) + (uint64_t)off * page;

			if (!size)
				continue;
			entry = index_world_own(&world, start, size);
			all = all && index_owned_whole(&world, entry) &&
			      index_nobody(&world, start - 1) &&
			      index_nobody(&world, start + size) && index_sound(&world) &&
			      vas_owner_index_by_id(&world.index, vas_owner_id(entry)) == entry &&
			      vas_owner_index_entry(&world.index, start) == entry &&
			      !vas_owner_index_entry(&world.index, start + size);
			index_world_disown(&world, entry);
			all = all && index_nobody(&world, start) &&
			      index_nobody(&world, start + size - 1);
		}
	}
	ok(all, "%u KiB: one span of each scale is found to the byte and forgotten again", kib);

	entry = index_world_own(&world, 0, page);
	ok(index_owned_whole(&world, entry) && index_nobody(&world, page), "%u KiB: the first page",
	   kib);
	index_world_disown(&world, entry);
	entry = index_world_own(&world, INDEX_TOP - page, page);
	ok(index_owned_whole(&world, entry) && index_nobody(&world, INDEX_TOP - page - 1) &&
		   index_nobody(&world, INDEX_TOP) && index_nobody(&world, UINT64_MAX),
	   "%u KiB: the last page of 57 bits", kib);
	index_world_disown(&world, entry);
	entry = index_world_own(&world, 0, INDEX_TOP);
	ok(index_owned_whole(&world, entry) && index_nobody(&world, INDEX_TOP) &&
		   index_nobody(&world, INDEX_TOP * 2) && index_nobody(&world, 1ull << 63) &&
		   index_sound(&world),
	   "%u KiB: all of 57 bits, and not beyond", kib);
	index_world_disown(&world, entry);
	ok(index_pristine(&world), "%u KiB: nothing is left", kib);
	index_world_end(&world);
}

static void test_hide(void)
{
	struct vas_owner_entry *a, *b;
	struct index_world world;
	uint64_t id;

	index_world_make(&world, 4096);
	a = index_world_own(&world, 0x10000, 0x5000);
	b = index_world_own(&world, 0x15000, 0x1000);
	id = vas_owner_id(a);
	vas_owner_index_hide(&world.index, a);
	ok(index_nobody(&world, 0x10000) && index_nobody(&world, 0x14fff) &&
		   index_owned_whole(&world, b),
	   "a hidden span is not found; its neighbour is");
	ok(!vas_owner_index_by_id(&world.index, id), "the id of a hidden span is stale");
	ok(vas_owner_index_entry(&world.index, 0x12000) == a, "the writer still sees its entry");
	ok(index_sound(&world), "a hidden span breaks no rule");
	vas_owner_index_unhide(&world.index, a);
	ok(index_owned_whole(&world, a) && vas_owner_id(a) == id &&
		   vas_owner_index_by_id(&world.index, id) == a,
	   "shown again it is the same owner");
	vas_owner_index_hide(&world.index, a);
	vas_owner_index_clear(&world.index, a);
	ok(index_nobody(&world, 0x12000) && index_owned_whole(&world, b) &&
		   !vas_owner_index_entry(&world.index, 0x12000),
	   "cleared it leaves no trace");
	vas_owner_index_give(&world.index, a);
	index_world_disown(&world, b);
	ok(index_pristine(&world), "nothing is left");
	index_world_end(&world);
}

/* Three spans that touch at `edge`, so that every level must split; and what that costs. */
static void test_split(uint64_t page)
{
	const unsigned kib = (unsigned)(page >> 10);
	struct vas_owner_entry *left, *middle, *right;
	uint32_t free_before, used, most = 0;
	struct index_world world;
	bool all = true;

	index_world_make(&world, page);
	for (unsigned shift = 0; shift < 32; shift++) {
		/* Edges just inside a slot of 2^shift pages, in different slots of all levels. */
		uint64_t edge = (3 * page << 27) + (page << shift) + page;
		uint64_t other = edge + (page << 27) + page;

		left = index_world_own(&world, edge - 2 * page, 2 * page);
		right = index_world_own(&world, other, 3 * page);
		index_world_feed(&world);
		free_before = world.index.node_free_count;
		middle = vas_owner_index_take(&world.index);
		vas_owner_index_publish(&world.index, middle, edge, other - edge);
		used = free_before - world.index.node_free_count;
		most = used > most ? used : most;
		all = all && index_owned_whole(&world, left) && index_owned_whole(&world, middle) &&
		      index_owned_whole(&world, right) && index_owned_by(&world, edge - 1, left) &&
		      index_owned_by(&world, edge, middle) &&
		      index_owned_by(&world, other - 1, middle) &&
		      index_owned_by(&world, other, right) &&
		      index_nobody(&world, edge - 2 * page - 1) &&
		      index_nobody(&world, other + 3 * page) && index_sound(&world);
		/* Leave in an order that changes. */
		index_world_disown(&world, shift & 1 ? middle : left);
		all = all && index_sound(&world) && index_owned_whole(&world, right) &&
		      index_owned_whole(&world, shift & 1 ? left : middle);
		index_world_disown(&world, shift & 1 ? left : right);
		all = all && index_owned_whole(&world, shift & 1 ? right : middle);
		index_world_disown(&world, shift & 1 ? right : middle);
		all = all && index_pristine(&world);
	}
	ok(all, "%u KiB: touching spans are told apart to the byte at every scale", kib);
	ok(most <= VAS_INDEX_NODES_FOR_ONE,
	   "%u KiB: the worst span between two others took %u nodes, as reckoned", kib, most);
	index_world_end(&world);
}

/* 512 owners fill a node, one page each; the node goes when the last one goes. */
static void test_crowd(void)
{
	struct vas_owner_entry *crowd[1024];
	struct index_world world;
	uint32_t nodes;
	bool all = true;

	index_world_make(&world, 4096);
	for (unsigned i = 0; i < 1024; i++)
		crowd[i] = index_world_own(&world, (0x40000ull + i) << 12, 4096);
	for (unsigned i = 0; i < 1024; i++)
		all = all && index_owned_whole(&world, crowd[i]);
	nodes = world.index.node_count - world.index.node_free_count;
	ok(all && index_sound(&world), "1024 single pages side by side are told apart");
	ok(nodes == 4, "they take two leaves and the two nodes above (%u)", nodes);
	for (unsigned i = 0; i < 1024; i += 2)
		index_world_disown(&world, crowd[i]);
	for (unsigned i = 0; i < 1024; i++)
		all = all && (i & 1 ? index_owned_whole(&world, crowd[i])
				    : index_nobody(&world, (0x40000ull + i) << 12));
	ok(all && index_sound(&world), "every other one leaves, the rest stays");
	for (unsigned i = 1; i < 1023; i += 2)
		index_world_disown(&world, crowd[i]);
	ok(world.index.node_count - world.index.node_free_count == 3,
	   "a leaf goes with its last owner, not before");
	index_world_disown(&world, crowd[1023]);
	ok(index_pristine(&world), "all nodes come back with the last one");
	index_world_end(&world);
}

/* A claim that lands on hidden spans takes their slots; they can then only be cleared. */
static void test_overrun(void)
{
	static const struct {
		uint64_t start, pages;
		const char *what;
	} claims[] = {
		{ 100, 10, "the same span" },	{ 102, 3, "its middle" },
		{ 100, 4, "its low part" },	{ 106, 4, "its high part" },
		{ 95, 8, "over its low edge" }, { 107, 9, "over its high edge" },
		{ 60, 200, "all around it" },	{ 0, 1ull << 30, "far around it" },
		{ 109, 1, "its last page" },
	};
	struct vas_owner_entry *hidden, *low, *high, *claim, *rest;
	struct index_world world;

	for (unsigned i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		uint64_t start = claims[i].start << 12, size = claims[i].pages << 12;
		bool all;

		index_world_make(&world, 4096);
		hidden = index_world_own(&world, 100 << 12, 10 << 12);
		low = claims[i].pages < 100 ? index_world_own(&world, 80 << 12, 1 << 12) : NULL;
		high = claims[i].pages < 100 ? index_world_own(&world, 130 << 12, 1 << 12) : NULL;
		vas_owner_index_hide(&world.index, hidden);
		claim = index_world_own(&world, start, size);
		all = index_owned_whole(&world, claim) &&
		      (!low || index_owned_whole(&world, low)) &&
		      (!high || index_owned_whole(&world, high)) && index_sound(&world);
		/* What the claim left of the hidden span may go to one more claim. */
		rest = NULL;
		if (start + size < 110 << 12) {
			rest = index_world_own(&world, start + size, (110 << 12) - (start + size));
			all = all && index_owned_whole(&world, rest) &&
			      index_owned_whole(&world, claim);
		}
		for (uint64_t page = 100; page < 110; page++) {
			uint64_t address = page << 12;

			if (address >= start && address - start < size)
				all = all && index_owned_by(&world, address, claim);
			else if (!rest || address < start)
				all = all && index_nobody(&world, address);
		}
		vas_owner_index_clear(&world.index, hidden);
		vas_owner_index_give(&world.index, hidden);
		all = all && index_owned_whole(&world, claim) &&
		      (!rest || index_owned_whole(&world, rest)) && index_sound(&world);
		index_world_disown(&world, claim);
		if (rest)
			index_world_disown(&world, rest);
		if (low)
			index_world_disown(&world, low);
		if (high)
			index_world_disown(&world, high);
		ok(all && index_pristine(&world), "a claim over a hidden span: %s", claims[i].what);
		index_world_end(&world);
	}
}

static void test_ids(void)
{
	struct vas_owner_entry *entry, *next;
	struct index_world world;
	uint64_t last = 0, id;
	uint32_t number;
	bool rising = true;

	index_world_make(&world, 65536);
	for (unsigned i = 0; i < 1000; i++) {
		entry = index_world_own(&world, 65536, 65536);
		id = vas_owner_id(entry);
		rising = rising && id > last && !vas_owner_index_by_id(&world.index, last) &&
			 entry->id == 0;
		last = id;
		index_world_disown(&world, entry);
	}
	ok(rising, "an entry that is used again has a new id each time, the old ones are stale");

	entry = index_world_own(&world, 65536, 65536);
	index_world_disown(&world, entry);
	entry->generation = 0xffffffecu; /* as after two thousand million owners */
	index_world_feed(&world);
	for (number = 0; number < 4; number++) {
		next = index_world_own(&world, 65536, 65536);
		if (next != entry)
			break;
		rising = rising && vas_owner_id(next) > last && index_owned_whole(&world, next);
		last = vas_owner_id(next);
		index_world_disown(&world, next);
	}
	ok(rising && number == 2, "near the end of its numbers an entry serves on (%u owners more)",
	   number);
	ok(next != entry && index_owned_whole(&world, next) && entry->generation >= 0xfffffff0u,
	   "then it retires, and another takes its place");
	ok(!vas_owner_index_by_id(&world.index, last) && index_sound(&world),
	   "the last id of a retired entry stays stale");
	index_world_disown(&world, next);

	index_world_feed(&world);
	entry = vas_owner_index_take(&world.index);
	vas_owner_index_untake(&world.index, entry);
	ok(vas_owner_index_take(&world.index) == entry && world.index.claims == 1,
	   "an entry that was not used goes back");
	vas_owner_index_untake(&world.index, entry);
	ok(index_pristine(&world), "nothing is left");
	index_world_end(&world);
}

/* More than one chunk of entries, and the end of the chunks. */
static void test_chunks(void)
{
	struct vas_owner_entry *entries[3 * VAS_OWNER_CHUNK];
	struct index_world world;
	bool all = true;

	index_world_make(&world, 65536);
	for (unsigned i = 0; i < 3 * VAS_OWNER_CHUNK; i++)
		entries[i] = index_world_own(&world, (1ull << 33) + ((uint64_t)i << 20), 65536);
	for (unsigned i = 0; i < 3 * VAS_OWNER_CHUNK; i++)
		all = all && entries[i]->id == i && index_owned_whole(&world, entries[i]) &&
		      vas_owner_index_number(&world.index, i) == entries[i];
	ok(all && world.index.chunk_count == 3 && index_sound(&world),
	   "three chunks full of owners");
	for (unsigned i = 0; i < 3 * VAS_OWNER_CHUNK; i++)
		index_world_disown(&world, entries[i]);
	ok(index_pristine(&world), "nothing is left");
	world.index.chunk_count = VAS_OWNER_CHUNKS;
	is_err(vas_owner_index_feed_chunk(&world.index, world.fed[0]), ENOSPC,
	       "no more chunks than there is room for");
	index_world_end(&world);
}

/* Feeding exactly what is asked for is enough for several claims under way at once. */
static void test_budget(void)
{
	struct vas_owner_entry *edges[16], *taken[8];
	uint64_t starts[8], sizes[8];
	struct index_world world;
	bool all = true;

	index_world_make(&world, 4096);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t base = (uint64_t)(2 * i + 2) << 39;

		edges[2 * i] = index_world_own(&world, base + (1ull << 38), 4096);
		starts[i] = base + (1ull << 38) + 4096;
		sizes[i] = (1ull << 39) + (1ull << 30) + (5ull << 21) + (7ull << 12);
		edges[2 * i + 1] = index_world_own(&world, starts[i] + sizes[i], 4096);
		if (i & 1) /* the neighbours of one may share a root slot with those of the next */
			index_world_disown(&world, edges[2 * i + 1]);
	}
	for (unsigned i = 0; i < 8; i++) {
		index_world_feed(&world);
		taken[i] = vas_owner_index_take(&world.index);
		ok(world.index.node_free_count >= world.index.claims * VAS_INDEX_NODES_FOR_ONE,
		   "claim %u has its nodes before it begins", i + 1);
	}
	for (unsigned i = 8; i-- > 0;)
		vas_owner_index_publish(&world.index, taken[i], starts[i], sizes[i] / 2);
	for (unsigned i = 0; i < 8; i++)
		all = all && index_owned_whole(&world, taken[i]);
	ok(all && index_sound(&world) && world.index.claims == 0,
	   "eight claims under way at once are all recorded with what was fed before");
	index_world_end(&world);
}

/* Each breakage is put in, must be seen, and is taken out again. */
static void test_check_sees(void)
{
	struct vas_owner_entry *a, *b, *c, *far;
	struct vas_index_node *node;
	struct index_world world;
	uint64_t *root, word, saved;

	index_world_make(&world, 65536);
	root = world.root;
	a = index_world_own(&world, 1ull << 32, 65536);
	b = index_world_own(&world, (1ull << 32) + 65536, 1ull << 45);
	c = index_world_own(&world, 5ull << 43, 65536 * 3);
	far = index_world_own(&world, 30ull << 43, 65536);
	ok(index_sound(&world), "a sound index passes");
	node = (struct vas_index_node *)(uintptr_t)root[0];

	word = root[1];
	root[1] = 0;
	ok(index_sound(&world) && index_owned_whole(&world, b),
	   "a hole in the middle is not at an edge");
	root[1] = word;

	word = root[4];
	root[4] = 0;
	ok(!index_sound(&world), "seen: the last slot of a span is empty");
	root[4] = word ^ 1ull << 32;
	ok(!index_sound(&world), "seen: a slot names an owner's wrong generation");
	root[4] = word + (5ull << 32);
	ok(!index_sound(&world), "seen: a slot names a generation that is still to come");
	root[4] = 6;
	ok(!index_sound(&world), "seen: a link of the free list is in the tree");
	root[4] = word;

	word = root[20];
	root[20] = root[1];
	ok(!index_sound(&world), "seen: a slot far from its owner's span");
	root[20] = (uint64_t)(uintptr_t)world.index.node_free;
	saved = world.index.node_free->slots[0];
	world.index.node_free->slots[0] = 0;
	ok(!index_sound(&world), "seen: an empty node in the tree");
	world.index.node_free->slots[0] = saved;
	root[20] = word;

	for (unsigned i = 0; i < VAS_INDEX_FANOUT; i++) {
		word = node->slots[i];
		if (!word)
			continue;
		node->slots[i] = 0;
		ok(!index_sound(&world), "seen: a slot in a node is gone");
		node->slots[i] = word;
		break;
	}
	a->start += 65536 * 4;
	ok(!index_sound(&world), "seen: an owner that moved without its slots");
	a->start -= 65536 * 4;
	a->generation++;
	ok(index_sound(&world), "a hidden owner may keep its slots");
	a->generation++;
	ok(!index_sound(&world), "seen: an owner two generations on");
	a->generation -= 2;
	c->size += 1ull << 44;
	ok(!index_sound(&world), "seen: an owner that grew without slots");
	c->size -= 1ull << 44;
	ok(index_sound(&world), "mended, it passes again");
	index_world_disown(&world, a);
	index_world_disown(&world, b);
	index_world_disown(&world, c);
	index_world_disown(&world, far);
	ok(index_pristine(&world), "nothing is left");
	index_world_end(&world);
}

/* The flat model. */
#define LIVE 48u

/* Random spans lie below it: where each publishing walks the whole tree, the tree is kept small. */
#ifdef VASPACE_EXPENSIVE_ASSERTS
#define RANDOM_TOP (1ull << 47)
#else
#define RANDOM_TOP INDEX_TOP
#endif

struct flat {
	struct vas_owner_entry *entry; /* NULL = unused */
	uint64_t start, end;
	uint64_t id;
	bool hidden;
	bool overrun; /* hidden, and a later claim took part of it */
};

struct random_run {
	struct index_world world;
	struct flat flat[LIVE];
	uint64_t random;
	uint64_t last_id[4 * LIVE]; /* per entry */
	uint32_t most_nodes;
	uint64_t published, splits, overruns;
};

/* Page numbers at all scales: near powers of two, near what is there, or anywhere. */
static uint64_t random_page(struct random_run *run)
{
	uint64_t pages = RANDOM_TOP / run->world.page, page;
	const struct flat *near = &run->flat[vas_random_below(&run->random, LIVE)];
	uint32_t bits = (uint32_t)__builtin_ctzll(pages);

	switch (vas_random_below(&run->random, 4)) {
	case 0:
		page = vas_random_next(&run->random) & (pages - 1);
		page &= ~0ull << vas_random_below(&run->random, bits);
		break;
	case 1:
		page = vas_random_below(&run->random, 4096);
		break;
	default:
		page = (near->entry ? near->start : 0) / run->world.page;
		page += vas_random_next(&run->random) >>
			(64 - 1 - vas_random_below(&run->random, bits));
		break;
	}
	return (page + vas_random_below(&run->random, 5)) & (pages - 1);
}

/* Cuts [*start, *end) so that it misses every published span; false when nothing is left. */
static bool random_cut(const struct random_run *run, uint64_t *start, uint64_t *end)
{
	for (unsigned i = 0; i < LIVE; i++) {
		const struct flat *flat = &run->flat[i];

		if (!flat->entry || flat->hidden || flat->end <= *start || flat->start >= *end)
			continue;
		if (flat->start > *start)
			*end = flat->start;
		else
			*start = flat->end;
		if (*start >= *end)
			return false;
	}
	return true;
}

static bool random_publish(struct random_run *run, struct flat *flat)
{
	struct index_world *world = &run->world;
	uint64_t start = random_page(run) * world->page, end;
	uint32_t before;

	end = start + (1 + (vas_random_next(&run->random) >>
			    (64 - 1 - vas_random_below(&run->random, 44)))) *
			      world->page;
	if (end > RANDOM_TOP)
		end = RANDOM_TOP;
	if (!random_cut(run, &start, &end) || !random_cut(run, &start, &end))
		return true;
	for (unsigned i = 0; i < LIVE; i++) {
		struct flat *other = &run->flat[i];

		if (other->entry && other->end > start && other->start < end) {
			if (!other->hidden)
				return true; /* cut in two ways: not this time */
			other->overrun = true;
			run->overruns++;
		}
	}
	index_world_feed(world);
	before = world->index.node_free_count;
	flat->entry = index_world_own(world, start, end - start);
	flat->start = start;
	flat->end = end;
	flat->id = vas_owner_id(flat->entry);
	flat->hidden = flat->overrun = false;
	run->published++;
	if (before - world->index.node_free_count > run->most_nodes)
		run->most_nodes = before - world->index.node_free_count;
	run->splits += before - world->index.node_free_count;
	if (flat->entry->id >= 4 * LIVE || flat->id <= run->last_id[flat->entry->id])
		return false;
	run->last_id[flat->entry->id] = flat->id;
	return true;
}

/* A hidden span comes back, if nobody took its place, or goes. */
static void random_resolve(struct random_run *run, struct flat *flat)
{
	if (!flat->overrun && vas_random_below(&run->random, 2)) {
		vas_owner_index_unhide(&run->world.index, flat->entry);
		flat->hidden = false;
		return;
	}
	vas_owner_index_clear(&run->world.index, flat->entry);
	vas_owner_index_give(&run->world.index, flat->entry);
	flat->entry = NULL;
}

static bool random_find(struct random_run *run)
{
	const struct flat *near = &run->flat[vas_random_below(&run->random, LIVE)];
	const struct flat *want = NULL;
	struct vas_owner owner = { 0 };
	uint64_t address = vas_random_next(&run->random) >> vas_random_below(&run->random, 52);

	if (near->entry && vas_random_below(&run->random, 4)) {
		address = vas_random_below(&run->random, 2) ? near->start : near->end;
		address += vas_random_below(&run->random, 3) - 1;
	}
	for (unsigned i = 0; i < LIVE; i++)
		if (run->flat[i].entry && !run->flat[i].hidden && address >= run->flat[i].start &&
		    address < run->flat[i].end)
			want = &run->flat[i];
	if (!vas_owner_index_find(&run->world.index, address, &owner))
		return !want;
	return want && owner.id == want->id && owner.span.start == want->start &&
	       owner.span.size == want->end - want->start &&
	       vas_owner_index_by_id(&run->world.index, owner.id) == want->entry;
}

static bool random_step(struct random_run *run)
{
	struct flat *flat = &run->flat[vas_random_below(&run->random, LIVE)];

	if (!flat->entry)
		return random_publish(run, flat);
	if (flat->hidden) {
		random_resolve(run, flat);
	} else if (vas_random_below(&run->random, 3) == 0) {
		vas_owner_index_hide(&run->world.index, flat->entry);
		flat->hidden = true;
	}
	return random_find(run);
}

static void test_random(uint64_t page, uint64_t steps)
{
	const unsigned kib = (unsigned)(page >> 10);
	struct random_run *run = calloc(1, sizeof(*run));
	uint64_t step, every = page == 4096 ? 4096 : 512;
	bool held = true;

	if (!run)
		tap_bail("no memory for a test");
	index_world_make(&run->world, page);
	run->random = tap_seed() + page;
	for (step = 0; step < steps && held; step++) {
		held = random_step(run);
		if (step % every == 0)
			held = held && index_sound(&run->world);
	}
	ok(held, "%u KiB: %llu random steps agree with a flat list (%llu published, %llu overran)",
	   kib, (unsigned long long)step, (unsigned long long)run->published,
	   (unsigned long long)run->overruns);
	ok(run->most_nodes <= VAS_INDEX_NODES_FOR_ONE && run->splits > 0,
	   "%u KiB: no span took more than %u nodes", kib, run->most_nodes);
	for (unsigned i = 0; i < LIVE; i++) {
		struct flat *flat = &run->flat[i];

		if (flat->entry && !flat->hidden)
			vas_owner_index_hide(&run->world.index, flat->entry);
		if (flat->entry)
			vas_owner_index_clear(&run->world.index, flat->entry);
	}
	ok(index_pristine(&run->world), "%u KiB: at the end every node is back", kib);
	ok(run->world.index.chunk_count == 1 && run->world.index.entry_next <= LIVE + 1 &&
		   run->world.index.node_count <= (LIVE + 1) * VAS_INDEX_NODES_FOR_ONE,
	   "%u KiB: memory did not drift: %u nodes, %u entries", kib, run->world.index.node_count,
	   run->world.index.entry_next);
	index_world_end(&run->world);
	free(run);
}

int main(void)
{
	static const uint64_t pages[] = { 4096, 16384, 65536 };

	tap_plan(0);
	for (unsigned i = 0; i < 3; i++) {
		test_edges(pages[i]);
		test_split(pages[i]);
	}
	test_hide();
	test_crowd();
	test_overrun();
	test_ids();
	test_chunks();
	test_budget();
	test_check_sees();
	test_random(65536, tap_scaled(600000));
	test_random(16384, tap_scaled(300000));
	test_random(4096, tap_scaled(200000));
	return tap_done();
}
