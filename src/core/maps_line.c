/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of /proc/PID/maps, taken apart where it lies.
 *
 * The kernel's text is regular, so the parser is a straight walk: a field, its
 * separator, the next field. A NUL put at the end of the line stops every field
 * by itself, so no step compares with the end. Hexadecimal digits, more than half of
 * all bytes, are looked up in a table; the name is scanned eight bytes at a time
 * for the two bytes that matter in it: NUL, which no line has, and a
 * backslash, behind which the kernel hides a newline.
 *
 * Strict: lower-case digits, exactly one separator, no field longer than its
 * number, a range that is not empty and lies on pages. What is refused leaves
 * the mapping untouched; what comes after the name's first byte is anyone's
 * choice of file name and is taken as it is.
 *
 * Pure; writes only into the line.
 */
#include "core/maps_line.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/number.h"

#define PAGE_MASK 4095u /* of the smallest page any kernel has */

/* The value of a hexadecimal digit as the kernel writes it, plus 1; 0 for all other bytes. */
static const uint8_t hex_digits[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* Parses up to 16 digits and the byte after them. Returns where it goes on, or NULL. */
static char *parse_hex(char *at, char separator, uint64_t *value)
{
	const char *first = at;
	uint64_t result = 0;
	unsigned int digit;

	for (; (digit = hex_digits[(unsigned char)*at]) != 0; at++)
		result = result << 4 | (digit - 1);
	if (at == first || at - first > 16 || *at != separator)
		return NULL;
	*value = result;
	return at + 1;
}

static char *parse_decimal(char *at, uint64_t *value)
{
	const char *first = at;
	uint64_t result = 0;
	unsigned int digit;

	for (; (digit = (unsigned char)*at - (unsigned int)'0') < 10; at++) {
		if (!vas_multiply(result, 10, &result) || !vas_add(result, digit, &result))
			return NULL;
	}
	*value = result;
	return at > first ? at : NULL;
}

/* "r-xp ": each letter in its place or a dash. */
static char *parse_permissions(char *at, uint32_t *prot, uint32_t *flags)
{
	static const char letters[3] = { 'r', 'w', 'x' };
	static const uint32_t bits[3] = { PROT_READ, PROT_WRITE, PROT_EXEC };

	*prot = 0;
	for (unsigned int i = 0; i < 3; i++, at++) {
		if (*at == letters[i])
			*prot |= bits[i];
		else if (*at != '-')
			return NULL;
	}
	if (*at != 'p' && *at != 's')
		return NULL;
	*flags = *at == 's' ? VAS_MAPPING_SHARED : 0;
	return at[1] == ' ' ? at + 2 : NULL;
}

/* All that comes before the name. Returns the byte after the inode, or NULL. */
static char *parse_numbers(char *at, struct vas_mapping *mapping)
{
	uint64_t major;
	uint64_t minor;

	at = parse_hex(at, '-', &mapping->start);
	if (at)
		at = parse_hex(at, ' ', &mapping->end);
	if (at)
		at = parse_permissions(at, &mapping->prot, &mapping->flags);
	if (at)
		at = parse_hex(at, ' ', &mapping->offset);
	if (at)
		at = parse_hex(at, ':', &major);
	if (at)
		at = parse_hex(at, ' ', &minor);
	if (at)
		at = parse_decimal(at, &mapping->inode);
	if (!at || mapping->start >= mapping->end || (mapping->start | mapping->end) & PAGE_MASK ||
	    major > UINT32_MAX || minor > UINT32_MAX)
		return NULL;
	mapping->device_major = (uint32_t)major;
	mapping->device_minor = (uint32_t)minor;
	return at;
}

/* The bytes of word that equal byte, as their highest bits; only the lowest one is certain. */
static uint64_t bytes_equal(uint64_t word, unsigned char byte)
{
	uint64_t ones = 0x0101010101010101u;

	word ^= ones * byte;
	return (word - ones) & ~word & (ones << 7);
}

/* Whether either of two bytes is among length bytes. */
static bool has_bytes(const char *text, size_t length, unsigned char a, unsigned char b)
{
	uint64_t word;
	size_t i = 0;

	for (; i + sizeof(word) <= length; i += sizeof(word)) {
		memcpy(&word, text + i, sizeof(word));
		if (bytes_equal(word, a) | bytes_equal(word, b))
			return true;
	}
	for (; i < length; i++) {
		if ((unsigned char)text[i] == a || (unsigned char)text[i] == b)
			return true;
	}
	return false;
}

/*
 * Puts newlines back; the kernel hides nothing else, a backslash of the name
 * included, so other sequences stay. Returns the new length; false for a NUL.
 */
static bool unescape(char *name, size_t *length)
{
	size_t out = 0;

	for (size_t in = 0; in < *length; in++) {
		char byte = name[in];

		if (byte == '\0')
			return false;
		if (*length - in >= 4 && memcmp(name + in, "\\012", 4) == 0) {
			byte = '\n';
			in += 3;
		}
		name[out++] = byte;
	}
	*length = out;
	return true;
}

static bool begins_with(const char *name, size_t length, const char *prefix, size_t prefix_length)
{
	return length >= prefix_length && memcmp(name, prefix, prefix_length) == 0;
}

#define BEGINS_WITH(name, length, literal) begins_with(name, length, literal, sizeof(literal) - 1)
#define EQUALS(name, length, literal)                                                              \
	((length) == sizeof(literal) - 1 && memcmp(name, literal, sizeof(literal) - 1) == 0)

/* What a name in brackets says. */
static uint32_t bracket_flags(const char *name, size_t length)
{
	if (name[length - 1] != ']')
		return 0;
	if (EQUALS(name, length, "[stack]"))
		return VAS_MAPPING_STACK;
	if (EQUALS(name, length, "[heap]"))
		return VAS_MAPPING_HEAP;
	if (BEGINS_WITH(name, length, "[anon:") || BEGINS_WITH(name, length, "[anon_shmem:"))
		return VAS_MAPPING_NAMED;
	/* Kernels before 4.5 marked the stacks of threads, which do not grow. */
	if (BEGINS_WITH(name, length, "[stack:"))
		return 0;
	return VAS_MAPPING_KERNEL;
}

void vas_maps_name_classify(struct vas_mapping *mapping, char *name, size_t length)
{
	static const char deleted[] = " (deleted)";
	size_t suffix = sizeof(deleted) - 1;

	if (length > suffix && name[length - 1] == ')' &&
	    memcmp(name + length - suffix, deleted, suffix) == 0) {
		length -= suffix;
		mapping->flags |= VAS_MAPPING_DELETED;
	}
	if (length > 0 && name[0] == '[')
		mapping->flags |= bracket_flags(name, length);
	if (mapping->inode != 0 || mapping->device_major != 0 || mapping->device_minor != 0 ||
	    (length > 0 && name[0] == '/'))
		mapping->flags |= VAS_MAPPING_FILE;
	name[length] = '\0';
	mapping->name = name;
	mapping->name_length = (uint32_t)length;
}

bool vas_maps_line_parse(char *line, size_t length, struct vas_mapping *mapping)
{
	struct vas_mapping parsed;
	char *name;
	size_t name_length;

	line[length] = '\0';
	name = parse_numbers(line, &parsed);
	if (!name)
		return false;
	/* Nothing, or blanks up to the kernel's column. A line without a name ends in one blank. */
	if (*name != '\0' && *name != ' ')
		return false;
	while (*name == ' ')
		name++;
	name_length = length - (size_t)(name - line);
	if (has_bytes(name, name_length, '\0', '\\') && !unescape(name, &name_length))
		return false;
	vas_maps_name_classify(&parsed, name, name_length);
	*mapping = parsed;
	return true;
}
