/* SPDX-License-Identifier: BSD-2-Clause */
/* How the real kernel's operations treat errno and EINTR. For real*.c. */
#ifndef VAS_SYS_REAL_CALL_H
#define VAS_SYS_REAL_CALL_H

#include <errno.h>
#include <stdint.h>

#include "sys/sys.h"

/* -errno, with the caller's errno put back. */
static __attribute__((cold, noinline, unused)) int64_t real_failed(int saved)
{
	int error = errno;

	errno = saved;
	return -(int64_t)error;
}

/* The value of a call that answers -1 and errno, with errno put back; again while EINTR. */
#define REAL_CALL(call)                                                                            \
	({                                                                                         \
		int saved_ = errno;                                                                \
		int64_t value_;                                                                    \
		while (__builtin_expect((value_ = (int64_t)(call)) == -1, 0) && errno == EINTR)    \
			errno = saved_;                                                            \
		__builtin_expect(value_ == -1, 0) ? real_failed(saved_) : value_;                  \
	})

/* real_object.c: the slots for objects behind descriptors. */
int64_t vas_real_stat(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result);
int64_t vas_real_allocate(struct vas_sys *sys, int fd, int mode, uint64_t offset, uint64_t size);
int64_t vas_real_truncate(struct vas_sys *sys, int fd, uint64_t size);
int64_t vas_real_create(struct vas_sys *sys, const char *name, uint32_t flags);
int64_t vas_real_duplicate(struct vas_sys *sys, int fd);
int64_t vas_real_pipe(struct vas_sys *sys, int ends[2]);
int64_t vas_real_seals(struct vas_sys *sys, int fd, uint32_t add);
int64_t vas_real_read_at(struct vas_sys *sys, int fd, void *buffer, uint64_t size, uint64_t offset);
int64_t vas_real_write_at(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			  uint64_t offset);
/* real_wait.c: those for waiting. */
int64_t vas_real_wait(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds);
int64_t vas_real_wake(struct vas_sys *sys, uint32_t *word, uint32_t count);
int64_t vas_real_barrier(struct vas_sys *sys, int command);
int64_t vas_real_clock(struct vas_sys *sys);

/* real_policy.c: the slots for nodes and pages. */
VAS_SYS_PAGES_SLOTS(vas_real);

#endif
