/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growing step by step while another thread reads all that is there.
 *
 * WHAT FOR. What an arena adds to the one fallocate that it makes, and what the usual ways cost beside it.
 *
 * STRATEGY. The first row is what a program could write by hand: the object mapped once beyond its end, fallocate, and
 * one store for the size. The arena makes the same steps. Both begin empty and reach the full size, in turns of some milliseconds each:
 * what the kernel needs to clear memory goes up and down from one second to the next by more than the difference of the two. So
 * each part of a round counts as a round. The ways that map anew
 * make some steps at that size only, afterwards: ftruncate, munmap, mmap and touching every page, which cannot have a reader, since
 * nothing is mapped in between; and fallocate with mremap, which may move. Times are the processor time of the thread that grows.
 *
 * Beside the times: what one step adds to kernel mappings, and how many faults it costs to read again what was warm.
 *
 * CONCURRENCY. One reader of both, in step by atomic sizes; it is stopped while one of them begins anew.
 *
 * WHAT IT DOES NOT DO. It does not write: what fallocate gave is cleared already.
 */
#include "arena.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#define KIB  1024ull
#define MIB  (1024 * KIB)
#define PAGE 4096u
#define WARM (16 * MIB) /* that is read again */
#define POOL (2 * MIB) /* the page of the pool that is measured */
#define POOL_FOLDER "/sys/kernel/mm/hugepages/hugepages-2048kB/"

enum way {
	WAY_RAW,
	WAY_ARENA,
	WAY_MAP_ANEW,
	WAY_MREMAP
};

struct growth {
	enum way way;
	uint64_t page; /* POOL; 0 = base pages */
	uint64_t step;
	uint64_t from;
	uint64_t to;
	uint64_t spent;
	struct vas_arena *arena;
	int fd;
	unsigned char *start;
	uint64_t size; /* (atomic) */
	uint64_t mapped;
	uint64_t moves;
	bool there;
};

static struct growth growths[4]; /* by way */

static struct {
	pthread_t thread;
	bool runs;
	bool done; /* (atomic) */
} reader;

static uint64_t growth_size(const struct growth *growth)
{
	return growth->arena ? vas_arena_size(growth->arena) :
			       __atomic_load_n(&growth->size, __ATOMIC_ACQUIRE);
}

static void read_pages(const unsigned char *start, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at += PAGE)
		(void)*(const volatile unsigned char *)(start + at);
}

static void *reader_run(void *ignored)
{
	while (!__atomic_load_n(&reader.done, __ATOMIC_ACQUIRE))
		for (unsigned int i = WAY_RAW; i <= WAY_ARENA; i++)
			if (growths[i].there)
				read_pages(growths[i].start, 0, growth_size(&growths[i]));
	return ignored;
}

static int reader_start(void)
{
	reader.done = false;
	reader.runs = pthread_create(&reader.thread, NULL, reader_run, NULL) == 0;
	return reader.runs ? 0 : -EAGAIN;
}

static void reader_stop(void)
{
	__atomic_store_n(&reader.done, true, __ATOMIC_RELEASE);
	if (reader.runs)
		pthread_join(reader.thread, NULL);
	reader.runs = false;
}

static int open_arena(struct growth *growth)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	int err;

	VAS_OPTS(vas_arena_opts, opts);
	opts.initial = growth->from;
	opts.ladder = &growth->page;
	opts.ladder_count = 1;
	err = vas_arena_create(growth->to, &opts, &growth->arena);
	if (!err)
		err = vas_arena_get(growth->arena, &info);
	if (!err)
		growth->start = vas_span_pointer(info.span);
	return err;
}

/* Huge pages without access first: a mapping that can be written makes the object as large. */
static int map_object(struct growth *growth, uint64_t size)
{
	void *start = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, growth->fd, 0);

	if (start == MAP_FAILED || mprotect(start, size, PROT_READ | PROT_WRITE))
		return -errno;
	growth->moves += start != growth->start;
	growth->start = start;
	return 0;
}

static int open_object(struct growth *growth)
{
	growth->fd = memfd_create("vasbench", MFD_CLOEXEC | (growth->page ? MFD_HUGETLB : 0));
	growth->size = growth->from;
	growth->mapped = growth->way == WAY_RAW ? growth->to : growth->from;
	if (growth->fd < 0 || map_object(growth, growth->mapped) ||
	    (growth->from && fallocate(growth->fd, 0, 0, (off_t)growth->from)))
		return -errno;
	return 0;
}

static int growth_begin(struct growth *growth)
{
	int err;

	growth->arena = NULL;
	growth->fd = -1;
	growth->moves = 0;
	err = growth->way == WAY_ARENA ? open_arena(growth) : open_object(growth);
	if (err)
		return err;
	read_pages(growth->start, 0, growth->from);
	growth->there = true;
	return 0;
}

