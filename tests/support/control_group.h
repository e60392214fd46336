/* SPDX-License-Identifier: BSD-2-Clause */
/* A control group of a test's own, of either version: some memory, or huge pages of 2 MiB, and no more. */
#ifndef TESTS_SUPPORT_CONTROL_GROUP_H
#define TESTS_SUPPORT_CONTROL_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control_group {
	char path[512];
	const char *limit_file;
	char passed_on[512]; /* where the controller was passed on for it; "" = nowhere */
};

/*
 * Makes one for "memory" or "hugetlb" below this process's, or above it where the controller is passed on. A hierarchy that passes on no hugetlb is
 * told to until control_group_remove: hold the suites' lock (huge_pool_take).
 */
bool control_group_make(struct control_group *group, const char *controller, uint64_t bytes);
/* This process is in it from now on. */
bool control_group_enter(const struct control_group *group);
bool control_group_limit(const struct control_group *group, uint64_t bytes);
/* What one of its files says. */
bool control_group_read(const struct control_group *group, const char *file, char *text, size_t size);
/* Nobody is in it any more. */
bool control_group_remove(struct control_group *group);

#endif
