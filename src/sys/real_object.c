/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real kernel's operations on objects behind descriptors: memfds and files.
 *
 * All go by raw system call: none is a cancellation point then, and no
 * interceptor has a shadow to keep, but for what is read into a buffer.
 *
 * A call that makes an object larger than RLIMIT_FSIZE allows raises SIGXFSZ,
 * which ends a process that never asked for it. Looking at the limit first
 * races with who lowers it. So the signal is blocked in this thread around the
 * call and consumed when the answer is EFBIG. The kernel sends it to the
 * thread, and a thread's own signals are taken before the process's, so what is
 * consumed is ours; only where one was pending for the thread before, ours has
 * merged with it, and is left. Punching never makes an object larger and goes
 * without all this.
 *
 * Allocating begins anew after each signal, on some kernels without what it had got, so a profiler's timer could
 * keep it from ever ending. What was interrupted once goes again with all signals blocked.
 *
 * Concurrency: stateless; the signal mask is the thread's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "sys/definitions.h"
#include "sys/real_call.h"
#include "sys/watcher.h"

#define KERNEL_MASK_SIZE 8u /* bytes of the kernel's signal set */
#define SIGXFSZ_BIT	 ((uint64_t)1 << (SIGXFSZ - 1))

struct shield {
	uint64_t before; /* the thread's mask */
	bool pending; /* the signal was there before us */
	bool up; /* the mask was changed, or need not be */
	bool wide; /* all signals are blocked */
};

static void shield_raise(struct shield *shield)
{
	uint64_t mask = SIGXFSZ_BIT;
	uint64_t pending = 0;
	int saved = errno;

	shield->up = syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &mask, &shield->before,
			     (long)KERNEL_MASK_SIZE) == 0;
	/* What was not blocked a moment ago was not pending for this thread. */
	shield->pending = shield->up && (shield->before & SIGXFSZ_BIT) &&
			  syscall(SYS_rt_sigpending, &pending, (long)KERNEL_MASK_SIZE) == 0 &&
			  (pending & SIGXFSZ_BIT);
	errno = saved;
}

/* No signal interrupts from now on. */
static void shield_widen(struct shield *shield)
{
	uint64_t mask = UINT64_MAX;
	int saved = errno;

	shield->wide = shield->up && syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &mask, NULL,
					     (long)KERNEL_MASK_SIZE) == 0;
	errno = saved;
}

static void shield_lower(const struct shield *shield, int64_t got)
{
	uint64_t mask = SIGXFSZ_BIT;
	struct timespec now = { 0, 0 };
	int saved = errno;

	if (!shield->up)
		return;
	if (got == -EFBIG && !shield->pending)
		while (syscall(SYS_rt_sigtimedwait, &mask, NULL, &now, (long)KERNEL_MASK_SIZE) ==
			       -1 &&
		       errno == EINTR)
			;
	if (shield->wide || !(shield->before & SIGXFSZ_BIT))
		(void)syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &shield->before, NULL,
			      (long)KERNEL_MASK_SIZE);
	errno = saved;
}

/* The kind and the page size that its file system tells. */
static int64_t real_stat_kind(int fd, struct vas_sys_stat *result)
{
	struct statfs system;
	int64_t flags = REAL_CALL(syscall(SYS_fcntl, (long)fd, (long)F_GETFL, 0L));
	int64_t got;

	if (flags < 0)
		return flags;
	got = REAL_CALL(syscall(SYS_fstatfs, (long)fd, &system));
	if (got < 0)
		return got;
	vas_watcher_written(&system, sizeof(system));
	result->readable = (flags & O_ACCMODE) != O_WRONLY;
	result->writable = (flags & O_ACCMODE) != O_RDONLY;
	switch ((uint32_t)system.f_type) {
	case VAS_MAGIC_HUGETLBFS:
		result->kind = VAS_SYS_KIND_HUGETLB;
		result->page_size = (uint64_t)system.f_bsize;
		break;
	case VAS_MAGIC_TMPFS:
	case VAS_MAGIC_RAMFS:
		result->kind = VAS_SYS_KIND_SHMEM;
		break;
	default:
		result->kind = VAS_SYS_KIND_FILE;
	}
	return 0;
}

