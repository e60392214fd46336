/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses a holding from a layer above: a region. The space tells it what happens to
 * the span by itself, and asks it for memory.
 */
#ifndef VAS_SPACE_USER_H
#define VAS_SPACE_USER_H

#include <stdint.h>

#include <vaspace/base.h>

struct vas_holding;
struct vas_holding_user;

struct vas_holding_user_ops {
	/* What was EMPTIED, GUARDED or HELD has become GONE. Called without locks. */
	void (*retired)(struct vas_holding_user *user, struct vas_span span);
	/* vas_reclaim: give back about target bytes; returns what was given back. Called without locks. */
	uint64_t (*reclaim)(struct vas_holding_user *user, uint64_t target);
	/* Bytes that reclaim could give back. */
	uint64_t (*warm)(struct vas_holding_user *user);
	/* Takes the user's own locks, so that a child finds its books whole; then drops them. */
	void (*fork_prepare)(struct vas_holding_user *user);
	void (*fork_parent)(struct vas_holding_user *user);
	/* state: enum vas_fork as it came out: what of the span the child has. */
	void (*fork_child)(struct vas_holding_user *user, int state);
};

/* Inside the user's own struct. Users are linked in the space, under space->users_lock. */
struct vas_holding_user {
	const struct vas_holding_user_ops *ops;
	struct vas_holding *holding; /* I: holding->user == this */
	struct vas_holding_user *next;
	struct vas_holding_user **link;
};

#endif
