/* SPDX-License-Identifier: BSD-2-Clause */
/* The object behind vaspace/layout.h: one reading of a process's mappings, or of a saved file. */
#ifndef VAS_LAYOUT_LAYOUT_H
#define VAS_LAYOUT_LAYOUT_H

#include "core/placement.h"
#include "layout/bounds.h"
#include "layout/gaps.h"
#include "layout/reader.h"

#define VAS_LAYOUT_BUFFER 65536u

enum vas_layout_use {
	VAS_LAYOUT_FRESH, /* nothing was read since the start */
	VAS_LAYOUT_MAPPINGS,
	VAS_LAYOUT_GAPS
};

struct vas_layout {
	struct vas_sys *sys;
	uint64_t mapped_size; /* of the mapping that holds this struct and the buffer */
	struct vas_layout_opts opts; /* loaded; path is not kept */
	enum vas_layout_use use;
	uint32_t process; /* vas_process_number() when the descriptor was opened */
	bool no_query; /* the kernel or a sandbox has none for this process */
	bool mapping_pending; /* mapping has been read, and the gaps before it are not all told */
	bool mappings_end; /* as pending, for the end of the reading */
	struct vas_mapping mapping;
	struct vas_gaps gaps;
	struct vas_reader reader; /* its buffer follows the struct */
};

/* opts is loaded. Errors as vas_layout_open; *books: there was no memory for the buffer. */
int vas_layout_make(struct vas_sys *sys, const struct vas_layout_opts *opts,
		    struct vas_layout **layout, bool *books);
void vas_layout_drop(struct vas_layout *layout);
int vas_layout_step(struct vas_layout *layout, struct vas_mapping *mapping);
int vas_layout_step_gap(struct vas_layout *layout, const struct vas_bounds *bounds,
			struct vas_gap *gap);
int vas_layout_restart(struct vas_layout *layout);
int vas_layout_look(struct vas_layout *layout, uint64_t address, struct vas_mapping *mapping);
/*
 * Shows every gap of a fresh reading to *choice, which was begun. *taken: a mapping
 * overlaps the request's own address, for EXACT.
 */
int vas_layout_choose(struct vas_layout *layout, const struct vas_bounds *bounds,
		      struct vas_gap_choice *choice, bool *taken);

#endif
