/* SPDX-License-Identifier: BSD-2-Clause */
/* What real.c gives to the rest of src/sys, beside the table (sys.h). */
#ifndef VAS_SYS_REAL_H
#define VAS_SYS_REAL_H

#include <stdint.h>

#include "sys/environment.h"

/* How mmap, munmap, mprotect and madvise go from now on. Before threads. */
void vas_real_set_route(enum vas_route route);

/* futex(2) without a timeout: 0 or more, or -errno (EINTR too). */
int64_t vas_real_futex(uint32_t *word, int operation, uint32_t value);
void vas_real_yield(void);
/* Sleeps about so long; -errno when a sandbox denies it. */
int64_t vas_real_sleep(uint32_t microseconds);
/* gettid(2); 0 when a sandbox denies it. */
uint32_t vas_real_thread(void);

#endif
