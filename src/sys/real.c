/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real kernel.
 *
 * Every operation is one system call, made in one of two ways:
 *
 *  - raw, through libc's syscall(2), or for claims in line (raw.h). That is not
 *    a cancellation point, unlike libc's open, read, close and msync, and no
 *    interceptor sees it.
 *  - through libc's own symbol: mmap, munmap, mprotect, madvise and mremap, none
 *    of them a cancellation point. Sanitizers and memory hooks interpose these.
 *
 * Claims (mmap without MAP_FIXED, or with MAP_FIXED_NOREPLACE) go raw: the
 * interceptors of ThreadSanitizer and MemorySanitizer replace an address that
 * they do not like by 0, which turns "here or nowhere" into "at zero". What
 * changes or removes contents (MAP_FIXED, munmap, mprotect, madvise, mremap)
 * goes through libc, so that shadows follow. VASPACE_ROUTE forces one way for
 * all five.
 *
 * errno belongs to the caller: it is saved before and put back after a
 * failure. EINTR is retried, but not for close, which has closed by then; mmap
 * never answers it.
 *
 * Concurrency: stateless, but for the page size and the route, which are
 * written by the constructor and hold the same values ever after.
 *
 * Operations on objects behind descriptors: real_object.c; for waiting: real_wait.c. Not here: which calls are there at all (probe.c), and what a failure means
 * (the layers above).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hot.h"
#include "sys/definitions.h"
#include "sys/environment.h"
#include "sys/raw.h"
#include "sys/real.h"
#include "sys/real_call.h"
#include "sys/sys.h"
#include "sys/watcher.h"

_Static_assert(sizeof(void *) == 8 && sizeof(long) == 8, "addresses are 64 bits");

/* The table, and what its hot operations look at, side by side. */
static struct real {
	enum vas_route route;
	bool watched; /* a sanitizer's runtime is here */
	struct vas_sys sys;
} real __attribute__((aligned(64)));

static inline void *real_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

VAS_HOT static int64_t real_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot,
				int flags, int fd, uint64_t offset)
{
	bool replaces = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
	bool raw = real.route == VAS_ROUTE_AUTO ? !replaces : real.route == VAS_ROUTE_RAW;
	int64_t got;

	(void)sys;
	if (raw)
		got = vas_raw_call6(SYS_mmap, address, size, (uint64_t)prot, (uint64_t)flags,
				    (uint64_t)(int64_t)fd, offset);
	else
		got = REAL_CALL((intptr_t)mmap(real_pointer(address), size, prot, flags, fd,
					       (off_t)offset));
	if (__builtin_expect(real.watched, 0) && got >= 0) {
		vas_watcher_mapped((uint64_t)got, size);
		if (prot != PROT_NONE)
			vas_watcher_opened((uint64_t)got, size);
	}
	return got;
}

VAS_HOT static int64_t real_unmap(struct vas_sys *sys, uint64_t address, uint64_t size)
{
	(void)sys;
	if (real.route == VAS_ROUTE_RAW)
		return REAL_CALL(syscall(SYS_munmap, address, size));
	return REAL_CALL(munmap(real_pointer(address), size));
}

VAS_HOT static int64_t real_protect(struct vas_sys *sys, uint64_t address, uint64_t size, int prot)
{
	int64_t got;

	(void)sys;
	if (real.route == VAS_ROUTE_RAW)
		got = REAL_CALL(syscall(SYS_mprotect, address, size, (long)prot));
	else
		got = REAL_CALL(mprotect(real_pointer(address), size, prot));
	if (__builtin_expect(real.watched, 0) && got == 0 && prot != PROT_NONE)
		vas_watcher_opened(address, size);
	return got;
}

VAS_HOT static int64_t real_advise(struct vas_sys *sys, uint64_t address, uint64_t size, int advice)
{
	(void)sys;
	if (real.route == VAS_ROUTE_RAW)
		return REAL_CALL(syscall(SYS_madvise, address, size, (long)advice));
	return REAL_CALL(madvise(real_pointer(address), size, advice));
}

static int64_t real_sync(struct vas_sys *sys, uint64_t address, uint64_t size, int flags)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_msync, address, size, (long)flags));
}

static int64_t real_set_name(struct vas_sys *sys, uint64_t address, uint64_t size, const char *name)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_prctl, (long)PR_SET_VMA, (long)PR_SET_VMA_ANON_NAME, address,
				 size, name));
}

