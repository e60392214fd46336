/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that has files and limits and nothing else: open, read, close and
 * get_limit answer from tables, all other operations answer -ENOSYS. For tests of
 * what reads /proc and control groups, under settings that this machine has not.
 */
#ifndef TESTS_SUPPORT_FAKE_FILES_H
#define TESTS_SUPPORT_FAKE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "sys/sys.h"

struct fake_file {
	const char *path;
	const char *text;
};

struct fake_limit {
	int resource;
	uint64_t current;
};

#define FAKE_DESCRIPTORS 4

struct fake_files {
	struct vas_sys sys;
	const struct fake_file *files; /* up to an entry without a path */
	const struct fake_limit *limits; /* up to an entry with resource -1; NULL = all unlimited */
	size_t chunk; /* bytes that one read gives at most */
	unsigned int opened; /* descriptors open now */
	unsigned int opens; /* files opened so far */
	unsigned int fail_read_at; /* the read that fails with -EIO, from 1; 0 = none */
	unsigned int reads;
	struct {
		const char *rest; /* NULL = closed */
	} descriptors[FAKE_DESCRIPTORS];
};

void fake_files_init(struct fake_files *fake, const struct fake_file *files);

#endif
