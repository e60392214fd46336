/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recording table: see recorder.h.
 *
 * Strategy: a set of spans for mappings, a few numbers for descriptors. Calls
 * are handed on first and noted when they succeeded, so the list is what the
 * kernel did.
 *
 * Concurrency: one thread.
 */
#include "support/recorder.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/definitions.h"
#include "tap/tap.h"

static struct recorder *recorder_of(struct vas_sys *sys)
{
	return (struct recorder *)((char *)sys - offsetof(struct recorder, sys));
}

static uint64_t whole(const struct recorder *recorder, uint64_t size)
{
	return (size + recorder->sys.page_size - 1) & ~(recorder->sys.page_size - 1);
}

/* Bytes of [start, start + size) that are not on the list. */
static uint64_t unknown_bytes(const struct recorder *recorder, uint64_t start, uint64_t size)
{
	const struct vas_spanset *set = &recorder->mapped;
	uint64_t known = 0, end = start + size;

	for (size_t i = vas_spanset_find(set, start); i < set->count; i++) {
		uint64_t low = set->items[i].start, high = vas_span_end(set->items[i]);

		if (low >= end)
			break;
		known += (high < end ? high : end) - (low > start ? low : start);
	}
	return size - known;
}

/* Whether this call asks for memory of the books, and is to fail. */
static bool books_fail(struct recorder *recorder, uint64_t address, int prot)
{
	if (address || prot != (PROT_READ | PROT_WRITE))
		return false;
	recorder->books_maps++;
	if (!recorder->books_fail_at || recorder->books_maps < recorder->books_fail_at)
		return false;
	return recorder->books_persistent || recorder->books_maps == recorder->books_fail_at;
}

static int64_t record_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot, int flags,
			  int fd, uint64_t offset)
{
	struct recorder *recorder = recorder_of(sys);
	bool replaces = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
	int64_t got;

	recorder->maps++;
	if (recorder->ignores_noreplace)
		flags &= ~MAP_FIXED_NOREPLACE;
	if (address && !replaces && recorder->lose_claims) {
		recorder->lose_claims--;
		return -EEXIST;
	}
	if (!replaces && recorder->ignores_hints && !(flags & MAP_FIXED_NOREPLACE))
		address = 0;
	if (books_fail(recorder, address, prot))
		return -recorder->books_error;
	if (recorder->refuse_above && size > recorder->refuse_above)
		return -recorder->refuse_error;
	got = recorder->next->map(recorder->next, address, size, prot, flags, fd, offset);
	if (got < 0)
		return got;
	size = whole(recorder, size);
	if (replaces)
		recorder->foreign += unknown_bytes(recorder, address, size);
	if (vas_spanset_add(&recorder->mapped, (uint64_t)got, (uint64_t)got + size))
		tap_bail("more mappings than the recorder can note");
	return got;
}

static int64_t record_unmap(struct vas_sys *sys, uint64_t address, uint64_t size)
{
	struct recorder *recorder = recorder_of(sys);
	int64_t got = recorder->next->unmap(recorder->next, address, size);

	if (got < 0)
		return got;
	size = whole(recorder, size);
	recorder->foreign += unknown_bytes(recorder, address, size);
	if (vas_spanset_remove(&recorder->mapped, address, address + size))
		tap_bail("more mappings than the recorder can note");
	return got;
}

static int64_t record_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->protect(next, address, size, prot);
}

static int64_t record_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	struct recorder *recorder = recorder_of(sys);
	struct vas_sys *next = recorder->next;

	for (size_t i = 0; i < sizeof(recorder->no_advices) / sizeof(recorder->no_advices[0]); i++)
		if (advice && recorder->no_advices[i] == advice)
			return -EINVAL;
	return next->advise(next, address, size, advice);
}

static int64_t record_sync(struct vas_sys *sys, uint64_t address, uint64_t size, int flags)
{
	struct recorder *recorder = recorder_of(sys);

	if (recorder->no_sync)
		return -EINVAL;
	return recorder->next->sync(recorder->next, address, size, flags);
}

static int64_t record_set_name(struct vas_sys *sys, uint64_t address, uint64_t size,
			       const char *name)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->set_name(next, address, size, name);
}

