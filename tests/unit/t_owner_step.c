/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 20 */
/*
 * The owner look-up, interrupted at every instruction.
 *
 * With the processor's trap flag set, each instruction of publish, hide, clear
 * and unhide ends in a signal handler that looks addresses up: neighbours must
 * be found at every step, addresses that nobody owns at none, and the span that
 * comes or goes must do so at one step, all of it. Then the other way round: a
 * look-up is interrupted at each of its own instructions by a writer that takes
 * the tree apart under its feet. Last, handlers and reader threads look up
 * without pause while threads publish and withdraw.
 */
#include "tap/tap.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "support/index_world.h"
#include "support/single_step.h"

#ifndef UNSTEPPABLE

static void (*step_hook)(void);
static uint64_t steps; /* of the call that runs now */
static uint64_t steps_in_all;

static void on_trap(int number)
{
	(void)number;
	steps++;
	step_hook();
}

static void stepping_begin(void)
{
	struct sigaction action = { .sa_handler = on_trap };

	sigaction(SIGTRAP, &action, NULL);
}

/* What is watched while a writer runs. */
#define WATCHED 8u

static struct {
	struct index_world world;
	struct vas_owner_entry *neighbours[WATCHED];
	unsigned neighbour_count;
	uint64_t strangers[WATCHED]; /* addresses that nobody ever owns */
	unsigned stranger_count;
	struct vas_owner changing; /* as it is found while it is there */
	struct vas_owner other; /* a neighbour's value, kept by copy */
	struct vas_owner kept[WATCHED];
	bool there; /* the changing span was found at the last step */
	unsigned changes;
	const char *wrong; /* the first thing that was */
	uint64_t wrong_step;
} watch;

static void wrong(const char *what)
{
	if (watch.wrong)
		return;
	watch.wrong = what;
	watch.wrong_step = steps;
}

static bool found(uint64_t address, struct vas_owner *owner)
{
	return vas_owner_index_find(&watch.world.index, address, owner);
}

static bool same(const struct vas_owner *a, const struct vas_owner *b)
{
	return a->id == b->id && a->span.start == b->span.start && a->span.size == b->span.size;
}

static void watch_neighbours(void)
{
	struct vas_owner owner;

	for (unsigned i = 0; i < watch.neighbour_count; i++) {
		const struct vas_owner *kept = &watch.kept[i];

		if (!found(kept->span.start, &owner) || !same(&owner, kept) ||
		    !found(kept->span.start + kept->span.size - 1, &owner) || !same(&owner, kept))
			wrong("a neighbour was not found");
	}
	for (unsigned i = 0; i < watch.stranger_count; i++)
		if (found(watch.strangers[i], &owner))
			wrong("an address that nobody owns was found");
}

/* All addresses of the span answer alike, and change once. */
static void watch_step(void)
{
	const struct vas_span span = watch.changing.span;
	const uint64_t at[] = {
		span.start,
		span.start + span.size - 1,
		span.start + span.size / 2,
		span.start + (span.size - 1) / 3,
		(span.start + span.size - 1) & ~((1ull << 21) - 1),
		(span.start + span.size - 1) & ~((1ull << 39) - 1),
	};
	struct vas_owner owner;
	bool there = false;

	watch_neighbours();
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		bool seen = at[i] >= span.start && found(at[i], &owner);

		if (at[i] < span.start)
			continue;
		if (seen && !same(&owner, &watch.changing))
			wrong("the span was found with a wrong value");
		if (i && seen != there)
			wrong("a part of the span was there and a part was not");
		there = seen;
	}
	if (there != watch.there)
		watch.changes++;
	watch.there = there;
}

static void watch_begin(void)
{
	watch.changes = 0;
	steps = 0;
	for (unsigned i = 0; i < watch.neighbour_count; i++)
		watch.kept[i] = (struct vas_owner){ vas_owner_id(watch.neighbours[i]),
						    { watch.neighbours[i]->start,
						      watch.neighbours[i]->size } };
	step_hook = watch_step;
}

static bool watch_end(const char *what, bool there)
{
	steps_in_all += steps;
	if (steps < 4)
		wrong("the processor did not stop at each instruction");
	if (watch.changes != 1 || watch.there != there)
		wrong("the span did not change exactly once");
	if (watch.wrong)
		tap_diag("%s: %s, at step %llu of %llu", what, watch.wrong,
			 (unsigned long long)watch.wrong_step, (unsigned long long)steps);
	return !watch.wrong;
}

