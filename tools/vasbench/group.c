/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of a benchmark, and a group of rows measured in a child process. The child counts its rows in a
 * shared page, from which they are taken over.
 */
#include "group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "layouts.h"

/* "grow" asks for "grow" and for all that is called "grow-" and more. */
static bool part_wanted(const struct group_context *group, const struct group_part *part)
{
	const char *only = group->output->only;
	size_t length = only ? strlen(only) : 0;

	if (!only)
		return true;
	return strncmp(part->name, only, length) == 0 &&
	       (part->name[length] == '-' || part->name[length] == '\0');
}

int group_parts(struct group_context *group, const char *benchmark, const struct group_part *parts,
		unsigned int count)
{
	bool known = false;
	int err = 0;

	for (unsigned int i = 0; i < count; i++)
		known |= part_wanted(group, &parts[i]);
	if (!known) {
		fprintf(stderr, "vasbench: %s has no part %s\n", benchmark, group->output->only);
		return -EINVAL;
	}
	output_begin(group->output, benchmark, group->rounds);
	for (unsigned int i = 0; i < count && !err; i++)
		if (part_wanted(group, &parts[i]))
			err = parts[i].run(group);
	output_end(group->output);
	return err;
}

struct child {
	int (*function)(void *context);
	void *context;
	struct output *output;
	struct output *shared;
};

static int child_run(void *context)
{
	struct child *child = context;
	int err = child->function(child->context);

	*child->shared = *child->output;
	return err;
}

int group_in_child(struct group_context *group, int (*function)(void *), void *context)
{
	struct output *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct child child = { function, context, group->output, shared };
	int err;

	if (shared == MAP_FAILED)
		return -errno;
	err = in_child(child_run, &child);
	if (!err)
		*group->output = *shared;
	munmap(shared, sizeof(*shared));
	return err;
}
