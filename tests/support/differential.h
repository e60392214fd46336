/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random calls made to the real and to the simulated kernel, and compared.
 * See differential.c.
 */
#ifndef TESTS_SUPPORT_DIFFERENTIAL_H
#define TESTS_SUPPORT_DIFFERENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#define DIFFERENTIAL_STEPS  2000 /* calls in one round, at most */
#define DIFFERENTIAL_WINDOW 300 /* pages that most calls are about */
#define DIFFERENTIAL_FILES  4

enum differential_kind {
	STEP_MAP,
	STEP_UNMAP,
	STEP_PROTECT,
	STEP_ADVISE,
	STEP_SYNC,
	STEP_NAME,
	/* Those of differential_objects.c. */
	STEP_ALLOCATE,
	STEP_TRUNCATE,
	STEP_POLICY,
	STEP_LOCK,
	STEP_MOVE,
	STEP_TOUCH
};

/* What an address is relative to. */
enum differential_place { PLACE_WINDOW, PLACE_ELSEWHERE, PLACE_ABSOLUTE };

struct differential_step {
	enum differential_kind kind;
	enum differential_place place;
	uint32_t which; /* of the mappings that the kernel put elsewhere */
	int64_t address; /* bytes from the place */
	uint64_t size;
	int prot; /* or advice, or flags of msync */
	int flags;
	int file; /* -1 none, else which of the test's files */
	uint64_t offset; /* in the file; of STEP_MOVE: where in the window; of STEP_POLICY: nodes */
	bool skipped; /* taken out by the shrinker */
};

struct differential_scenario {
	const char *name;
	bool objects; /* descriptors, policies, locked memory, moves, guards, and pages compared */
	bool dense; /* few pages, often written: anon_vmas decide what merges */
	uint64_t address_room; /* RLIMIT_AS lets this many bytes more be mapped; 0 = no limit */
	uint64_t mapping_room; /* so many mappings below max_map_count; 0 = far away from it */
};

struct differential_round {
	struct differential_step steps[DIFFERENTIAL_STEPS];
	uint32_t count;
	uint32_t compare_every; /* steps between comparisons of the whole maps */
	/* Results, written by the child. */
	bool finished;
	bool failed;
	uint32_t failed_at;
	uint32_t refused; /* steps that both kernels refused */
	uint32_t exhausted; /* of these, by an advice that ran out of mappings: -EAGAIN */
	char message[512];
};

/* Shared with children: made once. NULL when there is no memory. */
struct differential_round *differential_new(void);
void differential_generate(struct differential_round *round, uint64_t seed,
			   const struct differential_scenario *scenario, uint32_t count);
/* Runs the round in a child process. False: the two kernels differ, or the child died. */
bool differential_run(struct differential_round *round,
		      const struct differential_scenario *scenario);
/* Takes out what is not needed for the failure, and prints what is left. */
void differential_shrink(struct differential_round *round,
			 const struct differential_scenario *scenario);
/* Whether max_map_count is low enough to be met in a test. */
bool differential_can_fill(void);
/* Why this machine cannot be compared; NULL when it can. */
const char *differential_obstacle(void);

#endif
