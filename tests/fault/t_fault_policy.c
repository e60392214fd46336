/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * Each kernel call of looking where pages lie and of moving them fails in turn, with each errno: one is tried again in another way, so
 * not where there is time for one errno a call only. On a kernel with one node: what is to move is to
 * go to a node that is not there, or stays.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "space/policy.h"
#include "support/fault_loop.h"
#include "tap/tap.h"

static struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND };

static void *zeroes; /* a page */

static void *first_page(const struct fault_world *world)
{
	return (void *)(uintptr_t)(world->base.start + 2 * world->page);
}

static int call_query(struct fault_world *world)
{
	struct vas_policy_report report = { .size = sizeof(report), .present = 4711 };
	int err;

	/* Read only: the kernel's page of zeroes. */
	(void)*(volatile char *)zeroes;
	err = vas_policy_query(zeroes, world->page, &policy, &report);
	if (err && report.present != 4711)
		ok(false, "the report was touched");
	return err;
}

static int call_migrate(struct fault_world *world)
{
	uint64_t moved = 4711;
	int err;

	err = vas_policy_migrate(first_page(world), 4 * world->page, &policy, &moved);
	if (err && moved != 4711)
		ok(false, "the output was touched");
	return err;
}

/* What an arena of the pool does around fallocate. */
static int call_lend(struct fault_world *world)
{
	struct vas_policy_lent lent;
	int err = vas_policy_lend(&world->fault.sys, &policy, &lent);

	vas_policy_take_back(&world->fault.sys, &lent);
	switch (err) {
	case 0:
	case -ENOMEM:
	case -EINVAL:
		return err;
	default:
		return -EOPNOTSUPP;
	}
}

static void prepare_first(struct fault_world *world)
{
	(void)world;
	policy.nodes[0] = 1;
}

static void prepare_here(struct fault_world *world)
{
	(void)world;
	policy.nodes[0] = UINT64_MAX;
}

static void prepare_elsewhere(struct fault_world *world)
{
	(void)world;
	policy.nodes[0] = UINT64_C(1) << 63;
}

static const struct fault_scenario scenarios[] = {
	{ .name = "a policy that is lent", .function = "vas_policy_query", .call = call_lend,
	  .prepare = prepare_first },
	{ .name = "query", .function = "vas_policy_query", .call = call_query,
	  .prepare = prepare_here },
	{ .name = "migrate to where it is", .function = "vas_policy_migrate", .call = call_migrate,
	  .prepare = prepare_here },
	{ .name = "migrate to nowhere", .function = "vas_policy_migrate", .call = call_migrate,
	  .prepare = prepare_elsewhere, .clean = -EINVAL, .twice = true },
};

static bool of_pages(const char *file)
{
	return strstr(file, "policy_pages.c") || strstr(file, "policy_thread.c");
}

int main(void)
{
	struct vas_sys *real = vas_sys_real();
	uint64_t page = real->page_size;
	int32_t status;

	if (real->move_pages(real, &page, 1, NULL, &status, 0) == -ENOSYS)
		tap_skip_all("no-policies", "this kernel has no memory policies");
	zeroes = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (zeroes == MAP_FAILED)
		tap_bail("no memory");
	tap_plan(0);
	fault_list_run(scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
	fault_sites_report(of_pages);
	return tap_done();
}
