/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tracing table: hands every call on to the next table, counts it, and
 * prints one line as strace would, after the call:
 *
 *	vaspace: mmap(0x10000000, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000000
 *
 * A line is put together on the stack and written by one write, so that lines
 * of several threads do not mix. No stdio, no allocation.
 *
 * Concurrency: counters are atomic, everything else is fixed by init.
 */
#include "sys/trace.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sys/definitions.h"
#include "sys/trace_line.h"

static const struct word prot_words[] = { { PROT_READ, "PROT_READ" },
					  { PROT_WRITE, "PROT_WRITE" },
					  { PROT_EXEC, "PROT_EXEC" },
					  { 0, NULL } };
static const struct word map_words[] = { { MAP_SHARED, "MAP_SHARED" },
					 { MAP_PRIVATE, "MAP_PRIVATE" },
					 { MAP_FIXED, "MAP_FIXED" },
					 { MAP_ANONYMOUS, "MAP_ANONYMOUS" },
					 { MAP_GROWSDOWN, "MAP_GROWSDOWN" },
					 { MAP_LOCKED, "MAP_LOCKED" },
					 { MAP_NORESERVE, "MAP_NORESERVE" },
					 { MAP_POPULATE, "MAP_POPULATE" },
					 { MAP_STACK, "MAP_STACK" },
					 { MAP_HUGETLB, "MAP_HUGETLB" },
					 { MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE" },
					 { 0, NULL } };
static const struct word sync_words[] = { { MS_ASYNC, "MS_ASYNC" },
					  { MS_INVALIDATE, "MS_INVALIDATE" },
					  { MS_SYNC, "MS_SYNC" },
					  { 0, NULL } };
/* Values, not bits. */
static const struct word advice_words[] = { { MADV_NORMAL, "MADV_NORMAL" },
					    { MADV_RANDOM, "MADV_RANDOM" },
					    { MADV_SEQUENTIAL, "MADV_SEQUENTIAL" },
					    { MADV_WILLNEED, "MADV_WILLNEED" },
					    { MADV_DONTNEED, "MADV_DONTNEED" },
					    { MADV_FREE, "MADV_FREE" },
					    { MADV_REMOVE, "MADV_REMOVE" },
					    { MADV_DONTFORK, "MADV_DONTFORK" },
					    { MADV_DOFORK, "MADV_DOFORK" },
					    { MADV_HUGEPAGE, "MADV_HUGEPAGE" },
					    { MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE" },
					    { MADV_DONTDUMP, "MADV_DONTDUMP" },
					    { MADV_DODUMP, "MADV_DODUMP" },
					    { MADV_WIPEONFORK, "MADV_WIPEONFORK" },
					    { MADV_KEEPONFORK, "MADV_KEEPONFORK" },
					    { MADV_POPULATE_READ, "MADV_POPULATE_READ" },
					    { MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE" },
					    { MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED" },
					    { MADV_COLLAPSE, "MADV_COLLAPSE" },
					    { MADV_GUARD_INSTALL, "MADV_GUARD_INSTALL" },
					    { MADV_GUARD_REMOVE, "MADV_GUARD_REMOVE" },
					    { 0, NULL } };
static const struct word limit_words[] = { { RLIMIT_AS, "RLIMIT_AS" },
					   { RLIMIT_STACK, "RLIMIT_STACK" },
					   { RLIMIT_DATA, "RLIMIT_DATA" },
					   { RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK" },
					   { 0, NULL } };

static const struct word allocate_words[] = { { FALLOC_FL_KEEP_SIZE, "FALLOC_FL_KEEP_SIZE" },
					      { FALLOC_FL_PUNCH_HOLE, "FALLOC_FL_PUNCH_HOLE" },
					      { 0, NULL } };
static const struct word create_words[] = {
	{ MFD_CLOEXEC, "MFD_CLOEXEC" }, { MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING" },
	{ MFD_HUGETLB, "MFD_HUGETLB" }, { MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL" },
	{ MFD_EXEC, "MFD_EXEC" },	{ 0, NULL }
};
static const struct word move_words[] = { { MREMAP_MAYMOVE, "MREMAP_MAYMOVE" },
					  { MREMAP_FIXED, "MREMAP_FIXED" },
					  { 0, NULL } };
static const char *const operation_names[VAS_SYS_OPERATION_COUNT] = {
	[VAS_SYS_MAP] = "mmap",
	[VAS_SYS_UNMAP] = "munmap",
	[VAS_SYS_PROTECT] = "mprotect",
	[VAS_SYS_ADVISE] = "madvise",
	[VAS_SYS_SYNC] = "msync",
	[VAS_SYS_SET_NAME] = "set_name",
	[VAS_SYS_GET_BRK] = "brk",
	[VAS_SYS_GET_LIMIT] = "getrlimit",
	[VAS_SYS_OPEN] = "open",
	[VAS_SYS_CLOSE] = "close",
	[VAS_SYS_READ] = "read",
	[VAS_SYS_SEEK] = "lseek",
	[VAS_SYS_QUERY] = "procmap_query",
	[VAS_SYS_STAT] = "fstat",
	[VAS_SYS_ALLOCATE] = "fallocate",
	[VAS_SYS_TRUNCATE] = "ftruncate",
	[VAS_SYS_CREATE] = "memfd_create",
	[VAS_SYS_DUPLICATE] = "duplicate",
	[VAS_SYS_PIPE] = "pipe",
	[VAS_SYS_SEALS] = "seals",
	[VAS_SYS_READ_AT] = "pread",
	[VAS_SYS_WRITE_AT] = "pwrite",
	[VAS_SYS_SET_POLICY] = "mbind",
	[VAS_SYS_MOVE] = "mremap",
	[VAS_SYS_PROCESS_ID] = "getpid",
	[VAS_SYS_THREAD_ID] = "gettid",
	[VAS_SYS_THREAD_ALIVE] = "thread_alive",
	[VAS_SYS_PROCESS_ALIVE] = "process_alive",
	[VAS_SYS_WAIT] = "futex_wait",
	[VAS_SYS_WAKE] = "futex_wake",
	[VAS_SYS_BARRIER] = "membarrier",
	[VAS_SYS_CLOCK] = "clock",
	[VAS_SYS_MOVE_PAGES] = "move_pages",
	[VAS_SYS_SET_HOME] = "set_mempolicy_home_node",
	[VAS_SYS_GET_THREAD_POLICY] = "get_mempolicy",
	[VAS_SYS_SET_THREAD_POLICY] = "set_mempolicy",
	[VAS_SYS_SCAN] = "pagemap_scan",
	[VAS_SYS_RESIDENT] = "mincore",
};

const char *vas_sys_operation_name(enum vas_sys_operation operation)
{
	return (unsigned int)operation < VAS_SYS_OPERATION_COUNT ? operation_names[operation] : "?";
}

/* The operations. */

static int64_t trace_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot, int flags,
			 int fd, uint64_t offset)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->map(trace->next, address, size, prot, flags, fd, offset);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_MAP);
		line_address(&line, address);
		line_size(&line, size);
		line_bits(&line, prot_words, (uint32_t)prot, "PROT_NONE");
		line_bits(&line, map_words, (uint32_t)flags, "0");
		line_number(&line, fd);
		line_size(&line, offset);
	}
	return trace_end(trace, &line, VAS_SYS_MAP, got);
}

static int64_t trace_unmap(struct vas_sys *sys, uint64_t address, uint64_t size)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->unmap(trace->next, address, size);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_UNMAP);
		line_address(&line, address);
		line_size(&line, size);
	}
	return trace_end(trace, &line, VAS_SYS_UNMAP, got);
}

static int64_t trace_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->protect(trace->next, address, size, prot);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_PROTECT);
		line_address(&line, address);
		line_size(&line, size);
		line_bits(&line, prot_words, (uint32_t)prot, "PROT_NONE");
	}
	return trace_end(trace, &line, VAS_SYS_PROTECT, got);
}

