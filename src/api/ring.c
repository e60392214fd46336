/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/ring.h: what callers pass is checked here; then one call down. */
#include <vaspace/ring.h>

#include <errno.h>

#include "api/edge.h"
#include "api/edge_arena.h"
#include "arena/queue.h"
#include "base/code.h"

/* Here are the functions behind the inline ones. */
#undef vas_queue_put_begin
#undef vas_queue_put_end
#undef vas_queue_get_begin
#undef vas_queue_get_end
#undef vas_queue_put
#undef vas_queue_get

/* The first versions' sizes. */
#define RING_OPTS_MIN  sizeof(struct vas_ring_opts)
#define INFO_MIN       sizeof(struct vas_ring_info)
#define QUEUE_OPTS_MIN sizeof(struct vas_queue_opts)

/* Options with all that they point to, as this version knows them. */
struct known {
	struct vas_ring_opts ring;
	struct vas_arena_opts arena;
	struct vas_reserve_opts reserve;
	struct vas_policy policy;
};

static int load(const struct vas_ring_opts *opts, struct known *known)
{
	int err = vas_options_load(opts, &known->ring, sizeof(known->ring), RING_OPTS_MIN);

	if (err || !known->ring.arena)
		return err;
	err = vas_edge_arena(known->ring.arena, &known->arena, &known->reserve, &known->policy);
	known->ring.arena = &known->arena;
	return err;
}

int vas_ring_create(uint64_t size, const struct vas_ring_opts *opts, struct vas_ring **ring)
{
	struct vas_failure failure;
	struct vas_space *space;
	struct known known;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, size);
	err = ring ? load(opts, &known) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure,
			       vas_ring_make(space, size, 0, &known.ring, &failure, ring));
}

int vas_ring_open(int fd, int header, const struct vas_ring_opts *opts, struct vas_ring **ring)
{
	struct vas_failure failure;
	struct vas_space *space;
	struct known known;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	err = ring ? load(opts, &known) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure, vas_ring_attach(space, fd, header, VAS_HEADER_RING,
							 &known.ring, &failure, ring));
}

int vas_ring_destroy(struct vas_ring *ring, enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	if (!ring)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_ring_unmake(ring, &reached, &failure));
	if (!err && state)
		*state = reached;
	return err;
}

int vas_ring_get(struct vas_ring *ring, struct vas_ring_info *info)
{
	struct vas_ring_info known = { .size = sizeof(known) };
	struct vas_failure failure;
	int err;

	if (!ring || !info || info->size < INFO_MIN)
		return -EINVAL;
	err = vas_arena_look(ring->arena, &failure);
	if (err)
		return err;
	vas_ring_tell(ring, &known);
	return vas_options_store(info, &known, sizeof(known), INFO_MIN);
}

/* --- queues --- */

static int load_queue(const struct vas_queue_opts *opts, struct vas_queue_opts *loaded,
		      struct known *known)
{
	int err = vas_options_load(opts, loaded, sizeof(*loaded), QUEUE_OPTS_MIN);

	if (!err)
		err = load(loaded->ring, known);
	loaded->ring = &known->ring;
	return err;
}

int vas_queue_create(uint64_t size, const struct vas_queue_opts *opts, struct vas_queue **queue)
{
	struct vas_queue_opts loaded;
	struct vas_failure failure;
	struct vas_space *space;
	struct known known;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, size);
	err = queue ? load_queue(opts, &loaded, &known) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure, vas_queue_make(space, size, &loaded, &failure, queue));
}

int vas_queue_open(int fd, int header, const struct vas_queue_opts *opts, struct vas_queue **queue)
{
	struct vas_queue_opts loaded;
	struct vas_failure failure;
	struct vas_space *space;
	struct known known;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	err = queue ? load_queue(opts, &loaded, &known) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, vas_edge_books_why(err), err);
	return vas_edge_finish(&failure,
			       vas_queue_attach(space, fd, header, &loaded, &failure, queue));
}

int vas_queue_ring(struct vas_queue *queue, struct vas_ring_info *info)
{
	return queue ? vas_ring_get(queue->ring, info) : -EINVAL;
}

