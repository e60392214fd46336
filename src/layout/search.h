/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Searching the gaps of this process for a request, when blind probes ran out
 * or an exact answer is needed. Only looks: the claim that follows decides.
 *
 * Chooses by itself between msync (tells whether a range has a hole), one
 * PROCMAP_QUERY per step, and one reading of maps, so that the cost is within
 * 1.3 times the cheaper of one query per mapping in the window and one reading;
 * mappings outside the window cost nothing unless a reading is the cheaper way.
 */
#ifndef VAS_LAYOUT_SEARCH_H
#define VAS_LAYOUT_SEARCH_H

#include "core/placement.h"
#include "layout/bounds.h"
#include "layout/reader.h"

/* What searches of one address space remember between calls. Zeroed memory is a valid start. */
struct vas_search_memory {
	uint32_t mappings; /* how many there were at the last reading (atomic, a guess) */
};

struct vas_search_result {
	uint64_t address; /* for request->size, when found */
	bool found;
	bool exact_largest; /* largest and total below are exact (a full walk was made) */
	uint64_t largest; /* usable piece, bytes */
	uint64_t largest_start;
	uint64_t total; /* free bytes in the window */
	uint32_t queries;
	uint32_t readings;
};

struct vas_search {
	struct vas_sys *sys;
	struct vas_probes *probes;
	struct vas_search_memory *memory;
	const struct vas_bounds *bounds;
	struct vas_margins margins;
	bool survey; /* fill largest and total exactly even when a place is found early */
	/* Addresses that a claim just found taken, to be left out although they look free. */
	const struct vas_spanset *blacklist;
};

/*
 * 0 with result->found true or false; or -errno when the mappings can be read
 * by no means (-ENOENT, -EPERM, -EACCES, -ENOSYS, -EMFILE, -ENFILE ...).
 * request->avoid holds holes and margins. Maps nothing; needs about 20 KiB of stack.
 */
int vas_search_run(const struct vas_search *search, const struct vas_request *request,
		   struct vas_search_result *result);

/* The mapping that covers address or follows it, for this process or pid; name_buffer may be NULL. */
int vas_search_at(struct vas_sys *sys, struct vas_probes *probes, int pid, uint64_t address,
		  char *buffer, size_t buffer_size, struct vas_mapping *mapping);

#endif
