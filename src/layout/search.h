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
	/* How many there were at the last reading (atomic, a guess); 0 = not known. */
	uint32_t mappings;
};

struct vas_search_result {
	uint64_t address; /* for request->size, when found */
	bool found;
	bool exact_largest; /* largest and total below are exact: every gap of the window was seen */
	uint64_t largest; /* usable piece, bytes, as vas_gap_choice tells it */
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
 *
 * LOW and HIGH find exactly the lowest and highest place, NEAR exactly the
 * nearest; any other place is chosen by vas_gap_choice among all gaps, which are
 * cut to the window. request->avoid holds holes and margins. When nothing of
 * request->size is found and min_size is below it, largest is exact, as with survey.
 *
 * Maps nothing (but for probes that were not tried yet); needs about 12 KiB of stack.
 */
int vas_search_run(const struct vas_search *search, const struct vas_request *request,
		   struct vas_search_result *result);

/*
 * The mapping that covers address or follows it, for this process (pid 0) or
 * another one. The name is put into buffer; NULL, or too small a buffer: no
 * name, or a part of it (VAS_MAPPING_CLIPPED). -ENOENT when there is none, else as
 * vas_reader_open_process and vas_reader_next. Needs about 10 KiB of stack.
 */
int vas_search_at(struct vas_sys *sys, struct vas_probes *probes, int pid, uint64_t address,
		  char *buffer, size_t buffer_size, struct vas_mapping *mapping);
/* The same on a descriptor of a maps file, by PROCMAP_QUERY only: 0, -ENOENT, or what the kernel says. */
int vas_search_query(struct vas_sys *sys, int fd, uint64_t address, char *buffer,
		     size_t buffer_size, struct vas_mapping *mapping);
/* The same by reading on; the name is valid until the next call on the reader. */
int vas_search_lines(struct vas_reader *reader, uint64_t address, struct vas_mapping *mapping);

#endif
