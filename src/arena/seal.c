/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Seals.
 *
 * WHAT FOR. Whoever is handed the object's descriptor is told once and for all what nobody does to it any more.
 *
 * STRATEGY. The kernel keeps and enforces them, whoever sets them; what it refuses for one is told as such (arena/object.c). Only a seal
 * against shrinking is remembered here: a refused growth cannot be cut off then, so growth goes another way (arena/ahead.c).
 *
 * CONCURRENCY. As growing. Nobody is told: nothing that can be touched is changed.
 *
 * WHAT IT DOES NOT DO. It seals no arena against all writing: the kernel refuses that while a mapping is there that could be made
 * writable, and the arena's own are.
 */
#include <errno.h>

#include "arena/arena.h"
#include "sys/definitions.h"

static uint32_t seals_of_kernel(uint32_t seals)
{
	return (seals & VAS_SEAL_GROW ? F_SEAL_GROW : 0) | (seals & VAS_SEAL_SHRINK ? F_SEAL_SHRINK : 0) |
	       (seals & VAS_SEAL_FUTURE_WRITE ? F_SEAL_FUTURE_WRITE : 0) |
	       (seals & VAS_SEAL_SEAL ? F_SEAL_SEAL : 0);
}

static int seal_classify(const struct vas_arena *arena, int err, struct vas_failure *failure)
{
	struct vas_sys *sys = arena->space->sys;

	switch (err) {
	case -EINVAL: /* what takes no seals, or none of these */
		if (arena->object.disk || VAS_CALL(sys, seals, arena->object.fd, 0) < 0)
			return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EOPNOTSUPP);
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, -EOPNOTSUPP);
	case -ENOMEM:
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, err);
	default:
		if (err == -EPERM && vas_object_is_sealed(&arena->object, sys, F_SEAL_SEAL))
			return vas_arena_refuse(failure, VAS_WHY_SEALED, -EPERM);
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	}
}

static int seals_add(struct vas_arena *arena, uint32_t seals, struct vas_failure *failure)
{
	struct vas_sys *sys = arena->space->sys;
	int64_t got;
	int err;

	err = vas_object_same(&arena->object, sys, failure);
	if (err)
		return err;
	got = VAS_CALL(sys, seals, arena->object.fd, seals_of_kernel(seals));
	if (got < 0)
		return seal_classify(arena, (int)got, failure);
	arena->object.kept = (got & F_SEAL_SHRINK) != 0;
	return 0;
}

int vas_arena_add_seals(struct vas_arena *arena, uint32_t seals, struct vas_failure *failure)
{
	int err;

	err = vas_arena_enter(arena, failure);
	if (err)
		return err;
	err = vas_arena_needs_object(arena, failure);
	if (!err)
		err = vas_arena_begin(arena, VAS_CHANGE_GROW, 0, 0, NULL, failure);
	if (!err)
		err = vas_arena_end_quiet(arena, seals_add(arena, seals, failure));
	vas_arena_leave(arena);
	return err;
}
