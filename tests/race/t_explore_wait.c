/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * Ends of a queue that sleep for each other, in every order of steps that a few pre-emptions make, on a processor that keeps stores back: what a
 * thread writes lies in a buffer of its own, which others do not see, until there is more than it has room for, or a barrier. Nobody sleeps
 * for a time: a wake-up that is lost is ends that sleep for ever. Without the barriers of sleepers, or of those who publish, that must be found.
 */
#include "support/explorer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/edge.h"
#include "api/edge_arena.h"
#include "arena/arena.h"

static uint64_t model_load(const void *word, size_t size);
static void model_store(void *word, size_t size, uint64_t value);
static uint32_t model_or(uint32_t *word, uint32_t bits);
static bool model_exchange(uint32_t *word, uint32_t *expected, uint32_t value);
static void model_fence(void);

#define __atomic_load_n(word, order)	     ((__typeof__(+*(word)))model_load(word, sizeof(*(word))))
#define __atomic_store_n(word, value, order) model_store(word, sizeof(*(word)), value)
#define __atomic_fetch_or(word, bits, order) model_or(word, bits)
#define __atomic_thread_fence(order)	     model_fence()
#define __atomic_compare_exchange_n(word, expected, value, weak, yes, no)                          \
	model_exchange(word, expected, value)

#include "api/ring.c"
#include "arena/queue_wait.c"

#undef __atomic_load_n
#undef __atomic_store_n
#undef __atomic_fetch_or
#undef __atomic_thread_fence
#undef __atomic_compare_exchange_n

#include "tap/tap.h"

enum { ENDS = 3, BUFFER = 8, RECORDS = 2, BYTES = 16, SLOTS = 4 };
enum wrong { RIGHT, NO_BARRIER, NO_FENCE };
enum membarrier {
	ALLOWED,
	DENIED,
	DENIED_LATER, /* when all have joined */
	DENIED_AND_KNOWN, /* the same, and the first sleeper has found out */
	KINDS
};

struct model_word {
	void *word;
	size_t size;
	uint64_t value;
	bool adds; /* these bits */
};

struct model_buffer { /* from the oldest on */
	struct model_word words[BUFFER];
	unsigned int count;
};

static enum wrong wrong;
static enum membarrier membarrier;
static bool many; /* producers: the third end is another one */
static unsigned int room; /* of buffers */

static struct {
	struct vas_sys sys;
	struct vas_space space;
	struct vas_arena arena;
	struct vas_queue_page page;
	struct vas_queue queue;
	struct vas_claim_slot slots[SLOTS];
	struct vas_queue_end ends[ENDS]; /* by thread; the first two by role */
	unsigned char data[BYTES]; /* of one record */
	struct model_buffer buffers[ENDS];
	uint32_t asleep[ENDS]; /* by thread */
	uint32_t slept[ENDS]; /* how often */
	uint32_t refused,
		changed; /* times that somebody was not let sleep, and that a word was cleared */
	uint64_t put, got;
} world __attribute__((aligned(64)));

/* --- memory --- */

static void word_write(const struct model_word *word)
{
	uint64_t value = 0;

	memcpy(&value, word->word, word->size);
	value = word->adds ? value | word->value : word->value;
	memcpy(word->word, &value, word->size);
}

static void buffer_drain(struct model_buffer *buffer, unsigned int left)
{
	unsigned int gone = buffer->count > left ? buffer->count - left : 0;

	for (unsigned int i = 0; i < gone; i++)
		word_write(&buffer->words[i]);
	buffer->count -= gone;
	memmove(buffer->words, buffer->words + gone, buffer->count * sizeof(buffer->words[0]));
}

static void buffers_drain(void)
{
	for (unsigned int i = 0; i < ENDS; i++)
		buffer_drain(&world.buffers[i], 0);
}

/* NULL: not in a thread. */
static struct model_buffer *buffer_own(void)
{
	return explorer_thread() < ENDS ? &world.buffers[explorer_thread()] : NULL;
}

