/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* Version, features, probes and settings as callers see them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vaspace/vaspace.h>

#include "sys/environment.h"
#include "tap/tap.h"

static void test_version(void)
{
	is_i64(vas_version(), VAS_VERSION, "the library is of its header's version");
	is_i64(VAS_VERSION, VAS_VERSION_MAJOR * 10000 + VAS_VERSION_MINOR * 100 + VAS_VERSION_PATCH,
	       "which is one number");
}

static void test_features(void)
{
	static const char *const names[] = {
		"reserve", "commit", "release", "limits", "layout", "owner", "ledger", "topology",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		is_i64(vas_feature(names[i]), 1, "feature %s", names[i]);
	is_i64(vas_feature("reserv"), 0, "a part of a name is no feature");
	is_i64(vas_feature("reserves"), 0, "nor is a longer one");
	is_i64(vas_feature("Reserve"), 0, "case counts");
	is_i64(vas_feature(""), 0, "no name");
	is_i64(vas_feature(NULL), 0, "NULL");
}

static void test_probes(void)
{
	struct vas_probe_info info = { .size = sizeof(info) }, again = { .size = sizeof(again) };
	struct {
		struct vas_probe_info info;
		uint64_t newer;
	} larger = { .info = { .size = sizeof(larger) }, .newer = 7 };
	bool described = true, decided = true;
	size_t count = 0;

	for (; vas_probe_get(count, &info) == 0; count++) {
		described = described && info.name && info.name[0] && info.what && info.since;
		decided = decided &&
			  (info.state == VAS_PROBE_YES || info.state == VAS_PROBE_NO ||
			   info.state == VAS_PROBE_OFF) &&
			  info.error <= 0 && info.size == sizeof(info);
		tap_diag("%s: %d (%d)", info.name, (int)info.state, info.error);
	}
	ok(count >= 8, "there are probes");
	ok(described, "each is described");
	ok(decided, "each was tried by asking");
	is_err(vas_probe_get(count, &info), ENOENT, "there is no further one");
	is_err(vas_probe_get(SIZE_MAX, &info), ENOENT, "nor a last one of all");
	is_err(vas_probe_get(0, NULL), EINVAL, "no struct");
	again.size = sizeof(again) - 1;
	is_err(vas_probe_get(0, &again), EINVAL, "a struct below the first version's");
	ok(!again.name, "is untouched");
	again.size = SIZE_MAX;
	is_err(vas_probe_get(0, &again), EINVAL, "a size that nobody meant");
	is_err(vas_probe_get(0, &larger.info), 0, "a newer caller's struct");
	ok(larger.newer == 0 && larger.info.size == sizeof(larger), "has its tail zeroed");

	is_err(vas_probe_get(0, &info), 0, "the first probe");
	vas_probe_reset();
	again.size = sizeof(again);
	is_err(vas_probe_get(0, &again), 0, "after a reset");
	ok(info.state == again.state && strcmp(info.name, again.name) == 0, "says the same");
}

static void test_settings(void)
{
	struct vas_setting setting = { .size = sizeof(setting) };
	bool described = true;
	size_t count = 0, log = SIZE_MAX;

	setenv("VASPACE_LOG", "sometimes", 1);
	vas_environment_reload();
	for (; vas_setting_get(count, &setting) == 0; count++) {
		described = described && strncmp(setting.name, "VASPACE_", 8) == 0 &&
			    setting.what[0] && setting.fallback;
		if (strcmp(setting.name, "VASPACE_LOG") == 0)
			log = count;
	}
	ok(count >= 7 && log != SIZE_MAX, "there are settings");
	ok(described, "each is described");
	is_err(vas_setting_get(log, &setting), 0, "one that was not understood");
	is_err(setting.error, EINVAL, "says so");
	is_str(setting.value, setting.fallback, "and the default holds");
	setenv("VASPACE_LOG", "error", 1);
	vas_environment_reload();
	is_err(vas_setting_get(log, &setting), 0, "one that was");
	ok(setting.error == 0 && setting.set == 1, "says so too");
	is_str(setting.value, "error", "and holds");
	unsetenv("VASPACE_LOG");
	vas_environment_reload();
	is_err(vas_setting_get(log, &setting), 0, "one that is not there");
	ok(setting.error == 0 && setting.set == 0, "is not set");
	is_err(vas_setting_get(count, &setting), ENOENT, "there is no further one");
	is_err(vas_setting_get(0, NULL), EINVAL, "no struct");
	setting.size = 8;
	is_err(vas_setting_get(0, &setting), EINVAL, "a struct below the first version's");
}

static void test_ledger(void)
{
	struct vas_ledger_entry entry = { .size = sizeof(entry) };
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_span span;
	VAS_OPTS(vas_reserve_opts, opts);

	opts.name = "system test";
	is_err(vas_reserve(1 << 20, &opts, &span), 0, "a named span");
	is_err(vas_commit(vas_span_pointer(span), 65536, NULL), 0, "committed in part");
	is_err(vas_ledger_get(0, &entry), 0, "has a line in the ledger");
	is_str(entry.name, "system test", "under its name");
	ok(entry.spans == 1 && entry.reserved == 1 << 20 && entry.committed == 65536,
	   "with its bytes");
	is_err(vas_stats_get(&stats), 0, "and counts");
	ok(stats.spans == 1 && stats.reserved == 1 << 20 && stats.committed == 65536,
	   "in the sums");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_ledger_get(0, &entry), 0, "the line stays");
	ok(entry.spans == 0 && entry.reserved == 0 && entry.committed == 0 &&
		   entry.peak_reserved == 1 << 20,
	   "with the peak");
	is_err(vas_ledger_get(1, &entry), ENOENT, "there is no second");
	is_err(vas_ledger_get(0, NULL), EINVAL, "no struct");
	is_err(vas_stats_get(NULL), EINVAL, "no struct for counters");
	entry.size--;
	is_err(vas_ledger_get(0, &entry), EINVAL, "a struct below the first version's");
	is_err(vas_sync_check(NULL), 0, "the books agree with the kernel");
}

int main(void)
{
	tap_plan(0);
	test_version();
	test_features();
	test_ledger();
	test_probes();
	test_settings();
	return tap_done();
}
