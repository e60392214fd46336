/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sizes and addresses as text, both ways.
 *
 * A listing of 60,000 mappings writes 200,000 numbers, and printf would take longer over them than
 * the kernel takes to produce the mappings. So these are plain loops over digits into a buffer that
 * the caller knows to be large enough.
 *
 * Parsing is strict. An address in decimal digits without a unit is refused rather than guessed: a
 * user who copies 400000 from somewhere may mean either base.
 *
 * No state; not for locales: the decimal point is a point.
 */
#include "number.h"

#include <endian.h>
#include <string.h>

static const char map_digits[] = "0123456789abcdef";
static const char map_units[] = "KMGTPE";

static int map_digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Reads digits of base; returns where they end, NULL when there is none or they overflow. */
static const char *map_digits_parse(const char *text, unsigned base, uint64_t *value)
{
	const char *at = text;
	uint64_t sum = 0;

	for (; (unsigned)map_digit_value(*at) < base; at++) {
		if (__builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)map_digit_value(*at), &sum))
			return NULL;
	}
	if (at == text)
		return NULL;
	*value = sum;
	return at;
}

static bool map_hex_parse(const char *text, uint64_t *value)
{
	uint64_t parsed;
	const char *end = map_digits_parse(text, 16, &parsed);

	if (!end || *end)
		return false;
	*value = parsed;
	return true;
}

/* The exponent of a unit such as K, k, KB or KiB that ends the text; -1 for anything else. */
static int map_unit_parse(const char *text)
{
	const char *unit;

	if (!*text)
		return 0;
	unit = strchr(map_units, *text == 'k' ? 'K' : *text);
	if (!unit || (text[1] && strcmp(text + 1, "B") != 0 && strcmp(text + 1, "iB") != 0))
		return -1;
	return 10 * (int)(unit - map_units + 1);
}

/* Digits behind the point, cut to a multiple of what the unit can hold. */
static const char *map_fraction_parse(const char *text, uint64_t *numerator, uint64_t *denominator)
{
	*numerator = 0;
	*denominator = 1;
	if (map_digit_value(*text) >= 10)
		return NULL;
	for (; map_digit_value(*text) < 10; text++) {
		if (*denominator >= 1000)
			return NULL;
		*numerator = *numerator * 10 + (uint64_t)map_digit_value(*text);
		*denominator *= 10;
	}
	return text;
}

static bool map_scaled_parse(const char *text, bool unit_wanted, uint64_t *value)
{
	uint64_t whole, numerator = 0, denominator = 1, sum;
	const char *end = map_digits_parse(text, 10, &whole);
	int shift;

	if (end && *end == '.')
		end = map_fraction_parse(end + 1, &numerator, &denominator);
	if (!end)
		return false;
	shift = map_unit_parse(end);
	if (shift < 0 || (shift == 0 && (numerator || unit_wanted)))
		return false;
	if (__builtin_mul_overflow(whole, UINT64_C(1) << shift, &sum) ||
	    __builtin_add_overflow(sum, (uint64_t)(((__uint128_t)numerator << shift) / denominator),
				   &sum))
		return false;
	*value = sum;
	return true;
}

