/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where pages lie, and moving them to where a policy says.
 *
 * WHAT FOR. A policy is a wish about pages to come: whether they came from those nodes is seen by looking, and pages that were there
 * before are moved by asking for each.
 *
 * STRATEGY. move_pages, for some pages at a time: without nodes it looks, and brings nothing in. What lies on a node that the policy has stays
 * there, as with mbind(2). The others are dealt out to its nodes in turn, in pieces as large as a huge page, since all
 * requests for a huge page move the whole of it. What became of them is looked at again: the kernel's own answers tell of
 * requests, not of pages.
 *
 * CONCURRENCY. None of its own. Pages may come, go and move meanwhile.
 *
 * WHAT IT DOES NOT DO. It changes no policy.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/spanset.h"
#include "space/policy.h"
#include "sys/definitions.h"

#define BATCH 512u /* pages */
#define DEAL  (UINT64_C(2) << 20) /* bytes to one node, then to the next */

struct batch {
	uint64_t pages[BATCH];
	int32_t status[BATCH]; /* the node, or -errno */
	int32_t nodes[BATCH]; /* wanted */
	uint32_t count;
};

static bool has_node(const uint64_t *nodes, int32_t node)
{
	return node >= 0 && node < (int32_t)VAS_POLICY_NODES && nodes[node / 64] >> node % 64 & 1;
}

/* Whether a page there is where the policy excludes it. */
static bool is_wrong(const struct vas_policy *policy, int32_t node)
{
	if (!policy || node < 0)
		return false;
	if (policy->mode != VAS_POLICY_BIND && policy->mode != VAS_POLICY_INTERLEAVE &&
	    policy->mode != VAS_POLICY_WEIGHTED)
		return false;
	return !has_node(policy->nodes, node);
}

static int batch_look(struct vas_sys *sys, struct batch *batch)
{
	int64_t err = VAS_CALL(sys, move_pages, batch->pages, batch->count, NULL, batch->status, 0);

	if (err == -ENOMEM)
		return -ENOMEM;
	return err < 0 ? -EOPNOTSUPP : 0;
}

/* The pages of [start, end), as many as there is room for. Returns where it ends. */
static uint64_t batch_fill(struct batch *batch, uint64_t start, uint64_t end, uint64_t page_size)
{
	for (batch->count = 0; batch->count < BATCH && start < end; start += page_size)
		batch->pages[batch->count++] = start;
	return start;
}

static void report_page(struct vas_policy_report *report, const struct vas_policy *policy,
			uint64_t page, uint64_t page_size, int32_t node)
{
	if (node < 0) {
		report->absent += page_size;
		return;
	}
	report->present += page_size;
	if (node < (int32_t)VAS_POLICY_NODES)
		report->nodes[node / 64] |= UINT64_C(1) << node % 64;
	if (!is_wrong(policy, node))
		return;
	if (!report->wrong)
		report->first_wrong = page;
	report->wrong += page_size;
}

int vas_policy_look(struct vas_sys *sys, struct vas_span range, const struct vas_policy *policy,
		    struct vas_policy_report *report)
{
	uint64_t start = range.start, end = vas_span_end(range);
	bool faults = false;
	struct batch batch;
	int err;

	*report = (struct vas_policy_report){ .size = sizeof(*report) };
	while (start < end) {
		start = batch_fill(&batch, start, end, sys->page_size);
		err = batch_look(sys, &batch);
		if (err)
			return err;
		for (uint32_t i = 0; i < batch.count; i++) {
			faults = faults || batch.status[i] == -EFAULT;
			report_page(report, policy, batch.pages[i], sys->page_size,
				    batch.status[i]);
		}
	}
	/* Said of the kernel's page of zeroes, too, which is no memory of anybody's. */
	if (faults && VAS_CALL(sys, sync, range.start, range.size, MS_ASYNC) == -ENOMEM)
		return -EFAULT;
	return 0;
}

