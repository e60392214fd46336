/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the header of an arena lies: in its object, or in a companion.
 *
 * WHAT FOR. Whoever is handed an arena's descriptors finds its size there.
 *
 * STRATEGY. Our own memfds of small pages have the header before the arena's bytes: one descriptor does for both. Pages of the pool are too
 * large for that, and a file has a form of its own: there a second memfd has it. This process maps it once, for itself, beside
 * the span. Private memory has its header in the books.
 *
 * CONCURRENCY. Nobody has the arena yet, or nobody any more.
 *
 * WHAT IT DOES NOT DO. It keeps no child from inheriting the page: one that nobody announced may look there, and one that has nothing of
 * the arena lets go of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/arena.h"
#include "arena/peer.h"
#include "base/number.h"
#include "sys/definitions.h"
#include "sys/strays.h"

static bool has_own_page(const struct vas_arena *arena)
{
	return arena->kind == VAS_ARENA_MEMFD && !arena->object.pool &&
	       !(arena->flags & VAS_ARENA_COMPANION);
}

uint64_t vas_companion_bytes(const struct vas_arena *arena)
{
	return arena->space->sys->page_size + arena->facts.front;
}

/* The object that has it, with memory there. */
static int header_place(struct vas_arena *arena, struct vas_failure *failure)
{
	struct vas_space *space = arena->space;
	uint64_t bytes = vas_companion_bytes(arena), end;
	struct vas_object *object = &arena->object;
	int err = 0;

	if (!has_own_page(arena)) {
		object = &arena->companion;
		err = vas_object_create(space->sys, arena->name, 0, VAS_EXEC_NEVER, failure,
					object);
	}
	if (!err)
		err = vas_object_extend(object, space, 0, bytes, bytes, space->sys->page_size,
					failure, &end);
	/* Transparent huge pages want the offset to go with the address. */
	if (!err && object == &arena->object &&
	    !vas_align_up(bytes, arena->collapse ? arena->collapse : object->page_size,
			  &object->offset))
		err = vas_arena_refuse(failure, VAS_WHY_ARGUMENT, -EINVAL);
	return err;
}

int vas_companion_map(struct vas_arena *arena, int prot, struct vas_failure *failure)
{
	struct vas_sys *sys = arena->space->sys;
	const struct vas_object *object =
		arena->companion.fd >= 0 ? &arena->companion : &arena->object;
	/* A child's takes the place of its parent's. */
	uint64_t place = arena->header.shared ? (uintptr_t)arena->header.page : 0;
	int64_t address = VAS_CALL(sys, map, place, vas_companion_bytes(arena), prot,
				   MAP_SHARED | (place ? MAP_FIXED : 0), object->fd, 0);

	if (address < 0) {
		failure->why = address == -ENOMEM ? VAS_WHY_KERNEL :
			       address == -EAGAIN ? VAS_WHY_LOCKED : VAS_WHY_DENIED;
		return address == -ENOMEM || address == -EAGAIN || address == -EACCES ?
			       (int)address : -EPERM;
	}
	arena->header.page = (struct vas_header *)(uintptr_t)address;
	arena->header.shared = true;
	return 0;
}

/* A queue keeps its positions in front. */
static uint32_t header_use(const struct vas_arena *arena, uint64_t front)
{
	if (arena->copies == 1)
		return VAS_HEADER_ARENA;
	return front ? VAS_HEADER_QUEUE : VAS_HEADER_RING;
}

static void facts_tell(struct vas_arena *arena)
{
	struct vas_sys *sys = arena->space->sys;
	uint64_t front = arena->facts.front;

	arena->facts = (struct vas_header_facts){
		.page_size = sys->page_size,
		.offset = arena->object.offset,
		.maximum = arena->maximum,
		.step = arena->step,
		.cap = arena->cap,
		.object_page = arena->object.page_size,
		.rung = arena->rung,
		.collapse = arena->collapse,
		.device = arena->object.device,
		.inode = arena->object.inode,
		.namespace = arena->header.shared ? vas_peer_namespace(sys) : 0,
		.front = front,
		.kind = arena->kind,
		.flags = arena->flags,
		.copies = arena->copies,
		.use = header_use(arena, front),
		.exec = arena->exec,
	};
	memcpy(arena->facts.name, arena->name, sizeof(arena->facts.name));
}

/* It is mapped, and of zeroes. */
static void header_begin(struct vas_arena *arena)
{
	struct vas_header_map *map = &arena->header;

	facts_tell(arena);
	map->writable = true;
	map->namespace = arena->facts.namespace;
	if (map->shared) {
		map->self = vas_peer_self(arena->space->sys, map->namespace);
		arena->object.pulse = &map->page->pulse;
	}
	vas_header_begin(map->page, &arena->facts);
}

int vas_companion_make(struct vas_arena *arena, uint64_t front, struct vas_failure *failure)
{
	int err;

	arena->facts.front = front;
	arena->header.page = &arena->own;
	if (vas_arena_has_object(arena)) {
		err = header_place(arena, failure);
		if (!err)
			err = vas_companion_map(arena, PROT_READ | PROT_WRITE, failure);
		if (err)
			return err;
	}
	header_begin(arena);
	return 0;
}

/* What is behind the header, from the object that fd has open. */
static int front_copy(struct vas_arena *arena, int fd)
{
	struct vas_sys *sys = arena->space->sys;
	unsigned char *front = (unsigned char *)arena->header.page + sys->page_size;
	uint64_t done = 0;

	while (done < arena->facts.front) {
		int64_t got = VAS_CALL(sys, read_at, fd, front + done, arena->facts.front - done,
				       sys->page_size + done);

		if (got <= 0)
			return got < 0 ? (int)got : -EFAULT;
		done += (uint64_t)got;
	}
	return 0;
}

int vas_companion_copy(struct vas_arena *arena, int fd, uint64_t size, struct vas_failure *failure)
{
	uint64_t generation = __atomic_load_n(&arena->header.page->generation, __ATOMIC_ACQUIRE);
	struct vas_header *page;
	int err;

	err = header_place(arena, failure);
	if (!err)
		err = vas_companion_map(arena, PROT_READ | PROT_WRITE, failure);
	if (!err && front_copy(arena, fd))
		err = vas_arena_refuse(failure, VAS_WHY_OBJECT, -EIO);
	if (err)
		return err;
	header_begin(arena);
	page = arena->header.page;
	page->facts.home = arena->user.holding->span.start;
	page->size = size;
	page->generation = generation & ~UINT64_C(1);
	arena->size = size;
	arena->ahead = 0;
	arena->seen = page->generation;
	return 0;
}

void vas_companion_end(struct vas_arena *arena)
{
	struct vas_sys *sys = arena->space->sys;

	if (arena->header.shared)
		vas_strays_drop(sys, (uintptr_t)arena->header.page, vas_companion_bytes(arena));
	arena->object.pulse = NULL;
	arena->header.shared = false;
	arena->header.page = &arena->own;
	vas_object_close(sys, &arena->companion);
}
