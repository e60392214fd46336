/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/arena.h: what callers pass is checked here; then one call down. */
#include <vaspace/arena.h>

#include <errno.h>

#include "api/edge_arena.h"
#include "arena/arena.h"
#include "base/code.h"

/* The first versions' sizes. */
#define INFO_MIN   sizeof(struct vas_arena_info)
#define EXTENT_MIN sizeof(struct vas_arena_extent)

int vas_arena_create(uint64_t maximum, const struct vas_arena_opts *opts, struct vas_arena **arena)
{
	struct vas_reserve_opts reserve;
	struct vas_arena_opts known;
	struct vas_failure failure;
	struct vas_policy policy;
	struct vas_space *space;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, maximum);
	err = arena ? vas_edge_arena(opts, &known, &reserve, &policy) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure, vas_arena_make(space, maximum, &known, &failure, arena));
}

int vas_arena_open(int fd, int header, const struct vas_arena_opts *opts, struct vas_arena **arena)
{
	struct vas_reserve_opts reserve;
	struct vas_arena_opts known;
	struct vas_failure failure;
	struct vas_policy policy;
	struct vas_space *space;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, 0);
	err = arena ? vas_edge_arena(opts, &known, &reserve, &policy) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure, vas_arena_attach(space, fd, header, &known,
							  VAS_HEADER_ARENA, &failure, arena));
}

int vas_arena_destroy(struct vas_arena *arena, enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, 0);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_arena_unmake(arena, &reached, &failure));
	if (!err && state)
		*state = reached;
	return err;
}

int vas_arena_grow(struct vas_arena *arena, uint64_t size, uint64_t least, uint64_t *now)
{
	struct vas_failure failure;
	uint64_t reached;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_GROW, size);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_arena_enlarge(arena, size, least, &failure, &reached));
	if (!err && now)
		*now = reached;
	return err;
}

int vas_arena_shrink_within(struct vas_arena *arena, uint64_t size, uint64_t nanoseconds)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_SHRINK, size);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_arena_reduce(arena, size, nanoseconds, &failure));
}

int vas_arena_shrink(struct vas_arena *arena, uint64_t size)
{
	return vas_arena_shrink_within(arena, size, 0);
}

int vas_arena_pin(struct vas_arena *arena, uint64_t *size)
{
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, 0);
	if (!arena || !size)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_arena_look(arena, &failure);
	return vas_edge_finish(&failure, err ? err : vas_arena_hold(arena, &failure, size));
}

/* No report: it is called from signal handlers. */
int vas_arena_unpin(struct vas_arena *arena)
{
	struct vas_failure ignored;
	int err;

	if (!arena)
		return -EINVAL;
	err = vas_arena_look(arena, &ignored);
	return err ? err : vas_arena_let_go(arena, &ignored);
}

int vas_arena_punch(struct vas_arena *arena, uint64_t offset, uint64_t size)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, size);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_arena_hole(arena, offset, size, &failure));
}

int vas_arena_fill(struct vas_arena *arena, uint64_t offset, uint64_t size)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, size);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_arena_refill(arena, offset, size, &failure));
}

int vas_arena_ahead(struct vas_arena *arena, uint64_t bytes, uint64_t least, uint64_t *ahead)
{
	struct vas_failure failure;
	uint64_t taken;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, bytes);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_arena_take_ahead(arena, bytes, least, &failure, &taken));
	if (!err && ahead)
		*ahead = taken;
	return err;
}

int vas_arena_trim(struct vas_arena *arena, uint64_t *given)
{
	struct vas_failure failure;
	uint64_t bytes;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, 0);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_arena_give_ahead(arena, &failure, &bytes));
	if (!err && given)
		*given = bytes;
	return err;
}

int vas_arena_seal(struct vas_arena *arena, uint32_t seals)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, 0);
	if (!arena || (seals & ~VAS_SEAL_ALL))
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_arena_add_seals(arena, seals, &failure));
}

uint64_t vas_arena_size(const struct vas_arena *arena)
{
	return arena && arena->state != VAS_ARENA_ABSENT ? vas_arena_bytes(arena) : 0;
}

uint64_t vas_arena_generation(const struct vas_arena *arena)
{
	if (!arena || arena->state == VAS_ARENA_ABSENT)
		return 0;
	return __atomic_load_n(&arena->header.page->generation, __ATOMIC_ACQUIRE);
}

int vas_arena_wait(struct vas_arena *arena, uint64_t seen, uint64_t nanoseconds, uint64_t *now)
{
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, seen);
	if (!arena || !now)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_arena_look(arena, &failure);
	if (!err)
		err = vas_arena_await(arena, seen, nanoseconds, &failure, now);
	/* That nothing happened is no failure. */
	return err == -EAGAIN ? err : vas_edge_finish(&failure, err);
}

int vas_arena_sync(struct vas_arena *arena)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_ARENA, 0);
	if (!arena)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_arena_catch_up(arena, &failure));
}

int vas_arena_get(struct vas_arena *arena, struct vas_arena_info *info)
{
	struct vas_arena_info known = { .size = sizeof(known) };
	struct vas_failure failure;
	int err;

	if (!arena || !info || info->size < INFO_MIN)
		return -EINVAL;
	err = vas_arena_look(arena, &failure);
	if (err)
		return err;
	vas_arena_tell(arena, &known);
	return vas_options_store(info, &known, sizeof(known), INFO_MIN);
}

int vas_arena_extent_at(struct vas_arena *arena, uint64_t offset, struct vas_arena_extent *extent)
{
	struct vas_arena_extent known = { .size = sizeof(known) };
	struct vas_failure failure;
	int err;

	if (!arena || !extent || extent->size < EXTENT_MIN || extent->size > VAS_OPTIONS_SIZE_MAX)
		return -EINVAL;
	err = vas_arena_extent(arena, offset, &failure, &known);
	return err ? err : vas_options_store(extent, &known, sizeof(known), EXTENT_MIN);
}

int vas_arena_set_policy(struct vas_arena *arena, struct vas_span range,
			 const struct vas_policy *policy)
{
	struct vas_failure failure;
	struct vas_policy known;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_POLICY, range.size);
	err = arena && policy ? vas_edge_policy(&policy, &known) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	return vas_edge_finish(&failure, vas_arena_policy_set(arena, range, policy, &failure));
}

int vas_arena_migrate(struct vas_arena *arena, struct vas_span range,
		      const struct vas_policy *policy, uint64_t *moved)
{
	struct vas_failure failure;
	struct vas_policy known;
	uint64_t bytes = 0;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_POLICY, range.size);
	err = arena && policy ? vas_edge_policy(&policy, &known) : -EINVAL;
	if (!err && !vas_policy_has_nodes(policy))
		err = -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_edge_finish(&failure,
			      vas_arena_policy_move(arena, range, policy, &failure, &bytes));
	if (!err && moved)
		*moved = bytes;
	return err;
}
