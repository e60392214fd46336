/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard output behind one large buffer. */
#ifndef VASMAP_OUT_H
#define VASMAP_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_OUT_CHUNK ((size_t)64 << 10) /* written at once */
#define MAP_OUT_HOLD  ((size_t)512 << 10) /* at most this much is held back */
#define MAP_OUT_ROOM  ((size_t)32 << 10) /* at most this much is asked for by one map_out_room */

struct map_out {
	int fd;
	int error; /* negative errno of the first write that failed; nothing is written after it */
	bool holding; /* what is put stays in the buffer until map_out_let_go */
	bool colour;
	bool exact; /* sizes in bytes */
	unsigned columns; /* of the terminal; 0 = not a terminal */
	char *bytes;
	size_t used; /* I: <= limit */
	size_t limit; /* what does not fit below it is written out first */
};

void map_out_begin(struct map_out *out, int fd);

void map_out_flush(struct map_out *out);

/* Room for count <= MAP_OUT_ROOM bytes; map_out_done tells where they ended. */
static inline char *map_out_room(struct map_out *out, size_t count)
{
	if (out->used + count > out->limit)
		map_out_flush(out);
	return out->bytes + out->used;
}

static inline void map_out_done(struct map_out *out, const char *end)
{
	out->used = (size_t)(end - out->bytes);
}

void map_out_put(struct map_out *out, const void *bytes, size_t count);
void map_out_text(struct map_out *out, const char *text);
/* For the few lines that are not rows. */
void map_out_print(struct map_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* From here on output is kept; map_out_is_full says when the buffer is too full to keep more. */
void map_out_hold(struct map_out *out);
static inline bool map_out_is_full(const struct map_out *out)
{
	return out->holding && out->used >= MAP_OUT_HOLD;
}

/* Writes head, then what was held. */
void map_out_let_go(struct map_out *out, const char *head, size_t head_length);
/* Throws away what was held. */
void map_out_drop(struct map_out *out);

/* 0, or the negative errno of the first write that failed. */
int map_out_end(struct map_out *out);

#endif