static int64_t trace_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->advise(trace->next, address, size, advice);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_ADVISE);
		line_address(&line, address);
		line_size(&line, size);
		line_value(&line, advice_words, (uint32_t)advice);
	}
	return trace_end(trace, &line, VAS_SYS_ADVISE, got);
}

static int64_t trace_sync(struct vas_sys *sys, uint64_t address, uint64_t size, int flags)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->sync(trace->next, address, size, flags);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SYNC);
		line_address(&line, address);
		line_size(&line, size);
		line_bits(&line, sync_words, (uint32_t)flags, "0");
	}
	return trace_end(trace, &line, VAS_SYS_SYNC, got);
}

static int64_t trace_set_name(struct vas_sys *sys, uint64_t address, uint64_t size,
			      const char *name)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->set_name(trace->next, address, size, name);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SET_NAME);
		line_address(&line, address);
		line_size(&line, size);
		line_string(&line, name);
	}
	return trace_end(trace, &line, VAS_SYS_SET_NAME, got);
}

static int64_t trace_get_brk(struct vas_sys *sys)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->get_brk(trace->next);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_GET_BRK);
		line_number(&line, 0);
	}
	return trace_end(trace, &line, VAS_SYS_GET_BRK, got);
}

static int64_t trace_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->get_limit(trace->next, resource, limit);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_GET_LIMIT);
		line_value(&line, limit_words, (uint32_t)resource);
		if (got >= 0)
			line_size(&line, limit->current);
	}
	return trace_end(trace, &line, VAS_SYS_GET_LIMIT, got);
}

