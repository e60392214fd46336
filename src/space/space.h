/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space: everything the library knows about the spans it owns in one address
 * space. The process has one (vas_space_default); tests make others over
 * simulated kernels.
 *
 * LOCK ORDER, written once:
 *
 *	1. space->users_lock	the list of users; held while their own locks are taken at fork
 *	2. a user's own locks	never held over a call of this layer
 *	3. holding->lock	what is mapped in one span; held over kernel calls
 *	4. space->lock		all books; never held over a kernel call, except
 *				those that map memory for the books themselves, the ballast
 *				and the reading of vas_sync_check
 *	5. notices.lock		subscriptions; a leaf, never held over a hook
 *	   watch.lock		the pressure hook; likewise
 *
 * vas_owner_at takes none. Per-thread failure reports take none.
 */
#ifndef VAS_SPACE_SPACE_H
#define VAS_SPACE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/reserve.h>
#include <vaspace/stats.h>

#include "core/owner_index.h"
#include "core/placement.h"
#include "layout/bounds.h"
#include "layout/search.h"
#include "record/ledger.h"
#include "record/report.h"
#include "space/claimer.h"
#include "space/backings.h"
#include "space/ballast.h"
#include "space/extents.h"
#include "space/notice.h"
#include "space/pressure.h"
#include "space/user.h"
#include "sys/lock.h"
#include "sys/pages.h"
#include "sys/probe.h"
#include "sys/strays.h"
#include "sys/sys.h"

/* How a reservation is made and made again: whatever replaces a part of it repeats all of this. */
#define VAS_RECIPE_NODUMP 0x1u
#define VAS_RECIPE_NOFORK 0x2u
#define VAS_RECIPE_NOHUGE 0x4u
#define VAS_RECIPE_WIPE 0x8u
#define VAS_RECIPE_BITS 4u
#define VAS_RECIPE_ALL ((1u << VAS_RECIPE_BITS) - 1)
/* What publish is given has the enum vas_fork of the span above them; a holding has it apart. */
#define VAS_RECIPE_FORK_SHIFT 8u

enum vas_holding_state {
	VAS_HOLDING_LIVE,
	VAS_HOLDING_RELEASING, /* vas_release is at work: no new commits */
	VAS_HOLDING_HELD, /* the kernel refused to unmap it so far */
	VAS_HOLDING_GONE /* removed; only pins keep this struct */
};

/* One reserved span and its book. */
struct vas_holding {
	/* What changes look at comes first, in three lines of the cache. */
	struct vas_lock lock; /* guards extents, and the kernel calls that change the span */
	enum vas_holding_state state; /* changed under space->lock, too (atomic, for a look under lock alone) */
	uint32_t recipe; /* constant while published: VAS_RECIPE_ bits */
	uint32_t fork; /* likewise: enum vas_fork, as asked for */
	uint32_t forked; /* likewise: as it came out in this child; DEFAULT: reserved in this process */
	bool parked; /* nothing of what the extents say is mapped, and nobody but unpark may change it (atomic) */
	const struct vas_claimer *claimer; /* likewise: NULL = the kernel; set right after publishing */
	struct vas_policy *policy; /* likewise: of memory in it, in the books' memory; NULL = the thread's own */
	struct vas_holding_user *user; /* the region that uses the span; NULL = none. Changed under lock and space->lock */
	struct vas_part_work *busy; /* populated with the lock dropped; their callers hold pins. Guarded by lock */
	uint64_t generation; /* how often what is mapped in it has changed (atomic) */
	/*
	 * While there is a user: what changed that the sums of the space and the line do not have yet, modulo 2^64
	 * (atomic, to be read under space->lock). vas_space_sums adds it, vas_space_fold puts it there.
	 */
	uint64_t loose_committed;
	uint64_t loose_runs;
	struct vas_extents extents; /* I: inside span. Guarded by lock; committed bytes also summed in line */
	/* Guarded by space->lock: */
	/*
	 * Callers that use this struct without space->lock. Counted in space->pins too, but for those
	 * that are in a hook, for which fork does not wait. The user's own are in user->pins instead, but for
	 * those in a change that somebody is told of, which are in both.
	 */
	uint32_t pins;
	struct vas_owner_entry *entry; /* I: entry->record == this while published */
	struct vas_ledger_line *line;
	struct vas_holding *next; /* in space->held (I: exactly when HELD) or space->spare */
	/* Constant while published: */
	struct vas_span span;
	/* Changed under space->lock: */
	struct vas_parked *park; /* I: there exactly when parked: space/park.h */
	uint64_t shown; /* bytes of its views that count as committed: see sums.h. Changed under lock */
	uint64_t retry_round; /* of space->retry_rounds: when its parts were tried last */
	struct vas_holding *unretired_next; /* in space->unretired */
	struct vas_holding **unretired_link; /* NULL = not in that list. I: in it when LIVE and some bytes are unretired */
	/* Guarded by lock: */
	uint64_t retry_at; /* where the next try of unretired parts begins */
	struct vas_backings backings; /* what extents name by number */
};

