/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 15 */
/*
 * Poor surroundings: no /proc, no descriptors, no address space left, locked
 * memory, the number of mappings at its limit, another user, probes switched
 * off, claims by hint. In each the library works, or refuses by name.
 *
 * Not under AddressSanitizer, whose runtime needs /proc, descriptors and
 * terabytes of address space for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/ballast.h"
#include "support/workout.h"
#include "sys/environment.h"
#include "sys/probe.h"
#include "tap/tap.h"

#define NOBODY 65534
#define MIB (UINT64_C(1) << 20)
#define MAPS_MOST 200000

static uint64_t page;

static void ignore_leaks(void)
{
	tap_ignore_leaks(TAP_LEAK_FDS | TAP_LEAK_HEAP | TAP_LEAK_VMAS);
}

/* The reason of the last failure, once the evidence was looked at. */
static enum vas_why explained(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_explain(&report) ? VAS_WHY_NONE : report.why;
}

static enum vas_why told(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) ? VAS_WHY_NONE : report.why;
}

/* --- no /proc --- */

#define NO_PROC "lowest=0|ENOSPC open=ENOENT read=- gaps=- at=- find=- check=ENOENT"

static void no_proc(void *arg)
{
	bool *later = arg;
	char folder[] = "/tmp/vaspace-denied-XXXXXX";
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ignore_leaks();
	if (*later)
		workout("");
	if (!mkdtemp(folder))
		tap_bail("no folder: %m");
	if (chroot(folder) != 0) {
		rmdir(folder);
		tap_skip_all("not-root", "only root may change the root folder");
	}
	if (chdir("/") != 0)
		tap_bail("no folder: %m");
	workout(NO_PROC);
	if (fchdir(root) != 0 || chroot(".") != 0 || rmdir(folder) != 0)
		tap_bail("no way back: %m");
}

/* --- descriptors --- */

static void no_descriptors(void *arg)
{
	struct rlimit none = { 0, 0 };
	bool *later = arg;

	ignore_leaks();
	if (*later)
		workout("");
	workout_prepare();
	setrlimit(RLIMIT_NOFILE, &none);
	workout("lowest=0|ENOSPC open=EMFILE read=- gaps=- at=- find=- check=EMFILE");
}

/* --- another user --- */

