/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* vasmap's sizes and addresses: what is understood, what is refused, how they are written. */
#include <inttypes.h>
#include <string.h>

#include "tap/tap.h"

#include "../../tools/vasmap/number.c"

#define REFUSED UINT64_C(0xdeadbeef)

struct sample {
	const char *text;
	uint64_t value; /* REFUSED: not understood, and the output is untouched */
};

static const struct sample sizes[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "4096", 4096 },
	{ "64K", 64 << 10 },
	{ "64k", 64 << 10 },
	{ "64KB", 64 << 10 },
	{ "64KiB", 64 << 10 },
	{ "2M", 2 << 20 },
	{ "1.5G", UINT64_C(3) << 29 },
	{ "0.125T", UINT64_C(1) << 37 },
	{ "15E", UINT64_C(15) << 60 },
	{ "15.999E",
	  15 * (UINT64_C(1) << 60) + (uint64_t)((__uint128_t)999 * (UINT64_C(1) << 60) / 1000) },
	{ "16E", REFUSED },
	{ "18446744073709551615", UINT64_MAX },
	{ "18446744073709551616", REFUSED },
	{ "0x10", 16 },
	{ "0XfF", 255 },
	{ "0xffffffffffffffff", UINT64_MAX },
	{ "0x10000000000000000", REFUSED },
	{ "", REFUSED },
	{ "K", REFUSED },
	{ "-1", REFUSED },
	{ "+1", REFUSED },
	{ " 1", REFUSED },
	{ "1 ", REFUSED },
	{ "1.5", REFUSED },
	{ "1.G", REFUSED },
	{ ".5G", REFUSED },
	{ "1.2345G", REFUSED },
	{ "1KK", REFUSED },
	{ "1Ki", REFUSED },
	{ "1B", REFUSED },
	{ "0x", REFUSED },
	{ "0x1G", REFUSED },
	{ "12a", REFUSED },
};

static const struct sample addresses[] = {
	{ "0", 0 },
	{ "0x401000", 0x401000 },
	{ "000000401000", 0x401000 },
	{ "7f12a4000000", 0x7f12a4000000 },
	{ "ffffffffff600000", 0xffffffffff600000 },
	{ "4G", UINT64_C(4) << 30 },
	{ "401000", REFUSED },
	{ "7f12a400000", REFUSED },
	{ "4096", REFUSED },
	{ "", REFUSED },
	{ "0xg", REFUSED },
	{ "10000000000000000", REFUSED },
	{ "self", REFUSED },
};

static void check_parse(const char *what, bool (*parse)(const char *text, uint64_t *value),
			const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = REFUSED;
		bool understood = parse(samples[i].text, &value);

		ok(understood == (samples[i].value != REFUSED) && value == samples[i].value,
		   "%s '%s' is %s", what, samples[i].text,
		   samples[i].value == REFUSED ? "refused" : "understood");
	}
}

static void check_ranges(void)
{
	uint64_t low = 1, high = 2;

	ok(map_range_parse("0-4G", &low, &high) && low == 0 && high == UINT64_C(4) << 30, "0-4G");
	ok(map_range_parse("0xfee00000-0xfef00000", &low, &high) && low == 0xfee00000 &&
		   high == 0xfef00000,
	   "0xfee00000-0xfef00000");
	low = 1;
	high = 2;
	ok(!map_range_parse("4G-4G", &low, &high), "an empty range is refused");
	ok(!map_range_parse("4G-0", &low, &high), "a descending range is refused");
	ok(!map_range_parse("4G", &low, &high), "half a range is refused");
	ok(!map_range_parse("-4G", &low, &high), "a range without low end is refused");
	ok(!map_range_parse("0-4G-8G", &low, &high), "three ends are refused");
	ok(!map_range_parse("0000000000000000000000000000000000000000000000000000000000000000-1G",
			    &low, &high),
	   "a number that is too long is refused");
	ok(low == 1 && high == 2, "what is refused leaves the outputs alone");
}

