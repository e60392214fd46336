/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc over a region against jemalloc over mmap: time, and kernel mappings.
 * With the decay of dirty pages as it comes, and with none, where every extent that is freed
 * is purged or given back at once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "churn.h"
#include "region.h"

#define ROWS 5u

static const struct churn_row {
	const char *name;
	enum churn_source source;
	const char *settings;
	double bound;
} churn_rows[ROWS] = {
	{ "mmap", CHURN_MMAP, "", 0 },
	{ "mmap, retain:false", CHURN_MMAP, "retain:false", 0 },
	{ "region, kept by jemalloc", CHURN_KEEP, "", 1.05 },
	{ "region, given back, warm", CHURN_CACHE, "", 0 },
	{ "region, given back", CHURN_GIVE, "", 0 },
};

/* What a region cannot go below: what is committed, and the rest of its span. */
#define LEAST 2u

static void churn_note(struct group_context *group, const struct worker *workers)
{
	uint64_t vmas[ROWS] = { 0 }, bytes[ROWS] = { 0 };

	for (unsigned int i = 0; i < ROWS; i++)
		if (worker_run(&workers[i], CHURN_VMAS, 0, &vmas[i]) ||
		    worker_run(&workers[i], CHURN_BYTES, 0, &bytes[i]))
			return;
	for (unsigned int i = 0; i < ROWS; i++)
		output_note(group->output, "%-26s at most %5u kernel mappings for %u MiB",
			    churn_rows[i].name, (unsigned int)vmas[i], (unsigned int)(bytes[i] >> 20));
	output_note(group->output, "no more than with mmap, and a tenth of retain:false or %u: %s", LEAST,
		    vmas[2] <= vmas[0] && (vmas[2] <= LEAST || vmas[2] * 10 <= vmas[1]) ? "yes" : "NO");
}

static int churn_measure(struct group_context *group, const char *name, unsigned int batch,
			 const struct worker *workers)
{
	struct worker_row rows[ROWS];
	struct contender contenders[ROWS];
	unsigned int failed = 0;
	int err;

	for (unsigned int i = 0; i < ROWS; i++) {
		rows[i] = (struct worker_row){ &workers[i], CHURN_OP, 0 };
		contenders[i] = (struct contender){ churn_rows[i].name, worker_row_run, &rows[i],
						    .batch = batch, .bound = churn_rows[i].bound,
						    .spent = &rows[i].spent };
	}
	err = measure(contenders, ROWS, group->rounds, &failed);
	if (err) {
		fprintf(stderr, "vasbench: %s: %s: error %d\n", name, contenders[failed].name, -err);
		return err;
	}
	output_group(group->output, name, contenders, ROWS);
	churn_note(group, workers);
	return 0;
}

/* -ENOPKG where there is no jemalloc. */
static int churn_case(struct group_context *group, const char *name, const char *decay,
		      unsigned int batch)
{
	struct worker workers[ROWS];
	unsigned int started;
	int err = 0;

	for (started = 0; started < ROWS && !err; started++) {
		const struct churn_row *row = &churn_rows[started];
		char settings[128];

		snprintf(settings, sizeof(settings), "%s%s%s", decay,
			 *decay && *row->settings ? "," : "", row->settings);
		err = churn_start(&workers[started], row->source, settings);
	}
	if (err)
		started--;
	else
		err = churn_measure(group, name, batch, workers);
	while (started-- > 0)
		worker_stop(&workers[started]);
	return err;
}

int bench_churn(struct group_context *group)
{
	int err = churn_case(group, "jemalloc, churn", "", 2000);

	if (!err)
		err = churn_case(group, "jemalloc, churn, no decay",
				 "dirty_decay_ms:0,muzzy_decay_ms:0", 200);
	if (err == -ENOPKG)
		output_note(group->output, "jemalloc is not installed: not measured");
	else if (err)
		fprintf(stderr, "vasbench: jemalloc: error %d\n", -err);
	return err == -ENOPKG ? 0 : err;
}
