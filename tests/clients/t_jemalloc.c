/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 20 */
/* with: jemalloc */
/*
 * jemalloc with all its extents from a region, by the hooks in examples/.
 *
 * The hooks are wrapped by ones that count: what jemalloc holds by their account
 * must be what the region says is used, and every extent must lie in it. At the
 * limit of kernel mappings too, and afterwards everything comes back.
 *
 * This process's own malloc is jemalloc too, by its own hooks: only what
 * asks for the arena of the test comes from the region.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

#ifndef VASPACE_WITH_JEMALLOC

int main(void)
{
	tap_plan(0);
	tap_skip_all("no-jemalloc", "libjemalloc-dev is not installed");
}

#else

#include "../examples/jemalloc_hooks.c"

#define GIB (1ull << 30)
#define MIB (1ull << 20)
#define KIB (1ull << 10)

/* One region, one arena over it, and an account of what the hooks did. */
struct source {
	struct jemalloc_region hooks; /* first: hooks are handed a pointer to it */
	extent_hooks_t inner;
	uint64_t owner;
	unsigned int arena;
	atomic_llong held; /* bytes of the extents that jemalloc has */
	atomic_ullong outside; /* extents that are not wholly in the region */
	atomic_ullong allocs, dallocs, commits, decommits, purges, splits, merges;
	atomic_ullong kept; /* a dalloc that did not give back, though it should have */
	atomic_ullong refused; /* a split or merge that did not go through */
};

static uint64_t page;

static struct source *of(extent_hooks_t *hooks)
{
	return (struct source *)hooks;
}

static bool inside(const struct source *source, const void *address, size_t size)
{
	struct vas_owner owner;

	return vas_owner_at(address, &owner) == 0 && owner.id == source->owner &&
	       (uintptr_t)address + size <= owner.span.start + owner.span.size;
}

static void *count_alloc(extent_hooks_t *hooks, void *new_address, size_t size, size_t alignment,
			 bool *zero, bool *commit, unsigned arena)
{
	void *got = of(hooks)->inner.alloc(hooks, new_address, size, alignment, zero, commit, arena);

	if (!got)
		return NULL;
	of(hooks)->allocs++;
	of(hooks)->held += (long long)size;
	of(hooks)->outside += !inside(of(hooks), got, size) || (uintptr_t)got % alignment != 0 ||
			      (new_address && new_address != got);
	return got;
}

static bool count_dalloc(extent_hooks_t *hooks, void *address, size_t size, bool committed,
			 unsigned arena)
{
	bool kept = of(hooks)->inner.dalloc(hooks, address, size, committed, arena);

	of(hooks)->dallocs++;
	of(hooks)->kept += kept;
	if (!kept)
		of(hooks)->held -= (long long)size;
	return kept;
}

static void count_destroy(extent_hooks_t *hooks, void *address, size_t size, bool committed,
			  unsigned arena)
{
	of(hooks)->inner.destroy(hooks, address, size, committed, arena);
	of(hooks)->held -= (long long)size;
}

static bool count_commit(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			 size_t length, unsigned arena)
{
	of(hooks)->commits++;
	return of(hooks)->inner.commit(hooks, address, size, offset, length, arena);
}

static bool count_decommit(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			   size_t length, unsigned arena)
{
	of(hooks)->decommits++;
	return of(hooks)->inner.decommit(hooks, address, size, offset, length, arena);
}

static bool count_purge(extent_hooks_t *hooks, void *address, size_t size, size_t offset,
			size_t length, unsigned arena)
{
	of(hooks)->purges++;
	return of(hooks)->inner.purge_forced(hooks, address, size, offset, length, arena);
}

static bool count_split(extent_hooks_t *hooks, void *address, size_t size, size_t size_a,
			size_t size_b, bool committed, unsigned arena)
{
	bool refused = of(hooks)->inner.split(hooks, address, size, size_a, size_b, committed, arena);

	of(hooks)->splits++;
	of(hooks)->refused += refused;
	return refused;
}

static bool count_merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b,
			bool committed, unsigned arena)
{
	bool refused = of(hooks)->inner.merge(hooks, a, size_a, b, size_b, committed, arena);

	of(hooks)->merges++;
	of(hooks)->refused += refused;
	return refused;
}

static bool source_open(struct source *source, uint64_t size, enum jemalloc_region_use use,
			const struct vas_region_opts *opts)
{
	extent_hooks_t *hooks = &source->hooks.hooks;
	size_t length = sizeof(source->arena);
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_region *region;
	struct vas_owner owner;

	memset(source, 0, sizeof(*source));
	if (!is_err(vas_region_create(size, opts, &region), 0, "a region") ||
	    !is_err(vas_region_stats(region, &stats), 0, "its figures") ||
	    !is_err(vas_owner_at(vas_span_pointer(stats.span), &owner), 0, "its owner"))
		return false;
	source->owner = owner.id;
	jemalloc_region_init(&source->hooks, region, use);
	source->inner = *hooks;
	*hooks = (extent_hooks_t){ count_alloc, count_dalloc, count_destroy, count_commit,
				   count_decommit, source->inner.purge_lazy, count_purge,
				   count_split, count_merge };
	return is_err(-mallctl("arenas.create", &source->arena, &length, &hooks, sizeof(hooks)), 0,
		      "an arena over it");
}

