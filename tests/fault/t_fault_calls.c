/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 30 */
/*
 * Every public call that reaches the kernel, with every kernel call that it
 * makes failing in turn: the scenarios. support/fault_loop.h has the loop and
 * what is compared; tests/fault/errno_table.h has the answers that are allowed.
 *
 * Each scenario is one way through one function. Together they reach every
 * call site of the library but those of src/layout/shadow.c, which ask only
 * under a sanitizer (t_fault_watched.c), of objects and protections
 * (t_fault_memory.c), of parking (t_fault_park.c) and of children (t_fault_fork.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "space/space.h"
#include "support/fault_loop.h"
#include "sys/environment.h"
#include "tap/tap.h"

#define GIB (UINT64_C(1) << 30)

/* --- reserve --- */

static int call_reserve(struct fault_world *world)
{
	return vas_reserve(world->size, &world->opts, &world->out.span);
}

static void undo_reserve(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->out.span), NULL))
		tap_bail("what was reserved cannot be released");
}

static void prepare_any(struct fault_world *world)
{
	world->size = 16 * world->page;
	world->opts.name = "any";
}

/* A place is remembered for the request. */
static void setup_alike(struct fault_world *world)
{
	world->opts = (struct vas_reserve_opts){ .size = sizeof(world->opts) };
	prepare_any(world);
	if (call_reserve(world))
		tap_bail("nothing fails, and yet nothing can be reserved");
	undo_reserve(world);
}

static void prepare_low(struct fault_world *world)
{
	world->size = 16 * world->page;
	world->opts.place = VAS_PLACE_LOW;
	world->opts.min = 16 * GIB;
}

static void prepare_high(struct fault_world *world)
{
	world->size = 16 * world->page;
	world->opts.place = VAS_PLACE_HIGH;
}

static void prepare_low_strict(struct fault_world *world)
{
	prepare_low(world);
	world->opts.flags = VAS_RESERVE_STRICT;
}

static void prepare_high_strict(struct fault_world *world)
{
	prepare_high(world);
	world->opts.flags = VAS_RESERVE_STRICT;
}

static void prepare_near(struct fault_world *world)
{
	world->size = 16 * world->page;
	world->opts.place = VAS_PLACE_NEAR;
	world->opts.address = (uint64_t)(uintptr_t)&vas_reserve;
	world->opts.reach = 2 * GIB - 4096;
}

static void prepare_near_below(struct fault_world *world)
{
	prepare_near(world);
	world->opts.side = VAS_SIDE_BELOW;
}

static void prepare_scatter(struct fault_world *world)
{
	world->size = 16 * world->page;
	world->opts.place = VAS_PLACE_SCATTER;
	world->opts.key = 42;
	world->opts.min = 20480 * GIB; /* above what AddressSanitizer takes */
	world->opts.max = 28672 * GIB;
}

static void prepare_exact(struct fault_world *world)
{
	world->size = 2 * world->page;
	world->opts.place = VAS_PLACE_EXACT;
	world->opts.address = world->hole.start;
}

static void prepare_exact_taken(struct fault_world *world)
{
	prepare_exact(world);
	world->opts.address = world->window.start;
}

static void prepare_prefer(struct fault_world *world)
{
	world->size = 16 * world->page;
	world->opts.flags = VAS_RESERVE_PREFER;
	world->opts.address = world->window.start; /* taken */
}

static void prepare_recipe(struct fault_world *world)
{
	world->limits = (struct vas_limits){ .size = sizeof(world->limits),
					     .obligations = VAS_OBLIGE_NOHUGE };
	world->list[0] = &world->limits;
	world->opts.limits = world->list;
	world->opts.limit_count = 1;
	world->size = 16 * world->page;
	world->opts.flags = VAS_RESERVE_NODUMP | VAS_RESERVE_NOFORK;
}

static void within_window(struct fault_world *world)
{
	world->opts.min = world->window.start;
	world->opts.max = world->window.start + world->window.size;
	world->opts.alignment = world->page;
}

static void setup_crowd(struct fault_world *world)
{
	fault_crowd(world, 4);
}

static void setup_full(struct fault_world *world)
{
	fault_crowd(world, 0);
}

