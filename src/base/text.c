/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers to text and back, for reports, logs and the grammar of maps.
 *
 * Writing: one function copies bytes and keeps the count, all others build
 * their digits on the stack and call it. A text that does not fit is cut at
 * the buffer's end and keeps counting, so a caller learns the length it needs.
 *
 * Reading: digits only, no signs, no spaces, no locale; a value that does not
 * fit 64 bits is refused. Cursors and values move on success only.
 *
 * Pure: safe in any thread and in a signal handler.
 */
#include "base/text.h"

#include <string.h>

#include "base/number.h"

void vas_text_init(struct vas_text *text, char *buffer, size_t capacity)
{
	text->buffer = buffer;
	text->capacity = capacity;
	text->length = 0;
	if (capacity > 0)
		buffer[0] = '\0';
}

void vas_text_add_bytes(struct vas_text *text, const char *bytes, size_t count)
{
	size_t at = text->length;

	text->length += count;
	if (text->capacity == 0 || at >= text->capacity - 1)
		return;
	if (count > text->capacity - 1 - at)
		count = text->capacity - 1 - at;
	memcpy(text->buffer + at, bytes, count);
	text->buffer[at + count] = '\0';
}

void vas_text_add(struct vas_text *text, const char *string)
{
	vas_text_add_bytes(text, string, strlen(string));
}

void vas_text_add_decimal(struct vas_text *text, uint64_t value)
{
	char digits[20];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	vas_text_add_bytes(text, digits + first, sizeof(digits) - first);
}

void vas_text_add_signed(struct vas_text *text, int64_t value)
{
	if (value < 0) {
		vas_text_add(text, "-");
		vas_text_add_decimal(text, 0 - (uint64_t)value);
	} else {
		vas_text_add_decimal(text, (uint64_t)value);
	}
}

void vas_text_add_hex(struct vas_text *text, uint64_t value, unsigned int width)
{
	char digits[16];
	size_t first = sizeof(digits);

	if (width > sizeof(digits))
		width = sizeof(digits);
	while (value > 0 || sizeof(digits) - first < width || first == sizeof(digits)) {
		digits[--first] = "0123456789abcdef"[value & 15];
		value >>= 4;
	}
	vas_text_add_bytes(text, digits + first, sizeof(digits) - first);
}

static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

static void add_count(struct vas_text *text, uint64_t count, unsigned int unit)
{
	vas_text_add_decimal(text, count);
	vas_text_add(text, " ");
	vas_text_add(text, unit == 0 && count == 1 ? "byte" : units[unit]);
}

void vas_text_add_size(struct vas_text *text, uint64_t bytes)
{
	unsigned int largest =
		bytes > 0 ? vas_log2_floor(bytes) / 10 : 0; /* unit not above bytes */
	unsigned int divides = bytes > 0 ? (unsigned int)__builtin_ctzll(bytes) / 10 : 0;
	uint64_t below = (1ull << (10 * largest)) - 1;
	uint64_t tenths = (bytes & below) * 10; /* of the unit; at most 60 bits times 10 fits */
	uint64_t count = bytes >> (10 * divides);

	/* Exact in one number where that is short, and "1.5 MiB" rather than "1536 KiB". */
	if (divides == largest || ((tenths & below) != 0 && count < 100000)) {
		add_count(text, count, divides);
		return;
	}
	vas_text_add_decimal(text, bytes >> (10 * largest));
	vas_text_add(text, ".");
	vas_text_add_decimal(text, tenths >> (10 * largest));
	vas_text_add(text, " ");
	vas_text_add(text, units[largest]);
}

/* The value of a hexadecimal digit, or 16 and more. */
static unsigned int hex_digit(char c)
{
	unsigned int decimal = (unsigned char)c - (unsigned int)'0';
	unsigned int letter = ((unsigned char)c | 0x20u) - (unsigned int)'a';

	if (decimal < 10)
		return decimal;
	return letter < 6 ? letter + 10 : 16;
}

bool vas_text_parse_hex(const char **cursor, const char *end, uint64_t *value)
{
	const char *at = *cursor;
	uint64_t result = 0;
	unsigned int digit;

	for (; at < end && (digit = hex_digit(*at)) < 16; at++) {
		if (result >> 60)
			return false;
		result = result << 4 | digit;
	}
	if (at == *cursor)
		return false;
	*cursor = at;
	*value = result;
	return true;
}

bool vas_text_parse_decimal(const char **cursor, const char *end, uint64_t *value)
{
	const char *at = *cursor;
	uint64_t result = 0;
	unsigned int digit;

	for (; at < end && (digit = (unsigned char)*at - (unsigned int)'0') < 10; at++) {
		if (!vas_multiply(result, 10, &result) || !vas_add(result, digit, &result))
			return false;
	}
	if (at == *cursor)
		return false;
	*cursor = at;
	*value = result;
	return true;
}

static bool is_letter(char c, char lower)
{
	return (c | 0x20) == lower;
}

/* The power of two that a unit stands for: "", "B", "K", "KB", "KiB" and so on, in either case. */
static bool parse_unit(const char *unit, unsigned int *shift)
{
	static const char letters[] = "kmgtpe";

	*shift = 0;
	for (unsigned int i = 0; letters[i] != '\0'; i++) {
		if (!is_letter(*unit, letters[i]))
			continue;
		*shift = 10 * (i + 1);
		unit++;
		if (is_letter(unit[0], 'i') && is_letter(unit[1], 'b'))
			unit++;
		break;
	}
	if (is_letter(*unit, 'b'))
		unit++;
	return *unit == '\0';
}

bool vas_text_parse_size(const char *string, uint64_t *value)
{
	const char *end = string + strlen(string);
	const char *cursor = string;
	unsigned int shift;
	uint64_t number;
	bool parsed;

	if (cursor[0] == '0' && is_letter(cursor[1], 'x')) {
		cursor += 2;
		parsed = vas_text_parse_hex(&cursor, end, &number);
	} else {
		parsed = vas_text_parse_decimal(&cursor, end, &number);
	}
	if (!parsed || !parse_unit(cursor, &shift))
		return false;
	return vas_multiply(number, 1ull << shift, value);
}
