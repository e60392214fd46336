/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing and reading numbers as text without stdio or locale.
 *
 * A struct vas_text never overflows: what does not fit is counted, not
 * written, and the buffer is always NUL-terminated when capacity > 0.
 */
#ifndef VAS_BASE_TEXT_H
#define VAS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vas_text {
	char *buffer;
	size_t capacity; /* with the NUL */
	size_t length; /* of the whole text, may exceed capacity - 1 */
};

void vas_text_init(struct vas_text *text, char *buffer, size_t capacity);
void vas_text_add(struct vas_text *text, const char *string);
void vas_text_add_bytes(struct vas_text *text, const char *bytes, size_t count);
void vas_text_add_decimal(struct vas_text *text, uint64_t value);
void vas_text_add_signed(struct vas_text *text, int64_t value);
/* Lower-case hex without 0x, at least width digits. */
void vas_text_add_hex(struct vas_text *text, uint64_t value, unsigned int width);
/*
 * "64 GiB", "1.5 MiB", "1028 KiB", "12345 bytes": exact where one number of at
 * most five digits or one decimal can say it, else cut to one decimal.
 */
void vas_text_add_size(struct vas_text *text, uint64_t bytes);

/*
 * Parses digits at *cursor (not past end) and moves it; false, with both
 * untouched, when there is none or the value does not fit.
 */
bool vas_text_parse_hex(const char **cursor, const char *end, uint64_t *value);
bool vas_text_parse_decimal(const char **cursor, const char *end, uint64_t *value);
/*
 * "4096", "0x1000", "64K", "2M", "1G", "4T", "1P", "1E" (binary units in either
 * case, also KB, KiB, and B for bytes), the whole string; false when anything
 * else stands there or the value does not fit.
 */
bool vas_text_parse_size(const char *string, uint64_t *value);

#endif
