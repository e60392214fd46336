/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The streaming reader of maps files.
 *
 * What for: every walk over all mappings - listings, gaps, the search that
 * found reading cheaper than asking. It must work below malloc, so it lives in
 * a buffer that the caller lends and changes no mapping: what is read would
 * otherwise move under the reader.
 *
 * Strategy: one buffer of unread bytes [begin, end). A line is taken from it
 * when its newline is there; else the tail moves to the front and one read
 * appends to it. Linux hands out whole lines and at most a page of them, so in
 * the common case the buffer is empty when it is filled and nothing moves. The
 * newline in the buffer becomes the NUL behind the name, which is told in place.
 *
 * A process that ends while it is read gives end of file, not an error, once
 * its memory is gone; so at the end of another process's mappings the first
 * byte is read again, which is there exactly when the process still is.
 *
 * Concurrency: one reader belongs to one thread. The process that is read goes
 * on changing; see reader.h for what that does to the lines.
 *
 * Not done here: the grammar of a line (core/maps_line.c), gaps (gaps.c).
 */
#include "layout/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/text.h"
#include "core/maps_line.h"

/* The errnos that callers document; anything else a kernel or sandbox invents becomes -EIO. */
static int open_error(int64_t error)
{
	switch (-error) {
	case ENOENT:
	case ESRCH:
	case EACCES:
	case EPERM:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSYS:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case ENOTDIR:
	case EOVERFLOW:
		return (int)error;
	default:
		return -EIO;
	}
}

static int read_error(int64_t error)
{
	switch (-error) {
	case ESRCH:
	case EACCES:
	case EPERM:
	case ENOMEM:
	case ENOSYS:
		return (int)error;
	default:
		return -EIO;
	}
}

static int seek_error(int64_t error)
{
	return error == -EACCES || error == -ENOMEM ? -EIO : read_error(error);
}

static int fail(struct vas_reader *reader, int error)
{
	reader->error = error;
	reader->at_end = true;
	reader->begin = 0;
	reader->end = 0;
	return error;
}

static void restart(struct vas_reader *reader)
{
	reader->begin = 0;
	reader->end = 0;
	reader->line = 0;
	reader->last_start = 0;
	reader->last_end = 0;
	reader->skipping = false;
	reader->at_end = false;
	reader->error = 0;
}

int vas_reader_open(struct vas_reader *reader, struct vas_sys *sys, const char *path, char *buffer,
		    size_t capacity)
{
	int64_t fd;

	if (capacity < VAS_READER_BUFFER_MIN)
		return -EINVAL;
	fd = VAS_CALL(sys, open, path, O_RDONLY);
	if (fd < 0)
		return open_error(fd);
	memset(reader, 0, sizeof(*reader));
	reader->sys = sys;
	reader->fd = (int)fd;
	reader->buffer = buffer;
	reader->capacity = capacity;
	restart(reader);
	return 0;
}

static bool proc_is_there(struct vas_sys *sys)
{
	int64_t fd = VAS_CALL(sys, open, "/proc/self/maps", O_RDONLY);

	if (fd < 0)
		return false;
	VAS_CALL(sys, close, (int)fd);
	return true;
}

int vas_reader_open_process(struct vas_reader *reader, struct vas_sys *sys, int pid, char *buffer,
			    size_t capacity)
{
	char path[48];
	struct vas_text text;
	int err;

	if (pid < 0)
		return -EINVAL;
	if (pid == 0)
		return vas_reader_open(reader, sys, "/proc/self/maps", buffer, capacity);
	vas_text_init(&text, path, sizeof(path));
	vas_text_add(&text, "/proc/");
	vas_text_add_decimal(&text, (uint64_t)pid);
	vas_text_add(&text, "/maps");
	err = vas_reader_open(reader, sys, path, buffer, capacity);
	if (err == -ENOENT && proc_is_there(sys))
		return -ESRCH;
	if (err)
		return err;
	reader->foreign = true;
	return 0;
}

/* At the end of another process's mappings: has it ended while we read? */
static bool has_ended(struct vas_reader *reader)
{
	char byte;

	if (!reader->foreign || reader->line == 0)
		return false;
	if (VAS_CALL(reader->sys, seek, reader->fd, 0, SEEK_SET) < 0)
		return true;
	return VAS_CALL(reader->sys, read, reader->fd, &byte, 1) <= 0;
}