static int64_t real_get_brk(struct vas_sys *sys)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_brk, 0L));
}

static uint64_t real_limit_value(uint64_t value)
{
	return value == (uint64_t)RLIM_INFINITY ? UINT64_MAX : value;
}

static int64_t real_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	uint64_t pair[2] = { 0, 0 };
	int64_t got = REAL_CALL(syscall(SYS_prlimit64, 0L, (long)resource, NULL, pair));

	(void)sys;
	if (got < 0)
		return got;
	limit->current = real_limit_value(pair[0]);
	limit->maximum = real_limit_value(pair[1]);
	return 0;
}

static int64_t real_open(struct vas_sys *sys, const char *path, int flags)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_openat, (long)AT_FDCWD, path, (long)(flags | O_CLOEXEC), 0L));
}

static int64_t real_close(struct vas_sys *sys, int fd)
{
	int saved = errno;
	int64_t got = syscall(SYS_close, (long)fd);

	(void)sys;
	if (got == 0)
		return 0;
	got = real_failed(saved);
	/* The descriptor is gone then, and trying again could close somebody else's. */
	return got == -EINTR ? 0 : got;
}

static int64_t real_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	int64_t got = REAL_CALL(syscall(SYS_read, (long)fd, buffer, size));

	(void)sys;
	if (got > 0)
		vas_watcher_written(buffer, (size_t)got);
	return got;
}

static int64_t real_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_lseek, (long)fd, offset, (long)whence));
}

static uint32_t real_query_prot(uint64_t flags)
{
	uint32_t prot = 0;

	if (flags & VAS_PROCMAP_READABLE)
		prot |= PROT_READ;
	if (flags & VAS_PROCMAP_WRITABLE)
		prot |= PROT_WRITE;
	if (flags & VAS_PROCMAP_EXECUTABLE)
		prot |= PROT_EXEC;
	return prot;
}

static int64_t real_query(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			  struct vas_sys_query *result)
{
	struct vas_procmap_query query = { .size = sizeof(query), .query_addr = address };
	int64_t got;

	(void)sys;
	if (flags & VAS_QUERY_COVERING_OR_NEXT)
		query.query_flags = VAS_PROCMAP_COVERING_OR_NEXT;
	if (result->name) {
		query.vma_name_addr = (uintptr_t)result->name;
		query.vma_name_size = result->name_size;
	}
	got = REAL_CALL(syscall(SYS_ioctl, (long)fd, VAS_PROCMAP_QUERY, &query));
	if (got < 0)
		return got;
	result->start = query.vma_start;
	result->end = query.vma_end;
	result->offset = query.vma_offset;
	result->inode = query.inode;
	result->device_major = query.dev_major;
	result->device_minor = query.dev_minor;
	result->prot = real_query_prot(query.vma_flags);
	result->shared = (query.vma_flags & VAS_PROCMAP_SHARED) ? 1 : 0;
	result->name_size = result->name ? query.vma_name_size : 0;
	if (result->name)
		vas_watcher_written(result->name, result->name_size);
	return 0;
}

VAS_HOT static int64_t real_set_policy(struct vas_sys *sys, uint64_t address, uint64_t size,
				       int mode,
			       const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	(void)sys;
	/* The kernel looks at one bit less than it is told. */
	return REAL_CALL(syscall(SYS_mbind, address, size, (long)mode, nodes,
				 bits ? (long)bits + 1 : 0L, (long)flags));
}

static int64_t real_move(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			 int flags, uint64_t new_address)
{
	int64_t got;

	(void)sys;
	if (real.route == VAS_ROUTE_RAW)
		got = REAL_CALL(
			syscall(SYS_mremap, address, size, new_size, (long)flags, new_address));
	else
		got = REAL_CALL((intptr_t)mremap(real_pointer(address), size, new_size, flags,
						 real_pointer(new_address)));
	if (__builtin_expect(real.watched, 0) && got >= 0) {
		vas_watcher_mapped((uint64_t)got, new_size);
		vas_watcher_opened((uint64_t)got, new_size);
	}
	return got;
}

static int64_t real_process_id(struct vas_sys *sys)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_getpid));
}

static int64_t real_thread_id(struct vas_sys *sys)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_gettid));
}

