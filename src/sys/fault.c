/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The faulting table: fails chosen calls on purpose, hands on the others.
 *
 * A failing call does not reach the next table, as a kernel that refuses does
 * nothing. close is the exception: Linux closes the descriptor whatever it
 * answers, so the call goes through and the error is returned on top.
 *
 * Not in the library: a test tool. Concurrency: the counters are atomic;
 * arming while calls are under way counts some of them before, some after.
 */
#include "sys/fault.h"

#include <string.h>

static struct vas_sys_fault *fault_of(struct vas_sys *sys)
{
	return (struct vas_sys_fault *)((char *)sys - offsetof(struct vas_sys_fault, sys));
}

/* Counts the call. Is it one of those that fail? */
static bool fault_chosen(struct vas_sys_fault *fault, const char *operation)
{
	uint64_t number;

	if (fault->fail_at && fault->then && strcmp(fault->then, operation) == 0 &&
	    __atomic_load_n(&fault->faults, __ATOMIC_RELAXED))
		return true;
	if (fault->operation && strcmp(fault->operation, operation) != 0)
		return false;
	number = __atomic_add_fetch(&fault->calls, 1, __ATOMIC_RELAXED);
	if (fault->fail_at == 0 || number < fault->fail_at)
		return false;
	return number == fault->fail_at || fault->persistent;
}

/* Answers 0, or the errno that the call fails with. */
static int fault_strikes(struct vas_sys_fault *fault, const char *operation)
{
	if (!fault_chosen(fault, operation))
		return 0;
	__atomic_fetch_add(&fault->faults, 1, __ATOMIC_RELAXED);
#ifdef VASPACE_CALL_SITES
	if (vas_call_site_current()) {
		fault->last_site = vas_call_site_current();
		__atomic_fetch_add(&vas_call_site_current()->faults, 1, __ATOMIC_RELAXED);
	}
#endif
	return fault->error;
}

/* Declares fault and next for the operation, which ends here when it is to fail. */
#define FAULT_GATE(operation)                                                                      \
	struct vas_sys_fault *fault = fault_of(sys);                                               \
	struct vas_sys *next = fault->next;                                                        \
	int error = fault_strikes(fault, operation);                                               \
	if (error)                                                                                 \
	return -error

static int64_t fault_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot, int flags,
			 int fd, uint64_t offset)
{
	FAULT_GATE("map");
	return next->map(next, address, size, prot, flags, fd, offset);
}

static int64_t fault_unmap(struct vas_sys *sys, uint64_t address, uint64_t size)
{
	FAULT_GATE("unmap");
	return next->unmap(next, address, size);
}

static int64_t fault_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	FAULT_GATE("protect");
	return next->protect(next, address, size, prot);
}

static int64_t fault_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	FAULT_GATE("advise");
	return next->advise(next, address, size, advice);
}

static int64_t fault_sync(struct vas_sys *sys, uint64_t address, uint64_t size, int flags)
{
	FAULT_GATE("sync");
	return next->sync(next, address, size, flags);
}

static int64_t fault_set_name(struct vas_sys *sys, uint64_t address, uint64_t size,
			      const char *name)
{
	FAULT_GATE("set_name");
	return next->set_name(next, address, size, name);
}

static int64_t fault_get_brk(struct vas_sys *sys)
{
	FAULT_GATE("get_brk");
	return next->get_brk(next);
}

static int64_t fault_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	FAULT_GATE("get_limit");
	return next->get_limit(next, resource, limit);
}

static int64_t fault_open(struct vas_sys *sys, const char *path, int flags)
{
	FAULT_GATE("open");
	return next->open(next, path, flags);
}

static int64_t fault_close(struct vas_sys *sys, int fd)
{
	struct vas_sys_fault *fault = fault_of(sys);
	int error = fault_strikes(fault, "close");
	int64_t got = fault->next->close(fault->next, fd);

	return error ? -error : got;
}

static int64_t fault_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	FAULT_GATE("read");
	return next->read(next, fd, buffer, size);
}

static int64_t fault_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	FAULT_GATE("seek");
	return next->seek(next, fd, offset, whence);
}

static int64_t fault_query(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			   struct vas_sys_query *result)
{
	FAULT_GATE("query");
	return next->query(next, fd, address, flags, result);
}

static int64_t fault_stat(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result)
{
	FAULT_GATE("stat");
	return next->stat(next, fd, flags, result);
}

static int64_t fault_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset, uint64_t size)
{
	FAULT_GATE("allocate");
	return next->allocate(next, fd, mode, offset, size);
}

static int64_t fault_truncate(struct vas_sys *sys, int fd, uint64_t size)
{
	FAULT_GATE("truncate");
	return next->truncate(next, fd, size);
}

static int64_t fault_create(struct vas_sys *sys, const char *name, uint32_t flags)
{
	FAULT_GATE("create");
	return next->create(next, name, flags);
}

static int64_t fault_duplicate(struct vas_sys *sys, int fd)
{
	FAULT_GATE("duplicate");
	return next->duplicate(next, fd);
}

static int64_t fault_pipe(struct vas_sys *sys, int ends[2])
{
	FAULT_GATE("pipe");
	return next->pipe(next, ends);
}

