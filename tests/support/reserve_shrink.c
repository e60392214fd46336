/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver of the model: runs in processes of their own, so that a crash is
 * a failure like any other, and cuts a failing list of operations down by
 * delta debugging (Zeller and Hildebrandt, 2002): leave out ever smaller
 * chunks as long as what remains still fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/reserve_model.h"
#include "tap/tap.h"

#define SHRINK_SECONDS 60.0
#define REPLAY_SECONDS 20

/* Between the parent and the process that runs. */
struct shared {
	uint64_t count; /* operations carried out */
	bool finished;
	bool impossible; /* the target could not be made */
	uint64_t refusals, shortfalls, held, succeeded, raced;
	char wrong[200];
	struct model_op ops[];
};

struct driver {
	model_make_fn *make;
	const void *setup;
	uint64_t count, seed;
	double seconds;
	struct shared *shared;
	size_t shared_size;
	uint32_t *kept; /* numbers of the operations that are left */
	size_t kept_count;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void finish(struct driver *driver, struct model *model, bool held)
{
	struct shared *shared = driver->shared;

	shared->refusals = model->refusals;
	shared->shortfalls = model->shortfalls;
	shared->held = model->held_seen;
	shared->succeeded = model->succeeded;
	shared->raced = model->raced;
	memcpy(shared->wrong, model->wrong, sizeof(shared->wrong));
	shared->finished = true;
	_exit(held ? 0 : 1);
}

/* In the child: makes operations up as it goes, and notes each before it is carried out. */
static _Noreturn void run_random(struct driver *driver)
{
	static struct model_target target;
	static struct model model;
	struct shared *shared = driver->shared;
	double end = now() + driver->seconds;
	bool held = true;

	if (!driver->make(&target, driver->setup)) {
		shared->impossible = true;
		_exit(1);
	}
	model_begin(&model, &target, driver->seed);
	for (uint64_t i = 0; held && i < driver->count; i++) {
		model_random_op(&model, (uint32_t)i, &shared->ops[i]);
		shared->count = i + 1;
		held = model_apply(&model, (uint32_t)i, &shared->ops[i]);
		if (held && i % 10 == 9)
			held = model_agree(&model);
		if (driver->seconds > 0 && i % 64 == 0 && now() > end)
			break;
	}
	held = held && model_end(&model);
	finish(driver, &model, held);
	_exit(1);
}

static _Noreturn void run_list(struct driver *driver, const uint32_t *list, size_t count)
{
	static struct model_target target;
	static struct model model;
	bool held = driver->make(&target, driver->setup);

	alarm(REPLAY_SECONDS);
	model_begin(&model, &target, driver->seed);
	for (size_t i = 0; held && i < count; i++)
		held = model_apply(&model, list[i], &driver->shared->ops[list[i]]) &&
		       ((count > 1000 && list[i] % 10 != 9) || model_agree(&model));
	held = held && model_end(&model);
	finish(driver, &model, held);
	_exit(1);
}

/* True when the child ended well. */
static bool await(pid_t child, int *status)
{
	while (waitpid(child, status, 0) < 0)
		if (errno != EINTR)
			tap_bail("waitpid: %m");
	return WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
}

static bool list_fails(struct driver *driver, const uint32_t *list, size_t count)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child < 0)
		tap_bail("fork: %m");
	if (child == 0)
		run_list(driver, list, count);
	if (await(child, &status))
		return false;
	/* Too slow to tell counts as going well. */
	return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

/* Leaves chunks of one length out, wherever what remains still fails. Whether any could go. */
static bool shrink_by(struct driver *driver, size_t chunk, double deadline)
{
	uint32_t *rest = malloc((driver->kept_count + 1) * sizeof(*rest));
	bool any = false;
	size_t position = 0;

	if (!rest)
		tap_bail("no memory for a test");
	while (position < driver->kept_count && now() < deadline) {
		size_t cut = driver->kept_count - position < chunk ? driver->kept_count - position
								   : chunk;
		size_t count = driver->kept_count - cut;

		memcpy(rest, driver->kept, position * sizeof(*rest));
		memcpy(rest + position, driver->kept + position + cut,
		       (count - position) * sizeof(*rest));
		if (list_fails(driver, rest, count)) {
			memcpy(driver->kept, rest, count * sizeof(*rest));
			driver->kept_count = count;
			any = true;
		} else {
			position += cut;
		}
	}
	free(rest);
	return any;
}

