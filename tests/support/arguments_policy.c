/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/policy.h. Of those that ask a module, what is refused before it is opened. */
#include <string.h>

#include "support/arguments.h"

#include "tap/tap.h"

static struct vas_policy policy;

static int choose(const void *wish)
{
	return vas_policy_choose(wish, &policy);
}

static void reset(void)
{
	memset(&policy, 0xa5, sizeof(policy));
	policy.size = sizeof(policy);
	policy.mode = VAS_POLICY_BIND;
}

static void nodes_untouched(const char *name)
{
	ok(untouched(policy.nodes, sizeof(policy.nodes)), "%s: the nodes are untouched", name);
}

/* A policy that cannot be written to. */
static void check_output(const char *name, int (*call)(struct vas_policy *))
{
	answer(name, "no policy", call(NULL), EINVAL, NO_REPORT);
	reset();
	for (int i = 0; i < 3; i++) {
		policy.size = i == 0 ? 0 : i == 1 ? sizeof(policy) - 1 : SIZE_MAX;
		answer(name, i < 2 ? "a policy that is too small" : "a policy that is too large",
		       call(&policy), EINVAL, NO_REPORT);
	}
	policy.size = sizeof(policy);
	nodes_untouched(name);
}

static int choose_into(struct vas_policy *output)
{
	VAS_OPTS(vas_node_wish, wish);
	return vas_policy_choose(&wish, output);
}

static int object_into(struct vas_policy *output)
{
	return vas_policy_object("NUMANode", 0, output);
}

void check_policy_choose(void)
{
	const char *name = "vas_policy_choose";
	unsigned char large[sizeof(struct vas_node_wish) + 8] = { 0 };
	const struct {
		const char *what;
		struct vas_node_wish wish;
	} cases[] = {
#define S .size = sizeof(struct vas_node_wish)
		{ "a size of 0", { .size = 0 } },
		{ "a smaller wish", { .size = sizeof(struct vas_node_wish) - 1 } },
		{ "an unknown rank", { S, .rank = (enum vas_node_rank)5 } },
		{ "a negative rank", { S, .rank = (enum vas_node_rank)-1 } },
		{ "an unknown flag", { S, .flags = VAS_NODE_ALL + 1 } },
		{ "a reserved field", { S, .reserved = 1 } },
#undef S
	};

	check_output(name, choose_into);
	reset();
	answer(name, "no wish", choose(NULL), EINVAL, NO_REPORT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, choose(&cases[i].wish), EINVAL, NO_REPORT);
	memcpy(large, &(size_t){ sizeof(large) }, sizeof(size_t));
	large[sizeof(large) - 1] = 1;
	answer(name, "a larger wish with something in the tail", choose(large), E2BIG, NO_REPORT);
	nodes_untouched(name);
}

void check_policy_object(void)
{
	const char *name = "vas_policy_object";

	check_output(name, object_into);
	reset();
	answer(name, "no type", vas_policy_object(NULL, 0, &policy), EINVAL, NO_REPORT);
	nodes_untouched(name);
}

/* A range that vas_policy_query and vas_policy_migrate cannot take. */
static const struct {
	const char *what;
	uint64_t offset, size;
} ranges[] = {
	{ "unaligned", 1, 65536 },
	{ "a size that is not", 0, 65537 },
	{ "nothing", 0, 0 },
	{ "a range that wraps", 0, UINT64_MAX - 65535 },
};
#define RANGES (sizeof(ranges) / sizeof(ranges[0]))

static int query_with(const void *options)
{
	struct vas_policy_report report = { .size = sizeof(report) };

	return vas_policy_query(vas_span_pointer(arguments_owned), arguments_page, options, &report);
}

static int query_into(void *result)
{
	return vas_policy_query(vas_span_pointer(arguments_owned), arguments_page, NULL, result);
}

void check_policy_query(void)
{
	const char *name = "vas_policy_query";
	struct vas_policy_report report = { .size = sizeof(report) };

	reset();
	memset(policy.nodes, 0, sizeof(policy.nodes));
	answer(name, "a policy to bind without nodes", query_with(&policy), EINVAL, NO_REPORT);
	policy.nodes[0] = 1;
	policy.flags = 0;
	for (size_t i = 0; i < RANGES; i++)
		answer(name, ranges[i].what,
		       vas_policy_query((void *)(uintptr_t)(arguments_owned.start + ranges[i].offset),
					ranges[i].size, NULL, &report),
		       EINVAL, NO_REPORT);
	policy.flags = 1;
	answer(name, "an unknown flag", query_with(&policy), EINVAL, NO_REPORT);
	policy.flags = VAS_POLICY_HOME(1024);
	answer(name, "a home that cannot be", query_with(&policy), EINVAL, NO_REPORT);
	policy.flags = 0;
	/* Where there are no nodes the good ones are refused. */
	if (query_with(NULL) != 0)
		return;
	check_options(name, query_with, &policy, sizeof(policy), NO_REPORT);
	check_result(name, query_into, sizeof(report));
}

static int migrate_with(const void *options)
{
	return vas_policy_migrate(vas_span_pointer(arguments_owned), arguments_page, options, NULL);
}

void check_policy_migrate(void)
{
	const char *name = "vas_policy_migrate";
	uint64_t moved = 4711;

	memset(&policy, 0, sizeof(policy));
	policy.size = sizeof(policy);
	answer(name, "no policy", migrate_with(NULL), EINVAL, VAS_WHY_ARGUMENT);
	answer(name, "a policy without nodes", migrate_with(&policy), EINVAL, VAS_WHY_ARGUMENT);
	policy.mode = VAS_POLICY_LOCAL;
	answer(name, "another", migrate_with(&policy), EINVAL, VAS_WHY_ARGUMENT);
	policy.mode = VAS_POLICY_BIND;
	policy.nodes[0] = 1;
	for (size_t i = 0; i < RANGES; i++)
		answer(name, ranges[i].what,
		       vas_policy_migrate((void *)(uintptr_t)(arguments_owned.start + ranges[i].offset),
					  ranges[i].size, &policy, &moved),
		       EINVAL, VAS_WHY_ARGUMENT);
	answer(name, "what is not owned", vas_policy_migrate((void *)65536, 65536, &policy, &moved),
	       ENOENT, VAS_WHY_NOT_OWNED);
	is_u64(moved, 4711, "vas_policy_migrate: the output is untouched");
	if (migrate_with(&policy) == 0)
		check_options(name, migrate_with, &policy, sizeof(policy), VAS_WHY_ARGUMENT);
}
