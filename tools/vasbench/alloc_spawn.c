/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers that hold a load. Most are forked. An allocator that replaces malloc is preloaded into
 * a program of its own, so that nothing else has it; that program is this one again, told what
 * to do by words.
 */
#include "alloc_spawn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alloc_load.h"

/* What a worker needs to make a load of. */
struct task {
	const struct alloc_kind *kind;
	const struct alloc_case *shape;
	struct alloc_load *load;
};

static int task_prepare(void *context)
{
	struct task *task = context;

	return alloc_load_open(task->kind, task->shape, &task->load);
}

static int task_run(void *context, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct task *task = context;

	return alloc_load_run(task->load, op, count, spent);
}

void alloc_case_write(const struct alloc_case *shape, char text[ALLOC_CASE_TEXT])
{
	snprintf(text, ALLOC_CASE_TEXT,
		 "%d %" PRIu32 " %" PRIu64 " %d %d %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64,
		 (int)shape->shape, shape->live, shape->span, shape->mixed, shape->uneven,
		 shape->window, shape->threads, shape->size, shape->alignment);
}

int alloc_case_read(const char *text, struct alloc_case *shape)
{
	int kind, mixed, uneven;
	int got = sscanf(text,
			 "%d %" SCNu32 " %" SCNu64 " %d %d %" SCNu64 " %" SCNu32 " %" SCNu64
			 " %" SCNu64,
			 &kind, &shape->live, &shape->span, &mixed, &uneven, &shape->window,
			 &shape->threads, &shape->size, &shape->alignment);

	shape->shape = (enum alloc_shape)kind;
	shape->mixed = mixed;
	shape->uneven = uneven;
	return got == 9 ? 0 : -EINVAL;
}

const struct alloc_kind *alloc_kind_named(const char *name)
{
	static const struct alloc_kind *const kinds[] = {
		&alloc_null,	 &alloc_yardstick,	 &alloc_blocks,	  &alloc_region,
		&alloc_jemalloc, &alloc_jemalloc_cached, &alloc_mimalloc,
	};

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

int alloc_spawn(struct worker *worker, const struct alloc_kind *kind,
		const struct alloc_case *shape)
{
	struct task task = { kind, shape, NULL };
	struct worker_job job = { task_prepare, task_run, &task };
	char name[64], text[ALLOC_CASE_TEXT], preload[64], setting[256];
	char *arguments[] = { (char[]){ "vasbench" }, (char[]){ "--alloc-worker" }, name, text,
			      NULL };
	char *environment[] = { preload, kind->setting ? setting : NULL, NULL };

	if (!kind->preload)
		return worker_start(worker, &job);
	snprintf(name, sizeof(name), "%s", kind->name);
	snprintf(preload, sizeof(preload), "%s", kind->preload);
	snprintf(setting, sizeof(setting), "%s", kind->setting ? kind->setting : "");
	alloc_case_write(shape, text);
	return worker_spawn(worker, arguments, environment);
}

int alloc_worker_main(const char *kind, const char *shape)
{
	struct alloc_case read = { 0 };
	struct task task = { alloc_kind_named(kind), &read, NULL };
	struct worker_job job = { task_prepare, task_run, &task };

	if (!task.kind || alloc_case_read(shape, &read))
		return 2;
	return worker_serve(&job, WORKER_COMMANDS, WORKER_ANSWERS) ? 2 : 0;
}
