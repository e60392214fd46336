/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environment settings.
 *
 * One table: name, meaning, default, a parser that writes its field of
 * struct vas_environment and a printer of the value in force. A constructor
 * reads the environment once, before there are threads that could change it.
 * In a set-user-id program (AT_SECURE) nothing is read and all defaults hold.
 * A value that is not understood leaves the default and -EINVAL beside it.
 *
 * Concurrency: written by the constructor (or by the first caller, when another
 * object's constructor comes earlier), read-only from then on. Reloading is for
 * tests, before threads.
 */
#include "sys/environment.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include <vaspace/region.h>

#include "base/assert.h"
#include "base/random.h"
#include "base/text.h"
#include "sys/probe.h"
#include "sys/real.h"
#include "sys/sys.h"

struct setting {
	const char *name;
	const char *what;
	const char *fallback;
	bool (*parse)(struct vas_environment *environment, const char *value);
	void (*print)(const struct vas_environment *environment, struct vas_text *text);
};

static struct vas_environment environment_now;
static int environment_ready;
/* Of each setting, in the order of the table. */
static int32_t environment_error[16];
static uint8_t environment_set[16];

static const char *const claim_words[] = { "auto", "hint", NULL };
static const char *const route_words[] = { "auto", "raw", "libc", NULL };
static const char *const slot_words[] = { "auto", "thread", NULL };
/* In the order of the bits VAS_REGION_RED_ZONES and further. */
static const char *const debug_words[] = { "redzones", "delay", "fill", "tags", NULL };
static const char *const log_words[] = { "error", "warning", "info", "debug", NULL };

/* The index of a value of that length in words, or -1. */
static int environment_word_at(const char *const *words, const char *value, size_t length)
{
	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == length && !memcmp(words[i], value, length))
			return i;
	return -1;
}

static int environment_word(const char *const *words, const char *value)
{
	return environment_word_at(words, value, strlen(value));
}

/* The length of the first item of a list with commas between. */
static size_t item_length(const char *list)
{
	size_t length = 0;

	while (list[length] && list[length] != ',')
		length++;
	return length;
}

static bool parse_disable(struct vas_environment *environment, const char *value)
{
	uint32_t disabled = 0;

	while (*value) {
		size_t length = item_length(value);
		int probe = vas_probe_find(value, length);

		if (probe < 0 && length > 0)
			return false;
		if (length > 0)
			disabled |= 1u << probe;
		value += length + (value[length] == ',');
	}
	environment->disabled = disabled;
	return true;
}

static void print_disable(const struct vas_environment *environment, struct vas_text *text)
{
	const char *comma = "";

	for (int probe = 0; probe < VAS_PROBE_COUNT; probe++) {
		if (!(environment->disabled & (1u << probe)))
			continue;
		vas_text_add(text, comma);
		vas_text_add(text, vas_probe_name((enum vas_probe)probe));
		comma = ",";
	}
}

static bool parse_claim(struct vas_environment *environment, const char *value)
{
	int word = environment_word(claim_words, value);

	if (word >= 0)
		environment->claim = (enum vas_claim_mode)word;
	return word >= 0;
}

static void print_claim(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add(text, claim_words[environment->claim]);
}

static bool parse_route(struct vas_environment *environment, const char *value)
{
	int word = environment_word(route_words, value);

	if (word >= 0)
		environment->route = (enum vas_route)word;
	return word >= 0;
}

static void print_route(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add(text, route_words[environment->route]);
}

static bool parse_stack_margin(struct vas_environment *environment, const char *value)
{
	return vas_text_parse_size(value, &environment->stack_margin);
}

static void print_margin(uint64_t margin, struct vas_text *text)
{
	if (margin)
		vas_text_add_size(text, margin);
	else
		vas_text_add(text, "default");
}

static void print_stack_margin(const struct vas_environment *environment, struct vas_text *text)
{
	print_margin(environment->stack_margin, text);
}

static bool parse_brk_margin(struct vas_environment *environment, const char *value)
{
	return vas_text_parse_size(value, &environment->brk_margin);
}

static void print_brk_margin(const struct vas_environment *environment, struct vas_text *text)
{
	print_margin(environment->brk_margin, text);
}

static bool parse_trace(struct vas_environment *environment, const char *value)
{
	if ((value[0] != '0' && value[0] != '1') || value[1])
		return false;
	environment->trace = value[0] == '1';
	return true;
}

static void print_trace(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add(text, environment->trace ? "1" : "0");
}

static bool parse_log(struct vas_environment *environment, const char *value)
{
	int word = environment_word(log_words, value);

	if (word >= 0)
		environment->log_level = word;
	return word >= 0;
}

static void print_log(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add(text,
		     environment->log_level < 0 ? "silent" : log_words[environment->log_level]);
}

static bool parse_ballast(struct vas_environment *environment, const char *value)
{
	const char *end = value + strlen(value);
	uint64_t count;

	if (!vas_text_parse_decimal(&value, end, &count) || *value || count > VAS_BALLAST_MAX)
		return false;
	environment->ballast = (uint32_t)count;
	return true;
}

static void print_ballast(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add_decimal(text, environment->ballast);
}

static bool parse_debug(struct vas_environment *environment, const char *value)
{
	uint32_t debug = 0;

	while (*value) {
		size_t length = item_length(value);
		int word = environment_word_at(debug_words, value, length);

		if (word < 0 && length > 0)
			return false;
		if (length > 0)
			debug |= 1u << word;
		value += length + (value[length] == ',');
	}
	environment->debug = debug;
	return true;
}

static void print_debug(const struct vas_environment *environment, struct vas_text *text)
{
	const char *comma = "";

	for (int i = 0; debug_words[i]; i++) {
		if (!(environment->debug & 1u << i))
			continue;
		vas_text_add(text, comma);
		vas_text_add(text, debug_words[i]);
		comma = ",";
	}
}