static void setup_text(struct fault_world *world)
{
	fault_crowd(world, 4);
	world->recorder.no_query = true;
	world->recorder.no_sync = true;
	vas_probe_reset();
}

static void setup_sync_only(struct fault_world *world)
{
	setup_full(world);
	world->recorder.no_query = true;
	vas_probe_reset();
}

static void finish_crowd(struct fault_world *world)
{
	fault_uncrowd(world);
	world->recorder.no_query = false;
	world->recorder.no_sync = false;
	vas_probe_reset();
}

static void prepare_crowd(struct fault_world *world)
{
	world->size = 4 * world->page;
	within_window(world);
}

static void prepare_crowd_low(struct fault_world *world)
{
	prepare_crowd(world);
	world->opts.place = VAS_PLACE_LOW;
	world->opts.flags = VAS_RESERVE_STRICT;
}

static void prepare_crowd_high(struct fault_world *world)
{
	prepare_crowd_low(world);
	world->opts.place = VAS_PLACE_HIGH;
}

static void prepare_crowd_near(struct fault_world *world)
{
	prepare_crowd(world);
	world->opts.place = VAS_PLACE_NEAR;
	world->opts.address = world->window.start + 30 * world->page;
	world->opts.reach = world->window.size;
}

static void prepare_crowd_prefer(struct fault_world *world)
{
	prepare_crowd_low(world);
	world->opts.flags |= VAS_RESERVE_PREFER;
	world->opts.address = world->window.start;
}

/* More than the hole has. */
static void prepare_at_least(struct fault_world *world)
{
	prepare_crowd(world);
	world->size = 12 * world->page;
	world->opts.min_size = 2 * world->page;
}

static void prepare_at_least_any(struct fault_world *world)
{
	world->size = GIB;
	world->opts.min_size = 16 * world->page;
}

/* The kernel refuses large mappings: which of its limits is looked for. */
static void setup_refuses(struct fault_world *world)
{
	world->recorder.refuse_above = 100 << 20;
	world->recorder.refuse_error = ENOMEM;
}

static void setup_locked(struct fault_world *world)
{
	world->recorder.refuse_above = 100 << 20;
	world->recorder.refuse_error = EAGAIN;
}

/* The search finds the hole again and again, and each claim is lost. */
static void prepare_race(struct fault_world *world)
{
	prepare_crowd(world);
	world->recorder.lose_claims = 100;
}

static int call_race(struct fault_world *world)
{
	int got = call_reserve(world);

	world->recorder.lose_claims = 0;
	return got;
}

/* As VASPACE_CLAIM sets it; setenv would allocate. */
static void set_claim(enum vas_claim_mode mode)
{
	((struct vas_environment *)(uintptr_t)vas_environment_get())->claim = mode;
	vas_probe_reset();
}

static void use_hints(struct fault_world *world)
{
	set_claim(VAS_CLAIM_HINT);
	fault_crowd(world, 4);
}

static void use_hints_elsewhere(struct fault_world *world)
{
	use_hints(world);
	world->recorder.ignores_hints = true;
	vas_probe_reset();
}

static void finish_hints(struct fault_world *world)
{
	world->recorder.ignores_hints = false;
	set_claim(VAS_CLAIM_AUTO);
	fault_uncrowd(world);
}

