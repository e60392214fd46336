/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explores interleavings: runs a few threads of a scenario in every order that few pre-emptions make.
 *
 * The threads are coroutines of one real thread, so nothing happens between two steps but what the
 * explorer chose. Code under test says where a step begins by explorer_step(), which a test puts
 * before each access to shared memory when it compiles that code:
 *
 *	#include "support/explorer.h"
 *	#define VAS_WORD_STEP() explorer_step()
 *	#include "core/block_page.c"
 *
 * Memory is as in one thread after another (no reordering); TSan looks after the rest.
 */
#ifndef TESTS_SUPPORT_EXPLORER_H
#define TESTS_SUPPORT_EXPLORER_H

#include <stdbool.h>
#include <stdint.h>

#define EXPLORER_THREADS 4u
#define EXPLORER_STEPS	 4096u /* of all threads, in one run */

struct explorer_scenario {
	const char *name;
	void *state; /* handed to all that follows */
	void (*begin)(void *state); /* makes a fresh world; before each run */
	void (*thread[EXPLORER_THREADS])(void *state); /* up to the first NULL */
	void (*end)(
		void *state); /* looks at the world when all threads have ended, and clears it */
	unsigned int preemptions; /* at most so many times a thread that could go on is stopped */
	uint64_t most; /* runs, 0 = no bound */
};

struct explorer_result {
	uint64_t runs;
	bool complete; /* every order with so few pre-emptions was run, and none was at fault */
	bool fault; /* the last run was; the exploration ends there */
	char what[256]; /* the first fault */
	char order[512]; /* of the last run: thread numbers, each with its steps: "0:17 1:4 0:9" */
};

/* Runs a scenario in one order after another, with the fewest switches first. */
void explorer_run(const struct explorer_scenario *scenario, struct explorer_result *result);
/* The same, as a point of a test: complete, or (fault_wanted) a fault is found. Prints what went wrong. */
void explorer_point(const struct explorer_scenario *scenario, bool fault_wanted);
/* A point of a test: a fault is found, which an assertion of the code may be. Runs it in a child. */
void explorer_find(const struct explorer_scenario *scenario);

/* In a thread of a scenario; elsewhere these do nothing. Here another thread may come first. */
void explorer_step(void);
/* Here another thread must come first, if any can: in a loop that waits for one. */
void explorer_pause(void);
/* Mutual exclusion over a word that is 0 when free: the lock and unlock of vas_blocks_support. */
void explorer_lock(void *context, uint32_t *word);
void explorer_unlock(void *context, uint32_t *word);
/* The number of the running thread; EXPLORER_THREADS outside of all. */
unsigned int explorer_thread(void);
/* A finding, from anywhere in a run. */
void explorer_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