/* The node whose turn it is. */
static int32_t node_in_turn(const uint64_t *nodes, uint64_t turn)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < VAS_POLICY_NODES / 64; i++)
		for (uint64_t bits = nodes[i]; bits; bits &= bits - 1)
			count++;
	turn %= count;
	for (int32_t node = 0;; node++)
		if (has_node(nodes, node) && turn-- == 0)
			return node;
}

/* Where a page that lies on a node should lie. */
static int32_t node_wanted(const struct vas_policy *policy, uint64_t page, int32_t node)
{
	if (policy->mode == VAS_POLICY_PREFER)
		return node_in_turn(policy->nodes, 0);
	if (has_node(policy->nodes, node))
		return node;
	if (policy->flags)
		return (int32_t)vas_policy_home(policy);
	return node_in_turn(policy->nodes, page / DEAL);
}

/* Keeps those that should lie elsewhere. */
static void batch_pick(struct batch *batch, const struct vas_policy *policy)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		int32_t wanted;

		if (batch->status[i] < 0)
			continue;
		wanted = node_wanted(policy, batch->pages[i], batch->status[i]);
		if (wanted == batch->status[i])
			continue;
		batch->pages[kept] = batch->pages[i];
		batch->nodes[kept++] = wanted;
	}
	batch->count = kept;
}

/* With those that other processes share, where that is allowed. */
static int batch_move(struct vas_sys *sys, struct batch *batch)
{
	int64_t err = VAS_CALL(sys, move_pages, batch->pages, batch->count, batch->nodes,
			       batch->status, VAS_MPOL_MF_MOVE_ALL);

	if (err == -EPERM)
		err = VAS_CALL(sys, move_pages, batch->pages, batch->count, batch->nodes,
			       batch->status, VAS_MPOL_MF_MOVE);
	switch (err) {
	case -ENODEV:
	case -EACCES: /* not of this process's cpuset */
		return -EINVAL;
	case -ENOMEM:
	case -EPERM:
		return (int)err;
	default:
		return err < 0 ? -EOPNOTSUPP : 0;
	}
}

/* After a move: counts what came to be elsewhere than it should. */
static int batch_review(struct vas_sys *sys, struct batch *batch, const struct vas_policy *policy,
			uint64_t *moved)
{
	bool memory = false, stuck = false;
	int err;

	for (uint32_t i = 0; i < batch->count; i++)
		memory = memory || batch->status[i] == -ENOMEM;
	err = batch_look(sys, batch);
	if (err)
		return err;
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->status[i] < 0)
			continue;
		if (node_wanted(policy, batch->pages[i], batch->status[i]) == batch->status[i])
			*moved += sys->page_size;
		else
			stuck = true;
	}
	if (!stuck)
		return 0;
	return memory ? -ENOMEM : -EBUSY;
}

int vas_policy_move(struct vas_sys *sys, struct vas_span range, const struct vas_policy *policy,
		    uint64_t *moved)
{
	uint64_t start = range.start, end = vas_span_end(range);
	struct batch batch;
	int worst = 0;

	*moved = 0;
	while (start < end) {
		int err;

		start = batch_fill(&batch, start, end, sys->page_size);
		err = batch_look(sys, &batch);
		if (err)
			return err;
		batch_pick(&batch, policy);
		if (!batch.count)
			continue;
		err = batch_move(sys, &batch);
		if (err)
			return err;
		err = batch_review(sys, &batch, policy, moved);
		/* The rest may be free to move, or go to another node. */
		if (err == -EBUSY || err == -ENOMEM)
			worst = worst ? worst : err;
		else if (err)
			return err;
	}
	return worst;
}

enum vas_why vas_policy_move_why(int err)
{
	switch (err) {
	case -ENOMEM:
		return VAS_WHY_MEMORY;
	case -EINVAL:
		return VAS_WHY_ARGUMENT;
	case -EPERM:
		return VAS_WHY_DENIED;
	default:
		return VAS_WHY_KERNEL;
	}
}
