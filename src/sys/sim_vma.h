/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated kernel's parts, for each other. The caller holds sim->lock. */
#ifndef VAS_SYS_SIM_VMA_H
#define VAS_SYS_SIM_VMA_H

#include "sys/sim.h"

static inline struct vas_sys_sim *vas_sim_of(struct vas_sys *sys)
{
	return (struct vas_sys_sim *)((char *)sys - offsetof(struct vas_sys_sim, sys));
}

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

/* sim_pages.c: which pages hold bytes, and which are guarded. */

/* A set's operations, which give it more memory when it is full. */
void vas_sim_pages_add(struct vas_spanset *set, uint64_t start, uint64_t end);
void vas_sim_pages_remove(struct vas_spanset *set, uint64_t start, uint64_t end);
void vas_sim_pages_room(struct vas_spanset *set, size_t capacity); /* before it is needed */
void vas_sim_pages_free(struct vas_spanset *set);
/* Bytes of [start, end) in the set. */
uint64_t vas_sim_pages_count(const struct vas_spanset *set, uint64_t start, uint64_t end);
/*
 * Accesses [start, end), within the mapping at index, page by page from the
 * start. *done is where it stopped. -EFAULT: a guard, or beyond the end of the
 * object, or no huge page; -ENOMEM: no memory.
 */
int vas_sim_access(struct vas_sys_sim *sim, size_t index, uint64_t start, uint64_t end, bool write,
		   uint64_t *done);
/* Free memory in bytes: ordinary, and of the huge page pool. */
uint64_t vas_sim_memory_free(const struct vas_sys_sim *sim);
uint64_t vas_sim_huge_free(const struct vas_sys_sim *sim);

/* sim_object.c: descriptors and what they stand for. */

/* The object of a mapping; NULL: it has none, or an endless file. */
struct vas_sim_object *vas_sim_object_of(struct vas_sys_sim *sim,
					 const struct vas_sim_mapping *mapping);
const struct vas_sim_object *vas_sim_object_seen(const struct vas_sys_sim *sim,
						 const struct vas_sim_mapping *mapping);
/* The descriptor's; NULL: none of ours. */
struct vas_sim_descriptor *vas_sim_descriptor(struct vas_sys_sim *sim, int fd);
/* A new object without a descriptor: its index, or -ENFILE. */
int64_t vas_sim_object_make(struct vas_sys_sim *sim, enum vas_sys_kind kind, uint64_t size);
int64_t vas_sim_object_close(struct vas_sys_sim *sim, int fd);
int64_t vas_sim_stat(struct vas_sys_sim *sim, int fd, uint32_t flags, struct vas_sys_stat *result);
int64_t vas_sim_allocate(struct vas_sys_sim *sim, int fd, int mode, uint64_t offset, uint64_t size);
int64_t vas_sim_truncate(struct vas_sys_sim *sim, int fd, uint64_t size);
int64_t vas_sim_create(struct vas_sys_sim *sim, const char *name, uint32_t flags);
int64_t vas_sim_duplicate(struct vas_sys_sim *sim, int fd);
int64_t vas_sim_seals(struct vas_sys_sim *sim, int fd, uint32_t add);
int64_t vas_sim_transfer(struct vas_sys_sim *sim, int fd, uint64_t size, uint64_t offset,
			 bool write);
/* Takes the bytes of [start, end) away from an object, as punching does. */
void vas_sim_object_punch(struct vas_sys_sim *sim, struct vas_sim_object *object, uint64_t start,
			  uint64_t end);

/* sim_policy.c: mbind and move_pages; sim_move.c: mremap. */
int64_t vas_sim_set_policy(struct vas_sys_sim *sim, uint64_t address, uint64_t size, int mode,
			   const uint64_t *nodes, uint32_t bits, uint32_t flags);
int64_t vas_sim_set_home(struct vas_sys_sim *sim, uint64_t address, uint64_t size, uint32_t node);
int64_t vas_sim_move_pages(struct vas_sys_sim *sim, const uint64_t *pages, uint64_t count,
			   const int32_t *nodes, int32_t *status, uint32_t flags);
int64_t vas_sim_move(struct vas_sys_sim *sim, uint64_t address, uint64_t size, uint64_t new_size,
		     int flags, uint64_t new_address);

/* sim_place.c: the address that mmap chooses or accepts, or -errno. alignment: a huge page's, or a page's. */
int64_t vas_sim_place(const struct vas_sys_sim *sim, uint64_t address, uint64_t size, int flags,
		      bool file, uint64_t alignment);

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

/* sim_calls.c: the slots for objects, policies, moves and threads. */
void vas_sim_fill_calls(struct vas_sys *sys);

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
