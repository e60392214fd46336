/* SPDX-License-Identifier: BSD-2-Clause */
/* Environment settings: what is understood, what is told about each, and the process's seed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/environment.h"
#include "sys/probe.h"
#include "sys/sys.h"
#include "tap/tap.h"

static const char *const names[] = { "VASPACE_DISABLE",	     "VASPACE_CLAIM",	   "VASPACE_ROUTE",
				     "VASPACE_STACK_MARGIN", "VASPACE_BRK_MARGIN", "VASPACE_TRACE",
				     "VASPACE_LOG",	     "VASPACE_MODULE_PATH", "VASPACE_BALLAST",
				     "VASPACE_DEBUG",	     "VASPACE_SLOT" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static void clear(void)
{
	for (size_t i = 0; i < NAMES; i++)
		unsetenv(names[i]);
	vas_environment_reload();
}

/* What is told about a setting after it was given value. */
static struct vas_setting told(const char *name, const char *value)
{
	struct vas_setting setting = { .size = sizeof(setting) };

	setenv(name, value, 1);
	vas_environment_reload();
	for (size_t i = 0; vas_environment_describe(i, &setting) == 0; i++)
		if (!strcmp(setting.name, name))
			break;
	unsetenv(name);
	return setting;
}

static void defaults(void)
{
	const struct vas_environment *environment = vas_environment_get();
	struct vas_setting setting = { .size = sizeof(setting) };

	clear();
	is_u64(environment->disabled, 0, "nothing is switched off");
	is_i64(environment->claim, VAS_CLAIM_AUTO, "claims are decided by probing");
	is_i64(environment->route, VAS_ROUTE_AUTO, "and so are routes");
	is_u64(environment->stack_margin | environment->brk_margin, 0,
	       "margins are the default ones");
	ok(!environment->trace, "no trace");
	is_i64(environment->log_level, -1, "no log");
	is_str(environment->module_path, "", "no path of modules");
	is_u64(environment->ballast, VAS_BALLAST_DEFAULT, "some ballast");
	is_u64(environment->debug, 0, "no debug mode");
	for (size_t i = 0; i < NAMES; i++) {
		is_err(vas_environment_describe(i, &setting), 0, "setting %zu is described", i);
		is_str(setting.name, names[i], "by its name");
		ok(setting.what[strlen(setting.what) - 1] == '.', "and a sentence");
		ok(!setting.set && !setting.error, "it is not set");
	}
	is_err(vas_environment_describe(NAMES, &setting), ENOENT, "there is none past the last");
	is_str(setting.name, names[NAMES - 1], "and the output is untouched");
}

static void understood(void)
{
	static const struct {
		const char *name, *value, *in_force;
	} rows[] = {
		{ "VASPACE_DISABLE", "noreplace,guard", "noreplace,guard" },
		{ "VASPACE_DISABLE", ",guard,,procmap_query,", "procmap_query,guard" },
		{ "VASPACE_CLAIM", "hint", "hint" },
		{ "VASPACE_CLAIM", "auto", "auto" },
		{ "VASPACE_ROUTE", "raw", "raw" },
		{ "VASPACE_ROUTE", "libc", "libc" },
		{ "VASPACE_STACK_MARGIN", "8M", "8 MiB" },
		{ "VASPACE_BRK_MARGIN", "0x10000", "64 KiB" },
		{ "VASPACE_TRACE", "0", "0" },
		{ "VASPACE_LOG", "warning", "warning" },
		{ "VASPACE_MODULE_PATH", "/opt/modules", "/opt/modules" },
		{ "VASPACE_BALLAST", "0", "0" },
		{ "VASPACE_BALLAST", "1024", "1024" },
		{ "VASPACE_DEBUG", "tags,redzones", "redzones,tags" },
		{ "VASPACE_DEBUG", "redzones,delay,fill,tags", "redzones,delay,fill,tags" },
		{ "VASPACE_DEBUG", ",fill,", "fill" },
		{ "VASPACE_SLOT", "thread", "thread" },
		{ "VASPACE_SLOT", "auto", "auto" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vas_setting setting = told(rows[i].name, rows[i].value);

		is_str(setting.value, rows[i].in_force, "%s=%s", rows[i].name, rows[i].value);
		ok(setting.set == 1 && setting.error == 0, "is taken from the environment");
	}
	told("VASPACE_DISABLE", "noreplace");
	is_u64(vas_environment_get()->disabled, 1u << VAS_PROBE_NOREPLACE, "a probe's bit is set");
	told("VASPACE_STACK_MARGIN", "16M");
	is_u64(vas_environment_get()->stack_margin, 16 << 20, "a size is in bytes");
}

static void not_understood(void)
{
	static const struct {
		const char *name, *value, *in_force;
	} rows[] = {
		{ "VASPACE_DISABLE", "noreplace,nonsense", "" },
		{ "VASPACE_DISABLE", "noreplac", "" },
		{ "VASPACE_CLAIM", "Hint", "auto" },
		{ "VASPACE_ROUTE", "raw ", "auto" },
		{ "VASPACE_STACK_MARGIN", "8 elephants", "default" },
		{ "VASPACE_BRK_MARGIN", "-1", "default" },
		{ "VASPACE_TRACE", "yes", "0" },
		{ "VASPACE_TRACE", "10", "0" },
		{ "VASPACE_LOG", "loud", "silent" },
		{ "VASPACE_BALLAST", "1025", "8" },
		{ "VASPACE_BALLAST", "-1", "8" },
		{ "VASPACE_BALLAST", "8 ", "8" },
		{ "VASPACE_BALLAST", "99999999999999999999", "8" },
		{ "VASPACE_DEBUG", "redzone", "" },
		{ "VASPACE_DEBUG", "fill,quarantine", "" },
		{ "VASPACE_SLOT", "processor", "auto" },
	};
	char path[300];
	struct vas_setting setting;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setting = told(rows[i].name, rows[i].value);
		is_str(setting.value, rows[i].in_force, "%s=%s leaves the default", rows[i].name,
		       rows[i].value);
		is_err(setting.error, EINVAL, "and says that it was not understood");
		ok(!setting.set, "nothing is set");
	}
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	setting = told("VASPACE_MODULE_PATH", path);
	is_err(setting.error, EINVAL, "a path that is too long is refused");
	path[200] = 0;
	setting = told("VASPACE_MODULE_PATH", path);
	is_u64(strlen(setting.value), 63, "a long one is told in part");
	setting = told("VASPACE_CLAIM", "");
	ok(!setting.error && !setting.set, "an empty value is none");
}

static void traced(void)
{
	clear();
	ok(vas_sys_current() == vas_sys_real(), "the current table is the real one");
	told("VASPACE_TRACE", "1");
	is_str(vas_sys_current()->name, "trace", "or a trace of it");
	is_u64(vas_sys_current()->page_size, vas_sys_real()->page_size, "with the same pages");
	clear();
	ok(vas_sys_current() == vas_sys_real(), "and real again");
}

static void seed(void)
{
	uint64_t one = vas_environment_seed(1);

	is_u64(vas_environment_seed(1), one, "the same salt gives the same seed");
	ok(vas_environment_seed(2) != one, "another salt gives another");
}

int main(void)
{
	tap_plan(0);
	defaults();
	understood();
	not_understood();
	traced();
	seed();
	return tap_done();
}
