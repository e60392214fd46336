/* SPDX-License-Identifier: BSD-2-Clause */
/* A line of the trace, put together on the stack. For trace*.c, whose story is in trace.c. */
#ifndef VAS_SYS_TRACE_LINE_H
#define VAS_SYS_TRACE_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/code.h"
#include "base/text.h"
#include "sys/trace.h"

/* Long enough for the longest path and flags; what is longer is cut. */
#define LINE_SIZE 512

struct word {
	uint32_t value;
	const char *name;
};

struct trace_line {
	struct vas_text text;
	bool comma;
	char buffer[LINE_SIZE];
};

static inline struct vas_sys_trace *trace_of(struct vas_sys *sys)
{
	return (struct vas_sys_trace *)((char *)sys - offsetof(struct vas_sys_trace, sys));
}

/* Arguments. */

static inline void line_begin(struct trace_line *line, enum vas_sys_operation operation)
{
	vas_text_init(&line->text, line->buffer, sizeof(line->buffer) - 1);
	line->comma = false;
	vas_text_add(&line->text, "vaspace: ");
	vas_text_add(&line->text, vas_sys_operation_name(operation));
	vas_text_add(&line->text, "(");
}

static inline struct vas_text *line_next(struct trace_line *line)
{
	if (line->comma)
		vas_text_add(&line->text, ", ");
	line->comma = true;
	return &line->text;
}

static inline void text_address(struct vas_text *text, uint64_t address)
{
	vas_text_add(text, "0x");
	vas_text_add_hex(text, address, 1);
}

static inline void line_address(struct trace_line *line, uint64_t address)
{
	text_address(line_next(line), address);
}

static inline void line_number(struct trace_line *line, int64_t number)
{
	vas_text_add_signed(line_next(line), number);
}

static inline void line_size(struct trace_line *line, uint64_t size)
{
	vas_text_add_decimal(line_next(line), size);
}

static inline void line_string(struct trace_line *line, const char *string)
{
	struct vas_text *text = line_next(line);

	vas_text_add(text, string ? "\"" : "NULL");
	if (string) {
		vas_text_add(text, string);
		vas_text_add(text, "\"");
	}
}

static inline void line_bits(struct trace_line *line, const struct word *words, uint32_t bits,
			     const char *none)
{
	struct vas_text *text = line_next(line);
	const char *bar = "";

	if (!bits)
		vas_text_add(text, none);
	for (; words->name; words++) {
		if (!(bits & words->value))
			continue;
		vas_text_add(text, bar);
		vas_text_add(text, words->name);
		bits &= ~words->value;
		bar = "|";
	}
	if (bits) {
		vas_text_add(text, bar);
		text_address(text, bits);
	}
}

static inline void line_value(struct trace_line *line, const struct word *words, uint32_t value)
{
	for (; words->name; words++) {
		if (words->value == value) {
			vas_text_add(line_next(line), words->name);
			return;
		}
	}
	line_number(line, (int32_t)value);
}

/* Counts, and finishes and writes the line. Returns result. */
static inline int64_t trace_end(struct vas_sys_trace *trace, struct trace_line *line,
				enum vas_sys_operation operation, int64_t result)
{
	size_t length;

	__atomic_fetch_add(&trace->calls[operation], 1, __ATOMIC_RELAXED);
	if (result < 0)
		__atomic_fetch_add(&trace->errors[operation], 1, __ATOMIC_RELAXED);
	if (trace->fd < 0)
		return result;
	vas_text_add(&line->text, ") = ");
	if (result < 0) {
		vas_text_add(&line->text, "-1 ");
		vas_text_add(&line->text, vas_errno_name((int)result));
	} else if (operation == VAS_SYS_MAP || operation == VAS_SYS_MOVE ||
		   operation == VAS_SYS_GET_BRK) {
		text_address(&line->text, (uint64_t)result);
	} else {
		vas_text_add_signed(&line->text, result);
	}
	length = line->text.length < LINE_SIZE - 2 ? line->text.length : LINE_SIZE - 2;
	line->buffer[length] = '\n';
	vas_sys_print(trace->fd, line->buffer, length + 1);
	return result;
}

/* trace_policy.c */
extern const struct word vas_trace_policy_words[];
VAS_SYS_PAGES_SLOTS(vas_trace);

#endif
