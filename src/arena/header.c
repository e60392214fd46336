/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of an arena: made, read, locked.
 *
 * WHAT FOR. Several processes use one arena, and each may change it.
 *
 * STRATEGY. The lock is a word that says whose it is, taken and given back by one operation each. Who finds it taken asks to be woken,
 * sleeps, for a tenth of a second at most, and looks whether the owner's process is still there: a dead one's lock is taken
 * from it by one compare and exchange. It says nothing about threads: within a process another lock comes first. The locks of libc are of no use
 * here: their form is not the same in every process, and a file's lock is everybody's who has the descriptor.
 *
 * CONCURRENCY. That between processes: see header.h for who writes what.
 *
 * WHAT IT DOES NOT DO. An owner that executes another program is not seen to be gone where it cannot be told (peer.h).
 */
#include "arena/header.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "arena/peer.h"
#include "base/number.h"

#define NAP_FIRST INT64_C(1000000) /* nanoseconds */
#define NAP	  INT64_C(100000000)
#define PATIENCE  INT64_C(1000000000)
#define ROUNDS	  (UINT32_C(1) << 24) /* whatever the others write */
#define MOST	  (UINT64_C(1) << 60) /* no size is above: sums of two have room */
#define COPIES	  1024u

void vas_header_begin(struct vas_header *page, const struct vas_header_facts *facts)
{
	page->version = VAS_HEADER_VERSION;
	page->facts = *facts;
	page->floor = UINT64_MAX;
	__atomic_store_n(&page->magic, VAS_HEADER_MAGIC, __ATOMIC_RELEASE);
}

/* --- reading --- */

static bool is_multiple(uint64_t number, uint64_t unit)
{
	return number % unit == 0;
}

static bool facts_fit(const struct vas_header_facts *facts)
{
	uint64_t page = facts->object_page, all;

	if (!vas_is_power_of_two(page) || !is_multiple(page, facts->page_size) ||
	    facts->step == 0 || facts->maximum == 0 || facts->maximum > MOST ||
	    facts->cap == 0 || facts->cap > facts->maximum || facts->offset > MOST)
		return false;
	if (!is_multiple(facts->step, page) || !is_multiple(facts->maximum, facts->step) ||
	    !is_multiple(facts->cap, facts->step) || !is_multiple(facts->offset, page))
		return false;
	if (facts->collapse && (!vas_is_power_of_two(facts->collapse) || facts->collapse > MOST ||
				!is_multiple(facts->collapse, page)))
		return false;
	return facts->copies > 0 && facts->copies <= COPIES && facts->use < VAS_HEADER_USES &&
	       is_multiple(facts->front, facts->page_size) && facts->front <= MOST &&
	       vas_multiply(facts->maximum, facts->copies, &all) && all <= MOST;
}

int vas_header_read(const struct vas_header *page, uint64_t page_size, struct vas_header_facts *facts)
{
	if (__atomic_load_n(&page->magic, __ATOMIC_ACQUIRE) != VAS_HEADER_MAGIC)
		return -EBADMSG;
	if (__atomic_load_n(&page->version, __ATOMIC_RELAXED) != VAS_HEADER_VERSION)
		return -EOPNOTSUPP;
	*facts = page->facts;
	/* From here on the copy counts: nobody else can change it. */
	__asm__ volatile("" : : "r"(facts) : "memory");
	if (facts->page_size != page_size)
		return -EOPNOTSUPP;
	facts->name[sizeof(facts->name) - 1] = 0;
	return facts_fit(facts) ? 0 : -EBADMSG;
}

/* --- the lock --- */

void vas_header_wake(uint32_t *word, uint32_t *wanted, struct vas_sys *sys)
{
	if (!__atomic_exchange_n(wanted, 0, __ATOMIC_SEQ_CST))
		return;
	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
	(void)VAS_CALL(sys, wake, word, INT_MAX);
}

static bool lock_try(struct vas_header *page, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(&page->owner, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

/* Who has it, and since when nothing was seen of that one. */
struct watch {
	uint64_t owner;
	uint32_t pulse;
	int64_t now; /* nanoseconds */
	int64_t since;
	int64_t nap; /* the next one */
};

static void watch_look(struct watch *watch, const struct vas_header *page, struct vas_sys *sys)
{
	uint64_t owner = __atomic_load_n(&page->owner, __ATOMIC_ACQUIRE);
	uint32_t pulse = __atomic_load_n(&page->pulse, __ATOMIC_RELAXED);
	int64_t now = VAS_CALL(sys, clock);

	/* Where a sandbox has no clock the naps are one. */
	watch->now = now < 0 ? watch->now + watch->nap : now;
	if (!watch->nap || owner != watch->owner || pulse != watch->pulse) {
		watch->since = watch->now;
		watch->nap = NAP_FIRST;
	} else {
		watch->nap = watch->nap < NAP / 2 ? 2 * watch->nap : NAP;
	}
	watch->owner = owner;
	watch->pulse = pulse;
}

int vas_header_lock_slowly(struct vas_header_map *map, struct vas_sys *sys)
{
	struct vas_header *page = map->page;
	struct watch watch = { .nap = 0 };
	uint32_t turn;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		__atomic_store_n(&page->wanted, 1, __ATOMIC_SEQ_CST);
		turn = __atomic_load_n(&page->turn, __ATOMIC_SEQ_CST);
		if (lock_try(page, 0, map->self))
			return 0;
		watch_look(&watch, page, sys);
		if (watch.now - watch.since >= PATIENCE)
			break;
		if (watch.nap > NAP_FIRST && vas_peer_gone(sys, map->namespace, watch.owner) &&
		    lock_try(page, watch.owner, map->self))
			return 0;
		if (watch.owner)
			(void)VAS_CALL(sys, wait, &page->turn, turn, (uint64_t)watch.nap);
	}
	return -EBUSY;
}
