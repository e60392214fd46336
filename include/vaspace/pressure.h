/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/pressure.h - how near the process is to the kernel's limits, and
 * giving memory back.
 *
 *	get		counts kernel mappings, and the room in memory groups
 *	set, check	a hook that is called when either runs short
 *	reclaim		gives back what is kept only for speed, or could not be given back before
 */
#ifndef VASPACE_PRESSURE_H
#define VASPACE_PRESSURE_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* UINT64_MAX: cannot be told; of a limit also: there is none. */
struct vas_pressure {
	size_t size; /* set by the caller: sizeof(struct vas_pressure) */
	uint64_t vmas_used; /* kernel mappings of this process */
	uint64_t vmas_limit; /* vm.max_map_count */
	/* Of these: what the layout of this library's spans asks for; neighbours merge, so there may be fewer. */
	uint64_t vmas_own;
	uint64_t ballast; /* spare mappings that the library can give up at the limit */
	uint64_t cgroup_room; /* bytes left under the tightest memory group */
	uint64_t unretired; /* bytes that were given back but are not inaccessible, or not unmapped, yet */
	uint64_t warm; /* bytes that regions keep committed in their caches */
};

/*
 * Fills *pressure with how things stand now. Reads the mappings of the process, which takes
 * time in proportion to them. What cannot be read is "cannot be told".
 *
 * Errors, with *pressure untouched:
 *  -EINVAL	pressure is NULL or its size field is below the first version's
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_pressure_get(struct vas_pressure *pressure);

#define VAS_PRESSURE_VMAS 0x1u /* more of vm.max_map_count is used than was said */
#define VAS_PRESSURE_CGROUP 0x2u /* less room is left under a memory group than was said */

/*
 * reasons: the VAS_PRESSURE_ bits that hold. Called with no lock of the library
 * held, in the thread whose call noticed it, before that call returns. It may call every
 * function; vas_reclaim is what it is for. While it runs it is not called again, from no thread.
 * It must return: not by an exception, longjmp, or the end of its thread.
 */
typedef void vas_pressure_hook(void *context, uint32_t reasons, const struct vas_pressure *pressure);

struct vas_pressure_opts {
	size_t size;
	uint32_t vmas_percent; /* call when so much of the limit is used, 1 to 100; 0 = 90 */
	uint32_t reserved; /* 0 */
	uint64_t cgroup_room; /* call when less room than this is left, bytes; 0 = 64 MiB */
};

/*
 * Sets the one hook of the process; NULL ends it, NULL options are the defaults. How things stand is looked at after
 * the kernel has refused memory or a mapping to one of this library's calls, after
 * memory was populated (the memory group only), and by vas_pressure_check. Without a
 * hook nothing is looked at.
 *
 * When this returns, a hook that was set before is not running any more, unless the
 * call comes from inside it.
 *
 * Errors, with nothing changed:
 *  -EINVAL	vmas_percent above 100, or something in reserved
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -ENOMEM	no memory for the library's own books
 *  -EPERM	at the first call of the process: not even a probe or the books may be mapped
 *  -ENOSYS	the same
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_pressure_set(vas_pressure_hook *hook, void *context,
			     const struct vas_pressure_opts *opts);

/*
 * Looks now, and calls the hook if a threshold has been passed. For loops
 * that run anyway: the library has no thread of its own.
 *
 * Returns the VAS_PRESSURE_ bits that hold by the hook's thresholds, 0 when none does, there is
 * no hook, or it is running. Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API int vas_pressure_check(void);

/*
 * Gives back about target bytes (UINT64_MAX: all there is): what was held or
 * guarded at the kernel's limit is tried again, all of it; then regions give
 * back what they keep committed in caches. *reclaimed (may be NULL): the bytes that
 * became inaccessible or unmapped by this call.
 *
 * Cannot fail: returns 0. Thread-safe, also inside notices, where what would change the same owner is
 * left out. Not signal-safe.
 */
VAS_API int vas_reclaim(uint64_t target, uint64_t *reclaimed);

#ifdef __cplusplus
}
#endif
#endif
