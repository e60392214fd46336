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