static struct vas_owner_entry *step_publish(uint64_t start, uint64_t size)
{
	struct vas_owner_index *index = &watch.world.index;
	struct vas_owner_entry *entry;

	index_world_feed(&watch.world);
	entry = vas_owner_index_take(index);
	watch.there = false;
	watch.changing = (struct vas_owner){ (uint64_t)(entry->generation + 1) << 32 | entry->id,
					     { start, size } };
	watch_begin();
	STEP_ON();
	vas_owner_index_publish(index, entry, start, size);
	STEP_OFF();
	watch_end("publish", true);
	return entry;
}

/* Hides, clears and gives back, each instruction of it watched. */
static void step_withdraw(struct vas_owner_entry *entry)
{
	struct vas_owner_index *index = &watch.world.index;

	watch.there = true;
	watch_begin();
	STEP_ON();
	vas_owner_index_hide(index, entry);
	vas_owner_index_clear(index, entry);
	vas_owner_index_give(index, entry);
	STEP_OFF();
	watch_end("withdraw", false);
}

static void step_hide_and_back(struct vas_owner_entry *entry)
{
	struct vas_owner_index *index = &watch.world.index;

	watch.there = true;
	watch_begin();
	STEP_ON();
	vas_owner_index_hide(index, entry);
	STEP_OFF();
	watch_end("hide", false);
	watch_begin();
	STEP_ON();
	vas_owner_index_unhide(index, entry);
	STEP_OFF();
	watch_end("unhide", true);
}

static void watch_world(void)
{
	memset(&watch, 0, sizeof(watch));
	index_world_make(&watch.world, 4096);
}

static void watch_neighbour(uint64_t start, uint64_t size)
{
	watch.neighbours[watch.neighbour_count++] = index_world_own(&watch.world, start, size);
}

static void watch_stranger(uint64_t address)
{
	watch.strangers[watch.stranger_count++] = address;
}

static void watch_world_end(const char *name)
{
	bool back;

	while (watch.neighbour_count)
		index_world_disown(&watch.world, watch.neighbours[--watch.neighbour_count]);
	back = index_pristine(&watch.world);
	ok(!watch.wrong && back, "%s", name);
	index_world_end(&watch.world);
}

/* Every span of these comes and goes between neighbours that touch it. */
static void test_steps(void)
{
	static const struct {
		uint64_t start, size;
		const char *name;
	} spans[] = {
		{ 0x7000, 0x1000, "one page between two, all levels split" },
		{ 0x200000, 0x200000, "one slot of the lowest level but one" },
		{ 0x1ff000, 0x2000, "two pages over an edge" },
		{ 0x40000000 - 0x1000, 0x40000000 + 0x3000, "over two edges of a middle level" },
		{ (1ull << 39) - 0x5000, 0x5000 + 0x7000, "over an edge of the root" },
		{ (3ull << 39) + 0x1000, (1ull << 40) + 0x5000, "root slots, split at both ends" },
		{ (1ull << 40), 64ull << 40, "64 TiB" },
	};

	for (unsigned i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		uint64_t start = spans[i].start, end = start + spans[i].size;
		struct vas_owner_entry *entry;

		watch_world();
		watch_neighbour(start - 0x1000, 0x1000);
		watch_neighbour(end, 0x3000);
		watch_stranger(start - 0x1001);
		watch_stranger(end + 0x3000);
		watch_stranger((1ull << 56) + start);
		watch_stranger(1ull << 63 | start);
		entry = step_publish(start, spans[i].size);
		step_hide_and_back(entry);
		step_withdraw(entry);
		/* The same again, with the same nodes in other places. */
		entry = step_publish(start, spans[i].size / 2 ? spans[i].size : 4096);
		step_withdraw(entry);
		watch_world_end(spans[i].name);
	}
}

/* Nodes that one owner leaves are taken by the next one, far away. */
static void test_step_recycling(void)
{
	struct vas_owner_entry *entry;

	watch_world();
	watch_neighbour(0x40000000, 0x1000);
	watch_neighbour(5ull << 39, 0x1000);
	watch_neighbour((9ull << 39) + 0x100000, 0x1000);
	watch_stranger(0x40001000);
	watch_stranger((5ull << 39) + 0x1000);
	watch_stranger((9ull << 39) + 0xff000);
	for (unsigned round = 0; round < 4; round++) {
		entry = step_publish(0x40002000, 0x1000);
		step_withdraw(entry);
		entry = step_publish((5ull << 39) + 0x5000, 0x5000);
		step_withdraw(entry);
		entry = step_publish((9ull << 39) + 0x101000, 7ull << 39);
		step_withdraw(entry);
	}
	watch_world_end("nodes that wander through the tree");
}

