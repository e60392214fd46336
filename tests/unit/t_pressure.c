/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/*
 * Pressure: what is counted, when the hook is called and when not, and what
 * vas_reclaim gives back.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "support/crew.h"
#include "support/fake_files.h"
#include "sys/fault.h"
#include "tap/tap.h"

static uint64_t page;

/* --- thresholds, on made-up files --- */

static char maps[4096], limit_text[32], room_text[32];

static const struct fake_file files[] = {
	{ "/proc/self/maps", maps },
	{ "/proc/sys/vm/max_map_count", limit_text },
	{ "/proc/self/cgroup", "0::/a\n" },
	{ "/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n" },
	{ "/sys/fs/cgroup/a/memory.max", room_text },
	{ "/sys/fs/cgroup/a/memory.current", "0\n" },
	{ NULL, NULL },
};

static void say(unsigned int mappings, unsigned int limit, unsigned long long room)
{
	size_t length = 0;

	for (unsigned int i = 0; i < mappings; i++)
		length += (size_t)snprintf(maps + length, sizeof(maps) - length,
					   "%x-%x r--p 00000000 00:00 0 \n", 0x10000 + 2 * i * 4096,
					   0x10000 + (2 * i + 1) * 4096);
	snprintf(limit_text, sizeof(limit_text), "%u\n", limit);
	snprintf(room_text, sizeof(room_text), "%llu\n", room);
}

/* The real kernel with those files. */
static struct fake_files *half_real(void)
{
	static struct fake_files fake;
	struct vas_sys *real = vas_sys_real();

	fake_files_init(&fake, files);
	fake.sys.map = real->map;
	fake.sys.unmap = real->unmap;
	fake.sys.protect = real->protect;
	fake.sys.advise = real->advise;
	fake.sys.sync = real->sync;
	fake.sys.get_brk = real->get_brk;
	return &fake;
}

static struct {
	unsigned int calls;
	uint32_t reasons;
	struct vas_pressure pressure;
	struct vas_space *space;
	uint32_t nested; /* what looking inside the hook answered */
} heard;

static void hear(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	heard.calls++;
	heard.reasons = reasons;
	heard.pressure = *pressure;
	if (context)
		heard.nested = vas_watch_look(context, VAS_PRESSURE_VMAS | VAS_PRESSURE_CGROUP);
}

static uint32_t look(struct vas_space *space)
{
	memset(&heard, 0, sizeof(heard));
	heard.nested = 77;
	return vas_watch_look(space, VAS_PRESSURE_VMAS | VAS_PRESSURE_CGROUP);
}

