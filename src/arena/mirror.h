/* SPDX-License-Identifier: BSD-2-Clause */
/* Mirrors: views of memory that is no arena's. */
#ifndef VAS_ARENA_MIRROR_H
#define VAS_ARENA_MIRROR_H

#include "arena/view.h"
#include "sys/lock.h"

struct vas_mirror {
	struct vas_view view; /* first. I: view.arena is NULL, which tells it from an arena's */
	struct vas_space *space; /* constant */
	const uint32_t *alive; /* constant: the space's, NULL over simulated kernels */
	uint32_t era; /* constant: of the space's books; others were given up */
	bool absent; /* in a child that has nothing of it; changed by fork only */
	enum vas_mirror_way way; /* constant */
	struct vas_lock lock; /* held for some instructions, to pin, and over a fork */
};

static inline struct vas_mirror *vas_mirror_of(struct vas_view *view)
{
	return (struct vas_mirror *)(void *)view; /* the first member */
}

/* What is mapped at a place that is to be mirrored. */
struct vas_mirror_source {
	struct vas_span range;
	struct vas_span mapping; /* of the kernel's, that the range begins in */
	uint64_t device; /* of the object, as st_dev */
	uint64_t inode;
	uint64_t delta; /* offset = address + delta, modulo 2^64 */
	int32_t prot; /* that its first page has */
	bool anonymous; /* no name leads to the object: one of the pool's or of shared memory that is no file */
};

/* --- mirror.c --- */

/* *way is written always. */
int vas_mirror_make(struct vas_space *space, struct vas_span range,
		    const struct vas_view_opts *opts, struct vas_failure *failure,
		    enum vas_mirror_way *way, struct vas_view **view);
int vas_mirror_unmake(struct vas_mirror *mirror, enum vas_retired *state,
		      struct vas_failure *failure);
int vas_mirror_reprotect(struct vas_mirror *mirror, int prot, struct vas_failure *failure);
int vas_mirror_tell(struct vas_mirror *mirror, struct vas_view_info *info,
		    struct vas_failure *failure);

/* --- mirror_source.c --- */

/*
 * What is there, all of one object. -ENOENT: not all of it is mapped; -EOPNOTSUPP ("private"); -ERANGE: several objects, or one in pieces that are
 * not in step; -EMFILE and the like: the kernel's list cannot be read.
 */
int vas_mirror_look(struct vas_space *space, struct vas_span range, struct vas_failure *failure,
		    struct vas_mirror_source *source);
/*
 * The object's descriptor, by what the kernel tells of the process's own mappings, and its page size. -EPERM: with a capability it could be had;
 * -EOPNOTSUPP: not so; -EAGAIN ("race"). The caller closes it.
 */
int vas_mirror_descriptor(struct vas_space *space, const struct vas_mirror_source *source, int prot,
			  struct vas_failure *failure, int *fd, uint64_t *page_size);

#endif
