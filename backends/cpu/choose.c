/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes that are wished for: the best ones by a rank, and those of a place in the machine.
 *
 * Strategy: hwloc reads the machine again at each question, since what it knows of memory depends on the processors that look,
 * and keeping all of it would cost megabytes. What a node is and has free is taken from nodes.c, so that both agree.
 *
 * Each node gets two numbers, less is better: by the rank, where the machine tells it, and by how far it is from the processors
 * that look. Nodes are sorted by the first, equal ones by the second, then by number. Of bandwidth and latency the best counts that any of
 * those processors sees. Distances are the machine's where it has a table of them; else memory around fewer processors
 * is nearer.
 *
 * Concurrency: no state. What it does not do: measure anything, or look at nodes that the process may not use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "cpu.h"

#define NODE_WORDS 16u /* of struct vas_policy */
#define ELSEWHERE  ((uint64_t)1 << 32) /* added to the distance of a node around none of those processors */

struct vas_cpu_choice {
	struct vas_node node;
	hwloc_obj_t object;
	bool known; /* value is */
	uint64_t value; /* by the rank; less is better */
	uint64_t distance;
};

static const struct vas_node *vas_cpu_find(const struct vas_cpu_machine *machine, uint32_t id)
{
	for (uint32_t i = 0; i < machine->topology.node_count; i++) {
		if (machine->nodes[i].id == id)
			return &machine->nodes[i];
	}
	return NULL;
}

/* The processors that look. -ENOENT: there are none of those. */
static int vas_cpu_seen_from(hwloc_topology_t hwloc, const struct vas_cpu_machine *machine,
			     const struct vas_node_wish *wish, hwloc_bitmap_t seen)
{
	bool given = false;

	hwloc_bitmap_zero(seen);
	for (unsigned int i = 0; i < NODE_WORDS; i++) {
		given = given || wish->processors[i];
		if (wish->processors[i] &&
		    hwloc_bitmap_set_ith_ulong(seen, i, wish->processors[i]) < 0)
			return -ENOMEM;
	}
	if (!given && (!machine->live || hwloc_get_cpubind(hwloc, seen, HWLOC_CPUBIND_THREAD) < 0) &&
	    hwloc_bitmap_copy(seen, hwloc_topology_get_allowed_cpuset(hwloc)) < 0)
		return -ENOMEM;
	hwloc_bitmap_and(seen, seen, hwloc_topology_get_topology_cpuset(hwloc));
	return hwloc_bitmap_iszero(seen) ? -ENOENT : 0;
}

/* Bytes free, as far as that is known. */
static uint64_t vas_cpu_room(const struct vas_node *node)
{
	return node->available == UINT64_MAX ? node->memory : node->available;
}

static bool vas_cpu_suits(const struct vas_node *node, const struct vas_node_wish *wish)
{
	uint32_t flags = wish->flags ? wish->flags : VAS_NODE_ALL;

	if (!(flags & (node->processor_count ? VAS_NODE_WITH_PROCESSORS : VAS_NODE_BARE)))
		return false;
	if (wish->kind && strncmp(wish->kind, node->kind, sizeof(node->kind)) != 0)
		return false;
	return vas_cpu_room(node) >= wish->room;
}

/* The best value of an attribute that any of those processors sees. */
static bool vas_cpu_best_seen(hwloc_topology_t hwloc, hwloc_memattr_id_t id, hwloc_obj_t node,
			      hwloc_const_bitmap_t seen, bool larger, uint64_t *best)
{
	struct hwloc_location initiators[64];
	hwloc_uint64_t values[64];
	unsigned int count = 64;
	bool found = false;

	if (hwloc_memattr_get_initiators(hwloc, id, node, 0, &count, initiators, values) < 0)
		return false;
	for (unsigned int i = 0; i < count && i < 64; i++) {
		hwloc_const_bitmap_t set = initiators[i].type == HWLOC_LOCATION_TYPE_CPUSET
						   ? initiators[i].location.cpuset
						   : initiators[i].location.object->cpuset;

		if (!set || !hwloc_bitmap_intersects(set, seen))
			continue;
		if (!found || (values[i] > *best) == larger)
			*best = values[i];
		found = true;
	}
	return found;
}

