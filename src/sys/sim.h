/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated kernel: one Linux address space as a sorted array of mappings.
 *
 * It answers map, unmap, protect, advise, sync, brk, limits, reads of
 * /proc/self/maps and PROCMAP_QUERY with the errno and the resulting maps that
 * Linux gives, for widths of 38 to 57 bits and pages of 4, 16 and 64 KiB.
 * There is no memory behind the addresses.
 */
#ifndef VAS_SYS_SIM_H
#define VAS_SYS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/lock.h"
#include "sys/sys.h"

enum vas_sim_noreplace {
	VAS_SIM_NOREPLACE_HONOURED,
	VAS_SIM_NOREPLACE_IGNORED, /* treated as a hint, as before 4.17 */
	VAS_SIM_NOREPLACE_PARTIAL /* whole overlaps refused, partial ones clobbered, as 4.17 and 4.18 */
};

struct vas_sim_config {
	uint32_t width; /* bits of user space: 38..57; default window 47 (48 below 52: see story) */
	uint64_t page_size; /* 4096, 16384, 65536 */
	enum vas_sim_noreplace noreplace;
	uint64_t max_map_count; /* 0 = 65530 */
	uint64_t address_limit; /* RLIMIT_AS, bytes; 0 = unlimited */
	uint64_t stack_limit; /* RLIMIT_STACK, bytes; 0 = 8 MiB */
	uint64_t min_address; /* mmap_min_addr; 0 = 64 KiB */
	uint64_t seed; /* where stack, mmap base, heap and image lie */
	bool no_proc; /* opening /proc fails with -ENOENT */
	bool no_query; /* PROCMAP_QUERY answers -ENOTTY */
	bool empty; /* no image, heap, stack, vdso: for differential tests */
};

struct vas_sim_mapping {
	uint64_t start; /* I: page aligned, start < end */
	uint64_t end; /* I: end <= start of the next */
	uint64_t offset;
	uint32_t prot;
	uint32_t flags; /* MAP_SHARED/MAP_PRIVATE/MAP_NORESERVE/MAP_GROWSDOWN bits that keep VMAs apart */
	uint32_t advice; /* DONTDUMP, DONTFORK, HUGEPAGE, NOHUGEPAGE state bits */
	int fd; /* -1 anonymous */
	bool touched; /* has an anon_vma: written to or populated */
	const char *name;
};

struct vas_sys_sim {
	struct vas_sys sys;
	struct vas_sim_config config;
	struct vas_lock lock;
	struct vas_sim_mapping *mappings; /* sorted; the simulator's own memory, from mmap */
	size_t count, capacity;
	uint64_t brk_start, brk;
	uint64_t mmap_base; /* top-down from here */
	uint64_t address_used; /* bytes mapped; I: the sum over mappings */
	/* Hook for races: called before each map operation with the simulator unlocked; may be NULL. */
	void (*before_map)(struct vas_sys_sim *sim, void *context);
	void *context;
	/* open files: fd = 1000 + index */
	struct { bool used; uint64_t position; uint64_t next_address; } files[8];
};

int vas_sys_sim_init(struct vas_sys_sim *sim, const struct vas_sim_config *config);
void vas_sys_sim_destroy(struct vas_sys_sim *sim);
/* Checks every invariant; false (with a reason) when one is broken. */
bool vas_sys_sim_check(const struct vas_sys_sim *sim, const char **reason);
/* Tells the simulator that a page was written (gives the mapping an anon_vma). */
void vas_sys_sim_touch(struct vas_sys_sim *sim, uint64_t address, uint64_t size);

#endif
