/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Seals.
 *
 * WHAT FOR. Whoever is handed the object's descriptor is told once and for all what nobody does to it any more.
 *
 * STRATEGY. The kernel keeps and enforces them, whoever sets them; what it refuses for one is told as such (arena/object_memory.c). Only a seal
 * against shrinking is remembered here: a refused growth cannot be cut off then, so growth goes another way (arena/ahead.c).
 *
 * The kernel refuses a seal against all writing while there is a mapping that could be made writable, and all that are made from
 * the arena's descriptor are such. So the views, which must not be writable by then, are first mapped again from a descriptor that is only
 * read (space/again.c).
 *
 * CONCURRENCY. As growing. Nobody is told: nothing that can be touched is changed.
 *
 * WHAT IT DOES NOT DO. It does not look for views of other processes: the kernel does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "base/text.h"
#include "sys/definitions.h"

static uint32_t seals_of_kernel(uint32_t seals)
{
	return (seals & VAS_SEAL_WRITE ? F_SEAL_WRITE : 0) |
	       (seals & VAS_SEAL_GROW ? F_SEAL_GROW : 0) | (seals & VAS_SEAL_SHRINK ? F_SEAL_SHRINK : 0) |
	       (seals & VAS_SEAL_FUTURE_WRITE ? F_SEAL_FUTURE_WRITE : 0) |
	       (seals & VAS_SEAL_SEAL ? F_SEAL_SEAL : 0);
}

static uint32_t seals_of_arena(int64_t seals)
{
	return (seals & F_SEAL_WRITE ? VAS_SEAL_WRITE : 0) |
	       (seals & F_SEAL_GROW ? VAS_SEAL_GROW : 0) |
	       (seals & F_SEAL_SHRINK ? VAS_SEAL_SHRINK : 0) |
	       (seals & F_SEAL_FUTURE_WRITE ? VAS_SEAL_FUTURE_WRITE : 0) |
	       (seals & F_SEAL_SEAL ? VAS_SEAL_SEAL : 0);
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
	case -EBUSY:
		return vas_arena_refuse(failure, VAS_WHY_OBJECT, err);
	default:
		if (err == -EPERM && vas_object_is_sealed(&arena->object, sys, F_SEAL_SEAL))
			return vas_arena_refuse(failure, VAS_WHY_SEALED, -EPERM);
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	}
}

/* --- nobody writes --- */

static bool is_written(struct vas_arena *arena)
{
	struct vas_part part;

	for (struct vas_view *view = &arena->first; view; view = view->next) {
		vas_part_at(arena->space, view->user.holding, view->user.holding->span.start, &part);
		if (part.prot & PROT_WRITE)
			return true;
	}
	return false;
}

/* A descriptor of the object that is only read. */
int vas_arena_open_reader(struct vas_arena *arena, struct vas_failure *failure, int *fd)
{
	struct vas_sys *sys = arena->space->sys;
	struct vas_object reader = arena->object;
	struct vas_text text;
	char path[48];
	int64_t got;
	int err;

	vas_text_init(&text, path, sizeof(path));
	vas_text_add(&text, "/proc/self/fd/");
	vas_text_add_decimal(&text, (uint64_t)arena->object.fd);
	got = VAS_CALL(sys, open, path, O_RDONLY);
	if (got == -EMFILE || got == -ENFILE || got == -ENOMEM)
		return vas_arena_refuse(failure, VAS_WHY_KERNEL, (int)got);
	if (got < 0)
		return vas_arena_refuse(failure, VAS_WHY_DENIED, -EPERM);
	reader.fd = (int32_t)got;
	err = vas_object_same(&reader, sys, failure);
	if (err)
		(void)VAS_CALL(sys, close, (int)got);
	else
		*fd = (int)got;
	return err;
}

/* The views from fd; all, or none as far as the kernel allows. */
static int views_again(struct vas_arena *arena, int fd, int before, struct vas_failure *failure)
{
	struct vas_view *view = &arena->first, *done;
	int err = 0;

	for (; view && !err; view = err ? view : view->next)
		err = vas_part_again(arena->space, view->user.holding, fd, before, failure);
	for (done = &arena->first; err && done != view; done = done->next) {
		struct vas_failure ignored = { .why = VAS_WHY_NONE };

		(void)vas_part_again(arena->space, done->user.holding, before, fd, &ignored);
	}
	vas_tails_closed(arena, arena->size, arena->maximum);
	return err;
}

/* The seals that forbid writing, too. */
static int64_t seals_set_writing(struct vas_arena *arena, uint32_t seals,
				 struct vas_failure *failure)
{
	struct vas_failure ignored = { .why = VAS_WHY_NONE };
	struct vas_sys *sys = arena->space->sys;
	int64_t got;
	int err, fd;

	if (arena->companion.fd < 0)
		return vas_arena_refuse(failure, VAS_WHY_HEADER, -EOPNOTSUPP);
	if (is_written(arena))
		return vas_arena_refuse(failure, VAS_WHY_OBJECT, -EBUSY);
	err = vas_arena_open_reader(arena, failure, &fd);
	if (err)
		return err;
	got = views_again(arena, fd, arena->object.fd, failure);
	if (!got) {
		got = VAS_CALL(sys, seals, arena->object.fd, seals_of_kernel(seals));
		if (got < 0)
			(void)views_again(arena, arena->object.fd, fd, &ignored);
	}
	(void)VAS_CALL(sys, close, fd);
	return got;
}

static int seals_add(struct vas_arena *arena, uint32_t seals, struct vas_failure *failure)
{
	struct vas_sys *sys = arena->space->sys;
	int64_t got;
	int err;

	err = vas_object_same(&arena->object, sys, failure);
	if (err)
		return err;
	if (seals & VAS_SEAL_WRITE)
		got = seals_set_writing(arena, seals, failure);
	else
		got = VAS_CALL(sys, seals, arena->object.fd, seals_of_kernel(seals));
	if (got < 0 && failure->why != VAS_WHY_NONE)
		return (int)got;
	if (got < 0)
		return seal_classify(arena, (int)got, failure);
	arena->object.kept = (got & F_SEAL_SHRINK) != 0;
	return 0;
}

int vas_arena_add_seals(struct vas_arena *arena, uint32_t seals, struct vas_failure *failure)
{
	int err = vas_arena_begin_quiet(arena, failure);

	return err ? err : vas_arena_end_quiet(arena, seals_add(arena, seals, failure));
}

int vas_arena_seal_as(struct vas_arena *arena, int fd, struct vas_failure *failure)
{
	int64_t seals = VAS_CALL(arena->space->sys, seals, fd, 0);
	uint32_t wanted = seals > 0 ? seals_of_arena(seals) : 0;

	/* A file's that takes none has but F_SEAL_SEAL. */
	if (wanted == 0 || wanted == VAS_SEAL_SEAL)
		return 0;
	return seals_add(arena, wanted, failure);
}
