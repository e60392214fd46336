/* SPDX-License-Identifier: BSD-2-Clause */
/* Explaining refusals: evidence is gathered and the likely cause inferred, only when asked for. */
#ifndef VAS_SPACE_EXPLAIN_H
#define VAS_SPACE_EXPLAIN_H

#include <stdint.h>

#include <vaspace/report.h>

#include "record/report.h"
#include "space/headroom.h"

struct vas_space;

/*
 * Fills *report: what the failure says, the evidence as it is now, and why
 * refined by it. What cannot be read stays "not knowable". space is NULL when
 * none could be made: then without a survey of free ranges. No lock held.
 * Returns 0. Needs about 20 KiB of stack.
 */
int vas_explain(struct vas_space *space, const struct vas_failure *failure,
		struct vas_report *report);

/*
 * After the kernel refused a claim of asked bytes with error (negative): which
 * limit stops it, and the most bytes that this limit leaves (UINT64_MAX when that
 * is not known; 0 when no size would do). No lock held.
 */
enum vas_why vas_explain_shortfall(struct vas_space *space, uint64_t asked, int error,
				   uint64_t *attainable);

/*
 * The pure half: which limit made the kernel answer -ENOMEM for asked bytes.
 * VAS_WHY_KERNEL when none of those that can be told explains it.
 */
enum vas_why vas_explain_refusal(const struct vas_headroom *headroom, enum vas_operation operation,
				 uint64_t asked);

#endif