static const struct {
	uint64_t size;
	const char *text;
} shown[] = {
	{ 0, "0" },
	{ 1, "1B" },
	{ 1023, "1023B" },
	{ 1024, "1K" },
	{ 1535, "1K" },
	{ 1536, "2K" },
	{ 716 << 10, "716K" },
	{ (1 << 20) - 1, "1.0M" },
	{ 1 << 20, "1.0M" },
	{ 63647744, "60.7M" },
	{ (UINT64_C(1) << 30) - 1, "1.0G" },
	{ UINT64_C(8) << 40, "8.0T" },
	{ UINT64_C(1023) << 30, "1023.0G" },
	{ (UINT64_C(1) << 40) - (UINT64_C(40) << 20), "1.0T" },
	{ UINT64_MAX, "16.0E" },
};

static void check_sizes_shown(void)
{
	char text[MAP_NUMBER_MAX];

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		is_str(map_size_text(text, shown[i].size, false), shown[i].text, "size %" PRIu64,
		       shown[i].size);
	is_str(map_size_text(text, UINT64_MAX, true), "18446744073709551615",
	       "all bytes of a size");
	is_str(map_address_text(text, 0), "000000000000", "address 0");
	is_str(map_address_text(text, 0xffffffffffff), "ffffffffffff", "the highest of 12 digits");
	is_str(map_address_text(text, 0x1000000000000), "0001000000000000",
	       "the lowest of 16 digits");
	*map_put_power(text, 1) = 0;
	is_str(text, "1B", "2^0");
	*map_put_power(text, 128 << 20) = 0;
	is_str(text, "128M", "2^27");
	*map_put_power(text, UINT64_C(1) << 63) = 0;
	is_str(text, "8E", "2^63");
	*map_put_hex(text, 0) = 0;
	is_str(text, "0", "hexadecimal 0");
	*map_put_hex(text, UINT64_MAX) = 0;
	is_str(text, "ffffffffffffffff", "hexadecimal, all bits");
}

static void check_padding(void)
{
	char text[16] = "ab";

	*map_pad_left(text, text + 2, 5) = 0;
	is_str(text, "   ab", "padded on the left");
	*map_pad_right(text, text + 5, 7) = 0;
	is_str(text, "   ab  ", "padded on the right");
	*map_pad_left(text, text + 7, 3) = 0;
	is_str(text, "   ab  ", "what is wide enough stays");
}

static void check_addresses_shown(void)
{
	uint64_t random = tap_seed(), wrong = 0, rounds = tap_scaled(100000);

	for (uint64_t i = 0; i < rounds; i++) {
		char text[MAP_NUMBER_MAX], wanted[MAP_NUMBER_MAX];
		uint64_t address;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		address = random >> random % 64;
		snprintf(wanted, sizeof(wanted), address >> 48 ? "%016" PRIx64 : "%012" PRIx64,
			 address);
		wrong += strcmp(map_address_text(text, address), wanted) != 0;
	}
	is_u64(wrong, 0, "addresses are written as printf would, %" PRIu64 " times", rounds);
}

/* What is written reads back as the same size, to within the rounding. */
static void check_round_trip(void)
{
	uint64_t random = tap_seed(), wrong = 0, rounds = tap_scaled(100000);

	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t size, back = 0, error;
		char text[MAP_NUMBER_MAX];

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		size = random >> (random % 40 + 14) << 10;
		if (!map_size_parse(map_size_text(text, size, false), &back) && size >= 1024)
			wrong++;
		error = back > size ? back - size : size - back;
		if (size >= 1024 && error > size / 20)
			wrong++;
		if (!map_size_parse(map_size_text(text, size, true), &back) || back != size)
			wrong++;
	}
	is_u64(wrong, 0, "sizes read back as written, %" PRIu64 " times", rounds);
}

int main(void)
{
	tap_plan(0);
	check_parse("size", map_size_parse, sizes, sizeof(sizes) / sizeof(sizes[0]));
	check_parse("address", map_address_parse, addresses,
		    sizeof(addresses) / sizeof(addresses[0]));
	check_ranges();
	check_sizes_shown();
	check_padding();
	check_addresses_shown();
	check_round_trip();
	return tap_done();
}