static const struct fault_scenario reserve_scenarios[] = {
#define RESERVE(title, ...)                                                                        \
	{ .name = "reserve " title, .function = "vas_reserve", .call = call_reserve,               \
	  .undo = undo_reserve, __VA_ARGS__ }
	RESERVE("at first", .cold = true, .prepare = prepare_any, .stride = 7),
	RESERVE("anywhere", .prepare = prepare_any),
	RESERVE("where one alike was", .setup = setup_alike, .prepare = prepare_any),
	RESERVE("low", .prepare = prepare_low),
	RESERVE("high", .prepare = prepare_high),
	RESERVE("the lowest", .prepare = prepare_low_strict),
	RESERVE("the highest", .prepare = prepare_high_strict),
	RESERVE("near", .prepare = prepare_near),
	RESERVE("near, below", .prepare = prepare_near_below),
	RESERVE("scattered", .prepare = prepare_scatter),
	RESERVE("exactly there", .setup = setup_crowd, .prepare = prepare_exact,
		.finish = finish_crowd),
	RESERVE("exactly there, taken", .setup = setup_crowd, .prepare = prepare_exact_taken,
		.finish = finish_crowd, .clean = -EEXIST),
	RESERVE("preferably there", .setup = setup_crowd, .prepare = prepare_prefer,
		.finish = finish_crowd),
	RESERVE("with a recipe", .prepare = prepare_recipe),
	RESERVE("with many holes", .prepare = fault_many_holes),
	RESERVE("the one hole", .setup = setup_crowd, .prepare = prepare_crowd,
		.finish = finish_crowd),
	RESERVE("the lowest hole", .setup = setup_crowd, .prepare = prepare_crowd_low,
		.finish = finish_crowd),
	RESERVE("the highest hole", .setup = setup_crowd, .prepare = prepare_crowd_high,
		.finish = finish_crowd),
	RESERVE("the nearest hole", .setup = setup_crowd, .prepare = prepare_crowd_near,
		.finish = finish_crowd),
	RESERVE("the hole, another preferred", .setup = setup_crowd,
		.prepare = prepare_crowd_prefer, .finish = finish_crowd),
	RESERVE("the hole, by the text", .setup = setup_text, .prepare = prepare_crowd,
		.finish = finish_crowd),
	RESERVE("the lowest hole, by the text", .setup = setup_text, .prepare = prepare_crowd_low,
		.finish = finish_crowd),
	RESERVE("where all is full", .setup = setup_full, .prepare = prepare_crowd,
		.finish = finish_crowd, .clean = -ENOSPC),
	RESERVE("where all is full, without queries", .setup = setup_sync_only,
		.prepare = prepare_crowd, .finish = finish_crowd, .clean = -ENOSPC, .brief = true),
	RESERVE("at least, in a hole", .setup = setup_crowd, .prepare = prepare_at_least,
		.finish = finish_crowd, .brief = true),
	RESERVE("at least, by the text", .setup = setup_text, .prepare = prepare_at_least,
		.finish = finish_crowd, .brief = true),
	RESERVE("at least, of a limit", .setup = setup_refuses, .prepare = prepare_at_least_any,
		.stride = 41, .brief = true),
	RESERVE("at least, of locked memory", .setup = setup_locked,
		.prepare = prepare_at_least_any, .stride = 41),
	RESERVE("by hint", .setup = use_hints, .prepare = prepare_any, .finish = finish_hints),
	RESERVE("exactly there, by hint", .setup = use_hints, .prepare = prepare_exact,
		.finish = finish_hints),
	RESERVE("exactly there, taken, by hint", .setup = use_hints,
		.prepare = prepare_exact_taken, .finish = finish_hints, .clean = -EEXIST),
	RESERVE("by hints that nobody takes", .setup = use_hints_elsewhere,
		.prepare = prepare_exact, .finish = finish_hints, .clean = -EEXIST),
	{ .name = "reserve in a race", .function = "vas_reserve", .call = call_race,
	  .undo = undo_reserve, .setup = setup_crowd, .prepare = prepare_race,
	  .finish = finish_crowd, .clean = -EBUSY, .stride = 7, .brief = true },
};

/* --- commit --- */

static char *page_of(const struct fault_world *world, struct vas_span span, unsigned int page)
{
	return (char *)vas_span_pointer(span) + page * world->page;
}

