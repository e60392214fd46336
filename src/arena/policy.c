/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory policies of parts of an arena.
 *
 * WHAT FOR. One part of a large object on the node of those who use it, another on theirs.
 *
 * STRATEGY. A memfd of base pages keeps a policy itself, once it was put on one of its mappings (mbind); one of the pool keeps
 * none: there each view has one for its own faults, and memory that is given ahead of them comes from where the thread's policy
 * says while it is given (space/policy_thread.c). So a table of parts is kept here, sorted, none touching another of the same
 * policy; beside it is the whole arena's, of its reservation.
 *
 * CONCURRENCY. The table is the work lock's.
 *
 * WHAT IT DOES NOT DO. Private memory has the policy of its reservation. Another process that has opened an arena of the pool knows
 * nothing of the table.
 */
#include <errno.h>

#include "arena/arena.h"
#include "base/number.h"
#include "space/policy.h"

const struct vas_policy *vas_arena_policy_at(const struct vas_arena_policies *policies,
					     uint64_t offset, uint64_t *end)
{
	*end = UINT64_MAX;
	for (uint32_t i = 0; i < policies->count; i++) {
		const struct vas_arena_policy *item = &policies->items[i];

		if (offset < item->from) {
			*end = item->from;
			break;
		}
		if (offset < item->to) {
			*end = item->to;
			return &item->policy;
		}
	}
	return policies->whole.size ? &policies->whole : NULL;
}

/* Puts a part behind the last one, together with that where both say the same. False: no room. */
static bool policies_append(struct vas_arena_policies *policies, uint64_t from, uint64_t to,
			    const struct vas_policy *policy)
{
	struct vas_arena_policy *last = &policies->items[policies->count];

	if (from >= to)
		return true;
	if (policies->count && last[-1].to == from && vas_policy_same(&last[-1].policy, policy)) {
		last[-1].to = to;
		return true;
	}
	if (policies->count == VAS_ARENA_POLICIES)
		return false;
	*last = (struct vas_arena_policy){ from, to, *policy };
	policies->count++;
	return true;
}

/* The table with one part more. False: no room. */
static bool policies_with(const struct vas_arena_policies *old, uint64_t from, uint64_t to,
			  const struct vas_policy *policy, struct vas_arena_policies *made)
{
	bool room = true, done = false;

	*made = (struct vas_arena_policies){ .whole = old->whole };
	for (uint32_t i = 0; i < old->count; i++) {
		const struct vas_arena_policy *item = &old->items[i];
		uint64_t below = item->to < from ? item->to : from;
		uint64_t above = item->from > to ? item->from : to;

		room = room && policies_append(made, item->from, below, &item->policy);
		if (!done && item->to > from) {
			room = room && policies_append(made, from, to, policy);
			done = true;
		}
		room = room && policies_append(made, above, item->to, &item->policy);
	}
	return room && (done || policies_append(made, from, to, policy));
}

/* On [from, to) of a view what the table says. */
static int view_apply(struct vas_view *view, const struct vas_arena_policies *policies,
		      uint64_t from, uint64_t to)
{
	static const struct vas_policy none = { .size = sizeof(none), .mode = VAS_POLICY_DEFAULT };
	struct vas_sys *sys = view->arena->space->sys;
	int err = 0;

	while (from < to && !err) {
		const struct vas_policy *policy;
		struct vas_span range;
		uint64_t end;

		policy = vas_arena_policy_at(policies, from, &end);
		end = end < to ? end : to;
		if (vas_view_sees(view, from, end, &range))
			err = vas_policy_apply(sys, range, policy ? policy : &none);
		from = end;
	}
	return err;
}

static int views_apply(struct vas_arena *arena, const struct vas_arena_policies *policies,
		       uint64_t from, uint64_t to)
{
	int err = 0;

	for (struct vas_view *view = &arena->first; view && !err; view = view->next)
		err = view_apply(view, policies, from, to);
	return err;
}

int vas_arena_policy_join(struct vas_view *view, struct vas_failure *failure)
{
	struct vas_arena *arena = view->arena;
	int err = 0;

	/* Others keep it themselves. */
	for (uint32_t i = 0; arena->object.pool && i < arena->policies.count && !err; i++)
		err = view_apply(view, &arena->policies, arena->policies.items[i].from,
				 arena->policies.items[i].to);
	if (!err)
		return 0;
	failure->why = err == -ENOMEM ? VAS_WHY_KERNEL : VAS_WHY_DENIED;
	return err == -ENOMEM ? err : -EPERM;
}

