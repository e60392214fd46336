/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios of the fault tests: memory inside spans. Decommit and release never fail but for their
 * arguments; with whole kinds of calls refused they come down the ladder step by step.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/fault_loop.h"
#include "tap/tap.h"

#define PAGES 16u

static int object = -1;

static char *at(const struct fault_world *world, unsigned int page)
{
	return (char *)vas_span_pointer(world->more[0]) + page * world->page;
}

static void setup_span(struct fault_world *world)
{
	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
}

static void setup_recipe(struct fault_world *world)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.flags = VAS_RESERVE_NODUMP;
	if (vas_reserve(PAGES * world->page, &opts, &world->more[0]))
		tap_bail("no span");
}

/* Pages 2 to 9; 4 to 5 read-only, so that there are three pieces. */
static void commit_pieces(struct fault_world *world)
{
	if (vas_commit(at(world, 2), 8 * world->page, NULL) ||
	    vas_protect(at(world, 4), 2 * world->page, PROT_READ))
		tap_bail("no memory");
	*at(world, 2) = 0x5a;
	*at(world, 9) = 0x5a;
}

static void setup_pieces(struct fault_world *world)
{
	setup_span(world);
	commit_pieces(world);
}

static void setup_recipe_pieces(struct fault_world *world)
{
	setup_recipe(world);
	commit_pieces(world);
}

static void setup_guarded(struct fault_world *world)
{
	setup_span(world);
	if (vas_commit(at(world, 2), 8 * world->page, NULL) ||
	    vas_guard(at(world, 4), 2 * world->page))
		tap_bail("no guard");
}

/* Guarded by mprotect, as where the kernel has no guards. */
static void setup_closed(struct fault_world *world)
{
	setup_span(world);
	if (vas_commit(at(world, 2), 8 * world->page, NULL))
		tap_bail("no memory");
	world->fault.operation = "advise";
	vas_sys_fault_arm(&world->fault, 1, true, EINVAL);
	if (vas_guard(at(world, 4), 2 * world->page))
		tap_bail("no guard");
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	world->fault.operation = NULL;
}

static void object_make(const struct fault_world *world)
{
	object = memfd_create("fault", MFD_CLOEXEC);
	if (object < 0 || ftruncate(object, (off_t)(PAGES * world->page)))
		tap_bail("no object");
}

static void setup_object(struct fault_world *world)
{
	object_make(world);
	setup_span(world);
}

static void setup_punch(struct fault_world *world)
{
	setup_object(world);
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH;
	opts.fd = object;
	if (vas_commit(at(world, 2), 8 * world->page, &opts))
		tap_bail("no memory");
}

static void finish_span(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("the span cannot be released");
}

static void finish_object(struct fault_world *world)
{
	finish_span(world);
	close(object);
	object = -1;
}

static int call_commit(struct fault_world *world)
{
	return vas_commit(at(world, 2), 8 * world->page, &world->commit);
}

static void undo_commit(struct fault_world *world)
{
	*at(world, 3) = 1;
	if (vas_decommit(at(world, 2), 8 * world->page, NULL))
		tap_bail("it cannot be decommitted");
}

static void prepare_shared(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_SHARED;
	world->commit.fd = object;
}

static void prepare_punch(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH | VAS_COMMIT_POPULATE;
	world->commit.fd = object;
}

static void prepare_private(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_PRIVATE;
	world->commit.fd = object;
}

static void prepare_populate(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_POPULATE;
}

static void prepare_policy(struct fault_world *world)
{
	static struct vas_policy policy;

	policy = (struct vas_policy){ .size = sizeof(policy), .mode = VAS_POLICY_LOCAL };
	world->commit.policy = &policy;
}

static int call_decommit(struct fault_world *world)
{
	enum vas_retired state = (enum vas_retired)77;
	int err = vas_decommit(at(world, 0), PAGES * world->page, &state);

	if (!err && (unsigned int)state > VAS_RETIRED_HELD)
		tap_bail("decommitted into no state");
	return err;
}

/* A part of the middle, which splits a mapping. */
static int call_decommit_part(struct fault_world *world)
{
	return vas_decommit(at(world, 3), world->page, NULL);
}

