/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real kernel with four memory nodes, of which three are made up: where each page of one watched range lies is kept here, and
 * moving pages changes that alone. Policies reach the kernel as those of its first node.
 */
#ifndef TESTS_SUPPORT_FAKE_NODES_H
#define TESTS_SUPPORT_FAKE_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

#define FAKE_NODES 4
#define FAKE_PAGES 4096u

struct fake_nodes {
	struct vas_sys sys; /* first */
	struct vas_span watched; /* at most FAKE_PAGES pages; elsewhere all is on node 0 */
	unsigned char nodes[FAKE_PAGES]; /* of each page of it */
	bool privileged; /* may move pages of others */
	uint64_t stuck; /* address of a page that does not move; 0 = none */
	int32_t full; /* node that takes no page; 0 = none */
	/* What was asked for: */
	uint32_t homes, policies, thread_policies;
	uint32_t home; /* the last one */
	int mode, thread_mode; /* the last ones */
	uint64_t mode_nodes, thread_nodes; /* of a thread: the last ones that it had */
	uint64_t moves; /* requests for pages */
};

void fake_nodes_init(struct fake_nodes *fake);
/* Every page of the watched range on one node. */
void fake_nodes_place(struct fake_nodes *fake, struct vas_span watched, unsigned char node);

#endif
