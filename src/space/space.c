/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The space of this process, and how one is made.
 *
 * WHAT FOR. One object holds all books, so that tests can have several over
 * simulated kernels while the public functions use the process's own.
 *
 * STRATEGY. The process's space is made at the first call that needs it: its
 * bounds are found by trying, and the owner index gets its root, which is
 * mapped but costs no memory until touched. Making it can fail and is then
 * tried again by the next call. Once made it is unmade only by vas_shutdown.
 *
 * In a child that was forked without a word to us it is not found, because a thread of the
 * parent may have been changing it; the handlers make it usable again or give it up. Before
 * there is a space, whose page tells the child, the number of the process does.
 *
 * CONCURRENCY. That it is made is published with release order under a lock of its
 * own, so that look-ups from signal handlers see a finished space or none.
 *
 * WHAT IT DOES NOT DO. It claims nothing.
 */
#include "base/hot.h"
#include "space/space.h"

#include <errno.h>
#include <stddef.h>

#include "base/assert.h"
#include "record/log.h"
#include "space/fork.h"
#include "sys/environment.h"
#include "sys/process.h"

static struct vas_lock default_lock = VAS_LOCK_INIT;
static struct vas_space default_space;
static struct vas_legacy default_legacy; /* of the one before */
uint32_t vas_space_given_up; /* how often the process's books were */
/*
 * The process in which somebody wanted the space made first; 0 = nobody, or not known (atomic). Another
 * one's: this is a child that nobody announced, and the lock may be a lost thread's.
 */
static int32_t default_process;

/* The root of the index, its table of chunks, and a page for the space's own mark. */
uint64_t vas_space_root_size(uint64_t page)
{
	uint64_t size = vas_owner_index_root_size(page) + vas_owner_index_chunks_size();

	return ((size + page - 1) & ~(page - 1)) + page;
}

static int space_index_init(struct vas_space *space)
{
	uint64_t page = space->sys->page_size;
	void *root;
	int err;

	/* All in one mapping: then nothing has to be undone. */
	err = vas_pages_map(&space->pages, vas_space_root_size(page), &root);
	if (err)
		return err;
	vas_owner_index_init(&space->index, page, root,
			     (char *)root + vas_owner_index_root_size(page));
	space->own_page = (void *)((char *)root + vas_space_root_size(page) - page);
	return 0;
}

/* Zeroes, but for the flag that others look at meanwhile. */
static void space_clear(struct vas_space *space)
{
	size_t flag = offsetof(struct vas_space, alive), behind = flag + sizeof(space->alive);

	memset(space, 0, flag);
	__atomic_store_n(&space->alive, NULL, __ATOMIC_RELAXED);
	memset((char *)space + behind, 0, sizeof(*space) - behind);
}

int vas_space_init(struct vas_space *space, struct vas_sys *sys, struct vas_sys *meta)
{
	int err;

	space_clear(space);
	space->sys = sys;
	vas_pages_init(&space->pages, meta);
	vas_ballast_init(&space->ballast);
	err = vas_bounds_find(sys, &space->probes, &space->bounds);
	if (err)
		return err;
	vas_spanset_init(&space->shadow, space->shadow_items, VAS_SHADOW_SPANS);
	err = vas_shadow_avoid(sys, &space->shadow);
	if (err)
		return err;
	vas_space_listen(space);
	space->random = vas_environment_seed((uint64_t)(uintptr_t)space);
	return space_index_init(space);
}