static int arena_control(const struct source *source, const char *what, void *value, size_t size)
{
	char name[64];

	snprintf(name, sizeof(name), "arena.%u.%s", source->arena, what);
	return -mallctl(name, NULL, NULL, value, size);
}

/* What the hooks counted, and what the region says. */
static void source_agree(struct source *source, const char *when)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };

	is_err(vas_region_stats(source->hooks.region, &stats), 0, "figures %s", when);
	is_u64(stats.used, source->held, "what jemalloc holds is what the region says, %s", when);
	is_u64(source->outside, 0, "no extent outside the region, %s", when);
	is_u64(source->refused, 0, "no split or merge was refused, %s", when);
}

/* The arena's end gives everything back, its own metadata too when dalloc takes it. */
static void source_close(struct source *source)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	enum vas_retired state = VAS_RETIRED_HELD;
	uint64_t reclaimed;

	if (source->hooks.use == JEMALLOC_REGION_KEEP)
		source->hooks.use = JEMALLOC_REGION_END;
	is_err(arena_control(source, "destroy", NULL, 0), 0, "the arena is destroyed");
	source_agree(source, "at the end");
	is_err(vas_reclaim(UINT64_MAX, &reclaimed), 0, "what the region kept is given back");
	is_err(vas_region_stats(source->hooks.region, &stats), 0, "last figures");
	is_u64(stats.used, 0, "no block is left");
	is_u64(stats.blocks, 0, "not even an empty one");
	is_u64(stats.committed, 0, "no memory is left");
	is_u64(stats.guarded + stats.emptied + stats.held, 0, "everything is gone");
	is_err(vas_region_destroy(source->hooks.region, &state), 0, "the region is destroyed");
	is_u64(state, VAS_RETIRED_GONE, "and gone");
}

/* A block that a thread has, filled with its own byte. */
struct item {
	unsigned char *memory;
	size_t size;
	unsigned char stamp;
};

static bool item_holds(const struct item *item)
{
	for (size_t at = 0; at < item->size; at += 512)
		if (item->memory[at] != item->stamp)
			return false;
	return item->memory[item->size - 1] == item->stamp;
}

static uint64_t next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

#define ITEMS 200
#define THREADS 4

struct worker {
	struct source *source;
	uint64_t random;
	uint64_t rounds;
	unsigned long wrong; /* pointers outside, contents that changed */
	unsigned long failed;
	struct item items[ITEMS];
};

static void item_drop(struct worker *worker, struct item *item)
{
	if (!item->memory)
		return;
	worker->wrong += !item_holds(item);
	dallocx(item->memory, MALLOCX_TCACHE_NONE);
	item->memory = NULL;
}

/* Small, large, and now and then huge; sometimes aligned, zeroed, or an old one resized. */
static void item_make(struct worker *worker, struct item *item)
{
	size_t size = 1 + next(&worker->random) % (1ull << (4 + next(&worker->random) % 17));
	int flags = MALLOCX_ARENA(worker->source->arena) | MALLOCX_TCACHE_NONE;
	bool zero = next(&worker->random) % 4 == 0;

	if (item->memory && next(&worker->random) % 4 == 0) {
		void *moved = rallocx(item->memory, size, flags);

		worker->failed += moved == NULL;
		item->memory = moved ? moved : item->memory;
		item->size = moved ? size : item->size;
	} else {
		item_drop(worker, item);
		flags |= next(&worker->random) % 4 ? 0 : MALLOCX_LG_ALIGN((int)(next(&worker->random) % 22));
		item->memory = mallocx(size, flags | (zero ? MALLOCX_ZERO : 0));
		worker->failed += item->memory == NULL;
		item->size = size;
		for (size_t at = 0; item->memory && zero && at < size; at += 64)
			worker->wrong += item->memory[at] != 0;
	}
	if (!item->memory)
		return;
	worker->wrong += !inside(worker->source, item->memory, item->size);
	item->stamp = (unsigned char)next(&worker->random);
	memset(item->memory, item->stamp, item->size);
}

static void *work(void *context)
{
	struct worker *worker = context;

	for (uint64_t i = 0; i < worker->rounds; i++)
		item_make(worker, &worker->items[next(&worker->random) % ITEMS]);
	for (unsigned int i = 0; i < ITEMS; i++)
		item_drop(worker, &worker->items[i]);
	return NULL;
}

static void crew(struct source *source, const char *how)
{
	static struct worker workers[THREADS];
	pthread_t threads[THREADS];
	unsigned long wrong = 0, failed = 0;

	memset(workers, 0, sizeof(workers));
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i].source = source;
		workers[i].random = tap_seed() + i;
		workers[i].rounds = tap_scaled(3000);
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		wrong += workers[i].wrong;
		failed += workers[i].failed;
	}
	is_u64(wrong, 0, "every pointer is in the region and keeps what was written, %s", how);
	is_u64(failed, 0, "nothing was refused, %s", how);
}

