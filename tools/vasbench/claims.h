/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of the benchmark "find", each in a file of its own. */
#ifndef VASBENCH_CLAIMS_H
#define VASBENCH_CLAIMS_H

#include <stdint.h>

#include "group.h"

int bench_claims(struct group_context *group); /* claims.c: anywhere, remembered, low */
int bench_near(struct group_context *group); /* near.c */
int bench_lookup(struct group_context *group); /* lookup.c: owner look-up, combining limits */
int bench_vasmap(struct group_context *group); /* command.c: vasmap beside cat */

/* The raw pair that others are compared with: one claim at an address known to be free, and munmap. */
struct raw_pair {
	uint64_t address;
	uint64_t size;
};
int raw_pair_run(void *context, unsigned int count);
/* Reads and parses all of this process's mappings. */
int read_maps_run(void *context, unsigned int count);

#endif
