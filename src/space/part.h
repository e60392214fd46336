/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of an owned span: what is mapped where inside a holding. The engine
 * below vaspace/memory.h and regions.
 *
 * Each function sends the notices, takes the holding's lock for the kernel calls,
 * and records. Ranges are page aligned, not empty, inside the span: the
 * callers have checked that. Failures fill *failure (not published).
 */
#ifndef VAS_SPACE_PART_H
#define VAS_SPACE_PART_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/memory.h>

#include "record/report.h"
#include "space/space.h"

/*
 * The holding with all of the range, pinned: live, not parked, and used by nobody. -ENOENT; -EBUSY: being
 * released or held, parked, or somebody uses it. Several changes may be made under one pin; fork waits for
 * pins, so they are short.
 */
int vas_part_pin(struct vas_space *space, uint64_t start, uint64_t size,
		 struct vas_holding **holding, struct vas_failure *failure);
void vas_part_unpin(struct vas_space *space, struct vas_holding *holding);
/*
 * The same for a holding that is known to exist because the caller is its user. -EBUSY. Without the space's lock,
 * as a rule, so a lock of the user's own is held that its fork_prepare takes: no pin begins during a fork.
 */
int vas_part_pin_used(struct vas_space *space, struct vas_holding_user *user,
		      struct vas_failure *failure);
/* The same at once. False: it would have to wait, or is refused. */
bool vas_part_pin_used_now(struct vas_space *space, struct vas_holding_user *user);
void vas_part_unpin_used(struct vas_space *space, struct vas_holding_user *user);

/*
 * The same for a range whose span may have a user, who lends it or not (space/user.h): what he answers. -ENOENT; -EBUSY; else as the
 * user. No lock of this layer or of a user's held.
 */
struct vas_part_pinned {
	struct vas_holding *holding;
	struct vas_holding_user *user; /* whose pin it is; NULL = the holding's */
};
int vas_part_pin_lent(struct vas_space *space, struct vas_span range, struct vas_failure *failure,
		      struct vas_part_pinned *pinned);
void vas_part_unpin_lent(struct vas_space *space, const struct vas_part_pinned *pinned);

/* A change at address comes soon: see extents.h. Pinned, or by the holding's user, no lock needed. */
static inline void vas_part_foresee(const struct vas_holding *holding, uint64_t address)
{
	/* Else there is little to fetch. */
	if (__atomic_load_n(&holding->extents.near, __ATOMIC_RELAXED))
		vas_extents_foresee(&holding->extents, address);
}

/*
 * All or nothing; what is committed already keeps contents, protection and backing; what is guarded, emptied or
 * held is mapped anew. *dirty (may be NULL) is set when some of the range was committed before. opts: loaded and
 * checked. While pages are populated the lock is dropped; others that want the range wait.
 */
int vas_part_commit(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		    const struct vas_commit_opts *opts, bool *dirty, struct vas_failure *failure);
/*
 * Down the retire ladder (retire.c); *state is the worst that any piece came to. What is as reserved stays so.
 * Fails only with -EINVAL for a part of what is VAS_COMMIT_WHOLE or of a huge page, -ENOMEM when the books have no
 * room for the split and none was promised, -EBUSY (veto, when not final; or released meanwhile), -EDEADLK.
 * final: part of a free: no veto; uses one promise up if there is any, and then cannot fail for lack of room.
 */
int vas_part_decommit(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		      bool final, enum vas_retired *state, struct vas_failure *failure);
int vas_part_protect(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     int prot, struct vas_failure *failure);
int vas_part_guard(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		   struct vas_failure *failure);
int vas_part_unguard(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     struct vas_failure *failure);

/*
 * Takes all access to views in the range away, whatever protection they have, or gives it back. A part of a change of the user's, who
 * tells of it and counts it. All or nothing; where even the undo is refused the books have what there is. No notice,
 * so a lock of the user's may be held.
 */
int vas_part_close(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		   bool closed, struct vas_failure *failure);

/*
 * The shared memory that is mapped at source, by whomever, is shown in the range too, which is as reserved; its first byte has the
 * place in its object that backing says, with the object's identity. Recorded as a view. -EOPNOTSUPP ("object"): the kernel
 * duplicates no such mapping; -EAGAIN ("race"): it is another object's by now; else as vas_part_commit. All or nothing.
 */