/* The last that was written to the word and is not seen by others; NULL: nothing. */
static const struct model_word *buffer_find(const struct model_buffer *own, const void *word)
{
	for (unsigned int i = own ? own->count : 0; i > 0; i--)
		if (own->words[i - 1].word == word)
			return &own->words[i - 1];
	return NULL;
}

static void buffer_add(struct model_word written)
{
	struct model_buffer *own = buffer_own();

	if (!own) {
		word_write(&written);
		return;
	}
	buffer_drain(own, BUFFER - 1);
	own->words[own->count++] = written;
	buffer_drain(own, room);
}

static uint64_t model_load(const void *word, size_t size)
{
	const struct model_word *own;
	uint64_t value = 0;

	explorer_step();
	own = buffer_find(buffer_own(), word);
	if (own)
		return own->value;
	memcpy(&value, word, size);
	return value;
}

static void model_store(void *word, size_t size, uint64_t value)
{
	explorer_step();
	buffer_add((struct model_word){ word, size, value, false });
}

/* It may be seen later than what is looked at next. */
static uint32_t model_or(uint32_t *word, uint32_t bits)
{
	uint32_t was;

	explorer_step();
	if (buffer_find(buffer_own(), word))
		buffer_drain(buffer_own(), 0);
	was = *word;
	buffer_add((struct model_word){ word, sizeof(*word), bits, true });
	return was;
}

static bool model_exchange(uint32_t *word, uint32_t *expected, uint32_t value)
{
	explorer_step();
	if (*word != *expected) {
		*expected = *word;
		return false;
	}
	*word = value;
	world.changed++;
	return true;
}

static void model_fence(void)
{
	explorer_step();
	if (buffer_own() && wrong != NO_FENCE)
		buffer_drain(buffer_own(), 0);
}

/* --- the kernel --- */

static int64_t model_barrier(struct vas_sys *sys, int command)
{
	(void)sys;
	explorer_step();
	if (membarrier == DENIED ||
	    (membarrier != ALLOWED && command == VAS_MEMBARRIER_GLOBAL_EXPEDITED))
		return -EPERM;
	if (command == VAS_MEMBARRIER_GLOBAL_EXPEDITED && wrong != NO_BARRIER)
		buffers_drain();
	return 0;
}

static int64_t model_wait(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	unsigned int self = explorer_thread();

	(void)sys;
	(void)nanoseconds;
	explorer_step();
	buffer_drain(buffer_own(), 0);
	if (*word != value) {
		world.refused++;
		return 0;
	}
	/* Nobody knew of it yet when this sleeper found out. That costs one sleep, which ends by itself: no store is kept back for so long. */
	if (membarrier == DENIED_LATER && world.slept[self]++ == 0) {
		buffers_drain();
		return 0;
	}
	world.asleep[self] = 1;
	explorer_lock(NULL, &world.asleep[self]);
	world.asleep[self] = 0;
	return 0;
}

static int64_t model_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	(void)sys;
	(void)count;
	explorer_step();
	for (unsigned int i = 0; i < ENDS; i++)
		if (word == &world.page.sleepers[vas_queue_role(&world.ends[i])].word)
			world.asleep[i] = 0;
	return 1;
}

static int64_t model_clock(struct vas_sys *sys)
{
	(void)sys;
	return 0;
}

/* --- the ends --- */

static void end_begin(unsigned int thread, enum vas_queue_role role)
{
	struct vas_queue_end *end = &world.ends[thread];
	bool producer = role == VAS_QUEUE_PRODUCER;

	*end = (struct vas_queue_end){
		.queue = &world.queue,
		.data = world.data,
		.own = producer ? &world.page.tail : &world.page.head,
		.other = producer ? &world.page.head : &world.page.tail,
		.bytes = BYTES,
		.seen = producer && !many ? BYTES : 0,
		.role = role,
		.asked = 1, /* who lives is not asked for long */
		.place = thread,
	};
	vas_queue_heed(end);
	world.page.places[role].peer = 1;
	world.page.producers[thread] = producer;
	world.page.sleepers[role].word = membarrier == DENIED_AND_KNOWN ? VAS_QUEUE_FENCES : 0;
}

