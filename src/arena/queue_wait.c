/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for the other side of a queue.
 *
 * WHAT FOR. A side that has nothing to do sleeps in the kernel, and the other one, perhaps another process, wakes it. Records must stay
 * as cheap as without it while nobody sleeps.
 *
 * STRATEGY. A word for each role, on which the kernel lets that role sleep (a futex). Who is about to sleep sets a bit in it and looks once more;
 * who has published something looks for the bit. For one of both to see the other a barrier must stand between the store and the look on both
 * sides. On the side that publishes it would cost more than all else, so the sleeper puts it there: membarrier(2) has one executed
 * on every processor that runs a process that registered, which each does that joins. Where the kernel or a sandbox denies that, the
 * word says so from then on, and who publishes has the barrier itself.
 *
 * Who wakes clears the bit and counts the round: a sleeper that looked before that finds another word and does not fall asleep, though a second
 * sleeper may have set the bit anew.
 *
 * Nobody sleeps for longer than a step at once. Then it looks whether the other side lives: who is killed wakes nobody. So a wake-up that a spoilt
 * word lost costs a step; and so may the first one where membarrier is denied to a process that has joined already.
 *
 * CONCURRENCY. No lock; the word is changed by compare and exchange or atomic operations.
 *
 * WHAT IT DOES NOT DO. Of several producers it wakes all: the first takes the room.
 */
#include <limits.h>

#include "arena/queue.h"
#include "sys/definitions.h"

#define ROUND 4u /* what a wake-up adds to the word */
#define STEP  UINT64_C(100000000) /* nanoseconds */

static struct vas_sys *sys_of(const struct vas_queue_end *end)
{
	return end->queue->arena->space->sys;
}

void vas_queue_heed(struct vas_queue_end *end)
{
	int64_t got = VAS_CALL(sys_of(end), barrier, VAS_MEMBARRIER_REGISTER_GLOBAL_EXPEDITED);

	end->fences = got < 0;
}

void vas_queue_wake(struct vas_queue_end *end)
{
	uint32_t *word = &end->queue->page->sleepers[!vas_queue_role(end)].word;
	uint32_t was = __atomic_load_n(word, __ATOMIC_RELAXED);

	if ((was & VAS_QUEUE_FENCES) && !end->fences) {
		end->fences = 1;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		was = __atomic_load_n(word, __ATOMIC_RELAXED);
	}
	do {
		if (!(was & VAS_QUEUE_SLEEPS))
			return;
	} while (!__atomic_compare_exchange_n(word, &was, (was + ROUND) & ~VAS_QUEUE_SLEEPS, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	/* A sandbox that denies it denies sleeping, too. */
	(void)VAS_CALL(sys_of(end), wake, word, INT_MAX);
}

/* From here on who publishes something sees that this role sleeps, or what it published is seen. Answers the word to sleep on. */
static uint32_t sleep_begin(struct vas_queue_end *end, uint32_t *word)
{
	uint32_t set = VAS_QUEUE_SLEEPS;
	uint32_t was = __atomic_fetch_or(word, set, __ATOMIC_SEQ_CST);

	if (!(was & VAS_QUEUE_FENCES) &&
	    VAS_CALL(sys_of(end), barrier, VAS_MEMBARRIER_GLOBAL_EXPEDITED) < 0) {
		set |= VAS_QUEUE_FENCES;
		was = __atomic_fetch_or(word, set, __ATOMIC_SEQ_CST);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return was | set;
}

/* 0: there is what the end waits for. Takes nothing. */
static int look(struct vas_queue_end *end, uint64_t length)
{
	bool many = vas_queue_is_many(end->queue);
	const void *data;
	void *place;
	int err;

	if (vas_queue_role(end) == VAS_QUEUE_PRODUCER)
		err = many ? vas_queue_claim_look(end, length)
			   : vas_queue_take_room(end, length, &place);
	else
		err = many ? vas_queue_next_claimed(end, &data, &length)
			   : vas_queue_next(end, &data, &length);
	end->taken = 0;
	return err;
}

int vas_queue_await(struct vas_queue_end *end, uint64_t length, uint64_t nanoseconds)
{
	uint32_t *word = &end->queue->page->sleepers[vas_queue_role(end)].word;
	struct vas_sys *sys = sys_of(end);
	int err = look(end, length);
	int64_t start, now, got;
	uint64_t spent = 0, step;
	uint32_t seen;

	if (err != -EAGAIN || nanoseconds == 0)
		return err;
	start = VAS_CALL(sys, clock);
	while (err == -EAGAIN && spent < nanoseconds) {
		seen = sleep_begin(end, word);
		err = look(end, length);
		if (err != -EAGAIN)
			break;
		step = nanoseconds - spent < STEP ? nanoseconds - spent : STEP;
		got = VAS_CALL(sys, wait, word, seen, step);
		if (got < 0 && got != -ETIMEDOUT)
			break;
		/* Long enough that somebody may have died. */
		if (got < 0 && step == STEP)
			end->asked = 0;
		now = VAS_CALL(sys, clock);
		/* Without a clock, what was slept for nothing is what counts. */
		spent = start >= 0 && now >= start ? (uint64_t)(now - start)
						   : spent + (got < 0 ? step : 0);
		err = look(end, length);
	}
	return err;
}