int64_t vas_real_stat(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result)
{
	struct stat status;
	struct vas_sys_stat found = { .kind = VAS_SYS_KIND_OTHER };
	int64_t got = REAL_CALL(syscall(SYS_fstat, (long)fd, &status));
	bool regular;

	if (got < 0)
		return got;
	vas_watcher_written(&status, sizeof(status));
	regular = S_ISREG(status.st_mode);
	found.device = (uint64_t)status.st_dev;
	found.inode = (uint64_t)status.st_ino;
	found.size = regular ? (uint64_t)status.st_size : 0;
	found.held = regular ? (uint64_t)status.st_blocks * 512 : 0;
	if (flags & VAS_STAT_KIND) {
		found.page_size = sys->page_size;
		got = real_stat_kind(fd, &found);
		if (got < 0)
			return got;
		if (!regular)
			found.kind = VAS_SYS_KIND_OTHER;
	}
	*result = found;
	return 0;
}

/* Once: -EINTR goes up. */
static int64_t allocate_once(int fd, int mode, uint64_t offset, uint64_t size)
{
	int saved = errno;
	int64_t got = syscall(SYS_fallocate, (long)fd, (long)mode, offset, size);

	if (got < 0) {
		got = -(int64_t)errno;
		errno = saved;
	}
	return got;
}

int64_t vas_real_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset, uint64_t size)
{
	struct shield shield = { 0 };
	int64_t got;

	(void)sys;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return REAL_CALL(syscall(SYS_fallocate, (long)fd, (long)mode, offset, size));
	shield_raise(&shield);
	got = allocate_once(fd, mode, offset, size);
	if (__builtin_expect(got == -EINTR, 0)) {
		shield_widen(&shield);
		got = REAL_CALL(syscall(SYS_fallocate, (long)fd, (long)mode, offset, size));
	}
	shield_lower(&shield, got);
	return got;
}

int64_t vas_real_truncate(struct vas_sys *sys, int fd, uint64_t size)
{
	struct shield shield = { 0 };
	int64_t got;

	(void)sys;
	shield_raise(&shield);
	got = REAL_CALL(syscall(SYS_ftruncate, (long)fd, size));
	shield_lower(&shield, got);
	return got;
}

int64_t vas_real_create(struct vas_sys *sys, const char *name, uint32_t flags)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_memfd_create, name, (long)(flags | MFD_CLOEXEC)));
}

int64_t vas_real_duplicate(struct vas_sys *sys, int fd)
{
	(void)sys;
	return REAL_CALL(syscall(SYS_fcntl, (long)fd, (long)F_DUPFD_CLOEXEC, 0L));
}

int64_t vas_real_pipe(struct vas_sys *sys, int ends[2])
{
	int64_t got = REAL_CALL(syscall(SYS_pipe2, ends, (long)(O_CLOEXEC | O_NONBLOCK)));

	(void)sys;
	if (got == 0)
		vas_watcher_written(ends, 2 * sizeof(ends[0]));
	return got;
}

int64_t vas_real_seals(struct vas_sys *sys, int fd, uint32_t add)
{
	int64_t got = 0;

	(void)sys;
	if (add)
		got = REAL_CALL(syscall(SYS_fcntl, (long)fd, (long)F_ADD_SEALS, (long)add));
	return got < 0 ? got : REAL_CALL(syscall(SYS_fcntl, (long)fd, (long)F_GET_SEALS, 0L));
}

int64_t vas_real_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size, uint64_t offset)
{
	int64_t got = REAL_CALL(syscall(SYS_pread64, (long)fd, buffer, size, offset));

	(void)sys;
	if (got > 0)
		vas_watcher_written(buffer, (size_t)got);
	return got;
}

int64_t vas_real_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			  uint64_t offset)
{
	struct shield shield = { 0 };
	int64_t got;

	(void)sys;
	shield_raise(&shield);
	got = REAL_CALL(syscall(SYS_pwrite64, (long)fd, buffer, size, offset));
	shield_lower(&shield, got);
	return got;
}
