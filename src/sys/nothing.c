/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that has nothing: every slot that a test's own table leaves open
 * answers -ENOSYS, so that no slot is NULL.
 *
 * Not in the library: a test tool. Concurrency: stateless.
 */
#include "sys/nothing.h"

#include <errno.h>

static int64_t nothing_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot,
			   int flags, int fd, uint64_t offset)
{
	(void)sys, (void)address, (void)size, (void)prot, (void)flags, (void)fd, (void)offset;
	return -ENOSYS;
}

static int64_t nothing_unmap(struct vas_sys *sys, uint64_t address, uint64_t size)
{
	(void)sys, (void)address, (void)size;
	return -ENOSYS;
}

static int64_t nothing_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	(void)sys, (void)address, (void)size, (void)prot;
	return -ENOSYS;
}

static int64_t nothing_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	(void)sys, (void)address, (void)size, (void)advice;
	return -ENOSYS;
}

static int64_t nothing_sync(struct vas_sys *sys, uint64_t address, uint64_t size, int flags)
{
	(void)sys, (void)address, (void)size, (void)flags;
	return -ENOSYS;
}

static int64_t nothing_set_name(struct vas_sys *sys, uint64_t address, uint64_t size,
				const char *name)
{
	(void)sys, (void)address, (void)size, (void)name;
	return -ENOSYS;
}

static int64_t nothing_get_brk(struct vas_sys *sys)
{
	(void)sys;
	return -ENOSYS;
}

static int64_t nothing_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	(void)sys, (void)resource, (void)limit;
	return -ENOSYS;
}

static int64_t nothing_open(struct vas_sys *sys, const char *path, int flags)
{
	(void)sys, (void)path, (void)flags;
	return -ENOSYS;
}

static int64_t nothing_close(struct vas_sys *sys, int fd)
{
	(void)sys, (void)fd;
	return -ENOSYS;
}

static int64_t nothing_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	(void)sys, (void)fd, (void)buffer, (void)size;
	return -ENOSYS;
}

static int64_t nothing_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	(void)sys, (void)fd, (void)offset, (void)whence;
	return -ENOSYS;
}

static int64_t nothing_query(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			     struct vas_sys_query *result)
{
	(void)sys, (void)fd, (void)address, (void)flags, (void)result;
	return -ENOTTY;
}

static int64_t nothing_stat(struct vas_sys *sys, int fd, uint32_t flags,
			    struct vas_sys_stat *result)
{
	(void)sys, (void)fd, (void)flags, (void)result;
	return -ENOSYS;
}

static int64_t nothing_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset,
				uint64_t size)
{
	(void)sys, (void)fd, (void)mode, (void)offset, (void)size;
	return -ENOSYS;
}

static int64_t nothing_truncate(struct vas_sys *sys, int fd, uint64_t size)
{
	(void)sys, (void)fd, (void)size;
	return -ENOSYS;
}

static int64_t nothing_create(struct vas_sys *sys, const char *name, uint32_t flags)
{
	(void)sys, (void)name, (void)flags;
	return -ENOSYS;
}

static int64_t nothing_duplicate(struct vas_sys *sys, int fd)
{
	(void)sys, (void)fd;
	return -ENOSYS;
}

static int64_t nothing_pipe(struct vas_sys *sys, int ends[2])
{
	(void)sys, (void)ends;
	return -ENOSYS;
}

static int64_t nothing_seals(struct vas_sys *sys, int fd, uint32_t add)
{
	(void)sys, (void)fd, (void)add;
	return -ENOSYS;
}

static int64_t nothing_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size,
			       uint64_t offset)
{
	(void)sys, (void)fd, (void)buffer, (void)size, (void)offset;
	return -ENOSYS;
}

static int64_t nothing_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
				uint64_t offset)
{
	(void)sys, (void)fd, (void)buffer, (void)size, (void)offset;
	return -ENOSYS;
}

