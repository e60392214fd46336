/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A group of rows measured in a child process. The child counts its rows in a
 * shared page, from which they are taken over.
 */
#include "group.h"

#include <errno.h>
#include <sys/mman.h>

#include "layouts.h"

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
