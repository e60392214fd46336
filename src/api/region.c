/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/region.h: what callers pass is checked here; then one call down. */
#include <vaspace/region.h>

#include <errno.h>

#include "api/edge.h"
#include "base/code.h"
#include "base/hot.h"
#include "region/region.h"

/* The first versions' sizes: what older callers may pass. */
#define REGION_OPTS_MIN	 sizeof(struct vas_region_opts)
#define ALLOC_OPTS_MIN	 sizeof(struct vas_alloc_opts)
#define STATS_MIN	 sizeof(struct vas_region_stats)

static inline uint64_t number_of(const void *address)
{
	return (uint64_t)(uintptr_t)address;
}

static void begin(struct vas_failure *failure, enum vas_operation operation, uint64_t size,
		  const void *address)
{
	vas_failure_begin(failure, operation, size);
	failure->address = number_of(address);
}

/* What the options point to is loaded too. */
static int load_create(const struct vas_region_opts *opts, struct vas_region_opts *known,
		       struct vas_reserve_opts *reserve, struct vas_policy *policy)
{
	int err = vas_options_load(opts, known, sizeof(*known), REGION_OPTS_MIN);

	return !err && known->reserve ? vas_edge_reserve(&known->reserve, reserve, policy) : err;
}

int vas_region_create(uint64_t size, const struct vas_region_opts *opts, struct vas_region **region)
{
	struct vas_reserve_opts reserve;
	struct vas_region_opts known;
	struct vas_policy policy;
	struct vas_failure failure;
	struct vas_space *space;
	int err;

	begin(&failure, VAS_OPERATION_REGION, size, NULL);
	err = region ? load_create(opts, &known, &reserve, &policy) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	failure.address = number_of(known.start);
	err = vas_space_default(&space);
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_BOOKS, err);
	return vas_edge_finish(&failure, vas_region_make(space, size, &known, &failure, region));
}

int vas_region_destroy(struct vas_region *region, enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	begin(&failure, VAS_OPERATION_REGION, 0, NULL);
	if (!region)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_region_unmake(region, &reached, &failure));
	if (!err && state)
		*state = reached;
	return err;
}

static int load_alloc(const struct vas_alloc_opts *opts, struct vas_alloc_opts *known,
		      struct vas_commit_opts *commit, struct vas_policy *policy)
{
	int err = vas_options_load(opts, known, sizeof(*known), ALLOC_OPTS_MIN);

	if (err)
		return err;
	if (known->flags & ~VAS_ALLOC_ALL)
		return -EINVAL;
	if (!(known->flags & VAS_ALLOC_COMMIT))
		return known->commit ? -EINVAL : 0;
	err = vas_edge_commit(known->commit, commit, policy);
	known->commit = commit;
	return err;
}

/* What the short way did not do; it came to tried. */
static VAS_HOT __attribute__((noinline)) int alloc_long(struct vas_region *region, uint64_t size,
							const struct vas_alloc_opts *opts,
							int tried, struct vas_block *block)
{
	struct vas_commit_opts commit;
	struct vas_alloc_opts known;
	struct vas_policy policy;
	struct vas_failure failure;
	int err;

	begin(&failure, VAS_OPERATION_ALLOC, size, NULL);
	err = region && block ? load_alloc(opts, &known, &commit, &policy) : -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	failure.address = number_of(known.address);
	if (opts && opts->commit)
		err = vas_block_alloc(region, size, &known, &failure, block);
	else
		err = vas_block_alloc_long(region, size, &known, tried, &failure, block);
	err = vas_edge_finish(&failure, err);
	if (!err && (known.flags & VAS_ALLOC_COMMIT) && known.commit)
		vas_watch_committed(vas_space_if_made(), known.commit->flags);
	return err;
}

VAS_HOT int vas_region_alloc(struct vas_region *region, uint64_t size,
			     const struct vas_alloc_opts *opts, struct vas_block *block)
{
	int err = VAS_SWIFT_LONG;

	/* What most calls ask for, without looking at all options first. */
	if (__builtin_expect(region && block && (!opts || opts->size == sizeof(*opts)), 1))
		err = vas_swift_alloc(region, size, opts, block);
	if (__builtin_expect(err == 0, 1))
		return 0;
	return alloc_long(region, size, opts, err, block);
}

