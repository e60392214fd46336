/* SPDX-License-Identifier: BSD-2-Clause */
/* The counts that tap.c (points) and case.c (forked cases) share. */
#ifndef TESTS_TAP_POINTS_H
#define TESTS_TAP_POINTS_H

#include <stdbool.h>
#include <sys/types.h>

enum {
	TAP_EXIT_SKIPPED = 77,
	TAP_NAME_MAX = 512,
};

/* What the child of a case tells its parent, in a page that both see. */
struct tap_outcome {
	bool finished;
	unsigned points;
	unsigned failed;
	char skip[2 * TAP_NAME_MAX]; /* key and reason */
};

struct tap_state {
	pid_t pid; /* the process that the plan belongs to */
	unsigned planned;
	unsigned points;
	unsigned failed;
	bool started;
	bool done;
	struct tap_outcome *outcome; /* set in the child of a case only */
};

extern struct tap_state tap;

void tap_start(void);

/* Numbers a point and prints its first line. Leaves stdout locked for comments; funlockfile() after. */
void tap_point_locked(bool held, const char *name);

/* Prints text with nothing in it that TAP would take for a directive or a new line. */
void tap_print_name(const char *name);

#endif
