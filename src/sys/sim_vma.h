/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated kernel's parts, for each other. The caller holds sim->lock. */
#ifndef VAS_SYS_SIM_VMA_H
#define VAS_SYS_SIM_VMA_H

#include "sys/sim.h"

/* sim_vma.c: the array. */

static inline bool vas_sim_is_anonymous(const struct vas_sim_mapping *mapping)
{
	return mapping->fd < 0 && mapping->object == 0;
}

/* The index of the first mapping that ends above address; count when there is none. */
size_t vas_sim_find(const struct vas_sys_sim *sim, uint64_t address);
/* Whether any mapping overlaps [start, end). */
bool vas_sim_overlaps(const struct vas_sys_sim *sim, uint64_t start, uint64_t end);
/* Makes room for count more mappings: -ENOMEM when the simulator itself has no memory. */
int vas_sim_room(struct vas_sys_sim *sim, size_t count);
/* Puts mapping at index. There is room. */
void vas_sim_insert(struct vas_sys_sim *sim, size_t index, const struct vas_sim_mapping *mapping);
/* Splits so that start and end are boundaries, as munmap does; -ENOMEM at the limit of mappings. */
int vas_sim_gather(struct vas_sys_sim *sim, uint64_t start, uint64_t end);
/* Removes what lies in [start, end), whose ends are boundaries. */
void vas_sim_remove(struct vas_sys_sim *sim, uint64_t start, uint64_t end);
/* Adds a fresh mapping where nothing is, merging it with its neighbours. */
void vas_sim_add(struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping);
/*
 * Gives [start, end) of the mapping at *index the attributes of wanted (prot,
 * flags, advice, name), by merging with a neighbour or by splitting. *index is
 * then the mapping that holds the range. -ENOMEM: a split would exceed the
 * limit; the first of two splits may have been done, as in Linux.
 */
int vas_sim_modify(struct vas_sys_sim *sim, size_t *index, uint64_t start, uint64_t end,
		   const struct vas_sim_mapping *wanted);
/* What a first write fault, or a guard, does to the mapping at index. */
void vas_sim_prepare_anon(struct vas_sys_sim *sim, size_t index);

/* sim_place.c: the address that mmap chooses or accepts, or -errno. */
int64_t vas_sim_place(const struct vas_sys_sim *sim, uint64_t address, uint64_t size, int flags,
		      bool file);

/* sim_advise.c: madvise and PR_SET_VMA. */
int64_t vas_sim_advise(struct vas_sys_sim *sim, uint64_t address, uint64_t size, int advice);
int64_t vas_sim_set_name(struct vas_sys_sim *sim, uint64_t address, uint64_t size,
			 const char *name);

/* sim_text.c: /proc/self/maps and its ioctl. */
int64_t vas_sim_open(struct vas_sys_sim *sim, const char *path);
int64_t vas_sim_close(struct vas_sys_sim *sim, int fd);
int64_t vas_sim_read(struct vas_sys_sim *sim, int fd, void *buffer, uint64_t size);
int64_t vas_sim_seek(struct vas_sys_sim *sim, int fd, uint64_t offset);
int64_t vas_sim_query(struct vas_sys_sim *sim, int fd, uint64_t address, uint32_t flags,
		      struct vas_sys_query *result);
size_t vas_sim_file_size(void);

/* sim_start.c: what a process looks like when main begins. */
int vas_sim_start(struct vas_sys_sim *sim);

static inline uint64_t vas_sim_page_align(const struct vas_sys_sim *sim, uint64_t size)
{
	return (size + sim->sys.page_size - 1) &
	       ~(sim->sys.page_size - 1); /* may wrap to 0, as in Linux */
}

static inline bool vas_sim_is_aligned(const struct vas_sys_sim *sim, uint64_t value)
{
	return (value & (sim->sys.page_size - 1)) == 0;
}

#endif
