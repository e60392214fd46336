/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of the fault tests: one public call, made to fail at its first
 * kernel call, then at its second, and so on until nothing failed any more;
 * for each errno, once and persistently, over all operations and over each
 * kind of them. After every run the state is compared.
 *
 * A scenario says how the call is made. It begins with a space of its own over
 * the faulting table, the recorder and the real kernel, with one span reserved
 * and partly committed in it (unless it is cold), and ends with all of it given back.
 */
#ifndef TESTS_SUPPORT_FAULT_LOOP_H
#define TESTS_SUPPORT_FAULT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/vaspace.h>

#include "support/recorder.h"
#include "sys/fault.h"
#include "tap/tap.h"

#define FAULT_FOREIGN 96u /* mappings that a scenario puts in the way */
#define FAULT_BASE_PAGES 64u

struct fault_world;

struct fault_scenario {
	const char *name;
	const char *function; /* only rows of its errno table are accepted */
	int clean; /* what the call answers when nothing fails */
	bool cold; /* nothing was called before: the space is made by the call */
	const char *also; /* an operation that fails too, all along; NULL = none */
	bool twice; /* also with every call of one kind failing after the first that failed */
	bool brief; /* each call fails with one errno, not with all: a run costs much */
	bool partial; /* a refusal may leave some pages with the new protection, and others not */
	bool late; /* what a child does may come to nothing where nothing failed: it took too long */
	unsigned int shed; /* pages beside the books that a child without its copy gives back */
	unsigned int stride; /* only every so many calls fails, from the 64th on; 0 = each */
	void (*setup)(struct fault_world *world); /* once a run, nothing fails; may be NULL */
	void (*prepare)(struct fault_world *world); /* before each call: options and outputs */
	int (*call)(struct fault_world *world); /* must touch outputs only through the library */
	void (*undo)(struct fault_world *world); /* after a success: gives back what it gave */
	void (*finish)(struct fault_world *world); /* the reverse of setup */
};

/* What calls write; compared byte by byte after a failure. */
union fault_out {
	struct vas_span span;
	struct vas_mapping mapping;
	struct vas_gap gap;
	struct vas_window window;
	struct vas_report report;
	struct vas_stats stats;
	struct vas_ledger_entry entry;
	struct vas_probe_info probe;
	struct vas_setting setting;
	struct vas_pressure pressure;
	struct vas_layout *layout;
	uint64_t number;
	unsigned char bytes[512];
};

struct fault_world {
	const struct fault_scenario *scenario;
	struct recorder recorder;
	struct vas_sys_fault also; /* over the recorder */
	struct vas_sys_fault fault; /* over that */
	uint64_t page;
	struct vas_span base; /* reserved, pages 2-5 and 8-9 committed; size 0 = none */
	struct vas_span more[4]; /* for the scenario */
	union fault_out out;
	struct vas_reserve_opts opts;
	struct vas_commit_opts commit;
	struct vas_layout_opts layout_opts;
	struct vas_limits limits;
	const struct vas_limits *list[1];
	struct vas_span holes[256];
	struct vas_layout *layout;
	uint64_t size; /* asked for */
	struct vas_span window; /* filled by fault_crowd */
	struct vas_span hole; /* in it */
	char line[512];
};

/* Runs a scenario in a case of its own; counts into the figures. */
void fault_scenario_run(const struct fault_scenario *scenario);
/* All of a list; with VASPACE_TEST_ONLY those whose name has that in it. */
void fault_list_run(const struct fault_scenario *list, size_t count);
/* An array's. */
#define FAULT_LIST_RUN(list) fault_list_run(list, sizeof(list) / sizeof((list)[0]))

/*
 * Points and figures over all scenarios so far: injected faults, and the call
 * sites that failed at least once, of those whose file wanted accepts.
 */
void fault_sites_report(bool (*wanted)(const char *file));

/*
 * For the call of a scenario: forks by hand with what fails now failing, in the child too, whose answer must be a
 * row of the scenario's function. The child looks at the answer with look, nothing failing any more, and at
 * its books; its faults and call sites count. Returns 0.
 */
int fault_fork(struct fault_world *world, void (*look)(struct fault_world *world, int answer));
/* For what is not tested: a scenario cannot go on without it. */
static inline void must(int err, const char *what)
{
	if (err)
		tap_bail("%s: %d", what, err);
}
/* Somebody listens to every change, and agrees to it; and no more. Nothing fails meanwhile. */
void fault_watch(void);
void fault_unwatch(void);
/* A point that failed, in either. */
void fault_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For scenarios: a window in which everything is mapped but one hole (0 = none) of so many pages. */
void fault_crowd(struct fault_world *world, unsigned int hole_pages);
void fault_uncrowd(struct fault_world *world);
/* Asks for 16 pages clear of so many holes that their union needs mapped memory. */
void fault_many_holes(struct fault_world *world);

/* Of the layout functions: fault_layouts.c. */
extern const struct fault_scenario fault_layouts[];
extern const size_t fault_layout_count;
/* Of adoption and notices: fault_notices.c. */
extern const struct fault_scenario fault_notices[];
extern const size_t fault_notice_count;
/* Of forks, for a test of its own: fault_forks.c. */
extern const struct fault_scenario fault_forks[];
extern const size_t fault_fork_count;
/* Of forks with arenas: fault_arena_forks.c. */
extern const struct fault_scenario fault_arena_forks[];
extern const size_t fault_arena_fork_count;
/* Of park, for a test of its own: fault_park.c. */
extern const struct fault_scenario fault_parks[];
extern const size_t fault_park_count;

#endif
