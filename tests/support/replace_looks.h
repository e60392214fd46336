/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches of live pages in tests on the real kernel. */
#ifndef TESTS_SUPPORT_REPLACE_LOOKS_H
#define TESTS_SUPPORT_REPLACE_LOOKS_H

#include <vaspace/vaspace.h>

#include "tap/tap.h"

static inline struct vas_replace *prepare(struct vas_replace_part *parts, size_t count)
{
	struct vas_replace *replace = NULL;
	int err = vas_replace_prepare(parts, count, &replace);

	if (err)
		tap_bail("not prepared: %d", err);
	return replace;
}

#endif
