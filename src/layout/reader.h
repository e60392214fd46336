/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming reader of a maps file: no allocation, no mapping while it reads.
 *
 * The kernel hands out whole lines, at most a page at a time; saved files and
 * small buffers split lines: the tail is carried to the front of the buffer.
 * A short read is not the end: only a read of 0 bytes is. What is told
 * ascends and never overlaps:
 *
 *  - a line that starts below the end of the one before and ends above it is
 *    what Linux writes when a mapping grew between two reads: it is told from
 *    that end on;
 *  - an exact repeat of the last line is dropped;
 *  - anything else that goes back is refused (-EBADMSG) with its line number.
 *
 * A line longer than the buffer is told with its name cut (VAS_MAPPING_CLIPPED).
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
	size_t end; /* I: begin <= end < capacity: one byte is kept for a final NUL */
	uint32_t line; /* number of the line read last, from 1 */
	uint64_t last_start, last_end; /* I: ascending */
	bool foreign; /* another process, which may end while it is read */
	bool skipping; /* the rest of a line that was longer than the buffer is still to come */
	bool at_end; /* the file said so, or error is set */
	int error; /* sticky, negative errno */
};

/*
 * path: "/proc/self/maps", "/proc/PID/maps" or a file. -EINVAL for a buffer
 * below VAS_READER_BUFFER_MIN; else -ENOENT, -ESRCH, -EACCES, -EPERM, -EMFILE,
 * -ENFILE, -ENOMEM, -ENOSYS, -EISDIR, -ELOOP, -ENAMETOOLONG, -ENOTDIR or
 * -EOVERFLOW as open(2), and -EIO for whatever else it answers.
 */
int vas_reader_open(struct vas_reader *reader, struct vas_sys *sys, const char *path, char *buffer,
		    size_t capacity);
/* pid 0 = self. -ESRCH for a pid that is gone, told apart from a /proc that is not there (-ENOENT). */
int vas_reader_open_process(struct vas_reader *reader, struct vas_sys *sys, int pid, char *buffer,
			    size_t capacity);
/*
 * 1 with *mapping filled, 0 at the end, or -errno with *mapping untouched, as
 * vas_layout_next. Once failed, it answers the same until it is rewound.
 */
int vas_reader_next(struct vas_reader *reader, struct vas_mapping *mapping);
/* Back to the first line. On failure the reader stays failed. */
int vas_reader_rewind(struct vas_reader *reader);
/* Tells nothing more until it is rewound. */
void vas_reader_stop(struct vas_reader *reader);
/* Closing twice is harmless. */
void vas_reader_close(struct vas_reader *reader);

#endif
