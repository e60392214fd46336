/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of mappings as text that is safe to show.
 *
 * The name of a file is any bytes its owner chose: an escape sequence would run in the reader's
 * terminal, a newline would forge a row. What is neither printable ASCII nor a well-formed, visible
 * UTF-8 character is written as \ooo, and the backslash as two, so that no two names look alike.
 * Characters that turn the writing direction count as invisible.
 *
 * Every character is taken to be one column wide; names in wide scripts are cut a little late.
 */
#include "name.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * Control characters, separators and direction marks, which a terminal acts on rather than shows.
 */
static bool map_character_hidden(uint32_t character)
{
	return character < 0xa0 || (character >= 0x200b && character <= 0x200f) ||
	       (character >= 0x2028 && character <= 0x202e) ||
	       (character >= 0x2060 && character <= 0x206f) || character == 0xfeff ||
	       (character >= 0xd800 && character <= 0xdfff) || character > 0x10ffff;
}

size_t map_character_length(const char *text, size_t length)
{
	static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t character;
	size_t count;

	if (bytes[0] >= 0x20 && bytes[0] < 0x7f)
		return 1;
	if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
		return 0;
	count = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	if (count > length)
		return 0;
	character = bytes[0] & (0xffu >> (count + 1));
	for (size_t i = 1; i < count; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (bytes[i] & 0x3fu);
	}
	return character < smallest[count] || map_character_hidden(character) ? 0 : count;
}

static char *map_put_octal(char *at, unsigned char byte)
{
	*at++ = '\\';
	*at++ = (char)('0' + (byte >> 6));
	*at++ = (char)('0' + (byte >> 3 & 7));
	*at++ = (char)('0' + (byte & 7));
	return at;
}

/* How many bytes at the beginning are printable ASCII other than the backslash; eight at a time. */
static size_t map_plain_length(const char *name, size_t length)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	size_t plain = 0;

	for (uint64_t word, other; plain + sizeof(word) <= length; plain += sizeof(word)) {
		memcpy(&word, name + plain, sizeof(word));
		/* A borrow or carry can only make a byte above look wrong, never right. */
		other = word ^ ones * '\\';
		if (((word - ones * 0x20) | (word + ones) | (other - ones)) & high)
			break;
	}
	while (plain < length && name[plain] >= 0x20 && name[plain] < 0x7f && name[plain] != '\\')
		plain++;
	return plain;
}

char *map_put_name(char *at, const char *name, size_t length, size_t *columns)
{
	size_t filled = 0;

	for (size_t i = 0; i < length;) {
		size_t count = map_plain_length(name + i, length - i);

		if (count) {
			/* Nearly all there is. */
			memcpy(at, name + i, count);
			at += count;
			i += count;
			filled += count;
			continue;
		}
		count = map_character_length(name + i, length - i);
		if (count == 0) {
			at = map_put_octal(at, (unsigned char)name[i++]);
			filled += 4;
			continue;
		}
		if (name[i] == '\\') {
			*at++ = '\\';
			filled++;
		}
		for (; count; count--)
			*at++ = name[i++];
		filled++;
	}
	if (columns)
		*columns = filled;
	return at;
}

static bool map_is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

char *map_cut_middle(char *at, char *end, size_t columns)
{
	static const char dots[3] = { '.', '.', '.' };
	size_t filled = 0, head, tail;
	char *left = at, *right = end;

	for (const char *p = at; p < end; p++)
		filled += !map_is_continuation(*p);
	if (filled <= columns)
		return end;
	if (columns <= sizeof(dots)) {
		memcpy(at, dots, columns);
		return at + columns;
	}
	/* The end of a path tells more than its beginning. */
	head = (columns - sizeof(dots)) / 2;
	tail = columns - sizeof(dots) - head;
	for (; head; head--)
		for (left++; map_is_continuation(*left);)
			left++;
	for (; tail; tail--)
		for (right--; map_is_continuation(*right);)
			right--;
	memcpy(left, dots, sizeof(dots));
	memmove(left + sizeof(dots), right, (size_t)(end - right));
	return left + sizeof(dots) + (end - right);
}