/* Bytes that are committed, kernel mappings that the layout asks for: as things are, parked or not. */
static inline uint64_t vas_holding_committed(const struct vas_holding *holding)
{
	return holding->parked ? 0 : vas_extents_bytes(&holding->extents) + holding->shown;
}

static inline uint32_t vas_holding_runs(const struct vas_holding *holding)
{
	return holding->parked ? 1 : vas_extents_runs(&holding->extents, holding->span);
}

/*
 * What requests of one kind were and became: the next one alike is tried at the same
 * place, without building the request again.
 */
struct vas_remembered {
	struct vas_reserve_opts opts; /* as loaded; opts.size 0 = this slot is empty */
	uint64_t size; /* as asked */
	struct vas_request request; /* as built from them; its avoid set is empty */
	uint32_t recipe;
	uint64_t serial; /* tells what the slot was used for */
	uint64_t beside; /* low end of the last claim: the next goes right below; 0 = none */
	struct vas_span freed; /* the last span released in the window, if any */
};
#define VAS_REMEMBERED 4u

struct vas_space {
	/* What changes of a region's memory look at, and hardly anybody writes: in one line of the cache. */
	struct vas_sys *sys;
	/*
	 * The process's own: NULL until it is ready for use; then a number that reads as 0 in a child whose
	 * fork was not announced (sys/process.h), where these books are not to be used (atomic).
	 */
	const uint32_t *alive;
	struct vas_holding *held; /* (atomic, for a first look) */
	struct vas_holding *unretired; /* live, with parts that could not be made inaccessible (atomic, for a first look) */
	uint32_t subscribers; /* I: how many notices.first lists (atomic, for a first look) */
	uint32_t gate; /* 0: users pin without the lock. Else who wants none to: see vas_space_quiesce (atomic) */
	struct vas_ballast ballast;
	/* Touched by every reserve and release; on one page, see base/hot.h. */
	struct vas_lock lock;
	bool verbose; /* somebody may listen to every event (atomic) */
	int claim_flags; /* of a claim's mmap, as the probes say; 0 = not asked yet (atomic) */
	struct vas_owner_index index; /* readers need no lock */
	struct vas_bounds bounds; /* constant */
	uint64_t brk_seen; /* the break when it was read last (atomic) */
	/* Guarded by lock: */
	struct vas_holding *spare; /* unused ones with an entry, for the next claims */
	uint32_t pins; /* sum over holdings less those in hooks, and claims in flight */
	uint64_t unretired_bytes; /* in the parts of unretired */
	bool refused; /* the kernel was at its limit of mappings just now (atomic) */
	bool retrying; /* some call is at the list of unretired parts (atomic) */
	uint64_t retry_rounds; /* changed by that call only */
	uint32_t quiescers; /* threads that wait for pins to be gone (atomic) */
	struct vas_ledger ledger;
	struct vas_stats stats; /* I: spans, reserved, held, and with vas_space_sums committed match the holdings */
	int64_t vma_delta; /* of the statistics (atomic) */
	struct vas_remembered remembered[VAS_REMEMBERED];
	uint64_t remembered_next;
	uint64_t beside; /* low end of the last span placed anywhere, of whatever size; 0 = none */
	uint64_t random;
	/* Touched less often: */
	uint64_t group_credit; /* of vas_cgroup_admits, for populating (atomic) */
	uint64_t growth_credit; /* the same, for arenas (atomic) */
	uint32_t *own_page; /* a page for what alive points to */
	struct vas_lock users_lock;
	struct vas_holding_user *users; /* guarded by users_lock */
	struct vas_notices notices;
	struct vas_watch watch;
	struct vas_pages pages;
	struct vas_probes probes; /* atomic fields */
	struct vas_search_memory search_memory; /* atomic fields */
	struct vas_spanset shadow; /* constant: windows that a sanitizer bars */
	struct vas_span shadow_items[VAS_SHADOW_SPANS];
} __attribute__((aligned(4096)));

