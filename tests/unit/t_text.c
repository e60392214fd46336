/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* Numbers to text and back: against printf, by table, and cut at every length. */
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#include "base/random.h"
#include "tap/tap.h"

#define UNTOUCHED 0x5a5a5a5a5a5a5a5au

static void against_printf(uint64_t *state)
{
	bool right = true;
	char wanted[128];
	char buffer[128];
	struct vas_text text;

	for (uint64_t i = tap_scaled(20000); i > 0 && right; i--) {
		uint64_t value = vas_random_next(state) >> vas_random_below(state, 65) % 64;
		unsigned int width = (unsigned int)vas_random_below(state, 17);

		if (vas_random_below(state, 50) == 0)
			value = vas_random_below(state, 2) ? UINT64_MAX : 0;
		snprintf(wanted, sizeof(wanted), "%" PRIu64 " %" PRId64 " %0*" PRIx64 "|%" PRIx64,
			 value, (int64_t)value, (int)width, value, value);
		vas_text_init(&text, buffer, sizeof(buffer));
		vas_text_add_decimal(&text, value);
		vas_text_add(&text, " ");
		vas_text_add_signed(&text, (int64_t)value);
		vas_text_add(&text, " ");
		vas_text_add_hex(&text, value, width);
		vas_text_add_bytes(&text, "|ignored", 1);
		vas_text_add_hex(&text, value, 0);
		right = strcmp(buffer, wanted) == 0 && text.length == strlen(wanted);
		if (!right)
			is_str(buffer, wanted, "the text");
	}
	ok(right, "numbers as printf writes them");
}

/* A text of known length into buffers of every size: always cut at the end, always terminated. */
static void cutting(void)
{
	static const char whole[] = "0123456789abcdef and more";
	bool right = true;

	for (size_t capacity = 0; capacity < sizeof(whole) + 4; capacity++) {
		char buffer[64];
		struct vas_text text;
		size_t fits = capacity == 0 ? 0 : capacity - 1;

		memset(buffer, '#', sizeof(buffer));
		vas_text_init(&text, buffer, capacity);
		vas_text_add_bytes(&text, "01234567", 8);
		vas_text_add_hex(&text, 0x89abcdef, 1);
		vas_text_add(&text, " and more");
		if (fits > sizeof(whole) - 1)
			fits = sizeof(whole) - 1;
		right &= text.length == sizeof(whole) - 1;
		right &= memcmp(buffer, whole, fits) == 0;
		right &= capacity == 0 || buffer[fits] == '\0';
		for (size_t i = capacity; i < sizeof(buffer); i++)
			right &= buffer[i] == '#';
	}
	ok(right, "a text that does not fit is cut and counted");
}

static void wide_hexadecimal(void)
{
	struct vas_text text;
	char buffer[32];

	vas_text_init(&text, buffer, sizeof(buffer));
	vas_text_add_hex(&text, 1, 100);
	is_str(buffer, "0000000000000001", "no more digits than a number has");
}

static void sizes_to_text(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 bytes" },	   { 1, "1 byte" },
		{ 1023, "1023 bytes" },	   { 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },	   { 4096, "4 KiB" },
		{ 12345, "12345 bytes" },  { 99999, "99999 bytes" },
		{ 123457, "120.5 KiB" },   { 1028 << 10, "1028 KiB" },
		{ 3 << 19, "1.5 MiB" },	   { 1ull << 30, "1 GiB" },
		{ 64ull << 30, "64 GiB" }, { (1ull << 39) + 4096, "512.0 GiB" },
		{ 5ull << 39, "2.5 TiB" }, { (1ull << 47) - (1ull << 32), "127.9 TiB" },
		{ 1ull << 63, "8 EiB" },   { UINT64_MAX, "15.9 EiB" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buffer[32];
		struct vas_text text;

		vas_text_init(&text, buffer, sizeof(buffer));
		vas_text_add_size(&text, cases[i].bytes);
		is_str(buffer, cases[i].text, "%" PRIu64, cases[i].bytes);
	}
}