static int64_t nothing_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
				  const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	(void)sys, (void)address, (void)size, (void)mode, (void)nodes, (void)bits, (void)flags;
	return -ENOSYS;
}

static int64_t nothing_move(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			    int flags, uint64_t new_address)
{
	(void)sys, (void)address, (void)size, (void)new_size, (void)flags, (void)new_address;
	return -ENOSYS;
}

static int64_t nothing_process_id(struct vas_sys *sys)
{
	(void)sys;
	return -ENOSYS;
}

static int64_t nothing_thread_id(struct vas_sys *sys)
{
	(void)sys;
	return -ENOSYS;
}

static int64_t nothing_thread_alive(struct vas_sys *sys, uint32_t thread)
{
	(void)sys, (void)thread;
	return -ENOSYS;
}

static int64_t nothing_process_alive(struct vas_sys *sys, uint32_t process)
{
	(void)sys, (void)process;
	return -ENOSYS;
}

static int64_t nothing_wait(struct vas_sys *sys, uint32_t *word, uint32_t value,
			    uint64_t nanoseconds)
{
	(void)sys, (void)word, (void)value, (void)nanoseconds;
	return -ENOSYS;
}

static int64_t nothing_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	(void)sys, (void)word, (void)count;
	return -ENOSYS;
}

static int64_t nothing_barrier(struct vas_sys *sys, int command)
{
	(void)sys, (void)command;
	return -ENOSYS;
}

static int64_t nothing_clock(struct vas_sys *sys)
{
	(void)sys;
	return -ENOSYS;
}

static int64_t nothing_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
				  const int32_t *nodes, int32_t *status, uint32_t flags)
{
	(void)sys, (void)pages, (void)count, (void)nodes, (void)status, (void)flags;
	return -ENOSYS;
}

static int64_t nothing_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	(void)sys, (void)address, (void)size, (void)node;
	return -ENOSYS;
}

static int64_t nothing_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes,
					 uint32_t bits)
{
	(void)sys, (void)mode, (void)nodes, (void)bits;
	return -ENOSYS;
}

static int64_t nothing_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
					 uint32_t bits)
{
	(void)sys, (void)mode, (void)nodes, (void)bits;
	return -ENOSYS;
}

static int64_t nothing_scan(struct vas_sys *sys, int fd, struct vas_span range,
			    struct vas_sys_pages *runs, uint32_t count)
{
	(void)sys, (void)fd, (void)range, (void)runs, (void)count;
	return -ENOSYS;
}

static int64_t nothing_resident(struct vas_sys *sys, uint64_t address, uint64_t size,
				unsigned char *pages)
{
	(void)sys, (void)address, (void)size, (void)pages;
	return -ENOSYS;
}

#define FILL(op)                                                                                   \
	do {                                                                                       \
		if (!sys->op)                                                                      \
			sys->op = nothing_##op;                                                    \
	} while (0)

void vas_sys_nothing_fill(struct vas_sys *sys)
{
	FILL(map);
	FILL(unmap);
	FILL(protect);
	FILL(advise);
	FILL(sync);
	FILL(set_name);
	FILL(get_brk);
	FILL(get_limit);
	FILL(open);
	FILL(close);
	FILL(read);
	FILL(seek);
	FILL(query);
	FILL(stat);
	FILL(allocate);
	FILL(truncate);
	FILL(create);
	FILL(duplicate);
	FILL(pipe);
	FILL(seals);
	FILL(read_at);
	FILL(write_at);
	FILL(set_policy);
	FILL(move);
	FILL(process_id);
	FILL(thread_id);
	FILL(thread_alive);
	FILL(process_alive);
	FILL(move_pages);
	FILL(set_home);
	FILL(get_thread_policy);
	FILL(set_thread_policy);
	FILL(scan);
	FILL(resident);
	FILL(wait);
	FILL(wake);
	FILL(barrier);
	FILL(clock);
}