static void shrink(struct driver *driver)
{
	double deadline = now() + SHRINK_SECONDS;

	driver->kept_count = driver->shared->count;
	driver->kept = malloc(driver->kept_count * sizeof(*driver->kept));
	if (!driver->kept)
		tap_bail("no memory for a test");
	for (size_t i = 0; i < driver->kept_count; i++)
		driver->kept[i] = (uint32_t)i;
	if (!list_fails(driver, driver->kept, driver->kept_count)) {
		tap_diag(
			"the same operations again did not fail: it depends on more than the list");
		return;
	}
	for (size_t chunk = (driver->kept_count + 1) / 2; chunk > 0 && now() < deadline;) {
		bool any = shrink_by(driver, chunk, deadline);

		if (chunk > 1)
			chunk = (chunk + 1) / 2;
		else if (!any)
			break;
	}
	list_fails(driver, driver->kept, driver->kept_count); /* for its message */
}

static void print_op(uint32_t number, const struct model_op *op)
{
	static const char *const kinds[] = { "reserve",	    "commit",	     "release",
					     "foreign map", "foreign unmap", "stray release",
					     "stray commit" };

	tap_diag("%6u %-13s target %u size 0x%llx at least 0x%llx place %u side %u flags 0x%x "
		 "limits %u window 0x%llx-0x%llx alignment 0x%llx phase 0x%llx address 0x%llx "
		 "reach 0x%llx key %llu prot %d",
		 number, kinds[op->kind], op->target, (unsigned long long)op->size,
		 (unsigned long long)op->min_size, op->place, op->side, op->flags, op->limits,
		 (unsigned long long)op->min, (unsigned long long)op->max,
		 (unsigned long long)op->alignment, (unsigned long long)op->phase,
		 (unsigned long long)op->address, (unsigned long long)op->reach,
		 (unsigned long long)op->key, op->prot);
}

static void print_shrunk(struct driver *driver)
{
	tap_diag("%zu operations are enough, and then: %s", driver->kept_count,
		 driver->shared->finished ? driver->shared->wrong : "it crashed");
	for (size_t i = 0; i < driver->kept_count && i < 60; i++)
		print_op(driver->kept[i], &driver->shared->ops[driver->kept[i]]);
}

static bool driver_run(struct driver *driver, int *status)
{
	pid_t child;

	driver->shared_size = sizeof(struct shared) + driver->count * sizeof(struct model_op);
	driver->shared = mmap(NULL, driver->shared_size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (driver->shared == MAP_FAILED)
		tap_bail("no memory for a test: %m");
	fflush(stdout);
	child = fork();
	if (child < 0)
		tap_bail("fork: %m");
	if (child == 0)
		run_random(driver);
	return await(child, status);
}

static void driver_end(struct driver *driver)
{
	free(driver->kept);
	munmap(driver->shared, driver->shared_size);
}

uint64_t model_run(const char *name, model_make_fn *make, const void *setup, uint64_t count,
		   double seconds, uint64_t seed)
{
	struct driver driver = {
		.make = make, .setup = setup, .count = count, .seconds = seconds, .seed = seed
	};
	struct shared *shared;
	bool held;
	int status;

	held = driver_run(&driver, &status);
	shared = driver.shared;
	ok(held && shared->succeeded,
	   "%s: %llu operations (%llu reserved, %llu refused, %llu got less, %llu held), seed 0x%llx",
	   name, (unsigned long long)shared->count, (unsigned long long)shared->succeeded,
	   (unsigned long long)shared->refusals, (unsigned long long)shared->shortfalls,
	   (unsigned long long)shared->held, (unsigned long long)seed);
	if (shared->raced)
		tap_diag("%llu times somebody mapped in the middle of a call",
			 (unsigned long long)shared->raced);
	count = shared->count;
	if (shared->impossible) {
		tap_diag("the kernel to run on could not be made");
	} else if (!held) {
		tap_diag("operation %llu: %s", (unsigned long long)count - 1,
			 shared->finished ? shared->wrong : "it crashed");
		shrink(&driver);
		print_shrunk(&driver);
	}
	driver_end(&driver);
	return count;
}

size_t model_shrunk(model_make_fn *make, const void *setup, uint64_t count, uint64_t seed)
{
	struct driver driver = { .make = make, .setup = setup, .count = count, .seed = seed };
	size_t left = 0;
	int status;

	if (!driver_run(&driver, &status)) {
		shrink(&driver);
		left = driver.kept_count;
	}
	driver_end(&driver);
	return left;
}
