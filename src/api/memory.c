/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The edge of vaspace/memory.h, and of what of vaspace/policy.h is about memory: addresses, sizes, protections and options that come
 * from a caller are not trusted until they were checked here; then one call down,
 * on the span that has all of the range.
 */
#include <vaspace/memory.h>
#include <vaspace/policy.h>

#include <sys/mman.h>

#include "api/edge.h"
#include "base/hot.h"
#include "record/event.h"
#include "space/part.h"

#define ALL_PROT	(PROT_READ | PROT_WRITE | PROT_EXEC)
#define COMMIT_OPTS_MIN sizeof(struct vas_commit_opts) /* the first version's size */

#define REPORT_MIN	sizeof(struct vas_policy_report)

/* One call, from its arguments to its report. */
struct call {
	struct vas_space *space;
	struct vas_holding *holding;
	struct vas_span range;
	struct vas_failure failure;
};

static int call_fail(struct call *call, enum vas_why why, int err)
{
	(void)vas_edge_publish(&call->failure, why, err);
	if (call->space)
		vas_watch_refused(call->space, err);
	return err;
}

VAS_HOT static void call_begin(struct call *call, enum vas_operation operation, const void *start,
			       uint64_t size)
{
	call->space = NULL;
	call->range = (struct vas_span){ (uint64_t)(uintptr_t)start, size };
	vas_failure_begin(&call->failure, operation, size);
	call->failure.address = call->range.start;
}

/* The process's space, and a range that may lie in it. */
VAS_HOT static int call_check(struct call *call, bool sound)
{
	int err = vas_space_default(&call->space);

	if (err)
		return call_fail(call, vas_edge_books_why(err), err);
	if (!sound || !vas_edge_range_sound(call->space->sys->page_size, call->range))
		return call_fail(call, VAS_WHY_ARGUMENT, -EINVAL);
	return 0;
}

/* The same, and the span that has it, pinned. */
static int call_enter(struct call *call, bool sound)
{
	int err = call_check(call, sound);

	if (err)
		return err;
	err = vas_part_pin(call->space, call->range.start, call->range.size, &call->holding,
			   &call->failure);
	return err ? call_fail(call, VAS_WHY_KERNEL, err) : 0;
}

static int call_end(struct call *call, const char *what, int err)
{
	vas_part_unpin(call->space, call->holding);
	if (err)
		return call_fail(call, VAS_WHY_KERNEL, err);
	if (__builtin_expect(__atomic_load_n(&call->space->verbose, __ATOMIC_RELAXED), 0))
		vas_event_span(VAS_LOG_DEBUG, what, call->range.start, call->range.size);
	return 0;
}

int vas_commit(void *start, uint64_t size, const struct vas_commit_opts *opts)
{
	struct vas_commit_opts known;
	struct vas_policy policy;
	struct call call;
	int err;

	call_begin(&call, VAS_OPERATION_COMMIT, start, size);
	err = vas_options_load(opts, &known, sizeof(known), COMMIT_OPTS_MIN);
	if (!err && known.policy)
		err = vas_edge_policy(&known.policy, &policy);
	if (err)
		return call_fail(&call, VAS_WHY_ARGUMENT, err);
	err = call_check(&call, vas_edge_commit_sound(&known));
	if (err)
		return err;
	err = vas_space_commit(call.space, call.range.start, size, &known, &call.failure);
	if (err)
		return call_fail(&call, VAS_WHY_KERNEL, err);
	if (__builtin_expect(__atomic_load_n(&call.space->verbose, __ATOMIC_RELAXED), 0))
		vas_event_span(VAS_LOG_DEBUG, "committed", call.range.start, size);
	vas_watch_committed(call.space, known.flags);
	return 0;
}

int vas_decommit(void *start, uint64_t size, enum vas_retired *state)
{
	enum vas_retired reached;
	struct call call;
	int err;

	call_begin(&call, VAS_OPERATION_DECOMMIT, start, size);
	err = call_enter(&call, true);
	if (err)
		return err;
	err = vas_part_decommit(call.space, call.holding, call.range, false, &reached,
				&call.failure);
	err = call_end(&call, "decommitted", err);
	if (!err && state)
		*state = reached;
	return err;
}

int vas_protect(void *start, uint64_t size, int prot)
{
	struct call call;
	int err;

	call_begin(&call, VAS_OPERATION_PROTECT, start, size);
	err = call_enter(&call, (prot & ~ALL_PROT) == 0);
	if (err)
		return err;
	err = vas_part_protect(call.space, call.holding, call.range, prot, &call.failure);
	return call_end(&call, "protected", err);
}

int vas_guard(void *start, uint64_t size)
{
	struct call call;
	int err;

	call_begin(&call, VAS_OPERATION_GUARD, start, size);
	err = call_enter(&call, true);
	if (err)
		return err;
	err = vas_part_guard(call.space, call.holding, call.range, &call.failure);
	return call_end(&call, "guarded", err);
}

int vas_unguard(void *start, uint64_t size)
{
	struct call call;
	int err;

	call_begin(&call, VAS_OPERATION_UNGUARD, start, size);
	err = call_enter(&call, true);
	if (err)
		return err;
	err = vas_part_unguard(call.space, call.holding, call.range, &call.failure);
	return call_end(&call, "unguarded", err);
}

int vas_policy_query(const void *start, uint64_t size, const struct vas_policy *policy,
		     struct vas_policy_report *report)
{
	const struct vas_span range = { (uint64_t)(uintptr_t)start, size };
	struct vas_sys *sys = vas_sys_current();
	struct vas_policy_report found;
	struct vas_policy known;
	int err;

	if (!report || report->size < REPORT_MIN || report->size > VAS_OPTIONS_SIZE_MAX ||
	    !vas_edge_range_sound(sys->page_size, range))
		return -EINVAL;
	err = policy ? vas_edge_policy(&policy, &known) : 0;
	if (!err)
		err = vas_policy_look(sys, range, policy, &found);
	return err ? err : vas_options_store(report, &found, sizeof(found), REPORT_MIN);
}

int vas_policy_migrate(const void *start, uint64_t size, const struct vas_policy *policy,
		       uint64_t *moved)
{
	struct vas_policy known;
	struct call call;
	uint64_t bytes;
	int err;

	call_begin(&call, VAS_OPERATION_POLICY, start, size);
	err = policy ? vas_edge_policy(&policy, &known) : -EINVAL;
	if (err)
		return call_fail(&call, VAS_WHY_ARGUMENT, err);
	err = call_enter(&call, vas_policy_has_nodes(policy));
	if (err)
		return err;
	err = vas_part_migrate(call.space, call.holding, call.range, policy, &bytes, &call.failure);
	err = call_end(&call, "migrated", err);
	if (!err && moved)
		*moved = bytes;
	return err;
}
