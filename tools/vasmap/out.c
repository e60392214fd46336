/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Standard output behind one large buffer.
 *
 * Rows are written straight into the buffer, which goes out in chunks of 64 KiB. A listing's first
 * lines tell totals that are known only after its last mapping was read, and mappings are read
 * once; so output can be held back, up to 512 KiB, and let go behind a head. What does not fit
 * streams on, and the totals then come last: memory stays bounded for any number of mappings, and
 * every further page that is touched would cost as much as ten rows.
 *
 * The buffer is untouched zero pages until used. After the first failed write everything is
 * dropped; the caller learns of it at the end.
 */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char map_out_buffer[MAP_OUT_HOLD + MAP_OUT_CHUNK + MAP_OUT_ROOM];

void map_out_begin(struct map_out *out, int fd)
{
	memset(out, 0, sizeof(*out));
	out->fd = fd;
	out->bytes = map_out_buffer;
	out->limit = MAP_OUT_CHUNK + MAP_OUT_ROOM;
}

static void map_out_write(struct map_out *out, const char *bytes, size_t count)
{
	while (count && !out->error) {
		ssize_t written = write(out->fd, bytes, count);

		if (written < 0) {
			if (errno != EINTR)
				out->error = -errno;
			continue;
		}
		bytes += written;
		count -= (size_t)written;
	}
}

void map_out_flush(struct map_out *out)
{
	map_out_write(out, out->bytes, out->used);
	out->used = 0;
}

void map_out_put(struct map_out *out, const void *bytes, size_t count)
{
	const char *from = bytes;

	while (count) {
		size_t piece = count < MAP_OUT_ROOM ? count : MAP_OUT_ROOM;

		memcpy(map_out_room(out, piece), from, piece);
		out->used += piece;
		from += piece;
		count -= piece;
	}
}

void map_out_text(struct map_out *out, const char *text)
{
	map_out_put(out, text, strlen(text));
}

void map_out_print(struct map_out *out, const char *format, ...)
{
	char line[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	map_out_put(out, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

void map_out_hold(struct map_out *out)
{
	map_out_flush(out);
	out->holding = true;
	out->limit = sizeof(map_out_buffer);
}

static void map_out_stream(struct map_out *out)
{
	out->holding = false;
	out->limit = MAP_OUT_CHUNK + MAP_OUT_ROOM;
}

void map_out_let_go(struct map_out *out, const char *head, size_t head_length)
{
	map_out_stream(out);
	map_out_write(out, head, head_length);
	if (out->used >= MAP_OUT_CHUNK)
		map_out_flush(out);
}

void map_out_drop(struct map_out *out)
{
	map_out_stream(out);
	out->used = 0;
}

int map_out_end(struct map_out *out)
{
	map_out_flush(out);
	return out->error;
}
