/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's slots for objects, policies, moves and threads, each
 * under the lock; what they do is in sim_object.c, sim_policy.c and sim_move.c.
 * Processes and threads are the real ones, and so is waiting for them: there is nothing to simulate.
 */
#include <errno.h>
#include <string.h>

#include "sys/sim_vma.h"

/* The value of a call on the simulator that sys is in, made under its lock. */
#define LOCKED(call)                                                                               \
	({                                                                                         \
		struct vas_sys_sim *sim = vas_sim_of(sys);                                         \
		int64_t got_;                                                                      \
		vas_lock_take(&sim->lock);                                                         \
		got_ = (call);                                                                     \
		vas_lock_drop(&sim->lock);                                                         \
		got_;                                                                              \
	})

static int64_t call_stat(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result)
{
	return LOCKED(vas_sim_stat(sim, fd, flags, result));
}

static int64_t call_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset, uint64_t size)
{
	return LOCKED(vas_sim_allocate(sim, fd, mode, offset, size));
}

static int64_t call_truncate(struct vas_sys *sys, int fd, uint64_t size)
{
	return LOCKED(vas_sim_truncate(sim, fd, size));
}

static int64_t call_create(struct vas_sys *sys, const char *name, uint32_t flags)
{
	return LOCKED(vas_sim_create(sim, name, flags));
}

static int64_t call_duplicate(struct vas_sys *sys, int fd)
{
	return LOCKED(vas_sim_duplicate(sim, fd));
}

/* There are no other processes. */
static int64_t call_pipe(struct vas_sys *sys, int ends[2])
{
	(void)sys, (void)ends;
	return -ENOSYS;
}

static int64_t call_seals(struct vas_sys *sys, int fd, uint32_t add)
{
	return LOCKED(vas_sim_seals(sim, fd, add));
}

static int64_t call_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size,
			    uint64_t offset)
{
	int64_t got = LOCKED(vas_sim_transfer(sim, fd, size, offset, false));

	if (got > 0)
		memset(buffer, 0, (size_t)got);
	return got;
}

static int64_t call_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			     uint64_t offset)
{
	(void)buffer;
	return LOCKED(vas_sim_transfer(sim, fd, size, offset, true));
}

static int64_t call_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
			       const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	return LOCKED(vas_sim_set_policy(sim, address, size, mode, nodes, bits, flags));
}

static int64_t call_move(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			 int flags, uint64_t new_address)
{
	return LOCKED(vas_sim_move(sim, address, size, new_size, flags, new_address));
}

static int64_t call_process_id(struct vas_sys *sys)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->process_id(real);
}

static int64_t call_thread_id(struct vas_sys *sys)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->thread_id(real);
}

static int64_t call_thread_alive(struct vas_sys *sys, uint32_t thread)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->thread_alive(real, thread);
}

static int64_t call_process_alive(struct vas_sys *sys, uint32_t process)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->process_alive(real, process);
}

static int64_t call_wait(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->wait(real, word, value, nanoseconds);
}

static int64_t call_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->wake(real, word, count);
}

static int64_t call_barrier(struct vas_sys *sys, int command)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->barrier(real, command);
}

static int64_t call_clock(struct vas_sys *sys)
{
	struct vas_sys *real = vas_sys_real();

	(void)sys;
	return real->clock(real);
}

static int64_t call_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
			       const int32_t *nodes, int32_t *status, uint32_t flags)
{
	return LOCKED(vas_sim_move_pages(sim, pages, count, nodes, status, flags));
}

static int64_t call_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	return LOCKED(vas_sim_set_home(sim, address, size, node));
}

static int64_t call_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes,
				      uint32_t bits)
{
	(void)sys, (void)mode, (void)nodes, (void)bits;
	return -ENOSYS;
}

static int64_t call_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
				      uint32_t bits)
{
	(void)sys, (void)mode, (void)nodes, (void)bits;
	return -ENOSYS;
}

static int64_t call_scan(struct vas_sys *sys, int fd, struct vas_span range,
			 struct vas_sys_pages *runs, uint32_t count)
{
	(void)sys, (void)fd, (void)range, (void)runs, (void)count;
	return -ENOTTY;
}

static int64_t call_resident(struct vas_sys *sys, uint64_t address, uint64_t size,
			     unsigned char *pages)
{
	(void)sys, (void)address, (void)size, (void)pages;
	return -ENOSYS;
}

void vas_sim_fill_calls(struct vas_sys *sys)
{
	sys->stat = call_stat;
	sys->allocate = call_allocate;
	sys->truncate = call_truncate;
	sys->create = call_create;
	sys->duplicate = call_duplicate;
	sys->pipe = call_pipe;
	sys->seals = call_seals;
	sys->read_at = call_read_at;
	sys->write_at = call_write_at;
	sys->set_policy = call_set_policy;
	sys->move = call_move;
	sys->process_id = call_process_id;
	sys->thread_id = call_thread_id;
	sys->thread_alive = call_thread_alive;
	sys->process_alive = call_process_alive;
	sys->move_pages = call_move_pages;
	sys->set_home = call_set_home;
	sys->get_thread_policy = call_get_thread_policy;
	sys->set_thread_policy = call_set_thread_policy;
	sys->scan = call_scan;
	sys->resident = call_resident;
	sys->wait = call_wait;
	sys->wake = call_wake;
	sys->barrier = call_barrier;
	sys->clock = call_clock;
}
