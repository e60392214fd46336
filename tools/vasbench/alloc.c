/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark "alloc": its parts in order, and how a group of rows is measured.
 *
 * Every row is a worker process: its allocator has its own memory and is all that it has. Rows are
 * compared with the yardstick, which is the first row of each group as a rule.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc_load.h"
#include "alloc_spawn.h"

/* The workers of a group, and what each row asks of which. */
struct team {
	struct worker workers[ALLOC_ROWS];
	const struct alloc_kind *kinds[ALLOC_ROWS];
	unsigned int count;
	struct worker_row rows[ALLOC_ROWS];
	struct contender contenders[ALLOC_ROWS];
	unsigned int which[ALLOC_ROWS]; /* contender of a row; ALLOC_ROWS: none */
	unsigned int contender_count;
};

static int team_worker(struct team *team, const struct alloc_row *rows, unsigned int i)
{
	int err;

	if (i > 0 && rows[i].kind == rows[i - 1].kind && rows[i].shape == rows[i - 1].shape)
		return team->which[i - 1] == ALLOC_ROWS ? -ENOPKG : 0;
	err = alloc_spawn(&team->workers[team->count], rows[i].kind, rows[i].shape);
	if (!err)
		team->kinds[team->count++] = rows[i].kind;
	return err;
}

static int team_row(struct team *team, const struct alloc_row *rows, unsigned int i)
{
	const struct alloc_row *row = &rows[i];
	unsigned int index = team->contender_count;
	int err = team_worker(team, rows, i);

	team->which[i] = ALLOC_ROWS;
	if (err)
		return err;
	team->rows[index] = (struct worker_row){ &team->workers[team->count - 1], row->op, 0 };
	team->contenders[index] = (struct contender){
		row->name ? row->name : row->kind->name,
		worker_row_run,
		&team->rows[index],
		.batch =
			row->op < ALLOC_OP_DELAYS ? alloc_load_pairs(row->shape) : ALLOC_DELAY_UNIT,
		.base = team->which[row->base < i ? row->base : i] == ALLOC_ROWS
				? index
				: team->which[row->base],
		.bound = row->bound,
		.bound_ns = row->bound_ns,
		.spent = &team->rows[index].spent,
	};
	team->which[i] = team->contender_count++;
	return 0;
}

static void team_stop(struct team *team)
{
	while (team->count > 0)
		worker_stop(&team->workers[--team->count]);
}

static int team_start(struct team *team, struct group_context *group, const char *name,
		      const struct alloc_row *rows, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int err = team_row(team, rows, i);

		if (err == -ENOPKG) {
			output_note(group->output, "%s is not installed: not measured in \"%s\"",
				    rows[i].kind->name, name);
		} else if (err) {
			fprintf(stderr, "vasbench: %s: %s: error %d\n", name, rows[i].kind->name,
				-err);
			return err;
		}
	}
	return 0;
}

/* What was refused while it was measured: it made the task easier. */
static void team_refused(struct team *team, struct group_context *group)
{
	uint64_t failed;

	for (unsigned int i = 0; i < team->count; i++)
		if (worker_run(&team->workers[i], ALLOC_OP_FAILED, 0, &failed) == 0 && failed)
			output_note(group->output, "%s: %.3f %% refused", team->kinds[i]->name,
				    100.0 * (double)failed / (1 << 20));
}

static int team_measure(struct team *team, struct group_context *group, const char *name)
{
	unsigned int failed = 0;
	int err = measure(team->contenders, team->contender_count, group->rounds, &failed);

	if (err) {
		fprintf(stderr, "vasbench: %s: %s: error %d\n", name, team->contenders[failed].name,
			-err);
		return err;
	}
	output_group(group->output, name, team->contenders, team->contender_count);
	return 0;
}

int alloc_group(struct group_context *group, const char *name, const struct alloc_row *rows,
		unsigned int count, struct contender *results)
{
	struct team team = { .count = 0 };
	int err = team_start(&team, group, name, rows, count);

	if (!err)
		err = team_measure(&team, group, name);
	if (!err && rows[0].shape->shape != ALLOC_REFUSED)
		team_refused(&team, group);
	team_stop(&team);
	for (unsigned int i = 0; i < count && results && !err; i++)
		results[i] = team.which[i] == ALLOC_ROWS ? (struct contender){ .ns = 0 }
							 : team.contenders[team.which[i]];
	return err;
}

static const struct group_part parts[] = {
	{ "random", alloc_part_random },   { "aligned", alloc_part_aligned },
	{ "order", alloc_part_order },	   { "windows", alloc_part_windows },
	{ "threads", alloc_part_threads }, { "delay", alloc_part_delay },
	{ "packing", alloc_part_packing }, { "books", alloc_part_books },
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

int bench_alloc(struct output *output, unsigned int rounds)
{
	static const struct group_part counted = { "instructions", alloc_part_instructions };
	struct group_context group = { output, rounds };

	if (output->instructions)
		return group_parts(&group, "alloc", &counted, 1);
	return group_parts(&group, "alloc", parts, PARTS);
}