static void vas_cpu_value(hwloc_topology_t hwloc, enum vas_node_rank rank,
			  hwloc_const_bitmap_t seen, struct vas_cpu_choice *choice)
{
	uint64_t value = 0;

	switch (rank) {
	case VAS_NODE_BANDWIDTH:
		choice->known = vas_cpu_best_seen(hwloc, HWLOC_MEMATTR_ID_BANDWIDTH,
						  choice->object, seen, true, &value);
		choice->value = UINT64_MAX - value;
		break;
	case VAS_NODE_LATENCY:
		choice->known = vas_cpu_best_seen(hwloc, HWLOC_MEMATTR_ID_LATENCY, choice->object,
						  seen, false, &value);
		choice->value = value;
		break;
	case VAS_NODE_CAPACITY:
		choice->known = true;
		choice->value = UINT64_MAX - choice->node.memory;
		break;
	case VAS_NODE_AVAILABLE:
		choice->known = true;
		choice->value = UINT64_MAX - vas_cpu_room(&choice->node);
		break;
	default:
		choice->known = false;
	}
}

/* By the processors around it. */
static uint64_t vas_cpu_around(const struct vas_cpu_choice *choice, hwloc_const_bitmap_t seen)
{
	uint64_t around = 2 * (uint64_t)hwloc_bitmap_weight(choice->object->cpuset);

	around += choice->node.processor_count ? 0 : 1;
	return hwloc_bitmap_intersects(choice->object->cpuset, seen) ? around : around + ELSEWHERE;
}

/* By the table: from the nearest node that has some of those processors for its own. */
static bool vas_cpu_in_table(const struct hwloc_distances_s *table,
			     const struct vas_cpu_machine *machine, hwloc_obj_t object,
			     hwloc_const_bitmap_t seen, uint64_t *distance)
{
	bool found = false;

	for (unsigned int from = 0; from < table->nbobjs; from++) {
		hwloc_obj_t near = table->objs[from];
		const struct vas_node *node = near ? vas_cpu_find(machine, near->os_index) : NULL;

		if (!node || !node->processor_count || !hwloc_bitmap_intersects(near->cpuset, seen))
			continue;
		for (unsigned int to = 0; to < table->nbobjs; to++) {
			hwloc_uint64_t value = table->values[from * table->nbobjs + to];

			if (table->objs[to] != object || (found && value >= *distance))
				continue;
			*distance = value;
			found = true;
		}
	}
	return found;
}

static void vas_cpu_distances(hwloc_topology_t hwloc, const struct vas_cpu_machine *machine,
			      hwloc_const_bitmap_t seen, struct vas_cpu_choice *choices,
			      uint32_t count)
{
	struct hwloc_distances_s *table = NULL;
	unsigned int tables = 1;
	bool usable;

	usable = hwloc_distances_get_by_type(hwloc, HWLOC_OBJ_NUMANODE, &tables, &table,
					     HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) == 0 &&
		 tables > 0 && table;
	for (uint32_t i = 0; usable && i < count; i++)
		usable = vas_cpu_in_table(table, machine, choices[i].object, seen,
					  &choices[i].distance);
	/* One table or none: numbers of two kinds cannot be compared. */
	for (uint32_t i = 0; !usable && i < count; i++)
		choices[i].distance = vas_cpu_around(&choices[i], seen);
	if (table)
		hwloc_distances_release(hwloc, table);
}

static int vas_cpu_by_wish(const void *left, const void *right)
{
	const struct vas_cpu_choice *a = left, *b = right;

	if (a->known != b->known)
		return a->known ? -1 : 1;
	if (a->known && a->value != b->value)
		return a->value < b->value ? -1 : 1;
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	return (a->node.id > b->node.id) - (a->node.id < b->node.id);
}

