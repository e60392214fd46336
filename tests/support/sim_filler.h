/* SPDX-License-Identifier: BSD-2-Clause */
/* Somebody else in a simulated process, who takes every mapping that the kernel lets it have. */
#ifndef TESTS_SUPPORT_SIM_FILLER_H
#define TESTS_SUPPORT_SIM_FILLER_H

#include "sys/sim.h"

/* A point: limit mappings, max_map_count of sim, are there now. Returns where the filler's own begin. */
uint64_t sim_filler_take(struct vas_sys_sim *sim, uint64_t limit);
/* A point: they are given back. */
void sim_filler_drop(struct vas_sys_sim *sim, uint64_t limit, uint64_t filler);

#endif