static int policy_classify(int err, struct vas_failure *failure)
{
	switch (err) {
	case -EINVAL:
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, err);
	case -ENOMEM:
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, err);
	case -ENOSYS:
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, -EOPNOTSUPP);
	default:
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	}
}

int vas_arena_policy_renew(struct vas_arena *arena, struct vas_failure *failure)
{
	const struct vas_arena_policies *policies = &arena->policies;
	int err = 0;

	if (policies->count || policies->whole.size)
		err = views_apply(arena, policies, 0, arena->maximum);
	return err ? policy_classify(err, failure) : 0;
}

/* Work held. After an error all is as it was, as far as the kernel allows. */
static int policy_change(struct vas_arena *arena, uint64_t from, uint64_t to,
			 const struct vas_policy *policy, struct vas_failure *failure)
{
	struct vas_arena_policies made;
	int err;

	if (!policies_with(&arena->policies, from, to, policy, &made))
		return vas_arena_refuse(failure, VAS_WHY_CAP, -EDQUOT);
	err = views_apply(arena, &made, from, to);
	if (err) {
		(void)views_apply(arena, &arena->policies, from, to);
		return policy_classify(err, failure);
	}
	arena->policies = made;
	return 0;
}

/* Where a range ends that is given by offset and size: 0 = at the maximum. */
static int range_end(const struct vas_arena *arena, struct vas_span range, uint64_t *end,
		     struct vas_failure *failure)
{
	*end = arena->maximum;
	if (range.start >= arena->maximum ||
	    (range.size && !vas_add(range.start, range.size, end)) || *end > arena->maximum ||
	    (range.start | range.size) % arena->step)
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	return 0;
}

static int range_check(const struct vas_arena *arena, struct vas_span range, uint64_t *end,
		       struct vas_failure *failure)
{
	if (!vas_arena_has_object(arena))
		return vas_arena_refuse(failure, VAS_WHY_PRIVATE, -EOPNOTSUPP);
	if (arena->object.disk)
		return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
	return range_end(arena, range, end, failure);
}

int vas_arena_policy_set(struct vas_arena *arena, struct vas_span range,
			 const struct vas_policy *policy, struct vas_failure *failure)
{
	struct vas_telling telling;
	uint64_t end;
	int err;

	err = vas_arena_enter(arena, failure);
	if (err)
		return err;
	err = range_check(arena, range, &end, failure);
	if (!err)
		err = vas_arena_begin(arena, VAS_CHANGE_POLICY, range.start, end, &telling, failure);
	if (!err) {
		err = policy_change(arena, range.start, end, policy, failure);
		err = vas_arena_end_inside(arena, &telling, range.start, end, err);
	}
	vas_arena_leave(arena);
	return err;
}

/* --- moving what is there --- */

/* All views show the same pages: of one they are moved, and of all it is told. */
static int object_move(struct vas_arena *arena, uint64_t from, uint64_t to,
		       const struct vas_policy *policy, uint64_t *moved,
		       struct vas_failure *failure)
{
	const struct vas_span part = { arena->user.holding->span.start + from, to - from };
	struct vas_telling telling;
	int err, moving;

	err = vas_telling_begin(arena, VAS_CHANGE_MIGRATE, from, to, false, &telling, failure);
	if (err)
		return err;
	/* No lock: this can take seconds, and changes nothing that is in the books. */
	moving = vas_policy_move(arena->space->sys, part, policy, moved);
	if (*moved)
		vas_arena_changed(arena, &telling, from, to);
	else if (telling.count)
		vas_telling_end(arena, &telling, false);
	return moving ? vas_arena_refuse(failure, vas_policy_move_why(moving), moving) : 0;
}

static int private_move(struct vas_arena *arena, uint64_t from, uint64_t to,
			const struct vas_policy *policy, uint64_t *moved,
			struct vas_failure *failure)
{
	struct vas_holding *holding = arena->user.holding;
	const struct vas_span part = { holding->span.start + from, to - from };

	return vas_part_migrate(arena->space, holding, part, policy, moved, failure);
}

int vas_arena_policy_move(struct vas_arena *arena, struct vas_span range,
			  const struct vas_policy *policy, struct vas_failure *failure,
			  uint64_t *moved)
{
	uint64_t end, bytes;
	int err;

	*moved = 0;
	err = vas_arena_enter(arena, failure);
	if (err)
		return err;
	err = range_end(arena, range, &end, failure);
	bytes = vas_arena_bytes(arena);
	end = end < bytes ? end : bytes;
	if (!err && range.start < end)
		err = vas_arena_has_object(arena) ?
			      object_move(arena, range.start, end, policy, moved, failure) :
			      private_move(arena, range.start, end, policy, moved, failure);
	vas_arena_leave(arena);
	return err;
}
