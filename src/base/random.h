/* SPDX-License-Identifier: BSD-2-Clause */
/* Small generators: splitmix64 for mixing (Steele, Lea, Flood 2014), used for keys and for scatter. */
#ifndef VAS_BASE_RANDOM_H
#define VAS_BASE_RANDOM_H

#include <stdint.h>

static inline uint64_t vas_mix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t vas_random_next(uint64_t *state)
{
	uint64_t x = *state;

	*state = x + 0x9e3779b97f4a7c15u;
	return vas_mix64(x);
}

/* Uniform enough below bound (multiply-shift; Lemire 2019); bound > 0. */
static inline uint64_t vas_random_below(uint64_t *state, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)vas_random_next(state) * bound) >> 64);
}

#endif