/* Makes a space over a kernel; books come from meta (the real kernel). -errno. */
int vas_space_init(struct vas_space *space, struct vas_sys *sys, struct vas_sys *meta);
/* This process's space, made at first use. -EOWNERDEAD, or -errno, with *space untouched. */
int vas_space_default(struct vas_space **space);
/* The same if it was made already and may be used, else NULL. Signal-safe. */
struct vas_space *vas_space_if_made(void);
/*
 * Why that was NULL: otherwise, when no space was made; -EOWNERDEAD in a child whose fork was not
 * announced. Signal-safe.
 */
int vas_space_missing(int otherwise);
/*
 * Whether this is a child that nobody announced, of a process in which somebody was about to make the space:
 * the lock for that may be a thread's that is not here. Signal-safe.
 */
bool vas_space_orphaned(void);
/* In a child, when it has been announced and that lock is free. */
void vas_space_adopted(void);
/* The process's space whatever the process; NULL when none was made. For the fork handlers. */
struct vas_space *vas_space_inherited(void);
/* Gives the process's books up, in a child: what they own is nobody's. The next use makes new ones. */
void vas_space_give_up(void);
/* How often that was. What was made under another count is dead. In line: every call on a region asks. */
extern uint32_t vas_space_given_up; /* only space.c writes it */
static inline uint32_t vas_space_era(void)
{
	return vas_space_given_up;
}
/*
 * Gives back all that the process's space mapped for itself; the next use makes another. -EBUSY: it
 * is in use. I: nobody is in a call, not even in one that takes no lock.
 */
int vas_space_shutdown(void);
/* For tests: make it over another kernel, with books from meta (the real one), before its first use. */
int vas_space_default_over(struct vas_sys *sys, struct vas_sys *meta);
/* For tests: forget the process's space (its spans stay mapped and are nobody's). */
void vas_space_forget(void);

/*
 * One raw claim at exactly this address: PROT_NONE, NORESERVE, with the recipe
 * applied, compared, nothing left behind on failure. 0, -EEXIST (taken, or
 * the hint was not taken), -EPERM or -EINVAL (barred), -ENOMEM, -EAGAIN,
 * -ENOSYS, -EACCES. *stray (size 0 = none) is memory that the kernel gave at
 * another address and would not take back: the caller must own it.
 */
int vas_space_claim(struct vas_space *space, uint64_t address, uint64_t size, uint32_t recipe,
		    struct vas_span *stray);
/* Puts the span's recipe on a part of it that was replaced. 0 or -errno. */
int vas_space_apply_recipe(struct vas_space *space, uint64_t start, uint64_t size, uint32_t recipe);

/*
 * The operations behind the public functions, on loaded options. failure is
 * filled (not published) when they fail, and on a shortfall; reserve begins it.
 */
int vas_space_reserve(struct vas_space *space, uint64_t size, const struct vas_reserve_opts *opts,
		      struct vas_failure *failure, struct vas_span *span);