int vas_queue_destroy(struct vas_queue *queue, enum vas_retired *state)
{
	enum vas_retired reached = VAS_RETIRED_GONE;
	struct vas_failure failure;
	int err;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	if (!queue)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_queue_unmake(queue, &reached, &failure));
	if (!err && state)
		*state = reached;
	return err;
}

int vas_queue_join(struct vas_queue *queue, enum vas_queue_role role, struct vas_queue_end *end)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	if (!queue || !end || (role != VAS_QUEUE_PRODUCER && role != VAS_QUEUE_CONSUMER))
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_queue_enter(queue, role, end, &failure));
}

int vas_queue_leave(struct vas_queue_end *end)
{
	struct vas_failure failure;

	vas_failure_begin(&failure, VAS_OPERATION_RING, 0);
	if (!end || !end->queue)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_queue_exit(end, &failure));
}

/* The halves publish no report: they are called from signal handlers, and -EAGAIN is no failure. */

static inline bool is_end(const struct vas_queue_end *end, enum vas_queue_role role)
{
	return end && end->queue && vas_queue_role(end) == role;
}

static int put_begin(struct vas_queue_end *end, uint64_t length, void **data)
{
	return vas_queue_is_many(end->queue) ? vas_queue_claim(end, length, data)
					     : vas_queue_take_room(end, length, data);
}

static void put_end(struct vas_queue_end *end, uint64_t length)
{
	if (vas_queue_is_many(end->queue))
		vas_queue_hand_over_claim(end, length);
	else
		vas_queue_hand_over(end, length);
	vas_queue_tell(end);
}

static int get_begin(struct vas_queue_end *end, const void **data, uint64_t *length)
{
	return vas_queue_is_many(end->queue) ? vas_queue_next_claimed(end, data, length)
					     : vas_queue_next(end, data, length);
}

static void get_end(struct vas_queue_end *end)
{
	uint64_t room = end->taken;

	end->taken = 0;
	if (vas_queue_is_many(end->queue))
		vas_queue_give_back_claim(end);
	else
		vas_queue_publish_inline(end, room);
	vas_queue_tell(end);
}

int vas_queue_put_begin(struct vas_queue_end *end, uint64_t length, void **data)
{
	if (!is_end(end, VAS_QUEUE_PRODUCER) || !data || end->taken)
		return -EINVAL;
	return put_begin(end, length, data);
}

int vas_queue_put_end(struct vas_queue_end *end, uint64_t length)
{
	/* Rounded up: what lies between the record and the next word belongs to it. */
	if (!is_end(end, VAS_QUEUE_PRODUCER) || length >= end->taken)
		return -EINVAL;
	put_end(end, length);
	return 0;
}

int vas_queue_get_begin(struct vas_queue_end *end, const void **data, uint64_t *length)
{
	if (!is_end(end, VAS_QUEUE_CONSUMER) || !data || !length || end->taken)
		return -EINVAL;
	return get_begin(end, data, length);
}

int vas_queue_get_end(struct vas_queue_end *end)
{
	if (!is_end(end, VAS_QUEUE_CONSUMER) || !end->taken)
		return -EINVAL;
	get_end(end);
	return 0;
}

int vas_queue_put(struct vas_queue_end *end, const void *data, uint64_t length)
{
	void *place;
	int err;

	if (!is_end(end, VAS_QUEUE_PRODUCER) || (!data && length) || end->taken)
		return -EINVAL;
	err = put_begin(end, length, &place);
	if (err)
		return err;
	if (length)
		memcpy(place, data, length);
	put_end(end, length);
	return 0;
}

int vas_queue_get(struct vas_queue_end *end, void *data, uint64_t *length)
{
	const void *place;
	uint64_t there;
	int err;

	if (!is_end(end, VAS_QUEUE_CONSUMER) || !length || (!data && *length) || end->taken)
		return -EINVAL;
	err = get_begin(end, &place, &there);
	if (err)
		return err;
	if (there > *length) {
		end->taken = 0;
		*length = there;
		return -ENOSPC;
	}
	if (there)
		memcpy(data, place, there);
	get_end(end);
	*length = there;
	return 0;
}

int vas_queue_wait(struct vas_queue_end *end, uint64_t length, uint64_t nanoseconds)
{
	if (!end || !end->queue || !(end->queue->flags & VAS_QUEUE_WAITS) || end->taken)
		return -EINVAL;
	return vas_queue_await(end, length, nanoseconds);
}
