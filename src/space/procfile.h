/* SPDX-License-Identifier: BSD-2-Clause */
/* Small text files that the kernel writes: as a whole, or line by line. */
#ifndef VAS_SPACE_PROCFILE_H
#define VAS_SPACE_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/sys.h"

/* A file that holds one decimal number; -EBADMSG when it begins with anything else ("max"), or cannot be read. */
int vas_procfile_number(struct vas_sys *sys, const char *path, uint64_t *value);
/*
 * The number after a key at the beginning of a line, as in "VmLck:     64 kB".
 * The key has its colon. False when the line is another one.
 */
bool vas_procfile_field(const char *line, size_t length, const char *key, uint64_t *value);

struct vas_procfile_lines {
	struct vas_sys *sys;
	int fd;
	char *buffer; /* lent */
	size_t capacity;
	size_t begin, end; /* I: begin <= end < capacity: room for a NUL */
	bool at_end;
	bool skipping; /* the rest of a line that was too long is being dropped */
};

int vas_procfile_open(struct vas_procfile_lines *lines, struct vas_sys *sys, const char *path,
		      char *buffer, size_t capacity);
/*
 * The next line without its newline, NUL-terminated, valid until the next
 * call. A line longer than the buffer is cut. False at the end and on errors.
 */
bool vas_procfile_next(struct vas_procfile_lines *lines, char **line, size_t *length);
void vas_procfile_close(struct vas_procfile_lines *lines);

#endif
