/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system's pool of huge pages, for tests that need some. The pool belongs
 * to all processes: whoever changes it holds one lock until it is as it was before.
 */
#ifndef TESTS_SUPPORT_HUGE_POOL_H
#define TESTS_SUPPORT_HUGE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define HUGE_PAGE (2ull << 20)

/*
 * Makes that many more free pages of 2 MiB. Waits for other tests that hold
 * the lock. False when the pool cannot be changed (not root, read-only, no memory).
 * They go back at the latest when the calling process exits.
 */
bool huge_pool_take(unsigned pages);
void huge_pool_return(void);
/* Free pages that nobody has set aside, as the kernel says now. */
uint64_t huge_pool_free(void);

#endif
