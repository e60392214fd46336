/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that has one file, of given bytes, whatever path is opened. Reads
 * give as much as chunk says: all that is asked, a fixed number of bytes, whole
 * lines up to a page as Linux does for maps, or random pieces. All other operations
 * answer -ENOSYS.
 */
#ifndef TESTS_SUPPORT_MEMORY_FILE_H
#define TESTS_SUPPORT_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "sys/sys.h"

enum memory_file_chunk {
	MEMORY_FILE_ALL,
	MEMORY_FILE_FIXED,
	MEMORY_FILE_LINES,
	MEMORY_FILE_RANDOM
};

struct memory_file {
	struct vas_sys sys;
	const uint8_t *bytes;
	size_t size;
	size_t position;
	enum memory_file_chunk chunk;
	size_t fixed; /* bytes of a FIXED read */
	uint64_t random; /* state of RANDOM */
	unsigned int opened; /* descriptors open now */
	unsigned int reads; /* so far */
	unsigned int fail_at; /* the read that fails with error, from 1; 0 = none */
	int error; /* negative */
	int open_error; /* negative: opening fails with it */
	int seek_error; /* negative: seeking fails with it */
};

void memory_file_init(struct memory_file *file, const void *bytes, size_t size,
		      enum memory_file_chunk chunk);

#endif