static int64_t trace_open(struct vas_sys *sys, const char *path, int flags)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->open(trace->next, path, flags);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_OPEN);
		line_string(&line, path);
		line_address(&line, (uint32_t)flags);
	}
	return trace_end(trace, &line, VAS_SYS_OPEN, got);
}

static int64_t trace_close(struct vas_sys *sys, int fd)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->close(trace->next, fd);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_CLOSE);
		line_number(&line, fd);
	}
	return trace_end(trace, &line, VAS_SYS_CLOSE, got);
}

static int64_t trace_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->read(trace->next, fd, buffer, size);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_READ);
		line_number(&line, fd);
		line_size(&line, size);
	}
	return trace_end(trace, &line, VAS_SYS_READ, got);
}

static int64_t trace_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->seek(trace->next, fd, offset, whence);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SEEK);
		line_number(&line, fd);
		line_size(&line, offset);
		line_number(&line, whence);
	}
	return trace_end(trace, &line, VAS_SYS_SEEK, got);
}

static int64_t trace_query(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			   struct vas_sys_query *result)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->query(trace->next, fd, address, flags, result);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_QUERY);
		line_number(&line, fd);
		line_address(&line, address);
		if (flags & VAS_QUERY_COVERING_OR_NEXT)
			vas_text_add(line_next(&line), "COVERING_OR_NEXT");
		if (got >= 0) {
			line_address(&line, result->start);
			line_address(&line, result->end);
		}
	}
	return trace_end(trace, &line, VAS_SYS_QUERY, got);
}

static int64_t trace_stat(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->stat(trace->next, fd, flags, result);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_STAT);
		line_number(&line, fd);
		if (got >= 0) {
			line_address(&line, result->device);
			line_size(&line, result->inode);
			line_size(&line, result->size);
		}
	}
	return trace_end(trace, &line, VAS_SYS_STAT, got);
}

static int64_t trace_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset, uint64_t size)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->allocate(trace->next, fd, mode, offset, size);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_ALLOCATE);
		line_number(&line, fd);
		line_bits(&line, allocate_words, (uint32_t)mode, "0");
		line_size(&line, offset);
		line_size(&line, size);
	}
	return trace_end(trace, &line, VAS_SYS_ALLOCATE, got);
}

static int64_t trace_truncate(struct vas_sys *sys, int fd, uint64_t size)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->truncate(trace->next, fd, size);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_TRUNCATE);
		line_number(&line, fd);
		line_size(&line, size);
	}
	return trace_end(trace, &line, VAS_SYS_TRUNCATE, got);
}

static int64_t trace_create(struct vas_sys *sys, const char *name, uint32_t flags)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->create(trace->next, name, flags);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_CREATE);
		line_string(&line, name);
		line_bits(&line, create_words, flags, "0");
	}
	return trace_end(trace, &line, VAS_SYS_CREATE, got);
}

static int64_t trace_duplicate(struct vas_sys *sys, int fd)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->duplicate(trace->next, fd);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_DUPLICATE);
		line_number(&line, fd);
	}
	return trace_end(trace, &line, VAS_SYS_DUPLICATE, got);
}

static int64_t trace_pipe(struct vas_sys *sys, int ends[2])
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->pipe(trace->next, ends);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_PIPE);
		line_number(&line, got < 0 ? -1 : ends[0]);
		line_number(&line, got < 0 ? -1 : ends[1]);
	}
	return trace_end(trace, &line, VAS_SYS_PIPE, got);
}

static int64_t trace_seals(struct vas_sys *sys, int fd, uint32_t add)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->seals(trace->next, fd, add);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SEALS);
		line_number(&line, fd);
		line_address(&line, add);
	}
	return trace_end(trace, &line, VAS_SYS_SEALS, got);
}

static int64_t trace_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size,
			     uint64_t offset)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->read_at(trace->next, fd, buffer, size, offset);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_READ_AT);
		line_number(&line, fd);
		line_size(&line, size);
		line_size(&line, offset);
	}
	return trace_end(trace, &line, VAS_SYS_READ_AT, got);
}

static int64_t trace_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			      uint64_t offset)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->write_at(trace->next, fd, buffer, size, offset);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_WRITE_AT);
		line_number(&line, fd);
		line_size(&line, size);
		line_size(&line, offset);
	}
	return trace_end(trace, &line, VAS_SYS_WRITE_AT, got);
}

