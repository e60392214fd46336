/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots.
 *
 * WHAT FOR. Threads that run at the same time should find different numbers, so that what is kept by
 * number is hardly ever wanted by two of them; and there should be few numbers.
 *
 * STRATEGY. What the kernel writes for restartable sequences, if libc has registered them: the number among the
 * threads of this process that run at this moment (from Linux 6.3 on), which stays small on a large machine and the
 * same in a program of one thread; before 6.3 the processor's. It changes when a thread is moved, which is
 * harmless. Otherwise, or if VASPACE_SLOT says so, each thread has a number of its own, given in turn.
 *
 * CONCURRENCY. The place is found out once; two threads that do it at once find the same.
 *
 * WHAT IT DOES NOT DO. It registers nothing. A thread that libc could not register has the number that
 * stands there all the same. Own numbers of threads that end are not used again.
 */
#include "sys/slot.h"

#include <stddef.h>
#include <stdbool.h>
#include <sys/auxv.h>

#include "base/thread_word.h"
#include "sys/environment.h"

#ifndef AT_RSEQ_FEATURE_SIZE /* 6.3 */
#define AT_RSEQ_FEATURE_SIZE 27
#endif

/* In the kernel's struct rseq. */
#define CPU_ID 4u
#define MM_CID 24u

/* glibc, from 2.35 on: where the thread's struct rseq lies, and how much of it there is; 0: not registered. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static __thread uint32_t thread_number __attribute__((tls_model("initial-exec")));
static uint32_t number_last; /* (atomic) */
static intptr_t place_now; /* (atomic) 0: not found out yet */

static intptr_t rseq_place(void)
{
	const unsigned int *size = &__rseq_size;
	const ptrdiff_t *offset = &__rseq_offset;

	if (!size || !offset || *size < CPU_ID + sizeof(uint32_t))
		return 0;
	/* Negative: the kernel refused. */
	if ((int32_t)vas_thread_word((intptr_t)*offset + (intptr_t)CPU_ID) < 0)
		return 0;
	if (*size >= MM_CID + sizeof(uint32_t) &&
	    getauxval(AT_RSEQ_FEATURE_SIZE) >= MM_CID + sizeof(uint32_t))
		return (intptr_t)*offset + (intptr_t)MM_CID;
	return (intptr_t)*offset + (intptr_t)CPU_ID;
}

void vas_slot_reload(void)
{
	intptr_t own = vas_thread_word_at(&thread_number);
	intptr_t place = 0;

	/* Where no place can be told, none can be read either. */
	if (own && vas_environment_get()->slot == VAS_SLOT_AUTO)
		place = rseq_place();
	__atomic_store_n(&place_now, place ? place : own, __ATOMIC_RELAXED);
}

intptr_t vas_slot_place(void)
{
	if (__builtin_expect(__atomic_load_n(&place_now, __ATOMIC_RELAXED) == 0, 0))
		vas_slot_reload();
	return __atomic_load_n(&place_now, __ATOMIC_RELAXED);
}

void vas_slot_own(void)
{
	if (thread_number || vas_slot_place() != vas_thread_word_at(&thread_number))
		return;
	do
		thread_number = __atomic_add_fetch(&number_last, 1, __ATOMIC_RELAXED);
	while (thread_number % VAS_SLOT_COUNT == 0);
}
