/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that begin at the same moment and note what they find wrong.
 *
 * They run on stacks of the test's own, so that no mapping stays behind when
 * they have ended and a case can count its mappings. Workers should not call malloc.
 */
#ifndef TESTS_SUPPORT_CREW_H
#define TESTS_SUPPORT_CREW_H

#include <stdbool.h>
#include <stdint.h>

#define CREW_MOST 16u

/*
 * Runs work(argument, 0) ... work(argument, count - 1), each in a thread, and waits for
 * all. One crew at a time.
 */
void crew_run(unsigned int count, void (*work)(void *argument, unsigned int number),
	      void *argument);
/* In a worker: waits until all workers of the crew came here. */
void crew_meet(void);

/* A finding: counted, and the first ones are printed. From any thread. */
void crew_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Findings since the last call. */
unsigned int crew_faults(void);
/* Findings so far, for loops that should end early. */
bool crew_failed(void);

/* Forks so often, one child after the other; each ends with what child answers, where all but 0 is a fault. */
void crew_fork(uint64_t rounds, int (*child)(void));

#endif