static bool be_nobody(void)
{
	return geteuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static void nobody(void *arg)
{
	(void)arg;
	ignore_leaks();
	if (!be_nobody())
		tap_bail("root cannot become nobody: %m");
	workout("");
}

/* --- RLIMIT_AS --- */

/* The first number of /proc/self/statm, in bytes. */
static uint64_t address_used(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		tap_bail("no statm");
	close(fd);
	return strtoull(text, NULL, 10) * page;
}

static void limit_addresses(uint64_t room)
{
	struct rlimit limit;

	limit.rlim_cur = limit.rlim_max = address_used() + room;
	if (setrlimit(RLIMIT_AS, &limit))
		tap_bail("no limit: %m");
}

static void few_addresses(void *arg)
{
	struct vas_span span;

	(void)arg;
	ignore_leaks();
	limit_addresses(64 * MIB);
	workout("");
	is_err(vas_reserve(1024 * MIB, NULL, &span), ENOMEM, "more than is left");
	is_i64(explained(), VAS_WHY_ADDRESS_LIMIT, "refused because of RLIMIT_AS");
	VAS_OPTS(vas_reserve_opts, opts);
	opts.min_size = MIB;
	is_err(vas_reserve(1024 * MIB, &opts, &span), 0, "at least what is left");
	ok(span.size >= MIB && span.size < 64 * MIB, "which is %llu bytes",
	   (unsigned long long)span.size);
	is_i64(told(), VAS_WHY_NONE, "a shortfall is no failure");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

#define NO_SPAN                                                                                    \
	"reserve=ENOMEM commit=- protect=- guard=- decommit=- region=ENOMEM object=ENOMEM "        \
	"policy=ENOMEM fork=ENOMEM join=ENOMEM recipe=ENOMEM lowest=ENOMEM near=ENOMEM "           \
	"open=ENOMEM read=- gaps=- at=- find=- check=- release=- "

static void no_addresses(void *arg)
{
	bool *later = arg;

	ignore_leaks();
	if (*later)
		workout("");
	limit_addresses(0);
	/* What was kept from before serves small requests. */
	workout(*later ? NO_SPAN "taken=EEXIST|ENOMEM|0" : "window=ENOMEM " NO_SPAN "taken=-|ENOMEM");
}

/* --- RLIMIT_DATA --- */

static void no_data(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct vas_span span;

	(void)arg;
	ignore_leaks();
	workout("");
	is_err(vas_reserve(16 * MIB, NULL, &span), 0, "reserved");
	setrlimit(RLIMIT_DATA, &none);
	is_err(vas_reserve(page, NULL, &span), 0, "inaccessible memory is no data");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

/* --- locked memory --- */

static void locked(void *arg)
{
	struct rlimit limit = { 8 * MIB, 8 * MIB };
	struct vas_span span;
	int err;

	(void)arg;
	ignore_leaks();
	if (!be_nobody())
		tap_bail("root cannot become nobody: %m");
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur > 8 * MIB)
		limit.rlim_cur = limit.rlim_max = 8 * MIB;
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (mlockall(MCL_FUTURE) != 0)
		tap_skip_all("no-mlockall", "memory may not be locked: %m");
	err = vas_reserve(256 * MIB, NULL, &span);
	is_err(err, EAGAIN, "more than may be locked");
	is_i64(told(), VAS_WHY_LOCKED, "refused because memory is locked");
	is_i64(explained(), VAS_WHY_LOCKED, "and still, with the evidence");
	VAS_OPTS(vas_reserve_opts, opts);
	opts.min_size = page;
	is_err(vas_reserve(256 * MIB, &opts, &span), 0, "at least what may be locked");
	ok(span.size < 256 * MIB, "which is %llu bytes", (unsigned long long)span.size);
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_reserve(page, NULL, &span), 0, "a page");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "which can be committed");
	memset(vas_span_pointer(span), 1, page);
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "and released");
}

/* --- the number of mappings --- */

static unsigned long maps_limit(void)
{
	char text[64] = "";
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	close(fd);
	return strtoul(text, NULL, 10);
}