/* A further span, which is what the call works on. */
static void setup_span(struct fault_world *world)
{
	if (vas_reserve(FAULT_BASE_PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
}

static void setup_recipe_span(struct fault_world *world)
{
	memset(&world->opts, 0, sizeof(world->opts));
	world->opts.size = sizeof(world->opts);
	prepare_recipe(world);
	if (vas_reserve(FAULT_BASE_PAGES * world->page, &world->opts, &world->more[0]))
		tap_bail("no span");
}

static void commit_or_bail(const struct fault_world *world, unsigned int page, unsigned int count)
{
	if (vas_commit(page_of(world, world->more[0], page), count * world->page, NULL))
		tap_bail("no memory");
}

/* Committed in parts: 4 to 5, 8 to 9, 12. */
static void setup_parts(struct fault_world *world)
{
	setup_span(world);
	commit_or_bail(world, 4, 2);
	commit_or_bail(world, 8, 2);
	commit_or_bail(world, 12, 1);
	memset(page_of(world, world->more[0], 8), 0x5a, 2 * world->page);
}

static void setup_recipe_parts(struct fault_world *world)
{
	setup_recipe_span(world);
	commit_or_bail(world, 4, 2);
	commit_or_bail(world, 8, 2);
	memset(page_of(world, world->more[0], 8), 0x5a, 2 * world->page);
}

static void finish_span(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("the span cannot be released");
}

static int call_commit(struct fault_world *world)
{
	return vas_commit(page_of(world, world->more[0], 2), 14 * world->page, &world->commit);
}

/* What was just committed reads as zeroes and can be written. */
static void undo_commit(struct fault_world *world)
{
	char *memory = page_of(world, world->more[0], 2);
	bool parts = world->scenario->setup == setup_parts;

	for (size_t i = 0; i < 14; i++) {
		char expected = (i == 6 || i == 7) && memory[6 * world->page] ? 0x5a : 0;

		if (memory[i * world->page] != expected)
			tap_bail("page %zu of what was committed is not as it should be", i);
	}
	if (parts && memory[6 * world->page] != 0x5a)
		tap_bail("what was committed before lost its contents");
	memset(memory, 0, world->page);
}

/* One page of memory, as when the faulted call is repeated. */
static void prepare_huge(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_HUGE;
}

static void prepare_nohuge(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_NOHUGE;
}

static int call_commit_first(struct fault_world *world)
{
	return vas_commit((void *)(uintptr_t)(64 * world->page), world->page, NULL);
}

static const struct fault_scenario commit_scenarios[] = {
#define COMMIT(title, ...)                                                                         \
	{ .name = "commit " title, .function = "vas_commit", .call = call_commit,                  \
	  .undo = undo_commit, .finish = finish_span, __VA_ARGS__ }
	COMMIT("once", .setup = setup_span),
	COMMIT("between parts", .setup = setup_parts),
	COMMIT("with huge pages", .setup = setup_parts, .prepare = prepare_huge),
	COMMIT("without huge pages", .setup = setup_parts, .prepare = prepare_nohuge),
	COMMIT("with a recipe", .setup = setup_recipe_span),
	COMMIT("between parts with a recipe", .setup = setup_recipe_parts,
	       .prepare = prepare_huge),
	COMMIT("where nothing is advised", .setup = setup_parts, .also = "advise"),
	{ .name = "commit of nothing, at first", .function = "vas_commit",
	  .call = call_commit_first, .cold = true, .clean = -ENOENT, .stride = 7 },
};

/* --- release, and what comes back later --- */

static int call_release(struct fault_world *world)
{
	enum vas_retired state = (enum vas_retired)77;
	int err = vas_release(vas_span_pointer(world->more[0]), &state);

	if (!err && (unsigned int)state > VAS_RETIRED_HELD)
		tap_bail("released into no state");
	return err;
}

static void setup_partial(struct fault_world *world)
{
	setup_parts(world);
}

/* The call is repeated on a span that is there again. */
static bool is_live(struct vas_span span)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_owner owner;

	return vas_owner_at(vas_span_pointer(span), &owner) == 0 &&
	       vas_owner_details(owner.id, &details) == 0 && !details.held;
}

static void prepare_release(struct fault_world *world)
{
	if (!is_live(world->more[0]))
		setup_span(world);
}

/* Of a span that cannot be unmapped when it is released. */
static void setup_held(struct fault_world *world)
{
	enum vas_retired state;

	setup_parts(world);
	world->fault.operation = "unmap";
	vas_sys_fault_arm(&world->fault, 1, true, ENOMEM);
	if (vas_release(vas_span_pointer(world->more[0]), &state) || state == VAS_RETIRED_GONE)
		tap_bail("the span is not held");
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	world->fault.operation = NULL;
	if (vas_reserve(world->page, NULL, &world->more[1]))
		tap_bail("no span");
}

static int call_release_beside_held(struct fault_world *world)
{
	return vas_release(vas_span_pointer(world->more[1]), NULL);
}

static void prepare_beside_held(struct fault_world *world)
{
	if (!is_live(world->more[1]) && vas_reserve(world->page, NULL, &world->more[1]))
		tap_bail("no span");
}

static void finish_beside_held(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->more[1]), NULL))
		tap_bail("the span cannot be released");
}