/*
 * The same with a device's claimer in the place of the kernel's mmap; it must outlive the span.
 * What it answers beyond -EEXIST, -EPERM and -EINVAL ends the search.
 */
int vas_space_reserve_by(struct vas_space *space, uint64_t size,
			 const struct vas_reserve_opts *opts, const struct vas_claimer *claimer,
			 struct vas_failure *failure, struct vas_span *span);
int vas_space_commit(struct vas_space *space, uint64_t start, uint64_t size,
		     const struct vas_commit_opts *opts, struct vas_failure *failure);
/*
 * user: who uses the span, NULL = nobody; its use ends with success. -ENOENT, -EBUSY (somebody else
 * uses it), -EDEADLK (in a hook about it).
 */
int vas_space_release(struct vas_space *space, uint64_t start, struct vas_holding_user *user,
		      enum vas_retired *state, uint64_t *size);
/*
 * All that is in a span goes as by a final decommit, which may use a promise up, and its use ends with success: it is owned, and as reserved when the
 * state says so. Also in a child that shares the memory. -EDEADLK: in a hook about it; -EBUSY: a child that was forked in a hook has not got it.
 */
int vas_space_vacate(struct vas_space *space, struct vas_holding_user *user,
		     enum vas_retired *state);
/*
 * Tries held spans again, all of them unless the kernel goes on refusing; lock
 * not held. Returns how many remain.
 */
int vas_space_retry_held(struct vas_space *space);

/* A few unretired parts are tried again, and the ballast is filled. No lock, no pin held. */
void vas_part_retry_aside(struct vas_space *space);

/* What could not be given back so far is tried again; lock not held. */
static inline void vas_space_retry(struct vas_space *space)
{
	if (__builtin_expect(__atomic_load_n(&space->unretired, __ATOMIC_RELAXED) != NULL ||
				     __atomic_load_n(&space->ballast.missing, __ATOMIC_RELAXED),
			     0))
		vas_part_retry_aside(space);
	if (__builtin_expect(__atomic_load_n(&space->held, __ATOMIC_RELAXED) != NULL, 0))
		vas_space_retry_held(space);
	if (__builtin_expect(vas_strays_any(space->sys), 0))
		vas_strays_retry(space->sys);
}

/* Whether somebody subscribed to changes: then they are told (space/notice.h). */
static inline bool vas_space_is_watched(const struct vas_space *space)
{
	return __atomic_load_n(&space->subscribers, __ATOMIC_RELAXED) != 0;
}

/* For the edge; see space/pressure.h. */
static inline void vas_watch_refused(struct vas_space *space, int err)
{
	if (__builtin_expect(__atomic_load_n(&space->watch.hook, __ATOMIC_RELAXED) != NULL, 0))
		vas_watch_refused_slowly(space, err);
}

/* flags: VAS_COMMIT_ bits of a commit that was done. */
static inline void vas_watch_committed(struct vas_space *space, uint32_t flags)
{
	if (__builtin_expect((flags & VAS_COMMIT_POPULATE) &&
				     __atomic_load_n(&space->watch.hook, __ATOMIC_RELAXED) != NULL,
			     0))
		vas_watch_populated_slowly(space);
}

int vas_space_details(struct vas_space *space, uint64_t id, struct vas_owner_details *details);
void vas_space_stats(struct vas_space *space, struct vas_stats *stats);
int vas_space_ledger(struct vas_space *space, size_t index, struct vas_ledger_entry *entry);
/* As vas_sync_check: books against maps. */
int vas_space_check(struct vas_space *space, uint64_t *where);

/*
 * Takes the space's lock at a moment when nobody is between a kernel call and
 * its record, and closes the gate: until resume, which opens it and drops the lock, all pins need
 * the lock. I: the caller has no pin.
 */