/* A claim that lands on a hidden span, and the clearing of what is left of that. */
static void test_step_overrun(void)
{
	struct vas_owner_index *index = &watch.world.index;
	struct vas_owner_entry *hidden, *entry;

	watch_world();
	watch_neighbour(0x100000, 0x1000);
	watch_neighbour(0x108000, 0x1000);
	watch_stranger(0x101000);
	watch_stranger(0x107fff);
	hidden = index_world_own(&watch.world, 0x101000, 0x7000);
	vas_owner_index_hide(index, hidden);
	entry = step_publish(0x102000, 0x2000);
	/* Clearing what was overrun changes nothing that can be found. */
	watch.there = true;
	watch_begin();
	STEP_ON();
	vas_owner_index_clear(index, hidden);
	vas_owner_index_give(index, hidden);
	STEP_OFF();
	if (watch.changes || !watch.there)
		wrong("clearing a hidden span touched the one that took its place");
	step_withdraw(entry);
	watch_world_end("a claim over a hidden span, which is cleared later");
}

/*
 * The other way round. A look-up of `address` is interrupted once, at its
 * instruction number `when`, by script(); then it goes on.
 */
static struct {
	void (*script)(void);
	uint64_t when;
	bool ran;
	struct vas_owner_entry *a, *b, *c;
	struct vas_owner before, after; /* id 0: not found */
} reader;

static void reader_step(void)
{
	if (steps != reader.when)
		return;
	reader.script();
	reader.ran = true;
}

#define HERE 0x40005000ull

static void script_withdraw(void)
{
	index_world_disown(&watch.world, reader.a);
}

/* Withdraws, and gives its nodes to others that lie at the same slots of other slots. */
static void script_recycle(void)
{
	index_world_disown(&watch.world, reader.b);
	index_world_disown(&watch.world, reader.a);
	index_world_disown(&watch.world, reader.c);
	reader.b = index_world_own(&watch.world, (7ull << 39) + HERE, 0x1000);
	reader.c = index_world_own(&watch.world, (7ull << 39) + HERE + 0x1000, 0x1000);
	reader.a = index_world_own(&watch.world, (7ull << 39) + HERE - 0x1000, 0x1000);
}

/* The same entry, the same place, another owner. */
static void script_replace(void)
{
	index_world_disown(&watch.world, reader.a);
	reader.a = index_world_own(&watch.world, HERE - 0x2000, 0x5000);
	reader.after = (struct vas_owner){ vas_owner_id(reader.a), { HERE - 0x2000, 0x5000 } };
}

/* The owner stays; neighbours come and go around it, down to single pages. */
static void script_neighbours(void)
{
	struct vas_owner_entry *low, *high;

	low = index_world_own(&watch.world, HERE - 0x1000, 0x1000);
	high = index_world_own(&watch.world, HERE + 0x1000, 0x7000);
	index_world_disown(&watch.world, low);
	low = index_world_own(&watch.world, 1ull << 39, 7ull << 39);
	index_world_disown(&watch.world, high);
	index_world_disown(&watch.world, low);
}

static void script_hide_and_back(void)
{
	vas_owner_index_hide(&watch.world.index, reader.a);
	vas_owner_index_unhide(&watch.world.index, reader.a);
}

/* An owner that never covers HERE comes into the same slots. */
static void script_beside(void)
{
	reader.c = index_world_own(&watch.world, HERE + 0x1000, 0x1000);
}

/* One setting: what is there before, what happens, and whether "nobody" may be the answer. */
struct reader_case {
	const char *name;
	void (*script)(void);
	bool owned; /* HERE has an owner before */
	bool alone; /* without neighbours in its slots */
	bool may_miss; /* the owner is withdrawn for a moment at least */
};

/* False when the look-up ended before instruction `when`. */
static bool reader_once(const struct reader_case *test, uint64_t when)
{
	struct vas_owner owner = { 0 };
	bool seen;

	memset(&reader, 0, sizeof(reader));
	watch_world();
	if (!test->alone) {
		reader.b = index_world_own(&watch.world, HERE - 0x8000, 0x1000);
		reader.c = index_world_own(&watch.world, HERE + 0x8000, 0x1000);
	}
	if (test->owned) {
		reader.a = index_world_own(&watch.world, HERE, 0x1000);
		reader.before = (struct vas_owner){ vas_owner_id(reader.a), { HERE, 0x1000 } };
	}
	/* Room for what the script owns: it must not call malloc. */
	watch.world.index.claims += 8;
	index_world_feed(&watch.world);
	watch.world.index.claims -= 8;
	reader.script = test->script;
	reader.when = when;
	steps = 0;
	step_hook = reader_step;
	STEP_ON();
	seen = vas_owner_index_find(&watch.world.index, HERE, &owner);
	STEP_OFF();
	steps_in_all += steps;
	if (reader.ran) {
		if (!seen && test->owned && !test->may_miss)
			wrong("an owner that stayed was missed");
		if (seen && !(test->owned && same(&owner, &reader.before)) &&
		    !(reader.after.id && same(&owner, &reader.after)))
			wrong("an owner was found that never was there");
	}
	index_world_end(&watch.world);
	return reader.ran;
}