static int64_t trace_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
				const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->set_policy(trace->next, address, size, mode, nodes, bits, flags);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SET_POLICY);
		line_address(&line, address);
		line_size(&line, size);
		line_value(&line, vas_trace_policy_words, (uint32_t)mode);
		line_address(&line, nodes && bits ? nodes[0] : 0);
		line_size(&line, bits);
		line_address(&line, flags);
	}
	return trace_end(trace, &line, VAS_SYS_SET_POLICY, got);
}

static int64_t trace_move(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			  int flags, uint64_t new_address)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->move(trace->next, address, size, new_size, flags, new_address);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_MOVE);
		line_address(&line, address);
		line_size(&line, size);
		line_size(&line, new_size);
		line_bits(&line, move_words, (uint32_t)flags, "0");
		line_address(&line, new_address);
	}
	return trace_end(trace, &line, VAS_SYS_MOVE, got);
}

static int64_t trace_process_id(struct vas_sys *sys)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->process_id(trace->next);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_PROCESS_ID);
	}
	return trace_end(trace, &line, VAS_SYS_PROCESS_ID, got);
}

static int64_t trace_thread_id(struct vas_sys *sys)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->thread_id(trace->next);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_THREAD_ID);
	}
	return trace_end(trace, &line, VAS_SYS_THREAD_ID, got);
}

static int64_t trace_thread_alive(struct vas_sys *sys, uint32_t thread)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->thread_alive(trace->next, thread);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_THREAD_ALIVE);
		line_size(&line, thread);
	}
	return trace_end(trace, &line, VAS_SYS_THREAD_ALIVE, got);
}

static int64_t trace_process_alive(struct vas_sys *sys, uint32_t process)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->process_alive(trace->next, process);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_PROCESS_ALIVE);
		line_size(&line, process);
	}
	return trace_end(trace, &line, VAS_SYS_PROCESS_ALIVE, got);
}

static int64_t trace_wait(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->wait(trace->next, word, value, nanoseconds);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_WAIT);
		line_address(&line, (uintptr_t)word);
		line_size(&line, value);
		line_size(&line, nanoseconds);
	}
	return trace_end(trace, &line, VAS_SYS_WAIT, got);
}

static int64_t trace_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->wake(trace->next, word, count);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_WAKE);
		line_address(&line, (uintptr_t)word);
		line_size(&line, count);
	}
	return trace_end(trace, &line, VAS_SYS_WAKE, got);
}

static int64_t trace_barrier(struct vas_sys *sys, int command)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->barrier(trace->next, command);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_BARRIER);
		line_number(&line, command);
	}
	return trace_end(trace, &line, VAS_SYS_BARRIER, got);
}

static int64_t trace_clock(struct vas_sys *sys)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->clock(trace->next);
	struct trace_line line;

	if (trace->fd >= 0)
		line_begin(&line, VAS_SYS_CLOCK);
	return trace_end(trace, &line, VAS_SYS_CLOCK, got);
}

void vas_sys_trace_init(struct vas_sys_trace *trace, struct vas_sys *next, int fd)
{
	memset(trace, 0, sizeof(*trace));
	trace->next = next;
	trace->fd = fd;
	trace->sys = (struct vas_sys){
		.name = "trace",
		.page_size = next->page_size,
		.stack_address = next->stack_address,
		.map = trace_map,
		.unmap = trace_unmap,
		.protect = trace_protect,
		.advise = trace_advise,
		.sync = trace_sync,
		.set_name = trace_set_name,
		.get_brk = trace_get_brk,
		.get_limit = trace_get_limit,
		.open = trace_open,
		.close = trace_close,
		.read = trace_read,
		.seek = trace_seek,
		.query = trace_query,
		.stat = trace_stat,
		.allocate = trace_allocate,
		.truncate = trace_truncate,
		.create = trace_create,
		.duplicate = trace_duplicate,
		.pipe = trace_pipe,
		.seals = trace_seals,
		.read_at = trace_read_at,
		.write_at = trace_write_at,
		.set_policy = trace_set_policy,
		.move = trace_move,
		.process_id = trace_process_id,
		.thread_id = trace_thread_id,
		.thread_alive = trace_thread_alive,
		.process_alive = trace_process_alive,
		.move_pages = vas_trace_move_pages,
		.set_home = vas_trace_set_home,
		.get_thread_policy = vas_trace_get_thread_policy,
		.set_thread_policy = vas_trace_set_thread_policy,
		.scan = vas_trace_scan,
		.resident = vas_trace_resident,
		.wait = trace_wait,
		.wake = trace_wake,
		.barrier = trace_barrier,
		.clock = trace_clock,
	};
}