static int call_protect(struct fault_world *world)
{
	return vas_protect(at(world, 2), 8 * world->page, PROT_READ | PROT_WRITE);
}

static int call_guard(struct fault_world *world)
{
	return vas_guard(at(world, 7), world->page);
}

static int call_unguard(struct fault_world *world)
{
	return vas_unguard(at(world, 4), 2 * world->page);
}

static int call_release(struct fault_world *world)
{
	int err = vas_release(vas_span_pointer(world->more[0]), NULL);

	if (!err)
		world->more[0].size = 0;
	return err;
}

static void prepare_release(struct fault_world *world)
{
	if (!world->more[0].size)
		setup_span(world);
}

static void finish_closed_object(struct fault_world *world)
{
	(void)world;
	close(object);
	object = -1;
}

const struct fault_scenario fault_memory[] = {
#define COMMIT(title, ...)                                                                         \
	{ .name = "commit " title, .function = "vas_commit", .call = call_commit,                  \
	  .undo = undo_commit, __VA_ARGS__ }
	COMMIT("populated", .setup = setup_span, .prepare = prepare_populate,
	       .finish = finish_span, .stride = 7),
	COMMIT("with a policy", .setup = setup_span, .prepare = prepare_policy,
	       .finish = finish_span),
	COMMIT("of an object", .setup = setup_object, .prepare = prepare_shared,
	       .finish = finish_object),
	COMMIT("of an object with a recipe", .setup = setup_object, .prepare = prepare_shared,
	       .finish = finish_object),
	COMMIT("of an object, to be punched", .setup = setup_object, .prepare = prepare_punch,
	       .finish = finish_object, .stride = 7),
	COMMIT("of an object, private", .setup = setup_object, .prepare = prepare_private,
	       .finish = finish_object),
#define DECOMMIT(title, ...)                                                                       \
	{ .name = "decommit " title, .function = "vas_decommit", .call = call_decommit, __VA_ARGS__ }
	DECOMMIT("of pieces", .setup = setup_pieces, .finish = finish_span),
	DECOMMIT("with a recipe", .setup = setup_recipe_pieces, .finish = finish_span),
	DECOMMIT("where nothing is replaced", .setup = setup_pieces, .finish = finish_span,
		 .also = "map"),
	DECOMMIT("where nothing is protected", .setup = setup_pieces, .finish = finish_span,
		 .also = "protect"),
	DECOMMIT("where nothing is advised", .setup = setup_pieces, .finish = finish_span,
		 .also = "advise"),
	DECOMMIT("of an object's bytes", .setup = setup_punch, .finish = finish_object),
	DECOMMIT("of an object where nothing is replaced", .setup = setup_punch,
		 .finish = finish_object, .also = "map"),
	{ .name = "decommit a part", .function = "vas_decommit", .call = call_decommit_part,
	  .setup = setup_pieces, .finish = finish_span },
	{ .name = "protect", .function = "vas_protect", .call = call_protect,
	  .setup = setup_pieces, .finish = finish_span },
	{ .name = "guard", .function = "vas_guard", .call = call_guard, .setup = setup_pieces,
	  .finish = finish_span },
	{ .name = "guard where nothing is advised", .function = "vas_guard", .call = call_guard,
	  .setup = setup_pieces, .finish = finish_span, .also = "advise" },
	{ .name = "unguard", .function = "vas_unguard", .call = call_unguard,
	  .setup = setup_guarded, .finish = finish_span },
	{ .name = "unguard what was closed", .function = "vas_unguard", .call = call_unguard,
	  .setup = setup_closed, .finish = finish_span },
	{ .name = "release of an object's bytes", .function = "vas_release", .call = call_release,
	  .setup = setup_punch, .prepare = prepare_release, .finish = finish_closed_object },
	{ .name = "release of pieces where nothing is unmapped", .function = "vas_release",
	  .call = call_release, .setup = setup_pieces, .prepare = prepare_release,
	  .also = "unmap" },
};
const size_t fault_memory_count = sizeof(fault_memory) / sizeof(fault_memory[0]);
