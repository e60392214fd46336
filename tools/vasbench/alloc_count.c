/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions instead of times: they are the same in every run, whatever else the machine does.
 *
 * Each row is this program under valgrind, which counts the instructions of one function and all
 * that it calls, alloc_counted: batches of the same pairs that are timed otherwise. Drawing
 * requests and setting up are outside of it. What the harness itself needs is the row of the
 * null allocator, and is taken off.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_load.h"
#include "alloc_spawn.h"

#define SPAN	(32ull << 30) /* as much as valgrind leaves room for */
#define BATCHES 16u

void alloc_counted(struct alloc_thread *thread); /* valgrind knows it by this name */

__attribute__((noinline)) void alloc_counted(struct alloc_thread *thread)
{
	alloc_batch_run(thread);
	__asm__ __volatile__(""); /* no tail call: it would end before the batch */
}

int alloc_count_main(const char *kind, const char *shape)
{
	struct alloc_case read = { 0 };
	struct alloc_load *load;

	if (!alloc_kind_named(kind) || alloc_case_read(shape, &read) ||
	    alloc_load_open(alloc_kind_named(kind), &read, &load))
		return 2;
	for (unsigned int i = 0; i < BATCHES; i++) {
		alloc_batch_draw(&load->threads[0]);
		alloc_counted(&load->threads[0]);
	}
	return load->threads[0].err ? 2 : 0;
}

static void count_exec(const struct alloc_kind *kind, const char *text, int output)
{
	char path[512];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(1);
	path[length] = '\0';
	execlp("valgrind", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
	       "--toggle-collect=alloc_counted", path, "--alloc-count", kind->name, text,
	       (char *)NULL);
	_exit(127);
}

/* What valgrind says of it: "Collected : N", after the last of its lines' numbers. */
static int count_read(FILE *file, double *collected)
{
	char line[512];
	int err = -EPROTO;

	while (fgets(line, sizeof(line), file)) {
		const char *found = strstr(line, "Collected :");

		if (!found)
			continue;
		*collected = strtod(found + strlen("Collected :"), NULL);
		err = 0;
	}
	return err;
}

/* Instructions of a pair. -ENOPKG: no valgrind. */
static int count_row(const struct alloc_kind *kind, const struct alloc_case *shape, double *count)
{
	char text[ALLOC_CASE_TEXT];
	int ends[2], status = -1, err;
	FILE *file;
	pid_t child;

	alloc_case_write(shape, text);
	fflush(stdout);
	if (pipe(ends))
		return -errno;
	child = fork();
	if (child == 0)
		count_exec(kind, text, ends[1]);
	close(ends[1]);
	file = fdopen(ends[0], "r");
	err = child < 0 || !file ? -ENOMEM : count_read(file, count);
	if (file)
		fclose(file);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0 || !WIFEXITED(status))
		return -ECHILD;
	if (WEXITSTATUS(status) == 127)
		return -ENOPKG;
	return WEXITSTATUS(status) ? -EPROTO : err;
}

static int count_group(struct group_context *group, const char *name,
		       const struct alloc_case *shape)
{
	static const struct alloc_kind *const kinds[] = { &alloc_null, &alloc_yardstick,
							  &alloc_blocks, &alloc_region };
	struct figure figure = { .unit = "instructions" };
	double harness = 0, count = 0;

	output_title(group->output, name);
	for (unsigned int i = 0; i < 4; i++) {
		int err = count_row(kinds[i], shape, &count);

		if (err)
			return err;
		figure.name = kinds[i]->name;
		count /= (double)BATCHES * alloc_load_batch(shape);
		figure.value = count - harness;
		if (i == 0)
			harness = count;
		output_figure(group->output, name, &figure);
	}
	return 0;
}

int alloc_part_instructions(struct group_context *group)
{
	static const struct {
		const char *name;
		struct alloc_case shape;
	} cases[] = {
		{ "pair, random replace, 1,000 live", { .live = 1000, .span = SPAN } },
		{ "pair, random replace, 20,000 live", { .live = 20000, .span = SPAN } },
		{ "pair, mixed alignments, 20,000 live",
		  { .live = 20000, .span = SPAN, .mixed = true } },
		{ "pair, last in, first out, 20,000 live",
		  { ALLOC_LIFO, .live = 20000, .span = SPAN } },
		{ "pair, freed at once, 20,000 live", { ALLOC_PAIR, .live = 20000, .span = SPAN } },
		{ "pair, half of all freed, then allocated, 20,000 live",
		  { ALLOC_BURST, .live = 20000, .span = SPAN } },
	};
	unsigned int count = group->output->quick ? 1 : sizeof(cases) / sizeof(cases[0]);
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = count_group(group, cases[i].name, &cases[i].shape);
	if (err == -ENOPKG)
		output_note(group->output, "valgrind is not installed: nothing is counted");
	else if (err)
		fprintf(stderr, "vasbench: alloc: instructions: error %d\n", -err);
	return err == -ENOPKG ? 0 : err;
}
