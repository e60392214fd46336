/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of the block allocator that threads share without a lock. Loads acquire and
 * stores release: on x86-64 that costs nothing, and who follows a number or an address that
 * another thread published sees what it stands for.
 *
 * VAS_BLOCK_STEP stands before each access. It is nothing here; a test that explores
 * interleavings compiles the allocator's files with one of its own.
 */
#ifndef VAS_CORE_BLOCK_ATOMIC_H
#define VAS_CORE_BLOCK_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#ifndef VAS_BLOCK_STEP
#define VAS_BLOCK_STEP() ((void)0)
#endif

static inline uint64_t vas_block_load(const uint64_t *word)
{
	VAS_BLOCK_STEP();
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void vas_block_store(uint64_t *word, uint64_t value)
{
	VAS_BLOCK_STEP();
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Replaces *word if it is expected. False: it was not. */
static inline bool vas_block_exchange(uint64_t *word, uint64_t expected, uint64_t value)
{
	VAS_BLOCK_STEP();
	return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static inline uint32_t vas_block_load32(const uint32_t *word)
{
	VAS_BLOCK_STEP();
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void vas_block_store32(uint32_t *word, uint32_t value)
{
	VAS_BLOCK_STEP();
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline bool vas_block_exchange32(uint32_t *word, uint32_t expected, uint32_t value)
{
	VAS_BLOCK_STEP();
	return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

#endif
