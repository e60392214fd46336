/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notices of change.
 *
 * WHAT FOR. Whoever registered an owned span with a device, or keeps a
 * translation of it, must learn that what is mapped there is about to change, may
 * refuse it, and must learn how it ended.
 *
 * STRATEGY. Subscriptions are a list in the order in which they were made,
 * numbered upwards. A change walks it twice. The first walk, BEFORE, notes the
 * number of the last subscription there was; the second, AFTER or CANCELLED,
 * goes as far as that, so that nobody learns of the end of what he was not told
 * the beginning of. A veto ends the first walk, and the second then goes up to
 * the one before. When nobody has subscribed, all of it is one load.
 *
 * Hooks are called with the caller's holding pinned, which keeps its struct,
 * but without the part of the pin that fork waits for (space->pins): a hook may
 * itself fork, or wait for a thread that does.
 *
 * A thread marks on its stack whose change it is telling about; the marks are
 * linked, innermost first, from one thread-local word. That is how a call finds
 * out that it comes from inside a hook about the same owner.
 *
 * CONCURRENCY. The list has a lock of its own, dropped around each hook. The
 * subscription whose hook runs is counted as running and stays linked until it does not
 * any more; a cancellation marks it, so that no further call begins, and waits.
 *
 * WHAT IT DOES NOT DO. It holds no change up: two threads may both be between
 * before and after with the same owner.
 */
#include "space/notice.h"

#include <errno.h>

#include "base/assert.h"
#include "base/hot.h"
#include "space/space.h"

struct vas_subscription {
	uint64_t id; /* I: larger than of those before it in the list */
	vas_notice_hook *hook;
	void *context;
	struct vas_span span; /* size 0 = everything */
	uint32_t running; /* calls of the hook that have not returned */
	bool cancelled; /* no further calls */
	struct vas_subscription *next;
};

/* This thread is in a hook. */
struct notice_mark {
	const struct vas_space *space;
	uint64_t owner;
	const struct vas_holding_user *user; /* of vas_notice_run */
	struct vas_subscription *subscription;
	struct notice_mark *outer;
};

static __thread struct notice_mark *thread_mark __attribute__((tls_model("initial-exec")));

bool vas_notice_inside(const struct vas_space *space, uint64_t owner)
{
	for (const struct notice_mark *mark = thread_mark; mark; mark = mark->outer)
		if (mark->space == space && mark->owner == owner)
			return true;
	return false;
}

bool vas_notice_inside_any(void)
{
	return thread_mark != NULL;
}

static bool spans_touch(struct vas_span a, struct vas_span b)
{
	return a.start < b.start + b.size && b.start < a.start + a.size;
}

/* Calls one hook, without locks. */
static int notice_call(const struct vas_space *space, const struct vas_notice_run *run,
		       struct vas_subscription *subscription, const struct vas_notice *notice)
{
	struct notice_mark mark = { space, run->owner, run->user, subscription, thread_mark };
	struct vas_notice copy = *notice; /* what a hook does to it is its own affair */
	int answer;

	thread_mark = &mark;
	answer = subscription->hook(subscription->context, &copy);
	VAS_ASSERT(thread_mark == &mark);
	thread_mark = mark.outer;
	return answer;
}

/*
 * Tells all subscriptions numbered up to the run's last. Returns the number of the one whose veto
 * ended it, else 0.
 */
static uint64_t notice_walk(struct vas_space *space, const struct vas_notice_run *run,
			    const struct vas_notice *notice)
{
	bool may_veto = notice->phase == VAS_NOTICE_BEFORE && !notice->final;
	struct vas_notices *notices = &space->notices;
	uint64_t vetoed = 0;

	vas_lock_take(&notices->lock);
	for (struct vas_subscription *item = notices->first;
	     item && item->id <= run->last && !vetoed; item = item->next) {
		int answer;

		if (item->cancelled || (item->span.size && !spans_touch(item->span, notice->span)))
			continue;
		item->running++;
		vas_lock_drop(&notices->lock);
		answer = notice_call(space, run, item, notice);
		vas_lock_take(&notices->lock);
		item->running--;
		if (may_veto && answer < 0)
			vetoed = item->id;
	}
	vas_lock_drop(&notices->lock);
	return vetoed;
}

/* A walk for a change of a pinned holding; fork does not wait for it meanwhile. */
static uint64_t notice_tell(struct vas_space *space, const struct vas_notice_run *run,
			    enum vas_notice_phase phase, uint64_t generation)
{
	struct vas_notice notice = {
		.size = sizeof(notice),
		.span = run->span,
		.owner = run->owner,
		.generation = generation,
		.change = run->change,
		.phase = phase,
		.final = run->final,
	};
	uint64_t vetoed;

