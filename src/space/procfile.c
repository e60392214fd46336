/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the kernel's small text files.
 *
 * What for: the readings that explain a refusal: limits, counters, groups.
 *
 * Strategy: the caller's buffer, no mapping, no allocation: a process that is
 * out of address space can still be told so. Reads go on until the line is whole or one gives 0
 * bytes, because the kernel may answer less than a file holds.
 *
 * Concurrency: a struct is one thread's.
 *
 * Not here: /proc/PID/maps, which has its own grammar and reader
 * (layout/reader.c).
 */
#include "space/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"

bool vas_procfile_field(const char *line, size_t length, const char *key, uint64_t *value)
{
	const char *end = line + length;
	size_t key_length = strlen(key);

	if (length < key_length || memcmp(line, key, key_length) != 0)
		return false;
	for (line += key_length; line < end && (*line == ' ' || *line == '\t');)
		line++;
	return vas_text_parse_decimal(&line, end, value);
}

int vas_procfile_open(struct vas_procfile_lines *lines, struct vas_sys *sys, const char *path,
		      char *buffer, size_t capacity)
{
	int64_t fd = VAS_CALL(sys, open, path, O_RDONLY);

	if (fd < 0)
		return (int)fd;
	*lines = (struct vas_procfile_lines){
		.sys = sys,
		.fd = (int)fd,
		.buffer = buffer,
		.capacity = capacity,
	};
	return 0;
}

/* Gets more bytes behind the unread ones, which move to the front. False when there are no more. */
static bool lines_fill(struct vas_procfile_lines *lines)
{
	int64_t count;

	if (lines->at_end)
		return false;
	memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
	lines->end -= lines->begin;
	lines->begin = 0;
	count = VAS_CALL(lines->sys, read, lines->fd, lines->buffer + lines->end,
			 lines->capacity - 1 - lines->end);
	if (count <= 0) {
		lines->at_end = true;
		return false;
	}
	lines->end += (size_t)count;
	return true;
}

/* Hands out [begin, begin + length) and steps over it and consumed - length further bytes. */
static void lines_take(struct vas_procfile_lines *lines, size_t length, size_t consumed,
		       char **line, size_t *line_length)
{
	*line = lines->buffer + lines->begin;
	(*line)[length] = '\0';
	*line_length = length;
	lines->begin += consumed;
}

bool vas_procfile_next(struct vas_procfile_lines *lines, char **line, size_t *length)
{
	for (;;) {
		size_t unread = lines->end - lines->begin;
		char *start = lines->buffer + lines->begin;
		size_t at = 0;

		while (at < unread && start[at] != '\n')
			at++;
		if (at < unread && lines->skipping) {
			lines->begin += at + 1;
			lines->skipping = false;
			continue;
		}
		if (at < unread) {
			lines_take(lines, at, at + 1, line, length);
			return true;
		}
		if (lines->skipping) {
			lines->begin = lines->end;
		} else if (unread == lines->capacity - 1) {
			lines->skipping = true;
			lines_take(lines, unread, unread, line, length);
			return true;
		}
		if (lines_fill(lines))
			continue;
		unread = lines->end - lines->begin;
		if (unread == 0)
			return false;
		lines_take(lines, unread, unread, line, length);
		return true;
	}
}

void vas_procfile_close(struct vas_procfile_lines *lines)
{
	VAS_CALL(lines->sys, close, lines->fd);
}

int vas_procfile_number(struct vas_sys *sys, const char *path, uint64_t *value)
{
	struct vas_procfile_lines lines;
	char buffer[32], *line;
	const char *cursor;
	int err = vas_procfile_open(&lines, sys, path, buffer, sizeof(buffer));
	size_t length;

	if (err)
		return err;
	err = -EBADMSG;
	if (vas_procfile_next(&lines, &line, &length)) {
		cursor = line;
		err = vas_text_parse_decimal(&cursor, line + length, value) ? 0 : -EBADMSG;
	}
	vas_procfile_close(&lines);
	return err;
}