/* Alternating protections, so that nothing merges, until the kernel refuses. */
static unsigned char *fill_maps(unsigned long limit, uint64_t *size)
{
	unsigned char *area;

	*size = (limit + 1000) * page;
	area = mmap(NULL, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		tap_bail("no addresses");
	for (uint64_t at = page; at < *size; at += 2 * page)
		if (mprotect(area + at, page, PROT_READ))
			return area;
	tap_bail("the number of mappings is not limited");
}

static void many_mappings(void *arg)
{
	unsigned long limit = maps_limit();
	enum vas_retired state;
	struct vas_span whole, parts[3], span;
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_owner owner;
	unsigned char *area;
	uint64_t size;
	int err;

	(void)arg;
	ignore_leaks();
	if (limit == 0 || limit > MAPS_MOST)
		tap_skip_all("many-mappings", "%lu mappings are too many to make", limit);
	ballast_forbid();
	/* Three spans side by side: one mapping of the kernel. */
	is_err(vas_reserve(48 * page, NULL, &whole), 0, "room");
	is_err(vas_release(vas_span_pointer(whole), NULL), 0, "found");
	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	for (unsigned int i = 0; i < 3; i++) {
		opts.address = whole.start + i * 16 * page;
		is_err(vas_reserve(16 * page, &opts, &parts[i]), 0, "part %u", i);
	}
	area = fill_maps(limit, &size);

	is_err(vas_release(vas_span_pointer(parts[1]), &state), 0, "the middle one is released");
	is_i64(state, VAS_RETIRED_GUARDED, "but the kernel cannot split the mapping: held, though it holds nothing");
	is_err(vas_stats_get(&stats), 0, "counted:");
	ok(stats.held == 1 && stats.held_bytes == 16 * page, "one held span");
	is_err(vas_owner_at(vas_span_pointer(parts[1]), &owner), 0, "it is still owned");
	is_err(vas_release(vas_span_pointer(parts[1]), &state), ENOENT, "but not released twice");
	is_err(vas_commit(vas_span_pointer(parts[1]), page, NULL), EBUSY, "nor committed");
	is_i64(told(), VAS_WHY_HELD, "because it is held");
	is_err(vas_commit((char *)vas_span_pointer(parts[0]) + 4 * page, page, NULL), ENOMEM,
	       "a commit that would split a mapping is refused");
	is_i64(explained(), VAS_WHY_VMA_LIMIT, "because of the number of mappings");
	opts.address = (uint64_t)(uintptr_t)area - 1024 * MIB;
	opts.flags = VAS_RESERVE_NODUMP;
	err = vas_reserve(16 * page, &opts, &span);
	/* The kernel lets the limit be passed by one. */
	ok(err == 0 || err == -ENOMEM, "one mapping more: %s", err ? strerrorname_np(-err) : "works");
	if (!err)
		is_err(vas_release(vas_span_pointer(span), NULL), 0, "which is released");
	err = vas_sync_check(NULL);
	ok(err == 0 || err == -ENOMEM, "books and kernel agree, if there is room to look");

	munmap(area, size);
	is_err(vas_reserve(page, NULL, &span), 0, "with room again, a reservation");
	is_err(vas_stats_get(&stats), 0, "makes it");
	ok(stats.held == 0 && stats.held_bytes == 0, "that nothing is held");
	is_err(vas_owner_at(vas_span_pointer(parts[1]), &owner), ENOENT, "the middle one is gone");
	is_err(vas_release(vas_span_pointer(span), &state), 0, "released");
	for (unsigned int i = 0; i < 3; i += 2) {
		is_err(vas_release(vas_span_pointer(parts[i]), &state), 0, "part %u", i);
		is_i64(state, VAS_RETIRED_GONE, "gone");
	}
	is_err(vas_sync_check(NULL), 0, "books and kernel agree");
}

/* Nothing was called before the limit was reached. */
static void many_mappings_first(void *arg)
{
	unsigned long limit = maps_limit();
	struct vas_span span;
	uint64_t size;
	int err;

	(void)arg;
	ignore_leaks();
	if (limit == 0 || limit > MAPS_MOST)
		tap_skip_all("many-mappings", "%lu mappings are too many to make", limit);
	unsigned char *area = fill_maps(limit, &size);

	err = vas_reserve(page, NULL, &span);
	ok(err == 0 || err == -ENOMEM, "the first call of all: %s", strerrorname_np(-err));
	munmap(area, size);
	workout("");
}

/* --- what the environment sets --- */

static void set_and_reload(const char *name, const char *value)
{
	ignore_leaks();
	setenv(name, value, 1);
	vas_environment_reload();
}

static void claim_by_hint(void *arg)
{
	(void)arg;
	set_and_reload("VASPACE_CLAIM", "hint");
	workout("");
}

static void route(void *arg)
{
	set_and_reload("VASPACE_ROUTE", arg);
	workout("");
}

static void without_probe(void *arg)
{
	struct vas_probe_info info = { .size = sizeof(info) };
	const char *name = arg;
	bool off = false;

	set_and_reload("VASPACE_DISABLE", name);
	workout("");
	for (size_t i = 0; vas_probe_get(i, &info) == 0; i++)
		off |= strcmp(info.name, name) == 0 && info.state == VAS_PROBE_OFF;
	ok(off, "%s is told to be off", name);
}

static void without_all(void *arg)
{
	char names[256] = "";

	(void)arg;
	for (int probe = 0; probe < VAS_PROBE_COUNT; probe++) {
		strcat(names, vas_probe_name((enum vas_probe)probe));
		strcat(names, ",");
	}
	set_and_reload("VASPACE_DISABLE", names);
	workout("");
}

static void without_what_is_not(void *arg)
{
	struct vas_setting setting = { .size = sizeof(setting) };

	(void)arg;
	set_and_reload("VASPACE_DISABLE", "no_such_probe");
	workout("");
	for (size_t i = 0; vas_setting_get(i, &setting) == 0; i++)
		if (strcmp(setting.name, "VASPACE_DISABLE") == 0)
			is_i64(setting.error, -EINVAL, "the setting says that it was not understood");
}

/* --- what the statistics say about mappings --- */

static void expect_delta(const char *what, long *before)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	long now = tap_count_vmas();

	is_err(vas_stats_get(&stats), 0, "%s", what);
	is_i64(stats.vma_delta, now - *before, "%s: vma_delta is what /proc/self/maps shows", what);
	*before = now;
}

