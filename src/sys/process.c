/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process this is.
 *
 * WHAT FOR. fork() has handlers; _Fork and a raw clone have none, and their
 * child must not touch books that another thread of the parent may have been
 * changing.
 *
 * STRATEGY. A number in a page of its own, which the kernel gives to children as
 * zeroes (MADV_WIPEONFORK, Linux 4.14). Looking is one load. A child that was announced
 * writes the next number.
 *
 * CONCURRENCY. The page is named before others can know of it; the number changes
 * only in a child, which has one thread then.
 *
 * WHAT IT DOES NOT DO. Where the kernel does not wipe, a child that nobody
 * announced goes unnoticed. So does one that shares the memory (vfork), which is harmless.
 */
#include "sys/process.h"

#include <sys/mman.h>

#include "sys/definitions.h"

static uint32_t process_count = 1; /* the number, as it was written last */
static uint32_t *process_page; /* NULL = none (atomic) */

void vas_process_watch(struct vas_sys *sys, uint32_t *page)
{
	if (page) {
		(void)VAS_CALL(sys, advise, (uintptr_t)page, sys->page_size, MADV_WIPEONFORK);
		__atomic_store_n(page, process_count, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&process_page, page, __ATOMIC_RELEASE);
}

uint32_t vas_process_number(void)
{
	const uint32_t *page = __atomic_load_n(&process_page, __ATOMIC_ACQUIRE);

	return __atomic_load_n(page ? page : &process_count, __ATOMIC_RELAXED);
}

void vas_process_renew(void)
{
	uint32_t number = process_count + 1 ? process_count + 1 : 1;

	__atomic_store_n(&process_count, number, __ATOMIC_RELAXED);
	if (process_page)
		__atomic_store_n(process_page, number, __ATOMIC_RELAXED);
}