struct way {
	const char *name;
	enum jemalloc_region_use use;
	uint64_t cache;
	ssize_t decay; /* ms; 0 gives everything back at once */
};

static void threads_case(void *arg)
{
	const struct way *way = arg;
	struct source source;
	ssize_t decay = way->decay;

	VAS_OPTS(vas_region_opts, opts);
	opts.cache_bytes = way->cache;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	if (!source_open(&source, 16 * GIB, way->use, &opts))
		return;
	is_err(arena_control(&source, "dirty_decay_ms", &decay, sizeof(decay)), 0, "decay is set");
	crew(&source, way->name);
	source_agree(&source, "after the threads");
	ok(source.splits > 0 && source.merges > 0, "extents were split (%llu) and merged (%llu)",
	   (unsigned long long)source.splits, (unsigned long long)source.merges);
	if (way->use == JEMALLOC_REGION_GIVE)
		ok(source.kept == 0 && source.dallocs > 0, "all of %llu extents were given back",
		   (unsigned long long)source.dallocs);
	else
		ok(source.purges > 0 || decay != 0, "extents were purged");
	source_close(&source);
}

#define LIMIT_BLOCK (16 * KIB)
#define LIMIT_BLOCKS 80000u

static long resident_pages(void)
{
	long total = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2)
		resident = -1;
	if (file)
		fclose(file);
	return resident;
}

static bool at_the_limit(void)
{
	void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* One more may fit, or merge with a neighbour; splitting takes two. */
	if (probe != MAP_FAILED)
		munmap(probe, page);
	return probe == MAP_FAILED || tap_count_vmas() > 65000;
}

/*
 * Alternate frees: each leaves a hole between committed neighbours, two kernel
 * mappings more, until the kernel refuses; and on.
 */
static void limit_case(void *arg)
{
	static void *blocks[LIMIT_BLOCKS];
	struct source source;
	ssize_t decay = 0;
	unsigned int made = 0, wrong = 0;
	long before, full;
	struct vas_region_stats stats = { .size = sizeof(stats) };

	(void)arg;
	tap_ignore_leaks(TAP_LEAK_HEAP | TAP_LEAK_VMAS); /* jemalloc's own, of its other arenas */
	if (!source_open(&source, 64 * GIB, JEMALLOC_REGION_GIVE, NULL))
		return;
	is_err(arena_control(&source, "dirty_decay_ms", &decay, sizeof(decay)), 0, "nothing waits");
	is_err(arena_control(&source, "muzzy_decay_ms", &decay, sizeof(decay)), 0, "nothing at all");
	before = resident_pages();
	for (made = 0; made < LIMIT_BLOCKS; made++) {
		blocks[made] = mallocx(LIMIT_BLOCK, MALLOCX_ARENA(source.arena) | MALLOCX_TCACHE_NONE);
		if (!blocks[made])
			break;
		wrong += !inside(&source, blocks[made], LIMIT_BLOCK);
		*(volatile char *)blocks[made] = 1;
	}
	is_u64(made, LIMIT_BLOCKS, "all blocks are allocated");
	is_u64(wrong, 0, "all of them inside");
	full = resident_pages();
	for (unsigned int i = 0; i < made; i += 2)
		dallocx(blocks[i], MALLOCX_TCACHE_NONE);
	/* Where there is exactly no room, the kernel grants one mapping more, and then refuses all. */
	(void)mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ok(at_the_limit(), "the process is at its limit of %ld mappings", tap_count_vmas());
	is_u64(source.kept, 0, "every extent was taken back, at the limit too");
	source_agree(&source, "at the limit");
	is_err(vas_region_stats(source.hooks.region, &stats), 0, "figures");
	tap_diag("%llu KiB guarded, %llu KiB emptied, %llu KiB held",
		 (unsigned long long)stats.guarded / 1024, (unsigned long long)stats.emptied / 1024,
		 (unsigned long long)stats.held / 1024);
	is_u64(stats.held, 0, "nothing had to be held");
	ok(full - resident_pages() > (full - before) * 4 / 10, "the memory is the kernel's again");
	for (unsigned int i = 1; i < made; i += 2)
		dallocx(blocks[i], MALLOCX_TCACHE_NONE);
	source_agree(&source, "after all were freed");
	source_close(&source);
}

int main(void)
{
	static struct way ways[] = {
		{ "kept by jemalloc", JEMALLOC_REGION_KEEP, 0, 10 },
		{ "given back", JEMALLOC_REGION_GIVE, 0, 0 },
		{ "given back, later", JEMALLOC_REGION_GIVE, 0, 10 },
		{ "given back and kept warm", JEMALLOC_REGION_GIVE, 64 * MIB, 0 },
	};

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		tap_case(ways[i].name, threads_case, &ways[i], 60);
	tap_case("alternate frees to the limit of mappings", limit_case, NULL, 60);
	return tap_done();
}

#endif
