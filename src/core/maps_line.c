/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line of /proc/PID/maps, taken apart where it lies.
 *
 * The kernel's text is regular, so the parser is a straight walk: a field, its
 * separator, the next field. A NUL put at the end of the line stops every field
 * by itself, so no step compares with the end. Hexadecimal digits are more than half of
 * all bytes: the two addresses are read eight digits at a time where they have the
 * usual twelve, others are looked up in a table; the name is scanned eight bytes at a time
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

#include <endian.h>
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

#define ONES 0x0101010101010101u /* in each byte */

/*
 * The value of the eight digits in bytes, the first one lowest. What tells a letter is bit
 * 6. A digit that is none either does not turn back into its byte, or it is beyond 9 where
 * it should not be, or the other way round: *wrong then has bits.
 */
static inline uint64_t join_hex8(uint64_t bytes, uint64_t *wrong)
{
	uint64_t letters = bytes >> 6 & ONES;
	uint64_t digits = (bytes & 15 * ONES) + letters * 9;

	*wrong |= (digits + 0x30 * ONES + letters * ('a' - '0' - 10)) ^ bytes;
	*wrong |= (((digits + 6 * ONES) ^ letters << 4) | digits) & 16 * ONES;
	digits = (digits << 4 | digits >> 8) & 0x00ff00ff00ff00ffu;
	digits = (digits << 8 | digits >> 16) & 0x0000ffff0000ffffu;
	return (digits << 16 | digits >> 32) & 0xffffffffu;
}

static inline uint64_t load8(const char *text)
{
	uint64_t bytes;

	memcpy(&bytes, text, sizeof(bytes));
	return le64toh(bytes);
}

static inline uint64_t load4(const char *text)
{
	uint32_t bytes;

	memcpy(&bytes, text, sizeof(bytes));
	return le32toh(bytes);
}

/* "7f12a4000000-7f12a4021000 ": the last four digits of both are joined together. */
static char *parse_usual_range(char *at, uint64_t *start, uint64_t *end)
{
	uint64_t head = load8(at);
	uint64_t wrong = 0;
	uint64_t high = join_hex8(head, &wrong);
	uint64_t low = join_hex8(load4(at + 8) | load4(at + 21) << 32, &wrong);

	*start = high << 16 | low >> 16;
	/* Small mappings mostly begin and end in the same 64 KiB. */
	if (load8(at + 13) != head)
		high = join_hex8(load8(at + 13), &wrong);
	*end = high << 16 | (low & 0xffff);
	return wrong ? NULL : at + 26;
}

static char *parse_range(char *at, size_t length, uint64_t *start, uint64_t *end)
{
	if (length >= 26 && at[12] == '-' && at[25] == ' ')
		return parse_usual_range(at, start, end);
	at = parse_hex(at, '-', start);
	return at ? parse_hex(at, ' ', end) : NULL;
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

/*
 * "r-xp ": each letter in its place or a dash. Letters are told by a bit, then held
 * against the text.
 */
static char *parse_permissions(char *at, uint32_t *prot, uint32_t *flags)
{
	static const char texts[16][4] = {
		"---p", "r--p", "-w-p", "rw-p", "--xp", "r-xp", "-wxp", "rwxp",
		"---s", "r--s", "-w-s", "rw-s", "--xs", "r-xs", "-wxs", "rwxs",
	};
	unsigned int index;

	if (!at[0] || !at[1] || !at[2] || !at[3])
		return NULL;
	index = (at[0] >> 6 & 1) | (at[1] >> 6 & 1) << 1 | (at[2] >> 6 & 1) << 2 | (at[3] & 1) << 3;
	if (memcmp(at, texts[index], 4) != 0 || at[4] != ' ')
		return NULL;
	*prot = (index & 1 ? PROT_READ : 0) | (index & 2 ? PROT_WRITE : 0) |
		(index & 4 ? PROT_EXEC : 0);
	*flags = index & 8 ? VAS_MAPPING_SHARED : 0;
	return at + 5;
}

/* All that comes before the name. Returns the byte after the inode, or NULL. */
static char *parse_numbers(char *at, size_t length, struct vas_mapping *mapping)
{
	static const char anonymous[16] = "00000000 00:00 0";
	const char *end = at + length;
	uint64_t major = 0;
	uint64_t minor = 0;

	at = parse_range(at, length, &mapping->start, &mapping->end);
	if (at)
		at = parse_permissions(at, &mapping->prot, &mapping->flags);
	if (at && end - at >= 16 && memcmp(at, anonymous, 16) == 0 && (at[16] == ' ' || !at[16])) {
		mapping->offset = 0;
		mapping->inode = 0;
		at += 16;
	} else if (at) {
		at = parse_hex(at, ' ', &mapping->offset);
		if (at)
			at = parse_hex(at, ':', &major);
		if (at)
			at = parse_hex(at, ' ', &minor);
		if (at)
			at = parse_decimal(at, &mapping->inode);
	}
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
	name = parse_numbers(line, length, &parsed);
	if (!name)
		return false;
	/* Nothing, or blanks up to the kernel's column. A line without a name ends in one blank. */
	if (*name != '\0' && *name != ' ')
		return false;
	/* The kernel's column is far to the right. */
	while (line + length - name >= 8 && memcmp(name, "        ", 8) == 0)
		name += 8;
	while (*name == ' ')
		name++;
	name_length = length - (size_t)(name - line);
	if (has_bytes(name, name_length, '\0', '\\') && !unescape(name, &name_length))
		return false;
	vas_maps_name_classify(&parsed, name, name_length);
	*mapping = parsed;
	return true;
}