static int growth_end(struct growth *growth)
{
	if (!growth->there)
		return 0;
	growth->there = false;
	if (growth->arena)
		return vas_arena_destroy(growth->arena, NULL);
	if (munmap(growth->start, growth->mapped) || close(growth->fd))
		return -errno;
	return 0;
}

static int step_anew(struct growth *growth, uint64_t size)
{
	if (ftruncate(growth->fd, (off_t)size) || munmap(growth->start, growth->mapped) ||
	    map_object(growth, size))
		return -errno;
	read_pages(growth->start, 0, growth->mapped);
	for (uint64_t at = growth->mapped; at < size; at += PAGE)
		growth->start[at] = 0;
	growth->mapped = size;
	return 0;
}

static int step_mremap(struct growth *growth, uint64_t size)
{
	void *start;

	if (fallocate(growth->fd, 0, (off_t)growth->mapped, (off_t)(size - growth->mapped)))
		return -errno;
	start = mremap(growth->start, growth->mapped, size, MREMAP_MAYMOVE);
	if (start == MAP_FAILED)
		return -errno;
	growth->moves += start != growth->start;
	growth->start = start;
	growth->mapped = size;
	return 0;
}

static int step_once(struct growth *growth)
{
	uint64_t size = growth_size(growth) + growth->step;
	int err = 0;

	switch (growth->way) {
	case WAY_RAW:
		if (fallocate(growth->fd, 0, (off_t)growth->size, (off_t)growth->step))
			err = -errno;
		break;
	case WAY_ARENA:
		return vas_arena_grow(growth->arena, size, 0, NULL);
	case WAY_MAP_ANEW:
		err = step_anew(growth, size);
		break;
	case WAY_MREMAP:
		err = step_mremap(growth, size);
		break;
	}
	if (!err)
		__atomic_store_n(&growth->size, size, __ATOMIC_RELEASE);
	return err;
}

static int steps_run(struct growth *growth, unsigned int count)
{
	uint64_t start = cpu_ns();
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = step_once(growth);
	growth->spent = cpu_ns() - start;
	return err;
}

/* A part of the way from empty to full, with the reader. */
static int part_run(void *context, unsigned int count)
{
	struct growth *growth = context;
	int err = 0;

	if (!growth->there || growth_size(growth) == growth->to) {
		reader_stop();
		err = growth_end(growth);
		if (!err)
			err = growth_begin(growth);
		if (!err)
			err = reader_start();
	}
	return err ? err : steps_run(growth, count);
}

/* The last steps to the full size, without one. */
static int end_run(void *context, unsigned int count)
{
	struct growth *growth = context;
	int err = growth_begin(growth);

	if (!err)
		err = steps_run(growth, count);
	return err ? err : growth_end(growth);
}

/* --- what one step does to mappings and to warm pages --- */

static uint64_t mappings(void)
{
	static char buffer[65536];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	uint64_t lines = 0;
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < got; i++)
			lines += buffer[i] == '\n';
	close(fd);
	return lines;
}

static uint64_t faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_minflt;
}

static int figures_of(struct growth *growth, const char *name, struct output *output)
{
	struct figure added = { .unit = "kernel mappings added by a step" };
	struct figure again = { .unit = "faults to read again what was warm" };
	const unsigned char *start;
	uint64_t before;
	char title[96];
	int err;

	growth->from = WARM;
	err = growth_begin(growth);
	if (err)
		return err;
	start = growth->start;
	(void)mappings();
	read_pages(start, 0, WARM);
	before = mappings();
	err = step_once(growth);
	if (err)
		return err;
	added.value = (double)mappings() - (double)before;
	/* Mapping anew reads all of it in its step: counted as it would be by a reader. */
	before = faults();
	if (growth->way == WAY_MAP_ANEW)
		err = step_once(growth);
	read_pages(growth->start, 0, WARM);
	again.value = (double)(faults() - before);
	if (growth->way == WAY_ARENA)
		added.at_most = again.at_most = 0.5;
	snprintf(title, sizeof(title), "%s%s", name, growth->start != start ? ", which moved" : "");
	added.name = again.name = title;
	output_figure(output, "grow: mappings", &added);
	output_figure(output, "grow: faults", &again);
	return err ? err : growth_end(growth);
}

/* --- the rows --- */

struct grow_case {
	struct group_context *group;
	uint64_t step;
	uint64_t to;
	uint64_t page;
};

static const char *const names[] = {
	[WAY_RAW] = "fallocate, size stored",
	[WAY_ARENA] = "vas_arena_grow",
	[WAY_MAP_ANEW] = "ftruncate, munmap, mmap, touch",
	[WAY_MREMAP] = "fallocate, mremap",
};

/* Of a round: as many as can be counted. */
static unsigned int parts_of(unsigned int rounds, unsigned int steps)
{
	unsigned int parts = 32;

	while (parts > 1 && (rounds * parts >= MEASURE_ROUNDS_MAX || steps % parts))
		parts /= 2;
	return parts;
}