static void test_thresholds(void)
{
	static struct vas_space space;
	struct vas_pressure_opts opts = { .size = sizeof(opts) };
	struct fake_files *fake = half_real();

	say(8, 10, 1ull << 40);
	if (vas_space_init(&space, &fake->sys, vas_sys_real()))
		tap_bail("no space");
	is_u64(look(&space), 0, "nobody listens");
	is_u64(heard.calls, 0, "so nobody is called");
	vas_space_watch(&space, hear, &space, &opts);
	is_u64(look(&space), 0, "8 of 10 mappings");
	say(9, 10, 1ull << 40);
	is_u64(look(&space), VAS_PRESSURE_VMAS, "9 of 10 are 90 percent");
	ok(heard.calls == 1 && heard.reasons == VAS_PRESSURE_VMAS && heard.pressure.vmas_used == 9 &&
		   heard.pressure.vmas_limit == 10 && heard.pressure.cgroup_room == 1ull << 40,
	   "the hook hears it, with the numbers");
	is_u64(heard.nested, 0, "and is not called again from inside");
	opts.vmas_percent = 91;
	vas_space_watch(&space, hear, NULL, &opts);
	is_u64(look(&space), 0, "9 of 10 are not 91 percent");
	say(1, 10, 64ull << 20);
	is_u64(look(&space), 0, "64 MiB left are enough");
	say(1, 10, (64ull << 20) - 1);
	is_u64(look(&space), VAS_PRESSURE_CGROUP, "a byte less is not");
	ok(heard.calls == 1 && heard.reasons == VAS_PRESSURE_CGROUP, "the hook hears it");
	say(10, 10, 1);
	is_u64(look(&space), VAS_PRESSURE_VMAS | VAS_PRESSURE_CGROUP, "both");
	is_u64(heard.calls, 1, "are one call");
	opts.cgroup_room = 1;
	opts.vmas_percent = 100;
	vas_space_watch(&space, hear, NULL, &opts);
	is_u64(look(&space), VAS_PRESSURE_VMAS, "a room of its own, and all mappings");
	memset(&heard, 0, sizeof(heard));
	vas_watch_committed(&space, VAS_COMMIT_POPULATE);
	is_u64(heard.calls, 0, "after populating only the group counts");
	say(10, 10, 0);
	vas_watch_committed(&space, VAS_COMMIT_POPULATE);
	ok(heard.calls == 1 && heard.reasons == VAS_PRESSURE_CGROUP &&
		   heard.pressure.vmas_used == UINT64_MAX,
	   "and mappings are not counted");
	vas_watch_committed(&space, 0);
	vas_watch_refused(&space, -EEXIST);
	is_u64(heard.calls, 1, "what is taken is no shortage");
	vas_watch_refused(&space, -ENOMEM);
	is_u64(heard.calls, 2, "no memory is");
	maps[0] = 0;
	limit_text[0] = 0;
	room_text[0] = 0;
	is_u64(look(&space), 0, "what cannot be told is no reason");
	vas_space_watch(&space, NULL, NULL, &opts);
	say(10, 10, 0);
	is_u64(look(&space), 0, "the hook is gone");
	is_u64(fake->opened, 0, "all files are closed");
}

/* --- the public functions --- */

static void hear_and_fail(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	hear(NULL, reasons, pressure);
	*(int *)context = vas_release(NULL, NULL);
}

static void test_refusal(void)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_sys_fault fault;
	struct vas_span span;
	int failed = 0;

	VAS_OPTS(vas_pressure_opts, opts);
	opts.cgroup_room = UINT64_MAX;
	opts.vmas_percent = 1;
	/* Enough mappings for one percent of the usual limit are made below. */
	vas_space_forget();
	vas_sys_fault_init(&fault, vas_sys_real());
	vas_sys_replace(&fault.sys);
	is_err(vas_pressure_set(hear_and_fail, &failed, &opts), 0, "a hook");
	is_err(vas_reserve(1400 * page, NULL, &span), 0, "a span");
	for (unsigned int i = 0; i < 1400; i += 2)
		if (vas_commit((char *)vas_span_pointer(span) + i * page, page, NULL))
			tap_bail("a page cannot be committed");
	memset(&heard, 0, sizeof(heard));
	fault.operation = "map";
	vas_sys_fault_arm(&fault, 1, true, ENOMEM);
	is_err(vas_commit((char *)vas_span_pointer(span) + page, page, NULL), ENOMEM,
	       "a commit that the kernel refuses");
	vas_sys_fault_arm(&fault, 0, false, 0);
	if (heard.pressure.vmas_limit <= 65530) {
		ok(heard.calls == 1 && (heard.reasons & VAS_PRESSURE_VMAS), "the hook is called");
		is_err(failed, ENOENT, "and makes a call that fails");
		ok(heard.pressure.vmas_own >= 1400, "it is told how many are ours");
	} else {
		tap_skip(3, "many-mappings", "one percent of the limit is more than 1400");
	}
	vas_report_get(&report);
	ok(report.operation == VAS_OPERATION_COMMIT && report.error == -ENOMEM,
	   "the thread's last failure is the commit's");
	is_i64(vas_pressure_check() & VAS_PRESSURE_VMAS, heard.reasons & VAS_PRESSURE_VMAS,
	       "a look says the same");
	is_err(vas_pressure_set(NULL, NULL, NULL), 0, "no hook");
	is_i64(vas_pressure_check(), 0, "nobody looks");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	vas_sys_replace(NULL);
	vas_space_forget();
}

