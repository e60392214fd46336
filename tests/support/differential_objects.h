/* SPDX-License-Identifier: BSD-2-Clause */
/* The differential test's objects: descriptors, their calls, and which pages hold bytes. */
#ifndef TESTS_SUPPORT_DIFFERENTIAL_OBJECTS_H
#define TESTS_SUPPORT_DIFFERENTIAL_OBJECTS_H

#include "support/differential.h"
#include "sys/sim.h"

struct differential_objects {
	/* The same object in both worlds, by the step's file number. */
	int real[DIFFERENTIAL_FILES];
	int simulated[DIFFERENTIAL_FILES];
	int pagemap;
	int zero;
};

/* The first two are files without end, the third can be changed, the fourth only read. */
bool objects_open(struct differential_objects *objects, struct vas_sys_sim *sim);
/* Steps STEP_ALLOCATE to STEP_TOUCH. target: where STEP_MOVE goes. */
int64_t objects_real(struct differential_objects *objects, const struct differential_step *step,
		     uint64_t address, uint64_t target);
int64_t objects_simulated(struct differential_objects *objects, struct vas_sys_sim *sim,
			  const struct differential_step *step, uint64_t address, uint64_t target);
/* Compares the objects, and each page of [start, end). False, with a message: they differ. */
bool objects_compare(struct differential_objects *objects, struct vas_sys_sim *sim, uint64_t start,
		     uint64_t end, char *message, size_t size);

#endif