static void test_reader_steps(void)
{
	static const struct reader_case cases[] = {
		{ "the owner leaves", script_withdraw, true, false, true },
		{ "the owner, alone, leaves", script_withdraw, true, true, true },
		{ "its nodes serve elsewhere", script_recycle, true, false, true },
		{ "another owner in the same entry", script_replace, true, false, true },
		{ "another owner in the same entry, alone", script_replace, true, true, true },
		{ "neighbours come and go", script_neighbours, true, false, false },
		{ "neighbours come and go around one alone", script_neighbours, true, true, false },
		{ "hidden and shown again", script_hide_and_back, true, false, true },
		{ "nobody there, somebody beside", script_beside, false, true, false },
		{ "nobody there, neighbours, and somebody beside", script_beside, false, false,
		  false },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *bad = NULL;
		uint64_t when = 1, bad_step = 0;

		for (; reader_once(&cases[i], when); when++) {
			if (watch.wrong && !bad) {
				bad = watch.wrong;
				bad_step = when;
			}
		}
		if (bad)
			tap_diag("%s, interrupted at instruction %llu", bad,
				 (unsigned long long)bad_step);
		ok(!bad && when > 10, "a look-up while %s: right at each of %llu instructions",
		   cases[i].name, (unsigned long long)(when - 1));
	}
}

static void test_stepping(void)
{
	stepping_begin();
	test_steps();
	test_step_recycling();
	test_step_overrun();
	test_reader_steps();
	tap_figure("instructions interrupted", (double)steps_in_all, "instructions");
}

#else

static void test_stepping(void)
{
	tap_skip(19, "no-single-step", "this processor or build cannot stop at each instruction");
}

#endif

/*
 * Under load. Writers share a lock, as the index wants it; each owns a part of
 * the addresses in which its spans come and go, beside some that stay.
 */
#define WRITERS 2u
#define READERS 2u
#define STAYING 8u

static struct {
	struct index_world world;
	pthread_mutex_t lock;
	pthread_t writers[WRITERS];
	struct vas_owner staying[STAYING];
	bool stop; /* atomic */
	uint64_t handled, looked, found, published; /* atomic */
	const char *wrong; /* atomic */
} load = { .lock = PTHREAD_MUTEX_INITIALIZER };

#define LOAD_BASE (1ull << 40)
#define LOAD_PART (1ull << 33) /* addresses of one writer */

static void load_wrong(const char *what)
{
	__atomic_store_n(&load.wrong, what, __ATOMIC_RELAXED);
}

/* Signal-safe. Staying spans lie at multiples of 8 pages; strangers right above them. */
static void load_look(uint64_t *random)
{
	const struct vas_owner *staying = &load.staying[vas_random_below(random, STAYING)];
	uint64_t address = LOAD_BASE + (vas_random_next(random) >> 30);
	struct vas_owner owner;

	if (!vas_owner_index_find(&load.world.index, staying->span.start + 17, &owner) ||
	    owner.id != staying->id || owner.span.start != staying->span.start ||
	    owner.span.size != staying->span.size)
		load_wrong("a span that stays was not found");
	if (vas_owner_index_find(&load.world.index, staying->span.start + 0x1000, &owner))
		load_wrong("an address that nobody owns was found");
	if (vas_random_below(random, 2)) /* near a staying span, where nodes split and go */
		address = staying->span.start + 0x2000 + (vas_random_next(random) >> 50);
	if (vas_owner_index_find(&load.world.index, address, &owner)) {
		__atomic_fetch_add(&load.found, 1, __ATOMIC_RELAXED);
		if (address - owner.span.start >= owner.span.size || !(owner.id >> 32 & 1) ||
		    (owner.span.start | owner.span.size) & 0xfff)
			load_wrong("an owner was found with a torn span");
	}
	__atomic_fetch_add(&load.looked, 1, __ATOMIC_RELAXED);
}