/* In a quiet process, with a span that merges with nothing. */
static void vma_deltas(void *arg)
{
	struct vas_span span;
	char *memory;
	long before;

	(void)arg;
	/* The library's own memory and the counting itself come first. */
	is_err(vas_reserve(64 * page, NULL, &span), 0, "a span");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "committed");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	tap_count_vmas();
	tap_baseline();

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_SCATTER;
	opts.key = 7;
	opts.min = 1ull << 40;
	opts.max = 1ull << 44;
	before = tap_count_vmas();
	is_err(vas_reserve(64 * page, &opts, &span), 0, "reserved alone");
	expect_delta("reserve", &before);
	memory = vas_span_pointer(span);
	is_err(vas_commit(memory + 8 * page, 4 * page, NULL), 0, "a part in the middle");
	expect_delta("commit in the middle", &before);
	is_err(vas_commit(memory + 12 * page, 4 * page, NULL), 0, "more behind it");
	expect_delta("commit that merges", &before);
	is_err(vas_commit(memory + 32 * page, 4 * page, NULL), 0, "another part");
	expect_delta("another part", &before);
	is_err(vas_commit(memory + 16 * page, 16 * page, NULL), 0, "between them");
	expect_delta("commit that joins", &before);
	is_err(vas_commit(memory, 64 * page, NULL), 0, "all of it");
	expect_delta("commit of all", &before);
	is_err(vas_release(memory, NULL), 0, "released");
	expect_delta("release", &before);
}

#define CASE(name, function, argument) tap_case(name, function, argument, 60)

int main(void)
{
	static char raw[] = "raw", libc[] = "libc";
	bool first = false, later = true;
	char name[64];

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	CASE("no /proc from the first call on", no_proc, &first);
	CASE("no /proc later", no_proc, &later);
	CASE("no descriptors from the first call on", no_descriptors, &first);
	CASE("no descriptors later", no_descriptors, &later);
	CASE("as nobody", nobody, NULL);
	CASE("RLIMIT_AS with 64 MiB left", few_addresses, NULL);
	CASE("RLIMIT_AS with nothing left from the first call on", no_addresses, &first);
	CASE("RLIMIT_AS with nothing left later", no_addresses, &later);
	CASE("RLIMIT_DATA with nothing left", no_data, NULL);
	CASE("mlockall(MCL_FUTURE)", locked, NULL);
	CASE("the number of mappings at its limit", many_mappings, NULL);
	CASE("the same, from the first call on", many_mappings_first, NULL);
	CASE("VASPACE_CLAIM=hint", claim_by_hint, NULL);
	CASE("VASPACE_ROUTE=raw", route, raw);
	CASE("VASPACE_ROUTE=libc", route, libc);
	for (int probe = 0; probe < VAS_PROBE_COUNT; probe++) {
		char probe_name[40];

		snprintf(probe_name, sizeof(probe_name), "%s", vas_probe_name((enum vas_probe)probe));
		snprintf(name, sizeof(name), "VASPACE_DISABLE=%s", probe_name);
		CASE(name, without_probe, probe_name);
	}
	CASE("VASPACE_DISABLE with all of them", without_all, NULL);
	CASE("VASPACE_DISABLE with what is none", without_what_is_not, NULL);
	CASE("vma_delta in a quiet process", vma_deltas, NULL);
	return tap_done();
}