static int failed_at(const char *name, int err)
{
	fprintf(stderr, "vasbench: grow: %s: error %d\n", name, -err);
	return err;
}

/* In turns; an odd number of parts has a median. */
static int measure_turns(struct grow_case *item, struct contender *rows)
{
	unsigned int steps = (unsigned int)(item->to / item->step), failed = 0;
	unsigned int parts = parts_of(item->group->rounds, steps);
	int err, ended;

	for (unsigned int i = WAY_RAW; i <= WAY_ARENA; i++)
		rows[i] = (struct contender){ .name = names[i],
					      .run = part_run,
					      .context = &growths[i],
					      .batch = steps / parts,
					      .spent = &growths[i].spent };
	rows[WAY_ARENA].bound = 1.03;
	rows[WAY_ARENA].slack_ns = 1500;
	err = measure(rows, WAY_ARENA + 1, (item->group->rounds * parts) | 1, &failed);
	reader_stop();
	for (unsigned int i = WAY_RAW; i <= WAY_ARENA; i++) {
		ended = growth_end(&growths[i]);
		err = err ? err : ended;
	}
	return err ? failed_at(names[failed], err) : 0;
}

static int measure_ends(struct grow_case *item, struct contender *rows, unsigned int count)
{
	unsigned int steps = (unsigned int)(item->to / item->step), failed = 0;
	int err;

	steps = steps / 2 < 4 ? steps / 2 : 4;
	for (unsigned int i = WAY_MAP_ANEW; i < count; i++) {
		growths[i].from = item->to - steps * item->step;
		rows[i] = (struct contender){ .name = names[i],
					      .run = end_run,
					      .context = &growths[i],
					      .batch = steps,
					      .spent = &growths[i].spent };
	}
	if (count == WAY_MAP_ANEW)
		return 0;
	err = measure(rows + WAY_MAP_ANEW, count - WAY_MAP_ANEW, item->group->rounds, &failed);
	/* Of other rounds: these are many times as slow. */
	for (unsigned int i = WAY_MAP_ANEW; i < count; i++)
		rows[i].ratio = rows[i].ns / rows[WAY_RAW].ns;
	return err ? failed_at(names[WAY_MAP_ANEW + failed], err) : 0;
}

static int grow_measure(void *context)
{
	struct grow_case *item = context;
	/* The kernel does not make mappings of huge pages longer. */
	unsigned int count = item->page ? WAY_MREMAP : WAY_MREMAP + 1;
	const char *kind = item->page ? "memfd of huge pages" : "memfd";
	struct contender rows[4];
	char title[96];
	int err;

	if (item->group->output->bounds)
		count = WAY_MAP_ANEW;
	for (unsigned int i = 0; i < count; i++)
		growths[i] = (struct growth){
			.way = (enum way)i, .page = item->page, .step = item->step, .to = item->to
		};
	err = measure_turns(item, rows);
	if (!err)
		err = measure_ends(item, rows, count);
	if (err)
		return err;
	snprintf(title, sizeof(title), "%s grows by %llu KiB to %llu MiB", kind,
		 (unsigned long long)(item->step / KIB), (unsigned long long)(item->to / MIB));
	output_group(item->group->output, title, rows, count);
	if (item->step == (item->page ? item->page : 64 * KIB)) {
		snprintf(title, sizeof(title), "%s grows by a step, 16 MiB of it warm", kind);
		output_title(item->group->output, title);
		for (unsigned int i = 0; i < count && !err; i++)
			err = figures_of(&growths[i], names[i], item->group->output);
	}
	return err;
}

uint64_t arena_pool_pages(void)
{
	static const char *const names_of[] = { POOL_FOLDER "free_hugepages",
						POOL_FOLDER "resv_hugepages" };
	unsigned long long value[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(names_of[i], "re");

		if (file && fscanf(file, "%llu", &value[i]) != 1)
			value[i] = 0;
		if (file)
			fclose(file);
	}
	return value[0] - value[1];
}

int bench_grow(struct group_context *group, unsigned int index)
{
	uint64_t pool = arena_pool_pages() * POOL, to = group->output->quick ? 64 * MIB : 2048 * MIB;
	struct grow_case cases[] = {
		{ group, 64 * KIB, to, 0 },
		{ group, 2 * MIB, to, 0 },
		{ group, 32 * MIB, to, 0 },
		{ group, 2 * MIB, to, POOL },
		{ group, 32 * MIB, to, POOL },
	};
	struct grow_case *item = &cases[index];

	/* The pool is everybody's: nothing is taken from it beside tests. */
	if (group->output->quick)
		pool = 0;
	if (item->page && pool < 64 * MIB) {
		output_note(group->output,
			    "huge pages: quick, or fewer than 32 are free: not measured");
		return 0;
	}
	/* Two grow at a time. */
	if (item->page && pool / 2 < to)
		item->to = pool / (64 * MIB) * (32 * MIB);
	return group_in_child(group, grow_measure, item);
}
