/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the process has but one thread, as libc knows it: what nobody else can be at need not be
 * atomic, and an atomic operation costs as much as five to ten others.
 *
 * libc changes its answer only where it makes a thread, or one has ended and been waited for, so it
 * holds until the caller makes one. What is true of libc's own functions is so of this library's: threads
 * made without libc, by clone alone, must not call them.
 */
#ifndef VAS_SYS_SINGLE_H
#define VAS_SYS_SINGLE_H

#include <stdbool.h>
#include <stddef.h>

/* From glibc 2.32 on. */
extern char __libc_single_threaded __attribute__((weak));

/* A byte that is not 0 while there is one thread; NULL: libc does not tell. */
static inline const char *vas_single_byte(void)
{
	return &__libc_single_threaded;
}

static inline bool vas_single(void)
{
	const char *byte = vas_single_byte();

	return byte != NULL && __atomic_load_n(byte, __ATOMIC_RELAXED) != 0;
}

#endif