static int64_t record_get_brk(struct vas_sys *sys)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->get_brk(next);
}

static int64_t record_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->get_limit(next, resource, limit);
}

/* Notes a descriptor, unless it is an error. */
static int64_t note_file(struct recorder *recorder, int64_t fd)
{
	size_t i = 0;

	if (fd < 0)
		return fd;
	while (i < RECORDER_FILES && recorder->files[i] >= 0)
		i++;
	if (i == RECORDER_FILES)
		tap_bail("more open files than the recorder can note");
	recorder->files[i] = (int)fd;
	return fd;
}

static int64_t record_open(struct vas_sys *sys, const char *path, int flags)
{
	struct recorder *recorder = recorder_of(sys);

	return note_file(recorder, recorder->next->open(recorder->next, path, flags));
}

static int64_t record_close(struct vas_sys *sys, int fd)
{
	struct recorder *recorder = recorder_of(sys);

	for (size_t i = 0; i < RECORDER_FILES; i++)
		if (recorder->files[i] == fd)
			recorder->files[i] = -1;
	return recorder->next->close(recorder->next, fd);
}

static int64_t record_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->read(next, fd, buffer, size);
}

static int64_t record_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->seek(next, fd, offset, whence);
}

static int64_t record_query(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			    struct vas_sys_query *result)
{
	struct recorder *recorder = recorder_of(sys);

	if (recorder->no_query)
		return -ENOTTY;
	if (recorder->refuses_names && result->name)
		return -ENAMETOOLONG;
	return recorder->next->query(recorder->next, fd, address, flags, result);
}

static int64_t record_stat(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->stat(next, fd, flags, result);
}

static int64_t record_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset,
			       uint64_t size)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->allocate(next, fd, mode, offset, size);
}

static int64_t record_truncate(struct vas_sys *sys, int fd, uint64_t size)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->truncate(next, fd, size);
}

static int64_t record_create(struct vas_sys *sys, const char *name, uint32_t flags)
{
	struct recorder *recorder = recorder_of(sys);

	return note_file(recorder, recorder->next->create(recorder->next, name, flags));
}

static int64_t record_pipe(struct vas_sys *sys, int ends[2])
{
	struct recorder *recorder = recorder_of(sys);
	int64_t got = recorder->next->pipe(recorder->next, ends);

	if (got == 0) {
		(void)note_file(recorder, ends[0]);
		(void)note_file(recorder, ends[1]);
	}
	return got;
}

static int64_t record_duplicate(struct vas_sys *sys, int fd)
{
	struct recorder *recorder = recorder_of(sys);

	return note_file(recorder, recorder->next->duplicate(recorder->next, fd));
}

static int64_t record_seals(struct vas_sys *sys, int fd, uint32_t add)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->seals(next, fd, add);
}

static int64_t record_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size,
			      uint64_t offset)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->read_at(next, fd, buffer, size, offset);
}

static int64_t record_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			       uint64_t offset)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->write_at(next, fd, buffer, size, offset);
}

static int64_t record_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
				 const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->set_policy(next, address, size, mode, nodes, bits, flags);
}

static int64_t record_move(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			   int flags, uint64_t new_address)
{
	struct recorder *recorder = recorder_of(sys);
	struct vas_sys *next = recorder->next;
	int64_t got = next->move(next, address, size, new_size, flags, new_address);

	if (got < 0)
		return got;
	if (flags & MREMAP_FIXED)
		recorder->foreign +=
			unknown_bytes(recorder, (uint64_t)got, whole(recorder, new_size));
	recorder->foreign += unknown_bytes(recorder, address, whole(recorder, size));
	if (vas_spanset_remove(&recorder->mapped, address, address + whole(recorder, size)) ||
	    vas_spanset_add(&recorder->mapped, (uint64_t)got,
			    (uint64_t)got + whole(recorder, new_size)))
		tap_bail("more mappings than the recorder can note");
	return got;
}

static int64_t record_process_id(struct vas_sys *sys)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->process_id(next);
}

static int64_t record_thread_id(struct vas_sys *sys)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->thread_id(next);
}