static int call_release_first(struct fault_world *world)
{
	return vas_release((void *)(uintptr_t)(64 * world->page), NULL);
}

static const struct fault_scenario release_scenarios[] = {
	{ .name = "release", .function = "vas_release", .call = call_release,
	  .setup = setup_partial, .prepare = prepare_release },
	{ .name = "release beside a held span", .function = "vas_release",
	  .call = call_release_beside_held, .setup = setup_held, .prepare = prepare_beside_held },
	{ .name = "release of nothing, at first", .function = "vas_release",
	  .call = call_release_first, .cold = true, .clean = -ENOENT },
	{ .name = "reserve beside a held span", .function = "vas_reserve", .call = call_reserve,
	  .undo = undo_reserve, .setup = setup_held, .prepare = prepare_any,
	  .finish = finish_beside_held },
};

/* --- looking --- */

static int call_details(struct fault_world *world)
{
	struct vas_owner_details details;
	struct vas_owner owner;
	int err = vas_owner_at(vas_span_pointer(world->base), &owner);

	details.size = sizeof(details);
	return err ? err : vas_owner_details(owner.id, &details);
}

static int call_check(struct fault_world *world)
{
	return vas_sync_check(&world->out.number);
}

static void prepare_window(struct fault_world *world)
{
	world->out.window.size = sizeof(world->out.window);
}

static int call_window(struct fault_world *world)
{
	return vas_window_get(&world->out.window);
}

/* All of them, untried. */
static int call_probes(struct fault_world *world)
{
	struct vas_probe_info info = { .size = sizeof(info) };
	size_t index = 0;
	int err = 0;

	(void)world;
	while (!err)
		err = vas_probe_get(index++, &info);
	return err;
}

static void prepare_probes(struct fault_world *world)
{
	(void)world;
	vas_probe_reset();
}

static void prepare_stats(struct fault_world *world)
{
	world->out.stats.size = sizeof(world->out.stats);
}

static int call_stats(struct fault_world *world)
{
	return vas_stats_get(&world->out.stats);
}

static void prepare_ledger(struct fault_world *world)
{
	world->out.entry.size = sizeof(world->out.entry);
}

static int call_ledger(struct fault_world *world)
{
	return vas_ledger_get(0, &world->out.entry);
}

static void prepare_setting(struct fault_world *world)
{
	world->out.setting.size = sizeof(world->out.setting);
}

static int call_setting(struct fault_world *world)
{
	return vas_setting_get(1, &world->out.setting);
}

static int call_limits(struct fault_world *world)
{
	struct vas_limits limits = { .size = sizeof(limits), .max = 16 * GIB };
	const struct vas_limits *list[] = { &limits };
	struct vas_limits combined;
	int err = vas_limits_combine(list, 1, NULL, &combined);

	return err ? err : vas_limits_check(&combined, world->base);
}

static const struct fault_scenario look_scenarios[] = {
	{ .name = "owner_details", .function = "vas_owner_details", .call = call_details },
	{ .name = "sync_check", .function = "vas_sync_check", .call = call_check,
	  .setup = setup_parts, .finish = finish_span },
	{ .name = "window_get at first", .function = "vas_window_get", .call = call_window,
	  .prepare = prepare_window, .cold = true },
	{ .name = "window_get", .function = "vas_window_get", .call = call_window,
	  .prepare = prepare_window },
	{ .name = "probe_get at first", .function = "vas_probe_get", .call = call_probes,
	  .cold = true, .clean = -ENOENT, .stride = 7 },
	{ .name = "probe_get", .function = "vas_probe_get", .call = call_probes,
	  .prepare = prepare_probes, .clean = -ENOENT },
	{ .name = "stats_get", .function = "vas_stats_get", .call = call_stats,
	  .prepare = prepare_stats },
	{ .name = "ledger_get", .function = "vas_ledger_get", .call = call_ledger,
	  .prepare = prepare_ledger },
	{ .name = "setting_get", .function = "vas_setting_get", .call = call_setting,
	  .prepare = prepare_setting },
	{ .name = "limits_combine", .function = "vas_limits_check", .call = call_limits,
	  .clean = -ERANGE },
};

