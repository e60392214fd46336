/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claiming: the one place where a reservation is made.
 *
 * WHAT FOR. Everything that looks at maps only proposes; the claim decides. It
 * must never overwrite what somebody else mapped, on no kernel and in no
 * sandbox.
 *
 * STRATEGY. MAP_FIXED_NOREPLACE where a start-up self-test saw it refuse whole
 * and partial overlaps; the address that comes back is compared all the same.
 * Elsewhere a plain hint: the kernel takes it when the range is free and gives
 * another address when not, which is then unmapped at once. A hint that was
 * not taken is no proof that something is there (near a stack the kernel moves
 * hints away), so it only means "try elsewhere", and is never answered with
 * MAP_FIXED.
 *
 * Under ThreadSanitizer and MemorySanitizer both bits are passed when the
 * kernel passed the self-test: their interceptors rewrite an address outside
 * their windows to 0 unless the MAP_FIXED bit is there. Claims go by raw system call
 * anyway; the second bit is for the case that libc's route is forced.
 *
 * CONCURRENCY. No lock is held or needed: the kernel serialises.
 *
 * WHAT IT DOES NOT DO. It records nothing.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/hot.h"
#include "space/claim.h"
#include "sys/definitions.h"
#include "sys/environment.h"

#define CLAIM_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

int vas_space_claim_flags_find(struct vas_space *space)
{
	const struct vas_environment *environment = vas_environment_get();
	int flags = CLAIM_FLAGS | MAP_FIXED_NOREPLACE;

	if (environment->claim == VAS_CLAIM_HINT ||
	    !vas_probe_has(&space->probes, space->sys, VAS_PROBE_NOREPLACE))
		flags = CLAIM_FLAGS;
	else if (vas_environment_sanitizer() >= VAS_SANITIZER_THREAD &&
		 vas_probe_has(&space->probes, space->sys, VAS_PROBE_BOTH_BITS))
		flags |= MAP_FIXED;
	/* What could not be found out now is asked again by the next claim. */
	if (__atomic_load_n(&space->probes.state[VAS_PROBE_NOREPLACE], __ATOMIC_RELAXED) ||
	    environment->claim == VAS_CLAIM_HINT)
		__atomic_store_n(&space->claim_flags, flags, __ATOMIC_RELAXED);
	return flags;
}

void vas_space_forget_probes(struct vas_space *space)
{
	vas_probe_forget(&space->probes);
	__atomic_store_n(&space->claim_flags, 0, __ATOMIC_RELAXED);
}

int vas_space_apply_recipe(struct vas_space *space, uint64_t start, uint64_t size, uint32_t recipe)
{
	static const int advice[VAS_RECIPE_BITS] = { MADV_DONTDUMP, MADV_DONTFORK,
						     MADV_NOHUGEPAGE, MADV_WIPEONFORK };
	int64_t err;

	for (uint32_t bit = 0; bit < VAS_RECIPE_BITS; bit++) {
		if (!(recipe & 1u << bit))
			continue;
		err = VAS_CALL(space->sys, advise, start, size, advice[bit]);
		/* A kernel without huge pages has nothing to be told about them. */
		if (err == -EINVAL && advice[bit] == MADV_NOHUGEPAGE)
			continue;
		if (err == -EINVAL && advice[bit] == MADV_WIPEONFORK)
			return -EOPNOTSUPP;
		/* What madvise makes of ENOMEM: the VMA limit forbids a split. */
		if (err == -EAGAIN)
			return -ENOMEM;
		if (err < 0)
			return (int)err;
	}
	return 0;
}

/* Gives back what was just mapped; what the kernel will not take back is a stray. */
static void claim_undo(struct vas_space *space, uint64_t address, uint64_t size,
		       struct vas_span *stray)
{
	if (VAS_CALL(space->sys, unmap, address, size) < 0)
		*stray = (struct vas_span){ address, size };
}

int vas_space_claim_settle(struct vas_space *space, uint64_t address, uint64_t size,
			   uint32_t recipe, int64_t got, struct vas_span *stray)
{
	int err;

	if (got < 0)
		return (int)got;
	if ((uint64_t)got != address) {
		claim_undo(space, (uint64_t)got, size, stray);
		return -EEXIST;
	}
	err = recipe ? vas_space_apply_recipe(space, address, size, recipe) : 0;
	if (err)
		claim_undo(space, address, size, stray);
	return err;
}

VAS_HOT int vas_space_claim(struct vas_space *space, uint64_t address, uint64_t size, uint32_t recipe,
		    struct vas_span *stray)
{
	return vas_space_claim_in_line(space, address, size, recipe, stray);
}
