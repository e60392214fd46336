/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object of an arena: kernel calls on its descriptor, after a look whether that is still the one. No lock, no books. All
 * offsets and sizes count the arena's bytes from 0, wherever these lie in the object.
 */
#ifndef VAS_ARENA_OBJECT_H
#define VAS_ARENA_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/arena.h>

#include "record/report.h"
#include "space/space.h"

/* Memory policies of parts of an arena: policy.c. */
struct vas_arena_policy {
	uint64_t from; /* I: from < to; multiples of the arena's step; sorted, and no two overlap */
	uint64_t to;
	struct vas_policy policy;
};

struct vas_arena_policies {
	struct vas_policy whole; /* of what is in no part; size 0: none, the thread's own */
	uint32_t count;
	struct vas_arena_policy items[VAS_ARENA_POLICIES];
};

/* The policy of the byte at offset, and as far as it goes; NULL = the thread's own. */
const struct vas_policy *vas_arena_policy_at(const struct vas_arena_policies *policies,
					     uint64_t offset, uint64_t *end);

struct vas_object {
	int32_t fd; /* ours, close-on-exec; -1: private memory */
	uint64_t device; /* identity */
	uint64_t inode;
	uint64_t page_size;
	uint64_t offset; /* of the arena's byte 0. I: a multiple of page_size */
	uint64_t seen; /* where it ended when it was looked at. Guarded by the arena's work lock */
	const struct vas_arena_policies *policies; /* lent; of memory that the pool gives; NULL = the thread's own */
	bool pool; /* of huge pages */
	bool kept; /* sealed against shrinking: no growth can be cut off again. Guarded by the arena's work lock */
	bool disk; /* a file of a disk or network */
	uint32_t *pulse; /* another number after each step of a growth, for who waits for its end; NULL = nobody can */
	bool read_only; /* for us */
	bool shared; /* others change its size, too: what they may have made is never cut off */
};

/*
 * An empty memfd of base pages, or, pool_page not 0, of pages of the pool. -EMFILE, -ENFILE, -ENOMEM, -EPERM, -ENOSYS; -EOPNOTSUPP: this
 * kernel has no such pages; -EACCES: EXEC_FILE is forbidden.
 */
int vas_object_create(struct vas_sys *sys, const char *name, uint64_t pool_page, enum vas_exec exec,
		      struct vas_failure *failure, struct vas_object *object);
/*
 * What fd has open, from object->offset on, by a descriptor of our own; object->shared is told, too. -EBADF; -EACCES: not opened for reading
 * and writing; -EINVAL: nothing that has bytes, shared and a disk's, or an offset that is no multiple of its pages; -EMFILE,
 * -ENFILE, -EPERM, -ENOSYS.
 */
int vas_object_adopt(struct vas_sys *sys, int fd, struct vas_failure *failure,
		     struct vas_object *object);
void vas_object_close(struct vas_sys *sys, struct vas_object *object);
/* -EBADF: the descriptor was closed, or is another's by now. */
int vas_object_same(const struct vas_object *object, struct vas_sys *sys,
		    struct vas_failure *failure);
/* Whether one of those seals (F_SEAL_) is set; false where that cannot be asked. */
bool vas_object_is_sealed(const struct vas_object *object, struct vas_sys *sys, uint32_t seals);
/* The same. *end: of the object, in the arena's bytes. */
int vas_object_ends(const struct vas_object *object, struct vas_sys *sys,
		    struct vas_failure *failure, uint64_t *end);
/* The same, and object->seen is where it ends now. Before each change of its size. */
int vas_object_look(struct vas_object *object, struct vas_sys *sys, struct vas_failure *failure);
/* --- object_memory.c; vas_object_look was called before, but for give --- */

/*
 * Memory for [from, to) of an object that is not shared, and its end moves there: all of it, or as many whole units from from on as
 * can be had, at least up to least. *reached: the end. After an error the object is as it was.
 */
int vas_object_extend(const struct vas_object *object, struct vas_space *space, uint64_t from,
		      uint64_t to, uint64_t least, uint64_t unit, struct vas_failure *failure,
		      uint64_t *reached);
/* What growing from from to to gave beyond what was seen goes back. Of an object that is not shared. */
void vas_object_undo(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		     uint64_t to);
/* The object ends at size from now on, where the arena ended at from; what others have beyond that stays, behind a hole. */
int vas_object_cut(const struct vas_object *object, struct vas_sys *sys, uint64_t size,
		   uint64_t from, struct vas_failure *failure);
/*
 * Memory of [from, to) beyond the end goes back, after a look where that is; to is as far as there may be any. With an error of a disk's what
 * was ahead below from may be gone, too.
 */
int vas_object_give(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		    uint64_t to, struct vas_failure *failure);
/* [from, to) reads as zero from then on, and has no memory. */
int vas_object_punch(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		     uint64_t to, struct vas_failure *failure);
/*
 * Memory for [from, to), wherever the end is, which stays: all, or as far as *reached, which is least at least. After an error what
 * was had stays, too, as zeroes.
 */
int vas_object_fill(const struct vas_object *object, struct vas_space *space, uint64_t from,
		    uint64_t to, uint64_t least, uint64_t unit, struct vas_failure *failure,
		    uint64_t *reached);
/* The end moves to to, over memory that is there. At once or not at all. */
int vas_object_open(const struct vas_object *object, struct vas_sys *sys, uint64_t from,
		    uint64_t to, struct vas_failure *failure);

#endif