/* What the short way did not do, or not to the end. */
static VAS_HOT __attribute__((noinline)) int free_long(struct vas_region *region, void *start,
						       enum vas_swift way,
						       const struct vas_block_info *info,
						       enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	begin(&failure, VAS_OPERATION_FREE, 0, start);
	if (way == VAS_SWIFT_SEIZED)
		err = vas_block_free_seized(region, info, &failure, &reached);
	else
		err = vas_block_free_long(region, number_of(start), 0, info->mark, &failure,
					  &reached);
	err = vas_edge_finish(&failure, err);
	if (!err && state)
		*state = reached;
	return err;
}

VAS_HOT int vas_region_free(struct vas_region *region, void *start, enum vas_retired *state)
{
	struct vas_failure failure;
	struct vas_block_info info;
	enum vas_retired reached;
	enum vas_swift way;

	if (__builtin_expect(!region, 0)) {
		begin(&failure, VAS_OPERATION_FREE, 0, start);
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	}
	way = vas_swift_free(region, number_of(start), &reached, &info);
	if (__builtin_expect(way != VAS_SWIFT_DONE, 0))
		return free_long(region, start, way, &info, state);
	if (state)
		*state = reached;
	return 0;
}

int vas_region_free_tagged(struct vas_region *region, void *start, uint32_t tag,
			   enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	int err;

	begin(&failure, VAS_OPERATION_FREE, 0, start);
	if (!region)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_edge_finish(&failure, vas_block_free_long(region, number_of(start), tag, 0,
							    &failure, &reached));
	if (!err && state)
		*state = reached;
	return err;
}

int vas_region_resize(struct vas_region *region, void *start, uint64_t size)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_ALLOC, size, start);
	if (!region)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure,
			       vas_block_resize(region, number_of(start), size, &failure));
}

VAS_HOT int vas_region_split_block(struct vas_region *region, void *start, void *at)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_ALLOC, 0, start);
	if (!region)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure,
			       vas_block_split(region, number_of(start), number_of(at), &failure));
}

VAS_HOT int vas_region_merge_blocks(struct vas_region *region, void *lower, void *upper)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_ALLOC, 0, lower);
	if (!region)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(
		&failure, vas_block_merge(region, number_of(lower), number_of(upper), &failure));
}

int vas_region_split(struct vas_region *region, void *at, struct vas_region **upper)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_REGION, 0, at);
	if (!region || !upper)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_region_cut(region, number_of(at), &failure, upper));
}

int vas_region_merge(struct vas_region *lower, struct vas_region *upper)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_REGION, 0, NULL);
	if (!lower || !upper)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_region_unite(lower, upper, &failure));
}

/* A page-aligned, non-empty range that does not wrap. */
static int load_range(const struct vas_region *region, const void *start, uint64_t size,
		      struct vas_span *range)
{
	uint64_t page, end;

	if (!region || size == 0)
		return -EINVAL;
	page = region->space->sys->page_size;
	if ((number_of(start) | size) % page || __builtin_add_overflow(number_of(start), size, &end))
		return -EINVAL;
	*range = (struct vas_span){ number_of(start), size };
	return 0;
}

VAS_HOT int vas_region_commit(struct vas_region *region, void *start, uint64_t size,
		      const struct vas_commit_opts *opts)
{
	struct vas_commit_opts known;
	struct vas_failure failure;
	struct vas_policy policy;
	struct vas_span range;
	int err;

	begin(&failure, VAS_OPERATION_COMMIT, size, start);
	err = vas_edge_commit(opts, &known, &policy);
	if (!err)
		err = load_range(region, start, size, &range);
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_edge_finish(&failure, vas_block_commit(region, range, &known, &failure));
	if (!err)
		vas_watch_committed(vas_space_if_made(), known.flags);
	return err;
}

VAS_HOT int vas_region_decommit(struct vas_region *region, void *start, uint64_t size,
			enum vas_retired *state)
{
	struct vas_failure failure;
	enum vas_retired reached;
	struct vas_span range;
	int err;

	begin(&failure, VAS_OPERATION_DECOMMIT, size, start);
	err = load_range(region, start, size, &range);
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	err = vas_edge_finish(&failure, vas_block_decommit(region, range, &failure, &reached));
	if (!err && state)
		*state = reached;
	return err;
}

