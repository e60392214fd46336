/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds and cases as words on a command line, for programs that "alloc" starts. */
#ifndef VASBENCH_ALLOC_SPAWN_H
#define VASBENCH_ALLOC_SPAWN_H

#include "alloc.h"
#include "worker.h"

#define ALLOC_CASE_TEXT 160

void alloc_case_write(const struct alloc_case *shape, char text[ALLOC_CASE_TEXT]);
int alloc_case_read(const char *text, struct alloc_case *shape);
/* NULL: none is called so. */
const struct alloc_kind *alloc_kind_named(const char *name);

/* A worker that has the kind and the case, in a program of its own if the kind needs that. */
int alloc_spawn(struct worker *worker, const struct alloc_kind *kind,
		const struct alloc_case *shape);

#endif
