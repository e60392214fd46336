/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside module "cpu": the machine as it was read, and the files of sysfs and
 * procfs that are read again at each question.
 */
#ifndef VAS_BACKENDS_CPU_H
#define VAS_BACKENDS_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/policy.h>
#include <vaspace/topology.h>

/* hwloc's own, so that this header can be read without its. */
struct hwloc_topology;
struct hwloc_obj;

/* Never changes once it was published. */
struct vas_cpu_machine {
	bool live; /* false: hwloc was told to describe another machine, see topology.c */
	struct vas_topology topology;
	struct vas_node nodes[]; /* topology.node_count of them, by the kernel's number */
};

/* topology.c */
/* -ENOMEM, -EIO, -EPERM, with *why one constant line. */
int vas_cpu_machine_get(const struct vas_cpu_machine **machine, const char **why);
/* hwloc's view with nodes, processors and, if wanted, caches; the caller ends it. Likewise, but for -EPERM. */
int vas_cpu_discover(bool caches, struct hwloc_topology **hwloc, const char **why);

/* choose.c */
/* Both fill sixteen words. As vas_cpu_machine_get, and -ENOENT; object: -EINVAL, no type. */
int vas_cpu_choose(const struct vas_node_wish *wish, uint64_t *nodes, const char **why);
int vas_cpu_object(const char *type, uint32_t index, uint64_t *nodes, const char **why);

/* nodes.c */
/* What stays: everything but the memory and the free huge pages. */
int vas_cpu_node_read(struct hwloc_topology *hwloc, struct hwloc_obj *object, bool live,
		      struct vas_node *node);
/* What changes; nothing of it is known of a machine that is not this one. */
void vas_cpu_node_refresh(const struct vas_cpu_machine *machine, struct vas_node *node);

/* pages.c */
extern const char *vas_cpu_sysfs; /* "/sys"; tests put a folder of theirs here */
#define VAS_CPU_PATH_SIZE 256
/* Puts the sizes of pages that hwloc tells in, ascending, each once. */
void vas_cpu_page_sizes(struct hwloc_topology *hwloc, struct vas_topology *topology);
/* One of them; when there is no room for all, the largest go. */
void vas_cpu_page_size_add(struct vas_topology *topology, uint64_t size);
/* Free huge pages of one size on a node, 0 where it is not knowable. */
uint64_t vas_cpu_huge_free(const struct vas_cpu_machine *machine, uint32_t node,
			   uint64_t page_size);

/* width.c */
/* The widths of addresses in bits, 0 where the processor does not tell. */
void vas_cpu_widths(const char *path, uint32_t *physical, uint32_t *virtual);

/* address.c */
int vas_cpu_node_at(const void *address, uint32_t *node_id);

#endif