static void test_get(void)
{
	struct vas_pressure pressure = { .size = sizeof(pressure) };
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_span span;
	long counted;

	vas_reserve(16 * page, NULL, &span);
	vas_commit(vas_span_pointer(span), page, NULL);
	vas_stats_get(&stats);
	is_err(vas_pressure_get(&pressure), 0, "how things stand");
	counted = tap_count_vmas();
	ok((long)pressure.vmas_used >= counted - 8 && (long)pressure.vmas_used <= counted + 8,
	   "%llu mappings, %ld counted", (unsigned long long)pressure.vmas_used, counted);
	ok(pressure.vmas_limit >= pressure.vmas_used, "which is below the limit");
	is_u64(pressure.vmas_own, stats.vmas, "ours are those of the books");
	ok(pressure.unretired == 0 && pressure.warm == 0, "nothing to give back");
	vas_release(vas_span_pointer(span), NULL);
}

/* --- giving back --- */

struct cache {
	struct vas_holding_user user;
	uint64_t warm; /* atomic: several threads may ask at once */
	uint64_t most; /* given back by one call */
};

static uint64_t cache_reclaim(struct vas_holding_user *user, uint64_t target)
{
	struct cache *cache = (struct cache *)user;
	uint64_t warm = __atomic_load_n(&cache->warm, __ATOMIC_RELAXED);
	uint64_t give = warm < cache->most ? warm : cache->most;

	if (give > target)
		give = target;
	__atomic_fetch_sub(&cache->warm, give, __ATOMIC_RELAXED);
	return give;
}

static uint64_t cache_warm(struct vas_holding_user *user)
{
	return __atomic_load_n(&((struct cache *)user)->warm, __ATOMIC_RELAXED);
}

static const struct vas_holding_user_ops cache_ops = { .reclaim = cache_reclaim,
						       .warm = cache_warm };

static void test_reclaim(void)
{
	struct cache caches[3] = { { .warm = 100, .most = 1000 },
				   { .warm = 200, .most = 1000 },
				   { .warm = 300, .most = 50 } };
	struct vas_pressure pressure = { .size = sizeof(pressure) };
	struct vas_span spans[3];
	struct vas_space *space;
	uint64_t got = 1;

	vas_space_default(&space);
	is_err(vas_reclaim(UINT64_MAX, &got), 0, "nothing to give back");
	is_u64(got, 0, "gives nothing");
	is_err(vas_reclaim(UINT64_MAX, NULL), 0, "nobody wants to know");
	for (int i = 0; i < 3; i++) {
		caches[i].user.ops = &cache_ops;
		vas_reserve(16 * page, NULL, &spans[i]);
		is_err(vas_space_use_at(space, spans[i].start, &caches[i].user), 0, "a cache");
	}
	vas_pressure_get(&pressure);
	is_u64(pressure.warm, 600, "what they keep is counted");
	is_err(vas_reclaim(220, &got), 0, "a part of it");
	ok(got >= 220 && got <= 250, "is given back by as many as are needed: %llu",
	   (unsigned long long)got);
	is_err(vas_reclaim(0, &got), 0, "nothing");
	is_u64(got, 0, "is nothing");
	caches[2].most = 1000;
	is_err(vas_reclaim(UINT64_MAX, &got), 0, "the rest");
	vas_pressure_get(&pressure);
	ok(pressure.warm == 0 && got >= 350, "is given back: %llu", (unsigned long long)got);
	for (int i = 0; i < 3; i++) {
		vas_space_unuse(space, &caches[i].user);
		is_err(vas_release(vas_span_pointer(spans[i]), NULL), 0, "released");
	}
}

