/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming reader of a maps file: no allocation, no mapping while it reads.
 *
 * The kernel hands out whole lines, at most a page at a time; saved files and
 * small buffers split lines: the tail is carried to the front of the buffer.
 * A short read is not the end: only a read of 0 bytes is. Ranges must ascend
 * and not overlap; what does not is refused (-EBADMSG) with its line number,
 * except that an exact repeat of the last range, which a moving process can
 * produce, is dropped.
 */
#ifndef VAS_LAYOUT_READER_H
#define VAS_LAYOUT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/layout.h>

#include "sys/sys.h"

#define VAS_READER_BUFFER_MIN 4096

struct vas_reader {
	struct vas_sys *sys;
	int fd; /* -1 = closed */
	char *buffer; /* lent by the caller */
	size_t capacity; /* I: >= VAS_READER_BUFFER_MIN */
	size_t begin; /* unread bytes are [begin, end) */
	size_t end; /* I: begin <= end <= capacity */
	uint32_t line; /* number of the line read last, from 1 */
	uint64_t last_start, last_end; /* I: ascending */
	bool at_end;
	int error; /* sticky, negative errno */
};

/* path: "/proc/self/maps", "/proc/PID/maps" or a file. -errno of open(2); -ESRCH for a pid that is gone. */
int vas_reader_open(struct vas_reader *reader, struct vas_sys *sys, const char *path, char *buffer,
		    size_t capacity);
/* pid 0 = self. */
int vas_reader_open_process(struct vas_reader *reader, struct vas_sys *sys, int pid, char *buffer,
			    size_t capacity);
/* 1, 0 or -errno, as vas_layout_next. */
int vas_reader_next(struct vas_reader *reader, struct vas_mapping *mapping);
int vas_reader_rewind(struct vas_reader *reader);
void vas_reader_close(struct vas_reader *reader);

#endif
