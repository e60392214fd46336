/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 15 */
/*
 * As t_fault_calls.c, for what the library asks the kernel only in a program
 * with ThreadSanitizer (src/layout/shadow.c). This program defines the symbol
 * by which the runtime is recognised; there is no runtime, so nothing is
 * refused, and the search for its windows goes the whole way.
 *
 * Not under AddressSanitizer: a real runtime is recognised before.
 */
#include <string.h>

#include "support/fault_loop.h"
#include "tap/tap.h"

void __tsan_init(void); /* NOLINT: the name is the runtime's */
void __tsan_init(void)
{
}

static void prepare_window(struct fault_world *world)
{
	world->out.window.size = sizeof(world->out.window);
}

static int call_window(struct fault_world *world)
{
	return vas_window_get(&world->out.window);
}

static void prepare_reserve(struct fault_world *world)
{
	world->size = 16 * world->page;
}

static int call_reserve(struct fault_world *world)
{
	return vas_reserve(world->size, &world->opts, &world->out.span);
}

static void undo_reserve(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->out.span), NULL))
		tap_bail("what was reserved cannot be released");
}

static const struct fault_scenario scenarios[] = {
	{ .name = "window_get at first, watched", .function = "vas_window_get",
	  .call = call_window, .prepare = prepare_window, .cold = true, .stride = 401 },
	{ .name = "reserve at first, watched", .function = "vas_reserve", .call = call_reserve,
	  .undo = undo_reserve, .prepare = prepare_reserve, .cold = true, .stride = 401 },
	{ .name = "reserve, watched", .function = "vas_reserve", .call = call_reserve,
	  .undo = undo_reserve, .prepare = prepare_reserve, .stride = 401 },
};

static bool watched(const char *file)
{
	return strstr(file, "src/layout/shadow.c") != NULL;
}

int main(void)
{
	tap_plan(0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		fault_scenario_run(&scenarios[i]);
	fault_sites_report(watched);
	return tap_done();
}