/* --- reports --- */

/* What is explained: a reservation that found no place. */
static void setup_no_place(struct fault_world *world)
{
	setup_full(world);
	memset(&world->opts, 0, sizeof(world->opts));
	world->opts.size = sizeof(world->opts);
	prepare_crowd(world);
	if (vas_reserve(world->size, &world->opts, &world->out.span) != -ENOSPC)
		tap_bail("a place was found");
}

/* A reservation and a commit that the kernel refused. */
static void setup_refused(struct fault_world *world)
{
	setup_refuses(world);
	if (vas_reserve(GIB, NULL, &world->out.span) != -ENOMEM)
		tap_bail("it was not refused");
	world->recorder.refuse_above = 0;
}

static void setup_no_commit(struct fault_world *world)
{
	world->fault.operation = "map";
	vas_sys_fault_arm(&world->fault, 1, true, ENOMEM);
	if (vas_commit(vas_span_pointer(world->base), world->page, NULL) != -ENOMEM)
		tap_bail("it was not refused");
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	world->fault.operation = NULL;
}

static void setup_no_release(struct fault_world *world)
{
	if (vas_release((void *)(uintptr_t)world->page, NULL) != -ENOENT)
		tap_bail("it was not refused");
}

static void prepare_report(struct fault_world *world)
{
	world->out.report.size = sizeof(world->out.report);
}

static int call_get(struct fault_world *world)
{
	return vas_report_get(&world->out.report);
}

static int call_explain(struct fault_world *world)
{
	return vas_report_explain(&world->out.report);
}

static int call_format(struct fault_world *world)
{
	return vas_report_format(world->line, sizeof(world->line)) > 0 ? 0 : -EINVAL;
}

static const struct fault_scenario report_scenarios[] = {
	{ .name = "report_get", .function = "vas_report_get", .call = call_get,
	  .prepare = prepare_report, .setup = setup_no_release },
	{ .name = "report_explain of no place", .function = "vas_report_explain",
	  .call = call_explain, .prepare = prepare_report, .setup = setup_no_place,
	  .finish = finish_crowd, .stride = 5, .brief = true },
	{ .name = "report_explain of a refusal", .function = "vas_report_explain",
	  .call = call_explain, .prepare = prepare_report, .setup = setup_refused, .stride = 5,
	  .brief = true },
	{ .name = "report_explain of a commit", .function = "vas_report_explain",
	  .call = call_explain, .prepare = prepare_report, .setup = setup_no_commit, .stride = 5 },
	{ .name = "report_explain at first", .function = "vas_report_explain",
	  .call = call_explain, .prepare = prepare_report, .setup = setup_no_release,
	  .cold = true, .stride = 11 },
	{ .name = "report_format", .function = "vas_report_format", .call = call_format,
	  .setup = setup_refused, .stride = 11, .brief = true },
};

static bool not_elsewhere(const char *file)
{
	static const char *const elsewhere[] = {
		"src/layout/shadow.c", /* t_fault_watched.c */
		"src/space/fork_", /* t_fault_fork.c */
		"src/space/park", /* t_fault_park.c */
		"src/space/policy_", /* t_fault_policy.c */
		"src/space/backing_object.c", /* this and what follows: t_fault_memory.c */
		"src/space/commit.c",
		"src/space/guard.c",
		"src/space/policy.c",
		"src/space/populate.c",
		"src/space/protect.c",
		"src/space/retire.c",
	};

	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (strstr(file, elsewhere[i]))
			return false;
	return true;
}

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(reserve_scenarios);
	FAULT_LIST_RUN(commit_scenarios);
	FAULT_LIST_RUN(release_scenarios);
	FAULT_LIST_RUN(look_scenarios);
	FAULT_LIST_RUN(report_scenarios);
	fault_list_run(fault_layouts, fault_layout_count);
	fault_list_run(fault_notices, fault_notice_count);
	fault_sites_report(not_elsewhere);
	return tap_done();
}
