/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A contender in a process of its own: it builds its layout once, then runs a
 * batch whenever it is told to, and answers how long that took by its own clock.
 */
#ifndef VASBENCH_WORKER_H
#define VASBENCH_WORKER_H

#include <stdint.h>
#include <sys/types.h>

/* What the worker's process does. Errors are negative errnos. */
struct worker_job {
	int (*prepare)(void *context);
	/* Runs count operations of the kind op and stores the ns they took in *spent. */
	int (*run)(void *context, unsigned int op, unsigned int count, uint64_t *spent);
	void *context;
};

struct worker {
	pid_t child;
	int commands; /* to the child */
	int answers; /* from it */
};

/* Starts the process and waits until it has prepared itself. */
int worker_start(struct worker *worker, const struct worker_job *job);
/* The same in a program of its own, whose main calls worker_serve; environment: NAME=VALUE or NULL. */
int worker_spawn(struct worker *worker, char *const *arguments, char *const *environment);
void worker_stop(struct worker *worker);

/* The worker's side: descriptors that worker_spawn's child has them on. */
#define WORKER_COMMANDS 3
#define WORKER_ANSWERS 4
int worker_serve(const struct worker_job *job, int commands, int answers);

/* One batch on command. */
int worker_run(const struct worker *worker, unsigned int op, unsigned int count, uint64_t *spent);

/* Context and function of a contender (struct contender) that is one kind of a worker's operations. */
struct worker_row {
	const struct worker *worker;
	unsigned int op;
	uint64_t spent;
};
int worker_row_run(void *context, unsigned int count);

#endif
