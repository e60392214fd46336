/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded msan valgrind */
/*
 * Shutdown: when it is refused, that nothing of the library's stays mapped, and
 * that everything works anew, with ids that were never given before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/space.h"
#include "sys/fault.h"
#include "tap/tap.h"

#define SPANS 1500u

static uint64_t page;

static int note(void *context, const struct vas_notice *notice)
{
	if (notice->phase == VAS_NOTICE_BEFORE)
		*(int *)context = vas_shutdown();
	return 0;
}

static void hear(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	(void)reasons;
	(void)pressure;
	*(int *)context = vas_shutdown();
}

static void test_refused(void *unused)
{
	struct vas_sys_fault fault;
	enum vas_retired state;
	struct vas_span span;
	int inside = 0;
	uint64_t id;

	(void)unused;
	is_err(vas_shutdown(), 0, "before the first call there is nothing to shut down");
	vas_sys_fault_init(&fault, vas_sys_real());
	vas_sys_replace(&fault.sys);
	is_err(vas_reserve(16 * page, NULL, &span), 0, "a span");
	is_err(vas_shutdown(), EBUSY, "is in the way");
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "it still works");
	is_err(vas_notice_subscribe(&span, note, &inside, &id), 0, "somebody subscribes");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "the span is released");
	is_err(inside, EBUSY, "not while that is told");
	is_err(vas_shutdown(), EBUSY, "nor while somebody is subscribed");
	is_err(vas_notice_cancel(id), 0, "who cancels");
	VAS_OPTS(vas_pressure_opts, opts);
	opts.cgroup_room = UINT64_MAX;
	opts.vmas_percent = 1;
	is_err(vas_pressure_set(hear, &inside, &opts), 0, "a pressure hook is not in the way");
	inside = -EBUSY;
	vas_pressure_check();
	is_err(inside, EBUSY, "unless it runs");
	is_err(vas_reserve(16 * page, NULL, &span), 0, "a span");
	fault.operation = "unmap";
	vas_sys_fault_arm(&fault, 1, true, ENOMEM);
	is_err(vas_release(vas_span_pointer(span), &state), 0, "that the kernel keeps");
	is_err(vas_shutdown(), EBUSY, "is in the way");
	vas_sys_fault_arm(&fault, 0, false, 0);
	is_err(vas_shutdown(), 0, "until the kernel takes it, which is tried again");
	vas_sys_replace(NULL);
}

static void use(struct vas_span *spans, unsigned int count)
{
	uint64_t random = 5;

	for (unsigned int i = 0; i < count; i++) {
		char name[16];

		VAS_OPTS(vas_reserve_opts, opts);
		snprintf(name, sizeof(name), "name %u", i % 100);
		opts.name = name;
		if (vas_reserve((1 + vas_random_below(&random, 64)) * page, &opts, &spans[i]) ||
		    vas_commit(vas_span_pointer(spans[i]), page, NULL))
			tap_bail("no span");
	}
}

static void unuse(const struct vas_span *spans, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (vas_release(vas_span_pointer(spans[i]), NULL))
			tap_bail("no release");
}

/* The case counts mappings and descriptors: none may be left. */
static void test_nothing_left(void *unused)
{
	static struct vas_span spans[SPANS];
	struct vas_stats stats = { .size = sizeof(stats) };
	long before = tap_count_vmas();

	(void)unused;
	for (int round = 0; round < 3; round++) {
		use(spans, SPANS);
		is_err(vas_sync_check(NULL), 0, "%u spans", SPANS);
		unuse(spans, SPANS);
		vas_stats_get(&stats);
		is_u64(stats.reserves, SPANS, "were counted from zero");
		is_err(vas_shutdown(), 0, "shut down");
		if (!tap_under_sanitizer() && !tap_under_valgrind())
			ok(tap_count_vmas() <= before, "no mapping is left");
		vas_stats_get(&stats);
		is_u64(stats.books, 0, "there are no books");
		is_err(vas_shutdown(), 0, "again");
	}
}

static void test_ids(void *unused)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_owner owners[2];
	uint64_t subscriptions[2];
	struct vas_span span;
	int inside;

	(void)unused;
	for (int round = 0; round < 2; round++) {
		is_err(vas_reserve(16 * page, NULL, &span), 0, "a span");
		is_err(vas_owner_at(vas_span_pointer(span), &owners[round]), 0, "its owner");
		is_err(vas_notice_subscribe(NULL, note, &inside, &subscriptions[round]), 0,
		       "a subscription");
		is_err(vas_notice_cancel(subscriptions[round]), 0, "cancelled");
		if (round == 0) {
			is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
			is_err(vas_shutdown(), 0, "shut down");
			is_err(vas_owner_at(vas_span_pointer(span), &owners[1]), ENOENT,
			       "nobody owns anything");
			is_err(vas_owner_details(owners[0].id, &details), ESTALE,
			       "nor is an id known");
		}
	}
	ok(owners[0].id != owners[1].id, "an owner's id is not given again");
	ok(subscriptions[0] != subscriptions[1], "nor that of a subscription");
	is_err(vas_owner_details(owners[0].id, &details), ESTALE, "the old one is stale");
	is_err(vas_owner_details(owners[1].id, &details), 0, "the new one is not");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_shutdown(), 0, "shut down");
}

static void test_fork(void *unused)
{
	struct vas_span span;
	int status = -1;
	pid_t child;

	(void)unused;
	is_err(vas_reserve(page, NULL, &span), 0, "a span");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_shutdown(), 0, "shut down");
	child = fork();
	if (child == 0)
		_exit(vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL) ||
		      vas_shutdown());
	waitpid(child, &status, 0);
	is_i64(status, 0, "a child begins anew, and shuts down");
	is_err(vas_reserve(page, NULL, &span), 0, "as does the parent");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_shutdown(), 0, "shut down");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	tap_case("refusals", test_refused, NULL, 20);
	tap_case("nothing left", test_nothing_left, NULL, 60);
	tap_case("ids", test_ids, NULL, 20);
	tap_case("fork", test_fork, NULL, 20);
	return tap_done();
}