static bool map_has_hex_prefix(const char *text)
{
	return text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

bool map_size_parse(const char *text, uint64_t *value)
{
	if (map_has_hex_prefix(text))
		return map_hex_parse(text + 2, value);
	return map_scaled_parse(text, false, value);
}

bool map_address_parse(const char *text, uint64_t *value)
{
	if (map_has_hex_prefix(text))
		return map_hex_parse(text + 2, value);
	if (strlen(text) >= 12 && map_hex_parse(text, value))
		return true;
	if (strcmp(text, "0") == 0) {
		*value = 0;
		return true;
	}
	return map_scaled_parse(text, true, value);
}

bool map_range_parse(const char *text, uint64_t *low, uint64_t *high)
{
	const char *dash = strchr(text, '-');
	uint64_t first, second;
	char copy[64];

	if (!dash || (size_t)(dash - text) >= sizeof(copy))
		return false;
	memcpy(copy, text, (size_t)(dash - text));
	copy[dash - text] = 0;
	if (!map_address_parse(copy, &first) || !map_address_parse(dash + 1, &second) ||
	    first >= second)
		return false;
	*low = first;
	*high = second;
	return true;
}

char *map_put_decimal(char *at, uint64_t value)
{
	unsigned count = 1;
	char *end;

	for (uint64_t left = value; left >= 10; left /= 10)
		count++;
	end = at + count;
	for (char *digit = end; digit > at; value /= 10)
		*--digit = (char)('0' + value % 10);
	return end;
}

static char *map_put_hex_digits(char *at, uint64_t value, unsigned count)
{
	for (unsigned i = count; i-- > 0; value >>= 4)
		at[i] = map_digits[value & 15];
	return at + count;
}

char *map_put_hex(char *at, uint64_t value)
{
	unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 1;

	return map_put_hex_digits(at, value, (bits + 3) / 4);
}

/* Eight digits at once: each nibble moves to a byte of its own and is made a digit there. */
static void map_put_hex8(char *at, uint32_t value)
{
	uint64_t bytes = __builtin_bswap32(value), letters;

	bytes = (bytes | bytes << 16) & UINT64_C(0x0000ffff0000ffff);
	bytes = (bytes | bytes << 8) & UINT64_C(0x00ff00ff00ff00ff);
	bytes = (bytes >> 4 & UINT64_C(0x000f000f000f000f)) | (bytes & UINT64_C(0x000f000f000f000f))
								      << 8;
	letters = (bytes + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
	bytes += UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
	/* The first digit is in the lowest byte. */
	bytes = htole64(bytes);
	memcpy(at, &bytes, sizeof(bytes));
}

char *map_put_hex4(char *at, uint16_t value)
{
	return map_put_hex_digits(at, value, 4);
}

char *map_put_address(char *at, uint64_t address)
{
	if (address >> 48) {
		map_put_hex8(at, (uint32_t)(address >> 32));
		map_put_hex8(at + 8, (uint32_t)address);
		return at + 16;
	}
	/* Four digits are written twice. */
	map_put_hex8(at, (uint32_t)(address >> 16));
	map_put_hex8(at + 4, (uint32_t)address);
	return at + 12;
}

/* size in units of 2^shift, with one decimal rounded to nearest; below 1 MiB without a decimal. */
char *map_put_size(char *at, uint64_t size, bool exact)
{
	unsigned unit;
	uint64_t whole, rest, tenths;

	if (exact)
		return map_put_decimal(at, size);
	if (size < 1024) {
		at = map_put_decimal(at, size);
		if (size)
			*at++ = 'B';
		return at;
	}
	unit = (63 - (unsigned)__builtin_clzll(size)) / 10 - 1;
	whole = size >> (10 * (unit + 1));
	rest = size & ((UINT64_C(1) << (10 * (unit + 1))) - 1);
	tenths = (rest * 10 + (UINT64_C(1) << (10 * (unit + 1) - 1))) >> (10 * (unit + 1));
	if (unit == 0) {
		whole += rest >= 512;
		tenths = 0;
	} else if (tenths == 10) {
		whole++;
		tenths = 0;
	}
	if (whole == 1024 && unit < 5) {
		whole = 1;
		unit++;
	}
	at = map_put_decimal(at, whole);
	if (unit > 0) {
		*at++ = '.';
		*at++ = map_digits[tenths];
	}
	*at++ = map_units[unit];
	return at;
}

char *map_put_power(char *at, uint64_t power)
{
	unsigned shift = (unsigned)__builtin_ctzll(power);

	at = map_put_decimal(at, UINT64_C(1) << shift % 10);
	*at++ = shift < 10 ? 'B' : map_units[shift / 10 - 1];
	return at;
}

char *map_pad_left(char *at, char *end, size_t width)
{
	size_t length = (size_t)(end - at);

	if (length >= width)
		return end;
	memmove(at + (width - length), at, length);
	memset(at, ' ', width - length);
	return at + width;
}

char *map_pad_right(char *at, char *end, size_t width)
{
	while ((size_t)(end - at) < width)
		*end++ = ' ';
	return end;
}

const char *map_size_text(char *buffer, uint64_t size, bool exact)
{
	*map_put_size(buffer, size, exact) = 0;
	return buffer;
}

const char *map_address_text(char *buffer, uint64_t address)
{
	*map_put_address(buffer, address) = 0;
	return buffer;
}