static int64_t record_thread_alive(struct vas_sys *sys, uint32_t thread)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->thread_alive(next, thread);
}

static int64_t record_process_alive(struct vas_sys *sys, uint32_t process)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->process_alive(next, process);
}

static int64_t record_wait(struct vas_sys *sys, uint32_t *word, uint32_t value,
			   uint64_t nanoseconds)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->wait(next, word, value, nanoseconds);
}

static int64_t record_wake(struct vas_sys *sys, uint32_t *word, uint32_t count)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->wake(next, word, count);
}

static int64_t record_barrier(struct vas_sys *sys, int command)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->barrier(next, command);
}

static int64_t record_clock(struct vas_sys *sys)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->clock(next);
}

static int64_t record_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
				 const int32_t *nodes, int32_t *status, uint32_t flags)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->move_pages(next, pages, count, nodes, status, flags);
}

static int64_t record_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->set_home(next, address, size, node);
}

static int64_t record_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes,
					uint32_t bits)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->get_thread_policy(next, mode, nodes, bits);
}

static int64_t record_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
					uint32_t bits)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->set_thread_policy(next, mode, nodes, bits);
}

static int64_t record_scan(struct vas_sys *sys, int fd, struct vas_span range,
			   struct vas_sys_pages *runs, uint32_t count)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->scan(next, fd, range, runs, count);
}

static int64_t record_resident(struct vas_sys *sys, uint64_t address, uint64_t size,
			       unsigned char *pages)
{
	struct vas_sys *next = recorder_of(sys)->next;

	return next->resident(next, address, size, pages);
}

void recorder_init(struct recorder *recorder, struct vas_sys *next)
{
	memset(recorder, 0, sizeof(*recorder));
	recorder->next = next;
	recorder->sys = (struct vas_sys){
		.name = "recorder",
		.page_size = next->page_size,
		.stack_address = next->stack_address,
		.map = record_map,
		.unmap = record_unmap,
		.protect = record_protect,
		.advise = record_advise,
		.sync = record_sync,
		.set_name = record_set_name,
		.get_brk = record_get_brk,
		.get_limit = record_get_limit,
		.open = record_open,
		.close = record_close,
		.read = record_read,
		.seek = record_seek,
		.query = record_query,
		.stat = record_stat,
		.allocate = record_allocate,
		.truncate = record_truncate,
		.create = record_create,
		.duplicate = record_duplicate,
		.pipe = record_pipe,
		.seals = record_seals,
		.read_at = record_read_at,
		.write_at = record_write_at,
		.set_policy = record_set_policy,
		.move = record_move,
		.process_id = record_process_id,
		.thread_id = record_thread_id,
		.thread_alive = record_thread_alive,
		.process_alive = record_process_alive,
		.move_pages = record_move_pages,
		.set_home = record_set_home,
		.get_thread_policy = record_get_thread_policy,
		.set_thread_policy = record_set_thread_policy,
		.scan = record_scan,
		.resident = record_resident,
		.wait = record_wait,
		.wake = record_wake,
		.barrier = record_barrier,
		.clock = record_clock,
	};
	vas_spanset_init(&recorder->mapped, recorder->mapped_items, RECORDER_SPANS);
	memset(recorder->files, -1, sizeof(recorder->files));
}

uint64_t recorder_bytes(const struct recorder *recorder)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < recorder->mapped.count; i++)
		bytes += recorder->mapped.items[i].size;
	return bytes;
}

unsigned int recorder_open(const struct recorder *recorder)
{
	unsigned int count = 0;

	for (size_t i = 0; i < RECORDER_FILES; i++)
		count += recorder->files[i] >= 0;
	return count;
}

void recorder_clear(struct recorder *recorder)
{
	struct vas_sys *next = recorder->next;

	for (size_t i = 0; i < recorder->mapped.count; i++)
		next->unmap(next, recorder->mapped.items[i].start, recorder->mapped.items[i].size);
	for (size_t i = 0; i < RECORDER_FILES; i++)
		if (recorder->files[i] >= 0)
			next->close(next, recorder->files[i]);
	recorder_init(recorder, next);
}
