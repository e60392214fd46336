/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/*
 * vasmap's names: nothing that a terminal would act on gets through, and cutting keeps within the
 * width.
 */
#include <string.h>

#include "tap/tap.h"

#include "../../tools/vasmap/name.c"

static const struct {
	const char *name, *text, *what;
} samples[] = {
	{ "/usr/lib/libc.so.6", "/usr/lib/libc.so.6", "plain text" },
	{ "a\nb", "a\\012b", "a newline" },
	{ "\033[31m", "\\033[31m", "an escape sequence" },
	{ "\177", "\\177", "delete" },
	{ "a\\b", "a\\\\b", "a backslash" },
	{ "gr\303\274n", "gr\303\274n", "a letter in UTF-8" },
	{ "\342\202\254 \360\237\230\200", "\342\202\254 \360\237\230\200",
	  "three and four bytes" },
	{ "\374", "\\374", "a letter in Latin-1" },
	{ "\303", "\\303", "a character cut short" },
	{ "\303(", "\\303(", "a character broken off" },
	{ "\200", "\\200", "a continuation without a beginning" },
	{ "\302\233m", "\\302\\233m", "an escape sequence in 8 bits" },
	{ "\300\257", "\\300\\257", "an overlong slash" },
	{ "\340\200\257", "\\340\\200\\257", "an overlong slash in three bytes" },
	{ "\355\240\200", "\\355\\240\\200", "half a surrogate pair" },
	{ "\364\220\200\200", "\\364\\220\\200\\200", "beyond Unicode" },
	{ "\377\376", "\\377\\376", "bytes that are never UTF-8" },
	{ "\342\200\256x", "\\342\\200\\256x", "a mark that turns the direction" },
	{ "\342\200\213x", "\\342\\200\\213x", "a space of no width" },
	{ "\342\200\250", "\\342\\200\\250", "a line separator" },
};

static void check_samples(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char text[128];

		*map_put_name(text, samples[i].name, strlen(samples[i].name), NULL) = 0;
		is_str(text, samples[i].text, "%s", samples[i].what);
	}
}

/* Random bytes give only visible characters, and different names different text. */
static void check_random(void)
{
	uint64_t random = tap_seed(), rounds = tap_scaled(20000), bad = 0, long_ones = 0;

	for (uint64_t i = 0; i < rounds; i++) {
		char name[24], text[4 * sizeof(name)];
		size_t length = i % sizeof(name), columns;
		char *end;

		for (size_t j = 0; j < length; j++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			name[j] = (char)(random >> 56);
		}
		end = map_put_name(text, name, length, &columns);
		long_ones += (size_t)(end - text) > 4 * length;
		for (char *at = text; at < end;) {
			size_t count = map_character_length(at, (size_t)(end - at));

			bad += count == 0;
			at += count ? count : 1;
		}
	}
	is_u64(bad, 0, "%llu random names give visible characters only",
	       (unsigned long long)rounds);
	is_u64(long_ones, 0, "none is longer than four times the name");
}

/* Every byte in every place of a name that is longer than what is looked at together. */
static void check_places(void)
{
	unsigned wrong = 0;

	for (unsigned byte = 0; byte < 256; byte++) {
		for (size_t place = 0; place < 20; place++) {
			char name[20], text[80], wanted[80], one[8];

			memset(name, 'a', sizeof(name));
			name[place] = (char)byte;
			if (byte == '\\')
				strcpy(one, "\\\\");
			else if (byte >= 0x20 && byte < 0x7f)
				snprintf(one, sizeof(one), "%c", (char)byte);
			else
				snprintf(one, sizeof(one), "\\%03o", byte);
			snprintf(wanted, sizeof(wanted), "%.*s%s%.*s", (int)place,
				 "aaaaaaaaaaaaaaaaaaaa", one, (int)(19 - place),
				 "aaaaaaaaaaaaaaaaaaaa");
			*map_put_name(text, name, sizeof(name), NULL) = 0;
			wrong += strcmp(text, wanted) != 0;
		}
	}
	is_u64(wrong, 0, "each byte is escaped or not, wherever it stands");
}

static const char *cut(const char *name, size_t columns)
{
	static char text[128];

	strcpy(text, name);
	*map_cut_middle(text, text + strlen(text), columns) = 0;
	return text;
}

static void check_cutting(void)
{
	is_str(cut("abcdefghij", 10), "abcdefghij", "what fits stays");
	is_str(cut("abcdefghij", 9), "abc...hij", "the middle goes");
	is_str(cut("abcdefghij", 8), "ab...hij", "the end keeps the odd one");
	is_str(cut("abcdefghij", 3), "...", "room for the dots only");
	is_str(cut("abcdefghij", 1), ".", "room for less than the dots");
	is_str(cut("abcdefghij", 0), "", "no room");
	is_str(cut("", 0), "", "nothing to cut");
	is_str(cut("\303\274\303\266\303\244xyz\303\274\303\266\303\244", 7),
	       "\303\274\303\266...\303\266\303\244", "characters are cut whole");
}

int main(void)
{
	tap_plan(0);
	check_samples();
	check_random();
	check_places();
	check_cutting();
	return tap_done();
}
