/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses a holding from a layer above: a region. The space tells it what happens to
 * the span by itself, and asks it for memory.
 */
#ifndef VAS_SPACE_USER_H
#define VAS_SPACE_USER_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/base.h>

#include "sys/single.h"

struct vas_failure;
struct vas_space;
struct vas_holding;
struct vas_holding_user;

/* Several threads may call at once. What is not there is NULL, but for those about fork. */
struct vas_holding_user_ops {
	/* What was EMPTIED, GUARDED or HELD has become GONE. Called without locks. */
	void (*retired)(struct vas_holding_user *user, struct vas_span span);
	/* vas_reclaim: give back about target bytes; returns what was given back. Called without locks. */
	uint64_t (*reclaim)(struct vas_holding_user *user, uint64_t target);
	/* Bytes that reclaim could give back. */
	uint64_t (*warm)(struct vas_holding_user *user);
	/*
	 * Somebody who knows addresses only is to change what is mapped in a range of the user's span. 0: he may, and has the user's
	 * pin; else why not. -EAGAIN: the range is another user's by now. Called without locks.
	 */
	int (*lend)(struct vas_holding_user *user, struct vas_span range,
		    struct vas_failure *failure);
	/*
	 * Fork. prepare holds the user's own locks (vas_lock_fork_hold), so that a child finds its books whole; it
	 * may be called again before parent, which drops them (vas_lock_fork_drop). quiet: whether nobody else is
	 * inside (vas_lock_fork_quiet of each), and with held, between the two, nobody can come in (vas_lock_fork_held). child, in the child, resets them (vas_lock_fork_reset);
	 * state: enum vas_fork as it came out: what of the span the child has. ABSENT: the span is gone, and
	 * user->holding is NULL. TRAP: all of it is as reserved. Each may be NULL.
	 */
	void (*fork_prepare)(struct vas_holding_user *user);
	bool (*fork_quiet)(struct vas_holding_user *user, bool held);
	void (*fork_parent)(struct vas_holding_user *user);
	void (*fork_child)(struct vas_holding_user *user, int state);
	/*
	 * Makes a child's copy of a span of policy COPY that has shared memory, instead of the engine; before fork_child, no lock held. -errno:
	 * it has lost the span (vas_fork_lose). NULL: the engine copies.
	 */
	int (*fork_copy)(struct vas_holding_user *user);
};

/* Inside the user's own struct. Users are linked in the space, under space->users_lock. */
struct vas_holding_user {
	const struct vas_holding_user_ops *ops; /* filled by the user; the rest by the space */
	struct vas_holding *holding; /* I: holding->user == this; NULL = uses none */
	struct vas_holding_user *next;
	struct vas_holding_user **link;
	uint32_t busy; /* calls of ops without locks; its use does not end meanwhile. Guarded by space->lock */
	/*
	 * The user's own calls in the engine: those that fork waits for, and VAS_USER_HOOK for each that
	 * is in a hook (atomic). 0: none is in the engine for this span.
	 */
	uint64_t pins;
};

#define VAS_USER_HOOK (UINT64_C(1) << 32)

/* By the user's own calls. */
static inline void vas_user_add_pins(struct vas_holding_user *user, int64_t count)
{
	if (vas_single())
		__atomic_store_n(&user->pins, user->pins + (uint64_t)count, __ATOMIC_RELEASE);
	else
		__atomic_fetch_add(&user->pins, (uint64_t)count, __ATOMIC_SEQ_CST);
}

/* Calls that fork waits for. */
static inline bool vas_user_is_pinned(const struct vas_holding_user *user)
{
	return (uint32_t)__atomic_load_n(&user->pins, __ATOMIC_SEQ_CST) != 0;
}

/* Nobody is in the engine for this user. */
static inline bool vas_user_is_quiet(const struct vas_holding_user *user)
{
	return __atomic_load_n(&user->pins, __ATOMIC_ACQUIRE) == 0;
}

/*
 * Around a call of ops without locks: found and held under the space's lock, so that the user stays
 * until it is dropped. Not inside such a call of the same user.
 */
static inline void vas_user_hold(struct vas_holding_user *user)
{
	user->busy++;
}
void vas_user_drop(struct vas_space *space, struct vas_holding_user *user);
/* Over all users, in turn. No lock held. */
uint64_t vas_users_warm(struct vas_space *space);
uint64_t vas_users_reclaim(struct vas_space *space, uint64_t target);

/*
 * Takes a span over: only its user commits in it and releases it from then on. The holding is
 * pinned by the caller, or cannot go away otherwise. -ENOENT: it is being released;
 * -EBUSY: it has a user, or something is committed in it. No lock of this layer held.
 */
int vas_space_use(struct vas_space *space, struct vas_holding *holding,
		  struct vas_holding_user *user);
/* The same for the span that starts there; also -ENOENT when none does. */
int vas_space_use_at(struct vas_space *space, uint64_t start, struct vas_holding_user *user);
/*
 * The reverse; waits for calls of ops in other threads, so no lock that they take is held.
 * vas_space_release by the user does it too.
 */
void vas_space_unuse(struct vas_space *space, struct vas_holding_user *user);

/* Into the list and out of it; users_lock held. For space/split.c, which changes users itself. */
void vas_space_user_link(struct vas_space *space, struct vas_holding_user *user);
void vas_space_user_unlink(struct vas_holding_user *user);

#endif
