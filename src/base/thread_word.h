/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 32-bit word of the calling thread, known by where it lies from the thread pointer on: a
 * thread-local variable, or what the kernel keeps there for each thread. One instruction reads it,
 * and who reads it need not know whose it is.
 */
#ifndef VAS_BASE_THREAD_WORD_H
#define VAS_BASE_THREAD_WORD_H

#include <stdint.h>

/* Where a variable of the calling thread lies, in bytes; 0: not to be had on this processor. */
static inline intptr_t vas_thread_word_at(const volatile uint32_t *word)
{
#if defined(__x86_64__)
	uintptr_t thread;

	__asm__("movq %%fs:0, %0" : "=r"(thread));
	return (intptr_t)((uintptr_t)word - thread);
#elif defined(__aarch64__)
	uintptr_t thread;

	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
	return (intptr_t)((uintptr_t)word - thread);
#else
	(void)word;
	return 0;
#endif
}

/* The word at this place. I: at is not 0. */
static inline uint32_t vas_thread_word(intptr_t at)
{
	uint32_t word = 0;

#if defined(__x86_64__)
	__asm__ __volatile__("movl %%fs:(%1), %0" : "=r"(word) : "r"(at));
#elif defined(__aarch64__)
	uintptr_t thread;

	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
	word = *(const volatile uint32_t *)(thread + (uintptr_t)at);
#else
	(void)at;
#endif
	return word;
}

#endif