static int64_t fault_seals(struct vas_sys *sys, int fd, uint32_t add)
{
	FAULT_GATE("seals");
	return next->seals(next, fd, add);
}

static int64_t fault_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size,
			     uint64_t offset)
{
	FAULT_GATE("read_at");
	return next->read_at(next, fd, buffer, size, offset);
}

static int64_t fault_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			      uint64_t offset)
{
	FAULT_GATE("write_at");
	return next->write_at(next, fd, buffer, size, offset);
}

static int64_t fault_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
				const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	FAULT_GATE("set_policy");
	return next->set_policy(next, address, size, mode, nodes, bits, flags);
}

static int64_t fault_move(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			  int flags, uint64_t new_address)
{
	FAULT_GATE("move");
	return next->move(next, address, size, new_size, flags, new_address);
}

static int64_t fault_process_id(struct vas_sys *sys)
{
	FAULT_GATE("process_id");
	return next->process_id(next);
}

static int64_t fault_thread_id(struct vas_sys *sys)
{
	FAULT_GATE("thread_id");
	return next->thread_id(next);
}

static int64_t fault_thread_alive(struct vas_sys *sys, uint32_t thread)
{
	FAULT_GATE("thread_alive");
	return next->thread_alive(next, thread);
}

static int64_t fault_process_alive(struct vas_sys *sys, uint32_t process)
{
	FAULT_GATE("process_alive");
	return next->process_alive(next, process);
}

static int64_t fault_wait(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	FAULT_GATE("wait");
	return next->wait(next, word, value, nanoseconds);
}

static int64_t fault_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	FAULT_GATE("wake");
	return next->wake(next, word, count);
}

static int64_t fault_barrier(struct vas_sys *sys, int command)
{
	FAULT_GATE("barrier");
	return next->barrier(next, command);
}

static int64_t fault_clock(struct vas_sys *sys)
{
	FAULT_GATE("clock");
	return next->clock(next);
}

static int64_t fault_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
				const int32_t *nodes, int32_t *status, uint32_t flags)
{
	FAULT_GATE("move_pages");
	return next->move_pages(next, pages, count, nodes, status, flags);
}

static int64_t fault_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	FAULT_GATE("set_home");
	return next->set_home(next, address, size, node);
}

static int64_t fault_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes,
				       uint32_t bits)
{
	FAULT_GATE("get_thread_policy");
	return next->get_thread_policy(next, mode, nodes, bits);
}

static int64_t fault_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
				       uint32_t bits)
{
	FAULT_GATE("set_thread_policy");
	return next->set_thread_policy(next, mode, nodes, bits);
}

static int64_t fault_scan(struct vas_sys *sys, int fd, struct vas_span range,
			  struct vas_sys_pages *runs, uint32_t count)
{
	FAULT_GATE("scan");
	return next->scan(next, fd, range, runs, count);
}

static int64_t fault_resident(struct vas_sys *sys, uint64_t address, uint64_t size,
			      unsigned char *pages)
{
	FAULT_GATE("resident");
	return next->resident(next, address, size, pages);
}

void vas_sys_fault_init(struct vas_sys_fault *fault, struct vas_sys *next)
{
	memset(fault, 0, sizeof(*fault));
	fault->next = next;
	fault->sys = (struct vas_sys){
		.name = "fault",
		.page_size = next->page_size,
		.stack_address = next->stack_address,
		.map = fault_map,
		.unmap = fault_unmap,
		.protect = fault_protect,
		.advise = fault_advise,
		.sync = fault_sync,
		.set_name = fault_set_name,
		.get_brk = fault_get_brk,
		.get_limit = fault_get_limit,
		.open = fault_open,
		.close = fault_close,
		.read = fault_read,
		.seek = fault_seek,
		.query = fault_query,
		.stat = fault_stat,
		.allocate = fault_allocate,
		.truncate = fault_truncate,
		.create = fault_create,
		.duplicate = fault_duplicate,
		.pipe = fault_pipe,
		.seals = fault_seals,
		.read_at = fault_read_at,
		.write_at = fault_write_at,
		.set_policy = fault_set_policy,
		.move = fault_move,
		.process_id = fault_process_id,
		.thread_id = fault_thread_id,
		.thread_alive = fault_thread_alive,
		.process_alive = fault_process_alive,
		.move_pages = fault_move_pages,
		.set_home = fault_set_home,
		.get_thread_policy = fault_get_thread_policy,
		.set_thread_policy = fault_set_thread_policy,
		.scan = fault_scan,
		.resident = fault_resident,
		.wait = fault_wait,
		.wake = fault_wake,
		.barrier = fault_barrier,
		.clock = fault_clock,
	};
}

void vas_sys_fault_arm(struct vas_sys_fault *fault, uint64_t fail_at, bool persistent, int error)
{
	fault->fail_at = 0;
	fault->persistent = persistent;
	fault->error = error;
	fault->last_site = NULL;
	__atomic_store_n(&fault->calls, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&fault->faults, 0, __ATOMIC_RELAXED);
	fault->fail_at = fail_at;
}