void vas_space_listen(struct vas_space *space)
{
	bool wanted;

	/* Of several at once, whoever stores last looks once more. */
	do {
		wanted = vas_log_wanted(VAS_LOG_DEBUG);
		__atomic_store_n(&space->verbose, wanted, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while (vas_log_wanted(VAS_LOG_DEBUG) != wanted);
}

VAS_HOT struct vas_space *vas_space_if_made(void)
{
	const uint32_t *alive = __atomic_load_n(&default_space.alive, __ATOMIC_ACQUIRE);

	if (__builtin_expect(!alive, 0))
		return NULL;
	return __builtin_expect(__atomic_load_n(alive, __ATOMIC_RELAXED) != 0, 1) ? &default_space
										  : NULL;
}

bool vas_space_orphaned(void)
{
	int32_t process = __atomic_load_n(&default_process, __ATOMIC_RELAXED);
	int64_t now;

	if (!process || __atomic_load_n(&default_space.alive, __ATOMIC_ACQUIRE))
		return false;
	now = VAS_CALL(vas_sys_current(), process_id);
	return now > 0 && now != process;
}

void vas_space_adopted(void)
{
	__atomic_store_n(&default_process, 0, __ATOMIC_RELAXED);
}

/* Said before the lock is taken: a child finds the one exactly when it may find the other. */
static void space_lock_default(void)
{
	int64_t process = VAS_CALL(vas_sys_current(), process_id);

	if (process > 0)
		__atomic_store_n(&default_process, (int32_t)process, __ATOMIC_RELAXED);
	vas_lock_take(&default_lock);
}

int vas_space_missing(int otherwise)
{
	const uint32_t *alive = __atomic_load_n(&default_space.alive, __ATOMIC_ACQUIRE);

	if (!alive && vas_space_orphaned())
		return -EOWNERDEAD;
	/* It may be there by now, made by another thread since the caller looked. */
	return alive && __atomic_load_n(alive, __ATOMIC_RELAXED) == 0 ? -EOWNERDEAD : otherwise;
}

struct vas_space *vas_space_inherited(void)
{
	return __atomic_load_n(&default_space.alive, __ATOMIC_ACQUIRE) ? &default_space : NULL;
}

/* Lock of the default held. */
static int space_make(struct vas_sys *sys, struct vas_sys *meta)
{
	int err;

	err = vas_space_init(&default_space, sys, meta);
	if (err)
		return err == -ENOMEM || err == -ENOSYS ? err : -EPERM;
	vas_process_watch(meta, default_space.own_page);
	vas_space_inherit(&default_space, &default_legacy);
	__atomic_store_n(&default_space.alive, default_space.own_page, __ATOMIC_RELEASE);
	/* A hook that was set meanwhile found no space to tell. */
	vas_space_listen(&default_space);
	return 0;
}

int vas_space_default_over(struct vas_sys *sys, struct vas_sys *meta)
{
	int err;

	space_lock_default();
	VAS_ASSERT(!default_space.alive);
	err = space_make(sys, meta);
	vas_lock_drop(&default_lock);
	return err;
}

VAS_HOT int vas_space_default(struct vas_space **space)
{
	struct vas_space *made = vas_space_if_made();
	int err = 0;

	if (__builtin_expect(made != NULL, 1)) {
		*space = made;
		return 0;
	}
	/* Before the lock, which a thread of the parent may have held. */
	err = vas_space_missing(0);
	if (err)
		return err;
	space_lock_default();
	if (!default_space.alive)
		err = space_make(vas_sys_current(), vas_sys_current());
	if (!err)
		*space = &default_space;
	vas_lock_drop(&default_lock);
	return err;
}

int vas_space_shutdown(void)
{
	int err = vas_space_if_made() ? 0 : vas_space_missing(0);

	if (err)
		return err;
	vas_lock_take(&default_lock);
	if (default_space.alive) {
		err = vas_space_idle(&default_space);
		if (!err) {
			__atomic_store_n(&default_space.alive, NULL, __ATOMIC_RELEASE);
			vas_process_watch(NULL, NULL);
			vas_space_unmake(&default_space, &default_legacy);
		}
	}
	vas_lock_drop(&default_lock);
	return err;
}

void vas_space_forget(void)
{
	vas_lock_take(&default_lock);
	__atomic_store_n(&default_space.alive, NULL, __ATOMIC_RELEASE);
	vas_process_watch(NULL, NULL);
	vas_lock_drop(&default_lock);
}

void vas_space_give_up(void)
{
	vas_space_given_up++;
	__atomic_store_n(&default_space.alive, NULL, __ATOMIC_RELEASE);
	vas_process_watch(NULL, NULL);
	default_legacy.generation = vas_owner_index_generation_next(&default_space.index);
	default_legacy.subscription = default_space.notices.last_id;
}

/* Here, and not in fork.c, which a linker would leave out of a static program: nothing refers to it. */
__attribute__((constructor)) static void space_construct(void)
{
	vas_fork_register();
}

struct vas_lock *vas_space_making(void)
{
	return &default_lock;
}