	vas_lock_take(&space->lock);
	if (run->user) {
		__atomic_fetch_add(&run->user->pins, VAS_USER_HOOK - 1, __ATOMIC_RELEASE);
	} else {
		VAS_ASSERT(space->pins > 0);
		space->pins--;
	}
	vas_lock_drop(&space->lock);
	vetoed = notice_walk(space, run, &notice);
	vas_space_enter(space);
	if (run->user)
		__atomic_fetch_sub(&run->user->pins, VAS_USER_HOOK - 1, __ATOMIC_SEQ_CST);
	else
		space->pins++;
	vas_lock_drop(&space->lock);
	return vetoed;
}


/* The holding need not stay for a user's change any more. */
static void notice_let_go(struct vas_space *space, struct vas_holding *holding,
			  const struct vas_notice_run *run)
{
	if (!run->user)
		return;
	vas_lock_take(&space->lock);
	vas_space_let_go(space, holding);
	vas_lock_drop(&space->lock);
}

static uint64_t notice_last_id(struct vas_notices *notices)
{
	uint64_t last;

	vas_lock_take(&notices->lock);
	last = notices->last_id;
	vas_lock_drop(&notices->lock);
	return last;
}

/* Whether the holding's user makes such a change, if there is one; else the space makes it. */
static bool is_users(enum vas_change change)
{
	return change != VAS_CHANGE_RELEASE && change != VAS_CHANGE_PARK &&
	       change != VAS_CHANGE_UNPARK;
}

/* user: whose pin the caller has. */
static int notice_begin(struct vas_space *space, struct vas_holding *holding, struct vas_span span,
			enum vas_change change, bool final, struct vas_holding_user *user,
			struct vas_notice_run *run)
{
	uint64_t generation, vetoed;
	bool live, inside;

	vas_lock_take(&space->lock);
	live = holding->state == VAS_HOLDING_LIVE;
	if (!user && is_users(change))
		user = holding->user;
	*run = (struct vas_notice_run){ .span = span,
					.owner = vas_owner_id(holding->entry),
					.user = user,
					.change = change,
					.final = final };
	inside = vas_notice_inside(space, run->owner);
	/* In a child that is forked in a hook the span may be gone, and the user, too. */
	if (live && !inside && run->user)
		holding->pins++;
	vas_lock_drop(&space->lock);
	if (!live)
		return 0; /* the caller's next look at the state ends it */
	if (inside)
		return -EDEADLK;
	run->last = notice_last_id(&space->notices);
	generation = __atomic_load_n(&holding->generation, __ATOMIC_RELAXED);
	vetoed = notice_tell(space, run, VAS_NOTICE_BEFORE, generation + 1);
	if (!vetoed)
		return 0;
	run->last = vetoed - 1;
	if (run->last)
		notice_tell(space, run, VAS_NOTICE_CANCELLED, generation);
	notice_let_go(space, holding, run);
	run->last = 0;
	return -EBUSY;
}

VAS_HOT int vas_notice_before(struct vas_space *space, struct vas_holding *holding,
			      struct vas_span span,
		      enum vas_change change, bool final, struct vas_notice_run *run)
{
	run->last = 0;
	if (__builtin_expect(!vas_space_is_watched(space), 1))
		return 0;
	return notice_begin(space, holding, span, change, final, NULL, run);
}

int vas_notice_before_by(struct vas_space *space, struct vas_holding *holding,
			 struct vas_holding_user *user, struct vas_span span,
			 enum vas_change change, bool final, struct vas_notice_run *run)
{
	run->last = 0;
	return vas_space_is_watched(space) ?
		       notice_begin(space, holding, span, change, final, user, run) : 0;
}

VAS_HOT void vas_notice_after(struct vas_space *space, struct vas_holding *holding,
		      const struct vas_notice_run *run, bool done)
{
	uint64_t generation;

	if (done)
		generation = __atomic_add_fetch(&holding->generation, 1, __ATOMIC_RELEASE);
	else
		generation = __atomic_load_n(&holding->generation, __ATOMIC_RELAXED);
	if (__builtin_expect(run->last != 0, 0))
		vas_notice_tell(space, holding, run, done, generation);
}

void vas_notice_tell(struct vas_space *space, struct vas_holding *holding,
		     const struct vas_notice_run *run, bool done, uint64_t generation)
{
	notice_tell(space, run, done ? VAS_NOTICE_AFTER : VAS_NOTICE_CANCELLED, generation);
	notice_let_go(space, holding, run);
}

/* Room for a subscription, from the books' memory. */
static int subscription_take(struct vas_space *space, struct vas_subscription **subscription)
{
	void *memory;
	int err;

	vas_lock_take(&space->lock);
	err = vas_pages_take(&space->pages, sizeof(**subscription), &memory);
	vas_lock_drop(&space->lock);
	if (!err)
		*subscription = memory;
	return err;
}