int vas_region_protect(struct vas_region *region, void *start, uint64_t size, int prot)
{
	struct vas_failure failure;
	struct vas_span range;
	int err;

	begin(&failure, VAS_OPERATION_PROTECT, size, start);
	err = load_range(region, start, size, &range);
	if (!err && (prot & ~VAS_EDGE_PROT))
		err = -EINVAL;
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	return vas_edge_finish(&failure, vas_block_protect(region, range, prot, &failure));
}

static int guard(struct vas_region *region, void *start, uint64_t size, bool closed)
{
	struct vas_failure failure;
	struct vas_span range;
	int err;

	begin(&failure, closed ? VAS_OPERATION_GUARD : VAS_OPERATION_UNGUARD, size, start);
	err = load_range(region, start, size, &range);
	if (err)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, err);
	return vas_edge_finish(&failure, vas_block_guard(region, range, closed, &failure));
}

int vas_region_guard(struct vas_region *region, void *start, uint64_t size)
{
	return guard(region, start, size, true);
}

int vas_region_unguard(struct vas_region *region, void *start, uint64_t size)
{
	return guard(region, start, size, false);
}

VAS_HOT int vas_region_block_at(struct vas_region *region, const void *address,
				struct vas_block *block)
{
	struct vas_failure failure;

	if (!region || !block)
		return -EINVAL;
	return vas_block_at(region, number_of(address), &failure, block);
}

int vas_region_next(struct vas_region *region, const void *address, struct vas_block *block)
{
	struct vas_failure failure;

	if (!region || !block)
		return -EINVAL;
	return vas_block_next(region, number_of(address), &failure, block);
}

int vas_region_stats(struct vas_region *region, struct vas_region_stats *stats)
{
	struct vas_region_stats known = { .size = sizeof(known) };
	struct vas_failure failure;
	int err;

	if (!region || !stats || stats->size < STATS_MIN)
		return -EINVAL;
	err = vas_region_sum(region, &failure, &known);
	return err ? err : vas_options_store(stats, &known, sizeof(known), STATS_MIN);
}

/* Whether the region can be changed at all. */
static int changeable(struct vas_region *region, struct vas_failure *failure)
{
	int err;

	begin(failure, VAS_OPERATION_DECOMMIT, 0, NULL);
	if (!region)
		return vas_edge_fail(failure, VAS_WHY_ARGUMENT, -EINVAL);
	err = vas_region_lock(region, failure);
	if (!err)
		vas_region_unlock(region);
	return vas_edge_finish(failure, err);
}

int vas_region_tick(struct vas_region *region, uint64_t now)
{
	struct vas_failure failure;
	int err = changeable(region, &failure);

	if (err)
		return err;
	if (vas_quarantine_is_on(region))
		(void)vas_quarantine_advance(region, UINT32_MAX, false);
	(void)vas_cache_age(region, now);
	return 0;
}

int vas_region_trim(struct vas_region *region, uint64_t target, uint64_t *given)
{
	struct vas_failure failure;
	int err = changeable(region, &failure);
	uint64_t got;

	if (err)
		return err;
	got = region->user.ops->reclaim(&region->user, target);
	if (given)
		*given = got;
	return 0;
}

int vas_region_join(struct vas_region *region, struct vas_region_thread **thread)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_REGION, 0, NULL);
	if (!region || !thread)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_readers_join(region, &failure, thread));
}

int vas_region_quit(struct vas_region_thread *thread)
{
	struct vas_failure failure;

	begin(&failure, VAS_OPERATION_REGION, 0, NULL);
	if (!thread)
		return vas_edge_fail(&failure, VAS_WHY_ARGUMENT, -EINVAL);
	return vas_edge_finish(&failure, vas_readers_quit(thread, &failure));
}

void vas_region_enter(struct vas_region_thread *thread)
{
	if (!thread || thread->depth++)
		return;
	/* With a full fence: what a free that does not see this did before is seen after it. */
	__atomic_store_n(&thread->entered, __atomic_load_n(thread->epoch, __ATOMIC_ACQUIRE),
			 __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void vas_region_leave(struct vas_region_thread *thread)
{
	if (thread && --thread->depth == 0)
		__atomic_store_n(&thread->entered, 0, __ATOMIC_RELEASE);
}