void vas_space_quiesce(struct vas_space *space);
void vas_space_resume(struct vas_space *space);
/* The same for the thread that forks, which keeps the lock apart. */
#define VAS_GATE_FORK 0x80000000u
/*
 * Takes the space's lock to add a pin: waits while others wait for pins to be
 * gone, or they could wait for ever. I: the caller has no pin yet.
 */
void vas_space_enter_slowly(struct vas_space *space);
static inline void vas_space_enter(struct vas_space *space)
{
	vas_lock_take(&space->lock);
	if (__builtin_expect(__atomic_load_n(&space->quiescers, __ATOMIC_RELAXED) != 0, 0))
		vas_space_enter_slowly(space);
}

/* Of the mapping that begins with the index's root, bytes. */
uint64_t vas_space_root_size(uint64_t page);
/* What one space of the process leaves to the next. */
struct vas_legacy {
	uint32_t generation; /* owners' ids go on from there */
	uint64_t subscription; /* the last subscription's id */
};
/* 0 with the space's lock held when nothing is in use; -EBUSY without. */
int vas_space_idle(struct vas_space *space);
/* After that: gives everything back and drops the lock. */
void vas_space_unmake(struct vas_space *space, struct vas_legacy *legacy);
/* Right after vas_space_init. */
void vas_space_inherit(struct vas_space *space, const struct vas_legacy *legacy);

/* Looks anew whether somebody listens to every event; called when that changes. */
void vas_space_listen(struct vas_space *space);
/* Forgets what the probes found. */
void vas_space_forget_probes(struct vas_space *space);

/* Books, lock held. */
struct vas_holding *vas_space_find(struct vas_space *space, uint64_t address);
int vas_space_prepare(struct vas_space *space, const char *name, struct vas_holding **holding);
/* A prepared holding gets a memory policy of its own, which goes with it. -ENOMEM. */
int vas_space_prepare_policy(struct vas_space *space, struct vas_holding *holding,
			     const struct vas_policy *policy);
void vas_space_unprepare(struct vas_space *space, struct vas_holding *holding);
void vas_space_publish(struct vas_space *space, struct vas_holding *holding, struct vas_span span,
		       uint32_t recipe);
/* After vas_owner_index_hide: forget the span, or show it again as held. Neither can fail. */
void vas_space_remove(struct vas_space *space, struct vas_holding *holding);
void vas_space_hold(struct vas_space *space, struct vas_holding *holding);
/*
 * A forked child has this of a part; NULL = as reserved. I: it begins and ends where extents do; no more
 * is unretired than before.
 */
void vas_space_set_part(struct vas_space *space, struct vas_holding *holding,
			struct vas_span range, const struct vas_extent *what);
void vas_space_unpin(struct vas_space *space, struct vas_holding *holding);
/* What holdings with a user have beyond the sums; of one name in the ledger, or (NULL) all. Lock held. */
struct vas_space_loose {
	uint64_t committed;
	uint64_t runs;
};
struct vas_space_loose vas_space_sums(const struct vas_space *space, const char *name);
/* Into the sums with it. The holding's lock held, too. */
void vas_space_fold(struct vas_space *space, struct vas_holding *holding);
static inline void vas_space_tell_runs(struct vas_space *space, int64_t runs)
{
	__atomic_store_n(&space->vma_delta, runs, __ATOMIC_RELAXED);
}
/* The same for a pin that is the holding's only. */
void vas_space_let_go(struct vas_space *space, struct vas_holding *holding);

/* Remembered requests, lock held. */
struct vas_remembered *vas_remembered_find(struct vas_space *space, uint64_t size,
					   const struct vas_reserve_opts *opts);
/* A place to try, on the first (0) and second (1) attempt; false when there is none. */
bool vas_remembered_propose(const struct vas_remembered *item, uint32_t attempt,
			    uint64_t *address);
void vas_remembered_claimed(struct vas_space *space, uint64_t size,
			    const struct vas_reserve_opts *opts,
			    const struct vas_request *request, uint32_t recipe,
			    struct vas_span span);
void vas_remembered_freed(struct vas_space *space, struct vas_span span);

#endif