static int64_t real_thread_alive(struct vas_sys *sys, uint32_t thread)
{
	int64_t got = REAL_CALL(syscall(SYS_tgkill, syscall(SYS_getpid), (long)thread, 0L));

	(void)sys;
	if (got == -ESRCH)
		return 0;
	/* Not allowed to signal it: it has other credentials, so it is there. */
	return got == 0 || got == -EPERM ? 1 : got;
}

static int64_t real_process_alive(struct vas_sys *sys, uint32_t process)
{
	int64_t got = REAL_CALL(syscall(SYS_kill, (long)process, 0L));

	(void)sys;
	if (got == -ESRCH)
		return 0;
	return got == 0 || got == -EPERM ? 1 : got;
}

static struct real real = { .sys = {
				    .name = "real",
				    .map = real_map,
				    .unmap = real_unmap,
				    .protect = real_protect,
				    .advise = real_advise,
				    .sync = real_sync,
				    .set_name = real_set_name,
				    .get_brk = real_get_brk,
				    .get_limit = real_get_limit,
				    .open = real_open,
				    .close = real_close,
				    .read = real_read,
				    .seek = real_seek,
				    .query = real_query,
				    .stat = vas_real_stat,
				    .allocate = vas_real_allocate,
				    .truncate = vas_real_truncate,
				    .create = vas_real_create,
				    .duplicate = vas_real_duplicate,
				    .pipe = vas_real_pipe,
				    .seals = vas_real_seals,
				    .read_at = vas_real_read_at,
				    .write_at = vas_real_write_at,
				    .set_policy = real_set_policy,
				    .move = real_move,
				    .move_pages = vas_real_move_pages,
				    .set_home = vas_real_set_home,
				    .get_thread_policy = vas_real_get_thread_policy,
				    .set_thread_policy = vas_real_set_thread_policy,
				    .scan = vas_real_scan,
				    .resident = vas_real_resident,
				    .process_id = real_process_id,
				    .thread_id = real_thread_id,
				    .thread_alive = real_thread_alive,
				    .process_alive = real_process_alive,
				    .wait = vas_real_wait,
				    .wake = vas_real_wake,
				    .barrier = vas_real_barrier,
				    .clock = vas_real_clock,
			    } };

void vas_real_set_route(enum vas_route route)
{
	real.route = route;
	real.watched = vas_environment_sanitizer() != VAS_SANITIZER_NONE;
}

struct vas_sys *vas_sys_real(void)
{
	/* Also right before the constructors have run: another library's may call us first. */
	if (__builtin_expect(__atomic_load_n(&real.sys.page_size, __ATOMIC_RELAXED) == 0, 0)) {
		/* The program's name lies above the first frame of the main thread. */
		__atomic_store_n(&real.sys.stack_address, getauxval(AT_EXECFN), __ATOMIC_RELAXED);
		__atomic_store_n(&real.sys.page_size, getauxval(AT_PAGESZ), __ATOMIC_RELAXED);
	}
	return &real.sys;
}

void vas_sys_print(int fd, const char *bytes, size_t count)
{
	int saved = errno;

	while (count > 0) {
		int64_t got = REAL_CALL(syscall(SYS_write, (long)fd, bytes, count));

		if (got <= 0)
			break;
		bytes += got;
		count -= (size_t)got;
	}
	errno = saved;
}

int64_t vas_real_futex(uint32_t *word, int operation, uint32_t value)
{
	int saved = errno;
	int64_t got = syscall(SYS_futex, word, (long)operation, (long)value, NULL, NULL, 0L);

	/* EINTR goes up: a waiter looks at the word again anyway. */
	return got == -1 ? real_failed(saved) : got;
}

void vas_real_yield(void)
{
	int saved = errno;

	(void)syscall(SYS_sched_yield);
	errno = saved;
}

int64_t vas_real_sleep(uint32_t microseconds)
{
	struct timespec time = { microseconds / 1000000, (long)(microseconds % 1000000) * 1000 };
	int saved = errno;
	int64_t got = syscall(SYS_nanosleep, &time, NULL);

	return got == -1 ? real_failed(saved) : got;
}

uint32_t vas_real_thread(void)
{
	int saved = errno;
	int64_t got = syscall(SYS_gettid);

	errno = saved;
	return got > 0 ? (uint32_t)got : 0;
}
