/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The failure report of each thread: the write side.
 *
 * It lives in thread-local storage of the initial-exec model (no allocation at
 * first use), and is kept small: codes, numbers and counts only.
 */
#ifndef VAS_RECORD_REPORT_H
#define VAS_RECORD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/report.h>

struct vas_failure {
	uint8_t operation; /* enum vas_operation */
	uint8_t why; /* enum vas_why */
	uint8_t shortfall; /* enum vas_why */
	uint8_t high_window; /* 1: addresses above the default window were allowed */
	int32_t error;
	uint64_t asked;
	uint64_t got;
	uint64_t min;
	uint64_t max;
	uint64_t alignment;
	uint64_t phase;
	uint64_t address;
	uint64_t largest_gap; /* UINT64_MAX = not looked for */
	uint64_t largest_gap_start;
	uint64_t free_total;
	uint32_t limit_first;
	uint32_t limit_second;
	uint32_t probes;
	uint32_t taken;
	uint32_t barred;
	uint32_t line;
};

/* This thread's last failure; operation NONE when there was none. */
struct vas_failure *vas_failure_current(void);
/* Starts a fresh one for an operation; the caller then fills in what it knows. */
void vas_failure_begin(struct vas_failure *failure, enum vas_operation operation, uint64_t asked);
/* What it says, as a report; all that only an explanation tells is "not knowable". */
void vas_failure_tell(const struct vas_failure *failure, struct vas_report *report);
/* Makes it this thread's last one, and logs it when somebody listens. No lock held. */
void vas_failure_publish(const struct vas_failure *failure);

#endif
