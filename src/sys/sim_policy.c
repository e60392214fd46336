/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's mbind: a memory policy is an attribute that keeps
 * mappings apart, and so is its home node. The machine has one memory node, number 0: every page lies there.
 *
 * Arguments are checked before the range; a hole refuses the call before
 * anything is changed. The default policy is refused only where nothing is mapped at all.
 *
 * Concurrency: the caller holds the simulator's lock. Not modelled: where
 * pages come from, moving pages that are there (flags), policies of objects and threads.
 */
#include <errno.h>

#include "sys/definitions.h"
#include "sys/sim_vma.h"

#define MODE_BITS  0xff
#define NODES_HERE 1u

/* Checks mode and nodes, and leaves in *policy what will be in force. */
static int policy_parse(int mode, const uint64_t *nodes, uint32_t bits,
			struct vas_sim_policy *policy)
{
	uint64_t given =
		nodes && bits ? nodes[0] & (bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX) : 0;
	bool any = given != 0;

	for (uint32_t word = 1; nodes && word < (bits + 63) / 64; word++)
		any = any || nodes[word];
	*policy = (struct vas_sim_policy){ .mode = mode,
					   .nodes = given & NODES_HERE,
					   .home = VAS_SIM_NO_HOME };
	switch (mode) {
	case VAS_MPOL_DEFAULT:
	case VAS_MPOL_LOCAL:
		return any ? -EINVAL : 0;
	case VAS_MPOL_PREFERRED:
		if (!any)
			policy->mode = VAS_MPOL_LOCAL;
		return any && !policy->nodes ? -EINVAL : 0;
	case VAS_MPOL_BIND:
	case VAS_MPOL_INTERLEAVE:
	case VAS_MPOL_PREFERRED_MANY:
	case VAS_MPOL_WEIGHTED_INTERLEAVE:
		return policy->nodes ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* The number of this policy; -ENOMEM when there are too many different ones. */
static int64_t policy_number(struct vas_sys_sim *sim, const struct vas_sim_policy *policy)
{
	if (policy->mode == VAS_MPOL_DEFAULT)
		return 0;
	for (uint32_t i = 1; i <= sim->policy_count; i++)
		if (sim->policies[i].mode == policy->mode &&
		    sim->policies[i].nodes == policy->nodes &&
		    sim->policies[i].home == policy->home)
			return i;
	if (sim->policy_count + 1 == VAS_SIM_POLICIES)
		return -ENOMEM;
	sim->policies[++sim->policy_count] = *policy;
	return sim->policy_count;
}

static bool policy_hole(const struct vas_sys_sim *sim, uint64_t start, uint64_t end)
{
	for (size_t i = vas_sim_find(sim, start); start < end; i++) {
		if (i == sim->count || sim->mappings[i].start > start)
			return true;
		start = sim->mappings[i].end;
	}
	return false;
}

static int policy_apply(struct vas_sys_sim *sim, uint64_t start, uint64_t end, uint32_t number)
{
	while (start < end) {
		size_t index = vas_sim_find(sim, start);
		struct vas_sim_mapping wanted;
		uint64_t stop;
		int error = 0;

		if (index == sim->count || sim->mappings[index].start >= end)
			break;
		wanted = sim->mappings[index];
		start = start > wanted.start ? start : wanted.start;
		stop = wanted.end < end ? wanted.end : end;
		if (wanted.policy != number) {
			wanted.policy = number;
			error = vas_sim_modify(sim, &index, start, stop, &wanted);
		}
		if (error)
			return error;
		start = sim->mappings[index].end > stop ? sim->mappings[index].end : stop;
	}
	return 0;
}

int64_t vas_sim_set_policy(struct vas_sys_sim *sim, uint64_t address, uint64_t size, int mode,
			   const uint64_t *nodes, uint32_t bits, uint32_t flags)
{
	uint64_t end = address + vas_sim_page_align(sim, size);
	struct vas_sim_policy policy;
	int64_t number;
	int error;

	if (sim->config.no_policy)
		return -ENOSYS;
	if (mode < 0 || (mode & MODE_BITS) > VAS_MPOL_WEIGHTED_INTERLEAVE || (mode & ~MODE_BITS) ||
	    flags || !vas_sim_is_aligned(sim, address) || end < address)
		return -EINVAL;
	if (end == address)
		return 0;
	error = policy_parse(mode, nodes, bits, &policy);
	if (error)
		return error;
	number = policy_number(sim, &policy);
	if (number < 0)
		return number;
	if (number == 0 ? !vas_sim_overlaps(sim, address, end) : policy_hole(sim, address, end))
		return -EFAULT;
	return policy_apply(sim, address, end, (uint32_t)number);
}

/* Mappings without a policy are passed over. */
static int home_apply(struct vas_sys_sim *sim, uint64_t start, uint64_t end, uint32_t node)
{
	int error = -ENOENT;

	while (start < end) {
		size_t i = vas_sim_find(sim, start);
		struct vas_sim_policy policy;
		uint64_t from, stop;
		int64_t number;

		if (i == sim->count || sim->mappings[i].start >= end)
			break;
		policy = sim->policies[sim->mappings[i].policy];
		from = sim->mappings[i].start > start ? sim->mappings[i].start : start;
		stop = sim->mappings[i].end < end ? sim->mappings[i].end : end;
		start = stop;
		if (sim->mappings[i].policy == 0)
			continue;
		if (policy.mode != VAS_MPOL_BIND && policy.mode != VAS_MPOL_PREFERRED_MANY)
			return -EOPNOTSUPP;
		policy.home = node;
		number = policy_number(sim, &policy);
		error = number < 0 ? (int)number : policy_apply(sim, from, stop, (uint32_t)number);
		if (error)
			return error;
	}
	return error;
}

int64_t vas_sim_set_home(struct vas_sys_sim *sim, uint64_t address, uint64_t size, uint32_t node)
{
	uint64_t end = address + vas_sim_page_align(sim, size);

	if (sim->config.no_policy)
		return -ENOSYS;
	if (!vas_sim_is_aligned(sim, address) || node != 0 || end < address)
		return -EINVAL;
	return end == address ? 0 : home_apply(sim, address, end, node);
}

/* What move_pages says of one page. */
static int page_status(struct vas_sys_sim *sim, uint64_t address)
{
	const struct vas_sim_object *object;
	size_t index = vas_sim_find(sim, address);
	uint64_t offset;

	address -= address % sim->sys.page_size;
	if (index == sim->count || sim->mappings[index].start > address)
		return -EFAULT;
	if (vas_spanset_contains(&sim->private_pages, address, address + sim->sys.page_size))
		return 0;
	object = vas_sim_object_seen(sim, &sim->mappings[index]);
	offset = sim->mappings[index].offset + (address - sim->mappings[index].start);
	if (object && vas_spanset_contains(&object->held, offset, offset + sim->sys.page_size))
		return 0;
	return -ENOENT;
}

int64_t vas_sim_move_pages(struct vas_sys_sim *sim, const uint64_t *pages, uint64_t count,
			   const int32_t *nodes, int32_t *status, uint32_t flags)
{
	if (sim->config.no_policy)
		return -ENOSYS;
	if (flags & ~(VAS_MPOL_MF_MOVE | VAS_MPOL_MF_MOVE_ALL))
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		if (nodes && nodes[i] != 0)
			return -ENODEV;
		status[i] = page_status(sim, pages[i]);
	}
	return 0;
}
