/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas that another process made.
 *
 * WHAT FOR. Two processes use the same bytes, and each can make them more.
 *
 * STRATEGY. From the descriptors that it is handed a process takes two of its own, reads what the header says an arena is, and holds that against
 * what the descriptors are: the object must be the one that the header names. Then it shows the object in a span of its own, at the
 * maker's address where that is free, and follows: tails are opened as far as the size goes.
 *
 * CONCURRENCY. Others change the arena meanwhile. Nothing is taken from the header for good that can change.
 *
 * WHAT IT DOES NOT DO. It does not keep another process from cutting the object off: touching beyond its end is SIGBUS then, as beyond
 * any arena's size.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "arena/peer.h"
#include "base/number.h"

#define OPEN_FLAGS (VAS_ARENA_READ_ONLY | VAS_ARENA_SAME_ADDRESS)
/* Of the maker's flags those that hold for all. */
#define KEPT_FLAGS (VAS_ARENA_STRICT | VAS_ARENA_COMPANION)

static bool options_suit(const struct vas_arena_opts *opts)
{
	bool placed = opts->reserve && (opts->reserve->place != VAS_PLACE_ANY || opts->reserve->address);

	if ((opts->flags & ~OPEN_FLAGS) || opts->kind || opts->initial || opts->step || opts->cap ||
	    opts->ladder || opts->ladder_count || opts->fd || opts->offset || opts->exec)
		return false;
	if ((opts->flags & VAS_ARENA_READ_ONLY) && (opts->prot & PROT_WRITE))
		return false;
	return !((opts->flags & VAS_ARENA_SAME_ADDRESS) && placed);
}

static bool is_one(const struct vas_object *object, const struct vas_object *other)
{
	return object->device == other->device && object->inode == other->inode;
}

/* Descriptors of our own; the companion's only where there is one. */
static int take_descriptors(struct vas_arena *arena, int fd, int header, bool read_only,
			    struct vas_failure *failure)
{
	struct vas_sys *sys = arena->space->sys;
	struct vas_object found = { .read_only = read_only };
	int err = vas_object_adopt(sys, fd, failure, &found);

	if (err)
		return err;
	arena->object = found;
	vas_arena_pass_policy(arena);
	found = (struct vas_object){ .read_only = read_only };
	err = vas_object_adopt(sys, header, failure, &found);
	if (err)
		return err;
	arena->companion = found;
	if (is_one(&arena->object, &arena->companion))
		vas_object_close(sys, &arena->companion);
	return 0;
}

/* What the header says, once and for all. */
static int read_facts(struct vas_arena *arena, struct vas_failure *failure)
{
	bool beside = arena->companion.fd >= 0;
	const struct vas_object *object = beside ? &arena->companion : &arena->object;
	struct vas_sys *sys = arena->space->sys;
	struct vas_header page;
	int64_t got = VAS_CALL(sys, read_at, object->fd, &page, sizeof(page), 0);
	int err = -EBADMSG;

	if (got == (int64_t)sizeof(page))
		err = vas_header_read(&page, sys->page_size, &arena->facts);
	else if (got == -EBADF)
		err = (int)got;
	if (!err && object->seen < vas_companion_bytes(arena))
		err = -EBADMSG;
	return err ? vas_arena_refuse(failure, err == -EBADF ? VAS_WHY_OBJECT : VAS_WHY_HEADER, err) : 0;
}

/* Whether they speak of these descriptors, and of what is wanted. */
static bool facts_suit(const struct vas_arena *arena, enum vas_header_use use)
{
	const struct vas_header_facts *facts = &arena->facts;
	const struct vas_object *object = &arena->object;
	bool beside = arena->companion.fd >= 0;

	if (facts->device != object->device || facts->inode != object->inode ||
	    facts->object_page != object->page_size || facts->use != use ||
	    (use == VAS_HEADER_ARENA) != (facts->copies == 1))
		return false;
	if (facts->kind > VAS_ARENA_ADOPTED || facts->kind == VAS_ARENA_ANONYMOUS ||
	    facts->exec > VAS_EXEC_FILE || (facts->kind == VAS_ARENA_ADOPTED && object->disk) ||
	    (!beside && facts->kind != VAS_ARENA_MEMFD))
		return false;
	return beside || facts->offset >= vas_companion_bytes(arena);
}