/* A span that the kernel would not take back. */
static void test_held(void)
{
	struct vas_pressure pressure = { .size = sizeof(pressure) };
	enum vas_retired state;
	struct vas_sys_fault fault;
	struct vas_span span;
	uint64_t got;

	vas_space_forget();
	vas_sys_fault_init(&fault, vas_sys_real());
	vas_sys_replace(&fault.sys);
	vas_reserve(16 * page, NULL, &span);
	vas_sys_fault_arm(&fault, 1, true, ENOMEM);
	is_err(vas_release(vas_span_pointer(span), &state), 0, "released");
	ok(state != VAS_RETIRED_GONE, "which the kernel refuses");
	is_err(vas_reclaim(UINT64_MAX, &got), 0, "tried again");
	is_u64(got, 0, "in vain");
	vas_sys_fault_arm(&fault, 0, false, 0);
	vas_pressure_get(&pressure);
	is_u64(pressure.unretired, 16 * page, "it is counted");
	is_err(vas_reclaim(1, &got), 0, "tried again");
	is_u64(got, 16 * page, "with success");
	vas_pressure_get(&pressure);
	is_u64(pressure.unretired, 0, "nothing is left");
	vas_sys_replace(NULL);
	vas_space_forget();
}

/* --- threads --- */

static struct {
	struct vas_space *space;
	unsigned int running; /* atomic */
	unsigned int stop; /* atomic */
	unsigned int heard; /* atomic */
} race;

static void hear_slowly(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	(void)reasons;
	(void)pressure;
	if (__atomic_add_fetch(&race.running, 1, __ATOMIC_SEQ_CST) != 1)
		crew_fault("the hook runs twice");
	usleep(200);
	if (!*(int *)context)
		crew_fault("the hook runs after it was ended");
	__atomic_fetch_add(&race.heard, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&race.running, 1, __ATOMIC_SEQ_CST);
}

static void race_set(void)
{
	struct vas_pressure_opts opts = { .size = sizeof(opts), .vmas_percent = 1 };
	int alive[40];

	for (unsigned int i = 0; i < 40; i++) {
		alive[i] = 1;
		vas_space_watch(race.space, hear_slowly, &alive[i], &opts);
		usleep(300);
		vas_space_watch(race.space, NULL, NULL, &opts);
		alive[i] = 0;
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELAXED);
}

static void race_work(void *argument, unsigned int number)
{
	struct cache cache = { .user = { .ops = &cache_ops }, .warm = 0 };
	struct vas_span span;

	(void)argument;
	if (number == 0) {
		race_set();
		return;
	}
	vas_space_reserve(race.space, 16 * page,
			  &(struct vas_reserve_opts){ .size = sizeof(struct vas_reserve_opts) },
			  &(struct vas_failure){ 0 }, &span);
	while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
		vas_watch_look(race.space, VAS_PRESSURE_VMAS);
		/* Users come and go while others are asked to give back. */
		cache.user.busy = 0;
		if (vas_space_use_at(race.space, span.start, &cache.user))
			crew_fault("the span cannot be used");
		vas_space_reclaim(race.space, UINT64_MAX);
		vas_space_unuse(race.space, &cache.user);
		memset(&cache.user.next, 0x5a, sizeof(cache.user.next));
	}
}

static void test_race(void)
{
	char *many = mmap(NULL, 1400 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static struct vas_space space;

	/* Mappings of which one percent of the usual limit are fewer. */
	for (unsigned int i = 0; i < 1400; i += 2)
		mprotect(many + i * page, page, PROT_READ);
	if (vas_space_init(&space, vas_sys_real(), vas_sys_real()))
		tap_bail("no space");
	race.space = &space;
	crew_run(3, race_work, NULL);
	is_u64(crew_faults(), 0, "hooks are set and ended while others look");
	munmap(many, 1400 * page);
	tap_diag("heard %u times", race.heard);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	is_i64(vas_pressure_check(), 0, "before the first call nothing is looked at");
	is_err(vas_reclaim(1, NULL), 0, "and nothing is given back");
	test_thresholds();
	test_refusal();
	test_get();
	test_reclaim();
	test_held();
	test_race();
	return tap_done();
}