/* Appends what one read gives. At the end of the file sets at_end. */
static int fill(struct vas_reader *reader)
{
	size_t unread = reader->end - reader->begin;
	size_t room;
	int64_t got;

	if (reader->begin > 0) {
		memmove(reader->buffer, reader->buffer + reader->begin, unread);
		reader->begin = 0;
		reader->end = unread;
	}
	room = reader->capacity - 1 - reader->end;
	got = VAS_CALL(reader->sys, read, reader->fd, reader->buffer + reader->end, room);
	if (got < 0 || VAS_NEVER((uint64_t)got > room))
		return fail(reader, read_error(got < 0 ? got : -EIO));
	if (got == 0 && has_ended(reader))
		return fail(reader, -ESRCH);
	if (got == 0)
		reader->at_end = true;
	reader->end += (size_t)got;
	return 0;
}

/*
 * Takes the next line, without its newline, out of the buffer; the byte behind
 * it may be written. *clipped: only its first bytes are there. 1, 0 or -errno.
 */
static int take_line(struct vas_reader *reader, char **line, size_t *length, bool *clipped)
{
	for (;;) {
		char *start = reader->buffer + reader->begin;
		size_t unread = reader->end - reader->begin;
		char *newline = unread > 0 ? memchr(start, '\n', unread) : NULL;
		int err;

		*line = start;
		*clipped = false;
		if (newline) {
			*length = (size_t)(newline - start);
			reader->begin += *length + 1;
			if (!reader->skipping) {
				reader->line++;
				return 1;
			}
			reader->skipping = false;
			continue;
		}
		if (reader->skipping) {
			reader->begin = reader->end;
			unread = 0;
		}
		if (reader->at_end && unread == 0)
			return reader->error;
		*length = unread;
		*clipped = unread == reader->capacity - 1;
		if (reader->at_end || *clipped) {
			reader->begin = reader->end;
			reader->skipping = *clipped;
			reader->line++;
			return 1;
		}
		err = fill(reader);
		if (err)
			return err;
	}
}

/* Keeps what is told ascending. Returns 1, 0 when there is nothing new in it, or -EBADMSG. */
static int check_order(struct vas_reader *reader, struct vas_mapping *mapping)
{
	if (mapping->start >= mapping->end)
		return -EBADMSG;
	if (mapping->start < reader->last_end) {
		if (mapping->start == reader->last_start && mapping->end == reader->last_end)
			return 0;
		if (mapping->end <= reader->last_end)
			return -EBADMSG;
		if (mapping->flags & VAS_MAPPING_FILE)
			mapping->offset += reader->last_end - mapping->start;
		mapping->start = reader->last_end;
	}
	reader->last_start = mapping->start;
	reader->last_end = mapping->end;
	return 1;
}

int vas_reader_next(struct vas_reader *reader, struct vas_mapping *mapping)
{
	struct vas_mapping parsed;
	bool clipped = false;
	size_t length = 0;
	char *line = NULL;
	int got;

	do {
		got = take_line(reader, &line, &length, &clipped);
		if (got <= 0)
			return got;
		if (!vas_maps_line_parse(line, length, &parsed))
			return fail(reader, -EBADMSG);
		got = check_order(reader, &parsed);
		if (got < 0)
			return fail(reader, got);
	} while (got == 0);
	if (clipped)
		parsed.flags |= VAS_MAPPING_CLIPPED;
	*mapping = parsed;
	return 1;
}

int vas_reader_rewind(struct vas_reader *reader)
{
	int64_t err;

	if (reader->fd < 0)
		return fail(reader, -EIO);
	err = VAS_CALL(reader->sys, seek, reader->fd, 0, SEEK_SET);
	if (err < 0)
		return fail(reader, seek_error(err));
	restart(reader);
	return 0;
}

void vas_reader_stop(struct vas_reader *reader)
{
	reader->at_end = true;
	reader->error = 0;
	reader->begin = 0;
	reader->end = 0;
	reader->skipping = false;
}

void vas_reader_close(struct vas_reader *reader)
{
	if (reader->fd >= 0)
		VAS_CALL(reader->sys, close, reader->fd);
	reader->fd = -1;
	vas_reader_stop(reader);
}