static uint32_t vas_cpu_collect(hwloc_topology_t hwloc, const struct vas_cpu_machine *machine,
				const struct vas_node_wish *wish, hwloc_const_bitmap_t seen,
				struct vas_cpu_choice *choices)
{
	hwloc_obj_t object = NULL;
	uint32_t count = 0;

	while ((object = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, object)) != NULL) {
		const struct vas_node *node = vas_cpu_find(machine, object->os_index);
		struct vas_cpu_choice *choice = &choices[count];

		if (!node || node->id >= NODE_WORDS * 64 ||
		    count == machine->topology.node_count)
			continue;
		choice->node = *node;
		choice->object = object;
		vas_cpu_node_refresh(machine, &choice->node);
		if (!vas_cpu_suits(&choice->node, wish))
			continue;
		vas_cpu_value(hwloc, wish->rank, seen, choice);
		count++;
	}
	return count;
}

static int vas_cpu_choose_among(hwloc_topology_t hwloc, const struct vas_cpu_machine *machine,
				const struct vas_node_wish *wish, hwloc_bitmap_t seen,
				uint64_t *nodes)
{
	uint32_t count, wanted = wish->count ? wish->count : 1;
	struct vas_cpu_choice *choices;
	int error = vas_cpu_seen_from(hwloc, machine, wish, seen);

	if (error)
		return error;
	choices = calloc(machine->topology.node_count, sizeof(*choices));
	if (!choices)
		return -ENOMEM;
	count = vas_cpu_collect(hwloc, machine, wish, seen, choices);
	vas_cpu_distances(hwloc, machine, seen, choices, count);
	qsort(choices, count, sizeof(*choices), vas_cpu_by_wish);
	if (count)
		memset(nodes, 0, NODE_WORDS * sizeof(*nodes));
	for (uint32_t i = 0; i < count && i < wanted; i++)
		nodes[choices[i].node.id / 64] |= (uint64_t)1 << choices[i].node.id % 64;
	free(choices);
	return count ? 0 : -ENOENT;
}

int vas_cpu_choose(const struct vas_node_wish *wish, uint64_t *nodes, const char **why)
{
	const struct vas_cpu_machine *machine;
	hwloc_topology_t hwloc;
	hwloc_bitmap_t seen;
	int error = vas_cpu_machine_get(&machine, why);

	if (!error)
		error = vas_cpu_discover(false, &hwloc, why);
	if (error)
		return error;
	seen = hwloc_bitmap_alloc();
	error = seen ? vas_cpu_choose_among(hwloc, machine, wish, seen, nodes) : -ENOMEM;
	hwloc_bitmap_free(seen);
	hwloc_topology_destroy(hwloc);
	return error;
}

/* The nodes of one object of hwloc's. */
static int vas_cpu_nodes_of(hwloc_topology_t hwloc, const char *type, uint32_t index,
			    uint64_t *nodes)
{
	hwloc_obj_type_t kind;
	hwloc_obj_t object;
	int depth;

	if (hwloc_type_sscanf_as_depth(type, &kind, hwloc, &depth) < 0)
		return -EINVAL;
	object = depth == HWLOC_TYPE_DEPTH_UNKNOWN || depth == HWLOC_TYPE_DEPTH_MULTIPLE
			 ? NULL
			 : hwloc_get_obj_by_depth(hwloc, depth, index);
	/* Devices have none of their own. */
	if (!object || !object->nodeset || hwloc_bitmap_iszero(object->nodeset))
		return -ENOENT;
	for (unsigned int i = 0; i < NODE_WORDS; i++)
		nodes[i] = hwloc_bitmap_to_ith_ulong(object->nodeset, i);
	return 0;
}

int vas_cpu_object(const char *type, uint32_t index, uint64_t *nodes, const char **why)
{
	const struct vas_cpu_machine *machine;
	hwloc_topology_t hwloc;
	int error = vas_cpu_machine_get(&machine, why);

	if (!error)
		error = vas_cpu_discover(true, &hwloc, why);
	if (error)
		return error;
	error = vas_cpu_nodes_of(hwloc, type, index, nodes);
	hwloc_topology_destroy(hwloc);
	return error;
}
