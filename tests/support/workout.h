/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bit of everything the library does, in a process that is denied something:
 * each step works, or refuses with the error that the test's table names.
 */
#ifndef TESTS_SUPPORT_WORKOUT_H
#define TESTS_SUPPORT_WORKOUT_H

#include <stdbool.h>

enum workout_step {
	WORKOUT_WINDOW,
	WORKOUT_PROBES,
	WORKOUT_RESERVE, /* anywhere */
	WORKOUT_COMMIT, /* two parts of it, written and read */
	WORKOUT_PROTECT, /* a part of that: read-only, and back */
	WORKOUT_GUARD, /* and guarded, and not */
	WORKOUT_DECOMMIT, /* and given back */
	WORKOUT_REGION, /* a block, with memory, freed */
	WORKOUT_OBJECT, /* an object's pages, with their memory, given back and punched out */
	WORKOUT_POLICY, /* reserved with a memory policy, and committed */
	WORKOUT_FORK, /* a child's own copy of an object's pages */
	WORKOUT_JOIN, /* a block waits for a thread that is inside */
	WORKOUT_RECIPE, /* reserved with a recipe, and committed */
	WORKOUT_LOWEST, /* the exactly lowest */
	WORKOUT_NEAR,
	WORKOUT_TAKEN, /* what is taken is refused with EEXIST: then this step works */
	WORKOUT_OPEN, /* a layout */
	WORKOUT_READ, /* all of it */
	WORKOUT_GAPS,
	WORKOUT_AT,
	WORKOUT_FIND,
	WORKOUT_CHECK, /* vas_sync_check */
	WORKOUT_EXPLAIN, /* a refusal, and as a line */
	WORKOUT_RELEASE, /* all, into GONE */
	WORKOUT_STEPS
};

/*
 * Takes every step and makes one point for each: 0, or what expected says:
 * "reserve=EPERM lowest=EPERM|ENOSPC gaps=-": EPERM; one of two; not to be
 * reached, because what it needs was refused. Stamped pages of its own lie
 * about; that none was changed is one more point.
 */
void workout(const char *expected);

/* Makes what the caller has and brings along: before descriptors are denied. */
void workout_prepare(void);

/* Answers a system call with an error from now on, for good. False: there is no seccomp. */
bool workout_deny(int number, int error);

#endif