static bool parse_slot(struct vas_environment *environment, const char *value)
{
	int word = environment_word(slot_words, value);

	if (word >= 0)
		environment->slot = (enum vas_slot_source)word;
	return word >= 0;
}

static void print_slot(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add(text, slot_words[environment->slot]);
}

static bool parse_module_path(struct vas_environment *environment, const char *value)
{
	size_t length = strlen(value);

	if (length >= sizeof(environment->module_path))
		return false;
	memcpy(environment->module_path, value, length + 1);
	return true;
}

static void print_module_path(const struct vas_environment *environment, struct vas_text *text)
{
	vas_text_add(text, environment->module_path);
}

static const struct setting settings[] = {
	{ "VASPACE_DISABLE",
	  "Kernel features to do without, by the names of their probes, with commas between.", "",
	  parse_disable, print_disable },
	{ "VASPACE_CLAIM",
	  "How addresses are claimed: auto, or hint to do without MAP_FIXED_NOREPLACE.", "auto",
	  parse_claim, print_claim },
	{ "VASPACE_ROUTE",
	  "How mmap, munmap, mprotect and madvise are called: auto, raw, or libc, which "
	  "sanitizers see.",
	  "auto", parse_route, print_route },
	{ "VASPACE_STACK_MARGIN", "Bytes kept free below every stack, such as 8M.", "default",
	  parse_stack_margin, print_stack_margin },
	{ "VASPACE_BRK_MARGIN", "Bytes kept free above the program break, such as 64M.", "default",
	  parse_brk_margin, print_brk_margin },
	{ "VASPACE_TRACE", "1 prints each kernel call of this library on standard error.", "0",
	  parse_trace, print_trace },
	{ "VASPACE_LOG", "Logs on standard error up to a level: error, warning, info or debug.",
	  "silent", parse_log, print_log },
	{ "VASPACE_MODULE_PATH",
	  "Directories, with colons between, where modules are looked for first.", "",
	  parse_module_path, print_module_path },
	{ "VASPACE_BALLAST",
	  "Spare kernel mappings kept to be given up at the limit of mappings, 0 to 1024.", "8",
	  parse_ballast, print_ballast },
	{ "VASPACE_DEBUG",
	  "Debug modes of every region, with commas between: redzones, delay, fill, tags.", "",
	  parse_debug, print_debug },
	{ "VASPACE_SLOT",
	  "What threads are told apart by: auto, or thread to do without the processor they run on.",
	  "auto", parse_slot, print_slot },
};
_Static_assert(VAS_REGION_RED_ZONES == 1 && VAS_REGION_DELAY == 2 && VAS_REGION_FILL == 4 &&
		       VAS_REGION_TAGS == 8,
	       "the bits are in the order of debug_words");
_Static_assert(VAS_BALLAST_DEFAULT == 8 && VAS_BALLAST_MAX == 1024, "as the table says");
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))
_Static_assert(SETTING_COUNT <= 16, "a result for each");

static void environment_read(size_t index)
{
	const char *value = getenv(settings[index].name);

	if (!value || !*value)
		return;
	if (settings[index].parse(&environment_now, value))
		environment_set[index] = 1;
	else
		environment_error[index] = -EINVAL;
}

void vas_environment_reload(void)
{
	memset(&environment_now, 0, sizeof(environment_now));
	memset(environment_error, 0, sizeof(environment_error));
	memset(environment_set, 0, sizeof(environment_set));
	environment_now.log_level = -1;
	environment_now.ballast = VAS_BALLAST_DEFAULT;
	if (!getauxval(AT_SECURE))
		for (size_t i = 0; i < SETTING_COUNT; i++)
			environment_read(i);
	vas_real_set_route(environment_now.route);
	vas_sys_set_trace(environment_now.trace);
	__atomic_store_n(&environment_ready, 1, __ATOMIC_RELEASE);
}

static void environment_assert_line(const char *line)
{
	char buffer[512];
	struct vas_text text;

	vas_text_init(&text, buffer, sizeof(buffer) - 1);
	vas_text_add(&text, line);
	if (text.length > sizeof(buffer) - 2)
		text.length = sizeof(buffer) - 2;
	buffer[text.length] = '\n';
	vas_sys_print(2, buffer, text.length + 1);
}

static __attribute__((constructor)) void environment_construct(void)
{
	vas_assert_set_hook(environment_assert_line);
	(void)vas_environment_get();
}

const struct vas_environment *vas_environment_get(void)
{
	if (__builtin_expect(!__atomic_load_n(&environment_ready, __ATOMIC_ACQUIRE), 0))
		vas_environment_reload();
	return &environment_now;
}

int vas_environment_describe(size_t index, struct vas_setting *setting)
{
	const struct vas_environment *environment = vas_environment_get();
	struct vas_text text;

	if (index >= SETTING_COUNT)
		return -ENOENT;
	setting->name = settings[index].name;
	setting->what = settings[index].what;
	setting->fallback = settings[index].fallback;
	setting->error = environment_error[index];
	setting->set = environment_set[index];
	memset(setting->value, 0, sizeof(setting->value));
	vas_text_init(&text, setting->value, sizeof(setting->value));
	settings[index].print(environment, &text);
	return 0;
}

uint64_t vas_environment_seed(uint64_t salt)
{
	const uint8_t *random = (const uint8_t *)(uintptr_t)getauxval(AT_RANDOM);
	uint64_t word[2] = { 0, 0 };

	if (random)
		memcpy(word, random, sizeof(word));
	/* Mixed: libc makes the stack guard from these bytes, so they must not be told. */
	return vas_mix64(vas_mix64(word[0] ^ salt) + word[1]);
}
