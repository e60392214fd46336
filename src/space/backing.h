/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What gives memory. A backing turns a range of a span that we own from
 * reserved to mapped, in place; the engine (space/part.h) does the rest: locks,
 * books, notices, recipe, undo, the retire ladder.
 *
 * Backings of this layer: private anonymous memory, and a descriptor's object
 * from an offset. An arena is one too.
 */
#ifndef VAS_SPACE_BACKING_H
#define VAS_SPACE_BACKING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include <vaspace/memory.h>

#include "base/assert.h"
#include "sys/definitions.h"
#include "sys/sys.h"

struct vas_backing;

/*
 * Beside the VAS_COMMIT_ bits, for users above: with SHARED or PRIVATE, the range may reach beyond the object's end, now and later. It is
 * recorded as a view, and nothing of it is populated.
 */
#define VAS_COMMIT_SHOWN 0x80000000u

/* One range that is to be backed. */
struct vas_backing_range {
	struct vas_span span;
	uint64_t offset; /* of its first byte in the object */
	int prot;
	uint32_t flags; /* VAS_COMMIT_ bits */
	/* For plan: what the descriptor is, looked at with VAS_STAT_KIND just now; NULL: plan looks. */
	const struct vas_sys_stat *stat;
};

struct vas_backing_ops {
	const char *name;
	/*
	 * May it be done? Changes nothing. Refuses here whatever can be known
	 * beforehand: -EINVAL alignment, -ERANGE the object ends before, -EACCES not opened for that, -EBADF
	 * another's descriptor by now.
	 */
	int (*plan)(const struct vas_backing *backing, struct vas_sys *sys,
		    const struct vas_backing_range *range);
	/*
	 * One MAP_FIXED over our own reservation. -errno with the range as it was. Huge pages are left without
	 * access whatever prot says: they are opened by mprotect.
	 */
	int (*map)(const struct vas_backing *backing, struct vas_sys *sys,
		   const struct vas_backing_range *range, int prot);
	/*
	 * Gives the bytes behind a mapped range back, mapped as it stays. -EOPNOTSUPP: they are not ours to
	 * give (an object that was not committed with PUNCH).
	 */
	int (*discard)(const struct vas_backing *backing, struct vas_sys *sys,
		       const struct vas_backing_range *range);
};

/* By value in the books of a holding; equal ones are one. */
struct vas_backing {
	const struct vas_backing_ops *ops;
	int32_t fd; /* -1 for anonymous memory */
	uint32_t flags; /* VAS_COMMIT_ SHARED, PRIVATE, PUNCH, WHOLE */
	uint32_t kind; /* enum vas_sys_kind */
	uint32_t policy; /* number in the holding's table; 0 = as the span's */
	uint64_t device; /* identity of the object when it was committed */
	uint64_t inode;
	uint64_t page_size; /* of the object: mappings are multiples of it */
	uint64_t delta; /* offset = address + delta, modulo 2^64: neighbours in step merge */
};

/*
 * What opts name with SHARED or PRIVATE, when the offset is that of start; *stat is what was seen. -EBADF and
 * what fstat answers.
 */
int vas_backing_identify(struct vas_sys *sys, const struct vas_commit_opts *opts, uint64_t start,
			 struct vas_sys_stat *stat, struct vas_backing *backing);

extern const struct vas_backing_ops vas_backing_anonymous;
extern const struct vas_backing_ops vas_backing_object;

/* Private anonymous memory, which may have a memory policy of its own. */
static inline bool vas_backing_is_anonymous(const struct vas_backing *backing)
{
	return backing->ops == &vas_backing_anonymous;
}

/* Its map. In line, as vas_part_restore_in_line is. */
static inline __attribute__((always_inline)) int
vas_backing_map_anonymous(struct vas_sys *sys, struct vas_span span, int prot)
{
	int64_t got = VAS_CALL(sys, map, span.start, span.size, prot,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	VAS_ASSERT(got < 0 || (uint64_t)got == span.start);
	return got < 0 ? (int)got : 0;
}

#endif
