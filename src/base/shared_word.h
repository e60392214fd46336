/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words that threads, or processes, share without a lock. Loads acquire and stores release:
 * on x86-64 that costs nothing, and who follows a number or an address that another one
 * published sees what it stands for.
 *
 * VAS_WORD_STEP stands before each access. It is nothing here; a test that explores
 * interleavings compiles the files that it is about with one of its own.
 */
#ifndef VAS_BASE_SHARED_WORD_H
#define VAS_BASE_SHARED_WORD_H

#include <stdbool.h>
#include <stdint.h>

#ifndef VAS_WORD_STEP
#define VAS_WORD_STEP() ((void)0)
#endif

static inline uint64_t vas_word_load(const uint64_t *word)
{
	VAS_WORD_STEP();
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void vas_word_store(uint64_t *word, uint64_t value)
{
	VAS_WORD_STEP();
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Replaces *word if it is expected. False: it was not. */
static inline bool vas_word_exchange(uint64_t *word, uint64_t expected, uint64_t value)
{
	VAS_WORD_STEP();
	return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static inline uint32_t vas_word_load32(const uint32_t *word)
{
	VAS_WORD_STEP();
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void vas_word_store32(uint32_t *word, uint32_t value)
{
	VAS_WORD_STEP();
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline bool vas_word_exchange32(uint32_t *word, uint32_t expected, uint32_t value)
{
	VAS_WORD_STEP();
	return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

#endif