static void subscription_give(struct vas_space *space, struct vas_subscription *subscription)
{
	vas_lock_take(&space->lock);
	vas_pages_give(&space->pages, subscription, sizeof(*subscription));
	vas_lock_drop(&space->lock);
}

int vas_space_subscribe(struct vas_space *space, const struct vas_span *span,
			vas_notice_hook *hook, void *context, uint64_t *id)
{
	struct vas_notices *notices = &space->notices;
	struct vas_subscription *made;
	int err;

	err = subscription_take(space, &made);
	if (err)
		return err;
	made->hook = hook;
	made->context = context;
	if (span)
		made->span = *span;
	vas_lock_take(&notices->lock);
	*id = made->id = ++notices->last_id;
	if (notices->last)
		notices->last->next = made;
	else
		notices->first = made;
	notices->last = made;
	__atomic_fetch_add(&space->subscribers, 1, __ATOMIC_RELAXED);
	vas_lock_drop(&notices->lock);
	return 0;
}

/* Lock held. */
static struct vas_subscription *notices_find(struct vas_notices *notices, uint64_t id)
{
	struct vas_subscription *item = notices->first;

	while (item && item->id < id)
		item = item->next;
	return item && item->id == id && !item->cancelled ? item : NULL;
}

/* Lock held. */
static void notices_unlink(struct vas_notices *notices, struct vas_subscription *gone)
{
	struct vas_subscription **link = &notices->first, *before = NULL;

	while (*link != gone) {
		before = *link;
		link = &before->next;
	}
	*link = gone->next;
	if (notices->last == gone)
		notices->last = before;
}

int vas_space_cancel(struct vas_space *space, uint64_t id)
{
	struct vas_notices *notices = &space->notices;
	struct vas_subscription *item;

	if (vas_notice_inside_any())
		return -EDEADLK;
	vas_lock_take(&notices->lock);
	item = notices_find(notices, id);
	if (!item) {
		vas_lock_drop(&notices->lock);
		return -ENOENT;
	}
	item->cancelled = true;
	while (item->running) {
		vas_lock_drop(&notices->lock);
		vas_lock_pause();
		vas_lock_take(&notices->lock);
	}
	notices_unlink(notices, item);
	__atomic_fetch_sub(&space->subscribers, 1, __ATOMIC_RELAXED);
	vas_lock_drop(&notices->lock);
	subscription_give(space, item);
	return 0;
}

/*
 * The holding of an owner that is published with this generation. Its count is read
 * between two looks at the entry: a holding that got another owner meanwhile, or whose
 * memory became something else, is found out by the second. Books are never unmapped.
 */
int vas_space_generation(const struct vas_space *space, uint64_t address, uint64_t *generation)
{
	const struct vas_holding *holding;
	struct vas_owner owner;
	uint64_t count;
	void *record;

	if (!vas_owner_index_find_record(&space->index, address, &owner, &record))
		return -ENOENT;
	holding = record;
	count = __atomic_load_n(&holding->generation, __ATOMIC_ACQUIRE);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!vas_owner_index_is(&space->index, owner.id))
		return -ENOENT;
	*generation = count;
	return 0;
}

/* Holdings that other threads of the parent kept for their hooks go back with their owner's release. */
static void notice_unpin_lost(struct vas_space *space)
{
	for (struct vas_holding_user *user = space->users; user; user = user->next) {
		uint64_t pins = 0;

		for (const struct notice_mark *mark = thread_mark; mark; mark = mark->outer)
			pins += mark->user == user ? VAS_USER_HOOK : 0;
		__atomic_store_n(&user->pins, pins, __ATOMIC_RELAXED);
	}
	for (uint32_t id = 0; id < space->index.entry_next; id++) {
		struct vas_owner_entry *entry = vas_owner_index_number(&space->index, id);
		struct vas_holding *holding = entry->record;
		uint64_t owner = vas_owner_id(entry);

		if (!(entry->generation & 1))
			continue;
		holding->pins = 0;
		for (const struct notice_mark *mark = thread_mark; mark; mark = mark->outer)
			holding->pins += mark->space == space && mark->owner == owner;
	}
}

/* Only this thread's hooks still run; cancellations that waited for others are at their end. */
static void notice_settle(struct vas_space *space)
{
	struct vas_notices *notices = &space->notices;
	struct vas_subscription *next;

	for (struct vas_subscription *item = notices->first; item; item = next) {
		next = item->next;
		item->running = 0;
		for (const struct notice_mark *mark = thread_mark; mark; mark = mark->outer)
			item->running += mark->subscription == item;
		if (!item->cancelled || item->running)
			continue;
		notices_unlink(notices, item);
		__atomic_fetch_sub(&space->subscribers, 1, __ATOMIC_RELAXED);
		vas_pages_give(&space->pages, item, sizeof(*item));
	}
}

void vas_notice_fork_child(struct vas_space *space)
{
	notice_settle(space);
	notice_unpin_lost(space);
}