int vas_part_duplicate(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		       uint64_t source, const struct vas_backing *backing, int prot,
		       struct vas_failure *failure);
/*
 * A second mapping of shared memory, as it is mapped in the range, somewhere. Not classified: -EOPNOTSUPP ("object") as above, else what the
 * kernel says.
 */
int vas_part_twin(struct vas_space *space, struct vas_span range, struct vas_failure *failure,
		  uint64_t *aside);

/* What a range has that is alike throughout, by value. */
struct vas_part_content {
	struct vas_backing backing;
	struct vas_policy policy; /* of what is backed so; mode DEFAULT: none */
	uint8_t prot;
	uint16_t flags; /* VAS_COMMIT_HUGE or NOHUGE */
};
/*
 * Of a range that may be replaced. -EINVAL: not wholly committed ("not-mapped"), or of several kinds; -EOPNOTSUPP: its object's
 * bytes are ours to give back, it goes only whole ("object"), or a device's ("device").
 */
int vas_part_look(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		  struct vas_part_content *content, struct vas_failure *failure);
/* But for the number of the policy. */
bool vas_part_alike(const struct vas_part_content *a, const struct vas_part_content *b);
/*
 * A mapping of ours, which nobody else knows of, comes from aside to the range by one kernel call, which is refused as a whole; what
 * was there goes. aside has what fresh says, with old's policy. -ESTALE ("race"): the range has not what old says. final: no veto.
 */
int vas_part_replace(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     const struct vas_part_content *old, const struct vas_part_content *fresh,
		     uint64_t aside, bool final, struct vas_failure *failure);

/*
 * All views in the holding's span are mapped again from fd, which has the same object open as before has, whose descriptor they were mapped from: to be
 * only read, say. After an error they are as they were, unless the kernel refuses that, too. Errors as vas_part_commit.
 */
int vas_part_again(struct vas_space *space, struct vas_holding *holding, int fd, int before,
		   struct vas_failure *failure);
/*
 * For a child's handler: all views in the holding's span show another object, which fd has open, at the same offsets; those that are
 * private keep the pages that are theirs, below the offset own. After an error some do, and the span is to be lost. As above; -EBADF.
 */
int vas_part_turn(struct vas_space *space, struct vas_holding *holding, int fd, uint64_t own,
		  struct vas_failure *failure);

/*
 * Pages that are there move to the nodes of policy, which has some; *moved: bytes, also after an error. -EBUSY, -ENOMEM: the rest was
 * moved.
 */
int vas_part_migrate(struct vas_space *space, struct vas_holding *holding, struct vas_span range,
		     const struct vas_policy *policy, uint64_t *moved, struct vas_failure *failure);

/*
 * Room in the books for so many later final decommits of one range each, whatever state each comes to. -ENOMEM.
 * unpromise gives back those that no final decommit has used up.
 */
int vas_part_promise(struct vas_space *space, struct vas_holding *holding, uint32_t count);
void vas_part_unpromise(struct vas_space *space, struct vas_holding *holding, uint32_t count);

/* What the kernel answered, as an errno of the tables, with the reason. */
int vas_part_classify(int err, struct vas_failure *failure);

/* What is mapped at and above an address, by value; the states are in extents.h. */
struct vas_part {
	struct vas_span span;
	enum vas_part_state state;
	uint32_t prot;
	uint32_t flags; /* VAS_COMMIT_ bits as committed */
	uint32_t policy; /* number in the holding's table; 0 = as the span's */
	int32_t fd; /* of SHARED and PRIVATE: as committed */
	uint64_t device; /* identity of the object */
	uint64_t inode;
	uint64_t offset; /* of the part's first byte */
};
/* The part that covers address; ends at the span's end or where another begins. */
void vas_part_at(struct vas_space *space, struct vas_holding *holding, uint64_t address,
		 struct vas_part *part);

/*
 * Tries again what is guarded, emptied or held in live spans, until the kernel has refused limit times; returns the bytes
 * that became GONE. Users are told by ops->retired, with no lock and no pin held. While another call tries, 0 at
 * once. Every unpin, reserve and release does so with a limit of 1. No pin held.
 */
uint64_t vas_part_retry(struct vas_space *space, uint32_t limit);

#endif