static void numbers_from_text(void)
{
	static const struct {
		const char *text;
		bool hex_parsed;
		uint64_t hex;
		size_t hex_used;
		bool decimal_parsed;
		uint64_t decimal;
		size_t decimal_used;
	} cases[] = {
		{ "", false, 0, 0, false, 0, 0 },
		{ "-1", false, 0, 0, false, 0, 0 },
		{ " 1", false, 0, 0, false, 0, 0 },
		{ "0", true, 0, 1, true, 0, 1 },
		{ "12g", true, 0x12, 2, true, 12, 2 },
		{ "aF", true, 0xaf, 2, false, 0, 0 },
		{ "9a:", true, 0x9a, 2, true, 9, 1 },
		{ "ffffffffffffffff", true, UINT64_MAX, 16, false, 0, 0 },
		{ "0000000000000000000001", true, 1, 22, true, 1, 22 },
		{ "10000000000000000", false, 0, 0, true, 10000000000000000u, 17 },
		{ "18446744073709551615", false, 0, 0, true, UINT64_MAX, 20 },
		{ "18446744073709551616", false, 0, 0, false, 0, 0 },
		{ "28446744073709551615", false, 0, 0, false, 0, 0 },
		{ "/", false, 0, 0, false, 0, 0 },
		{ ":", false, 0, 0, false, 0, 0 },
		{ "`", false, 0, 0, false, 0, 0 },
		{ "@", false, 0, 0, false, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].text;
		const char *end = text + strlen(text);
		const char *cursor = text;
		uint64_t value = UNTOUCHED;

		ok(vas_text_parse_hex(&cursor, end, &value) == cases[i].hex_parsed &&
			   value == (cases[i].hex_parsed ? cases[i].hex : UNTOUCHED) &&
			   cursor == text + cases[i].hex_used,
		   "hexadecimal \"%s\"", text);
		cursor = text;
		value = UNTOUCHED;
		ok(vas_text_parse_decimal(&cursor, end, &value) == cases[i].decimal_parsed &&
			   value == (cases[i].decimal_parsed ? cases[i].decimal : UNTOUCHED) &&
			   cursor == text + cases[i].decimal_used,
		   "decimal \"%s\"", text);
	}
}

static void ends_are_kept(void)
{
	static const char digits[] = "12345";
	const char *cursor = digits;
	uint64_t value;

	ok(vas_text_parse_decimal(&cursor, digits + 2, &value) && value == 12 &&
		   cursor == digits + 2,
	   "decimal digits stop at the end");
	cursor = digits;
	ok(vas_text_parse_hex(&cursor, digits + 3, &value) && value == 0x123 &&
		   cursor == digits + 3,
	   "hexadecimal digits too");
}

static void sizes_from_text(void)
{
	static const struct {
		const char *text;
		bool parsed;
		uint64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "4096", true, 4096 },
		{ "0x1000", true, 4096 },
		{ "0X1f", true, 31 },
		{ "64K", true, 64 << 10 },
		{ "64k", true, 64 << 10 },
		{ "64KB", true, 64 << 10 },
		{ "64KiB", true, 64 << 10 },
		{ "64kib", true, 64 << 10 },
		{ "12B", true, 12 },
		{ "2M", true, 2 << 20 },
		{ "1G", true, 1 << 30 },
		{ "4T", true, 4ull << 40 },
		{ "1P", true, 1ull << 50 },
		{ "15E", true, 15ull << 60 },
		{ "0x10G", true, 16ull << 30 },
		{ "16E", false, 0 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "", false, 0 },
		{ "K", false, 0 },
		{ "0x", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1 K", false, 0 },
		{ "1.5M", false, 0 },
		{ "1KK", false, 0 },
		{ "1Ki", false, 0 },
		{ "1KiBx", false, 0 },
		{ "1BB", false, 0 },
		{ "1x", false, 0 },
		{ "1iB", false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = UNTOUCHED;

		ok(vas_text_parse_size(cases[i].text, &value) == cases[i].parsed &&
			   value == (cases[i].parsed ? cases[i].value : UNTOUCHED),
		   "size \"%s\"", cases[i].text);
	}
}

int main(void)
{
	uint64_t state = tap_seed();

	tap_plan(0);
	against_printf(&state);
	cutting();
	wide_hexadecimal();
	sizes_to_text();
	numbers_from_text();
	ends_are_kept();
	sizes_from_text();
	return tap_done();
}