static void world_begin(void *state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.sys.barrier = model_barrier;
	world.sys.wait = model_wait;
	world.sys.wake = model_wake;
	world.sys.clock = model_clock;
	world.space.sys = &world.sys;
	world.arena.space = &world.space;
	world.queue = (struct vas_queue){
		.arena = &world.arena,
		.page = &world.page,
		.claims = { world.slots, &world.page.marks, SLOTS, BYTES },
		.flags = VAS_QUEUE_WAITS | (many ? VAS_QUEUE_MANY : 0),
	};
	end_begin(0, VAS_QUEUE_PRODUCER);
	end_begin(1, VAS_QUEUE_CONSUMER);
	end_begin(2, VAS_QUEUE_PRODUCER);
}

/* Goes on until it was done, sleeping in between. */
static bool again(int err)
{
	struct vas_queue_end *end = &world.ends[explorer_thread()];

	if (err == -EAGAIN)
		err = vas_queue_wait(end, sizeof(uint64_t), UINT64_MAX);
	else if (!err)
		return false;
	if (err)
		explorer_fault("thread %u: %d", explorer_thread(), err);
	return !err;
}

static void produce(void *state)
{
	(void)state;
	while (world.put < RECORDS) {
		uint64_t value = world.put + 1;

		if (!again(vas_queue_put(&world.ends[0], &value, sizeof(value))))
			world.put++;
	}
	buffer_drain(buffer_own(), 0);
}

static void consume(void *state)
{
	(void)state;
	while (world.got < RECORDS) {
		uint64_t value = 0, length = sizeof(value);

		if (again(vas_queue_get(&world.ends[1], &value, &length)))
			continue;
		if (value != ++world.got)
			explorer_fault("record %d is %d", (int)world.got, (int)value);
	}
	buffer_drain(buffer_own(), 0);
}

/* Waits for room, and makes no use of it. */
static void look_on(void *state)
{
	(void)state;
	(void)again(-EAGAIN);
}

static void world_end(void *state)
{
	(void)state;
	if (world.put != RECORDS || world.got != RECORDS)
		explorer_fault("%d were put, %d came", (int)world.put, (int)world.got);
	/* Who is alone in a role sleeps unless it was woken meanwhile. */
	if (!many && world.refused > world.changed)
		explorer_fault("not let sleep %u times", world.refused);
}

static void explore(const char *name, bool fault_wanted)
{
	struct explorer_scenario scenario = { .name = name,
					      .begin = world_begin,
					      .end = world_end,
					      .thread = { produce, consume, many ? look_on : NULL },
					      .preemptions = 3 };

	explorer_point(&scenario, fault_wanted);
}

int main(void)
{
	static const char *const kinds[KINDS] = { "membarrier", "no membarrier",
						  "no membarrier any more",
						  "no membarrier, as is known" };
	char name[64];

	tap_plan(0);
	for (membarrier = ALLOWED; membarrier < KINDS; membarrier++)
		for (room = 0; room < 4; room++) {
			snprintf(name, sizeof(name), "%s, %u stores kept back", kinds[membarrier],
				 room);
			explore(name, false);
		}
	membarrier = ALLOWED;
	many = true;
	explore("another producer that waits", false);
	many = false;
	room = 3;
	wrong = NO_BARRIER;
	explore("sleepers have no barrier executed", true);
	wrong = NO_FENCE;
	for (membarrier = DENIED; membarrier < KINDS; membarrier++) {
		snprintf(name, sizeof(name), "%s, and none of one's own", kinds[membarrier]);
		explore(name, true);
	}
	return tap_done();
}