/* The arena is what its maker made. */
static void take_facts(struct vas_arena *arena)
{
	const struct vas_header_facts *facts = &arena->facts;

	arena->kind = (enum vas_arena_kind)facts->kind;
	arena->exec = (enum vas_exec)facts->exec;
	arena->flags |= facts->flags & KEPT_FLAGS;
	arena->maximum = facts->maximum;
	arena->step = facts->step;
	arena->cap = facts->cap;
	arena->copies = facts->copies;
	arena->rung = facts->rung;
	arena->collapse = facts->collapse;
	arena->first.extent = facts->maximum;
	arena->object.offset = facts->offset;
	arena->object.shared = facts->kind == VAS_ARENA_ADOPTED;
	memcpy(arena->name, facts->name, sizeof(arena->name));
	arena->header.namespace = facts->namespace;
	arena->header.self = vas_peer_self(arena->space->sys, facts->namespace);
	/* In step with nothing yet. */
	arena->seen = UINT64_MAX;
}

/* At the maker's address, if that can be, or must be. */
static int stage(struct vas_arena *arena, const struct vas_arena_opts *opts,
		 struct vas_failure *failure)
{
	struct vas_reserve_opts reserve = { .size = sizeof(reserve) };
	int prot = opts->prot ? opts->prot : vas_arena_prot(arena);
	struct vas_failure refused = *failure;
	int err;

	if (opts->reserve)
		reserve = *opts->reserve;
	if (reserve.place != VAS_PLACE_ANY || reserve.address)
		return vas_arena_stage(arena, &reserve, prot, failure);
	reserve.place = VAS_PLACE_EXACT;
	reserve.address = arena->facts.home;
	err = vas_arena_stage(arena, &reserve, prot, &refused);
	if (!err)
		return 0;
	if (opts->flags & VAS_ARENA_SAME_ADDRESS) {
		*failure = refused;
		return err;
	}
	return vas_arena_stage(arena, opts->reserve, prot, failure);
}

static int attach(struct vas_arena *arena, int fd, int header, const struct vas_arena_opts *opts,
		  enum vas_header_use use, struct vas_failure *failure)
{
	bool read_only = opts->flags & VAS_ARENA_READ_ONLY;
	int err = take_descriptors(arena, fd, header, read_only, failure);

	if (!err)
		err = read_facts(arena, failure);
	if (err)
		return err;
	if (!facts_suit(arena, use))
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EBADMSG);
	take_facts(arena);
	if (!vas_arena_tail_suits(opts, arena->maximum))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	if (!vas_arena_fork_suits(arena->kind, opts->reserve))
		return vas_arena_refuse(failure, VAS_WHY_FORK_POLICY, -EOPNOTSUPP);
	err = vas_arena_fork_judge(&arena->object, opts->reserve, failure);
	if (err)
		return err;
	arena->header.writable = !read_only;
	if (!vas_arena_may_have(arena, opts->prot))
		return vas_arena_refuse(failure, VAS_WHY_SEALED, -EPERM);
	err = vas_companion_map(arena, read_only ? PROT_READ : PROT_READ | PROT_WRITE, failure);
	if (!err && !read_only)
		arena->object.pulse = &arena->header.page->pulse;
	if (!err)
		err = stage(arena, opts, failure);
	if (err)
		return err;
	err = vas_arena_catch_up(arena, failure);
	if (err)
		vas_arena_unreserve(arena->space, &arena->user, arena->user.holding->span.start);
	return err;
}

int vas_arena_attach(struct vas_space *space, int fd, int header, const struct vas_arena_opts *opts,
		     enum vas_header_use use, struct vas_failure *failure,
		     struct vas_arena **made)
{
	struct vas_arena *arena;
	int err;

	if (!options_suit(opts))
		return vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_arena_blank(space, opts, 1, failure, &arena);
	if (err)
		return err;
	err = attach(arena, fd, header, opts, use, failure);
	if (err)
		vas_arena_give(arena);
	else
		*made = arena;
	return err;
}