static void on_signal(int number)
{
	static uint64_t count;
	uint64_t random = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) * 0x9e3779b97f4a7c15u;

	(void)number;
	for (unsigned i = 0; i < 8; i++)
		load_look(&random);
	__atomic_fetch_add(&load.handled, 1, __ATOMIC_RELAXED);
}

/* A span for slot `slot` of a writer: its own room, in pages 2 to 7 after a staying span, or far off. */
static void load_place(unsigned writer, unsigned slot, uint64_t *random, uint64_t *start,
		       uint64_t *size)
{
	uint64_t base = LOAD_BASE + writer * LOAD_PART;

	if (slot < 4) {
		*start = base + ((uint64_t)slot << 15) + 0x2000;
		*size = (1 + vas_random_below(random, 6)) << 12;
		return;
	}
	*start = base + ((uint64_t)slot << 28) + (vas_random_below(random, 1000) << 12);
	*size = (1 + vas_random_below(random, 60000)) << 12;
}

static void *writer_main(void *arg)
{
	unsigned writer = (unsigned)(uintptr_t)arg;
	struct vas_owner_entry *entries[8] = { NULL };
	uint64_t random = writer + 1, start, size;
	struct vas_owner_index *index = &load.world.index;

	while (!__atomic_load_n(&load.stop, __ATOMIC_RELAXED)) {
		unsigned slot = (unsigned)vas_random_below(&random, 8);

		pthread_mutex_lock(&load.lock);
		if (!entries[slot]) {
			load_place(writer, slot, &random, &start, &size);
			entries[slot] = index_world_own(&load.world, start, size);
			load.published++;
		} else if (vas_random_below(&random, 4) == 0) {
			vas_owner_index_hide(index, entries[slot]);
			vas_owner_index_unhide(index, entries[slot]);
		} else {
			index_world_disown(&load.world, entries[slot]);
			entries[slot] = NULL;
		}
		pthread_mutex_unlock(&load.lock);
	}
	pthread_mutex_lock(&load.lock);
	for (unsigned slot = 0; slot < 8; slot++)
		if (entries[slot])
			index_world_disown(&load.world, entries[slot]);
	pthread_mutex_unlock(&load.lock);
	return NULL;
}

static void *reader_main(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg << 32;

	while (!__atomic_load_n(&load.stop, __ATOMIC_RELAXED))
		load_look(&random);
	return NULL;
}

/* Signals for the writers, so that handlers run in the middle of their work. */
static void load_prod(double seconds)
{
	struct timespec begin, now, nap = { 0, 50000 };

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (unsigned i = 0; i < WRITERS; i++)
			pthread_kill(load.writers[i], SIGUSR1);
		nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9 <
		 seconds);
}

static void test_load(double seconds)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct vas_owner_entry *staying[STAYING];
	pthread_t readers[READERS];

	sigaction(SIGUSR1, &action, NULL);
	index_world_make(&load.world, 4096);
	for (unsigned i = 0; i < STAYING; i++) {
		uint64_t start = LOAD_BASE + i / 4 * LOAD_PART + ((uint64_t)(i % 4) << 15);

		staying[i] = index_world_own(&load.world, start, 0x1000);
		load.staying[i] = (struct vas_owner){ vas_owner_id(staying[i]), { start, 0x1000 } };
	}
	for (unsigned i = 0; i < WRITERS; i++)
		if (pthread_create(&load.writers[i], NULL, writer_main, (void *)(uintptr_t)i))
			tap_bail("no threads");
	for (unsigned i = 0; i < READERS; i++)
		if (pthread_create(&readers[i], NULL, reader_main, (void *)(uintptr_t)(i + 1)))
			tap_bail("no threads");
	load_prod(seconds);
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(load.writers[i], NULL);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	for (unsigned i = 0; i < STAYING; i++)
		index_world_disown(&load.world, staying[i]);
	ok(!load.wrong, "under load every look-up was right%s%s", load.wrong ? ", but: " : "",
	   load.wrong ? load.wrong : "");
	ok(load.handled > 0 && load.found > 0 && load.published > 0,
	   "%llu spans came and went, %llu signals, %llu look-ups, %llu of them found a moving span",
	   (unsigned long long)load.published, (unsigned long long)load.handled,
	   (unsigned long long)load.looked, (unsigned long long)load.found);
	ok(index_pristine(&load.world), "and nothing is left");
	index_world_end(&load.world);
}

int main(void)
{
	tap_plan(0);
	test_stepping();
	test_load((double)tap_scaled(4000) / 1000);
	return tap_done();
}
