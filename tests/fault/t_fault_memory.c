/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 30 */
/*
 * As t_fault_calls.c, for memory in owned spans: objects, populated and with a
 * policy, decommitted, protected and guarded, with every kernel call failing in turn, and with
 * what undoing needs failing too. support/fault_loop.h has the loop.
 *
 * What was given back before a failing call is compared after it, contents of
 * objects included; whatever the faults left is gone one call after they ended.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/fault_loop.h"
#include "sys/definitions.h"
#include "tap/tap.h"

#define PAGES  64u
#define FIRST  2u /* what calls change: pages FIRST to FIRST + COUNT */
#define COUNT  14u
#define KEPT   0x5a /* in page 8, committed beforehand */
#define OBJECT 0x30 /* in every page of the object, plus its number */

static int object = -1;

static char *page_of(const struct fault_world *world, unsigned int page)
{
	return (char *)vas_span_pointer(world->more[0]) + page * world->page;
}

static void setup_span(struct fault_world *world)
{
	if (vas_reserve(PAGES * world->page, NULL, &world->more[0]))
		tap_bail("no span");
}

static void finish_span(struct fault_world *world)
{
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		tap_bail("the span cannot be released");
}

static void commit_or_bail(struct fault_world *world, unsigned int page, unsigned int count)
{
	if (vas_commit(page_of(world, page), count * world->page, NULL))
		tap_bail("no memory");
}

/* Anonymous parts that every change meets: 4, 5, 8. */
static void setup_parts(struct fault_world *world)
{
	setup_span(world);
	commit_or_bail(world, 4, 2);
	commit_or_bail(world, 8, 1);
	memset(page_of(world, 8), KEPT, world->page);
}

/* --- objects --- */

static void object_fill(const struct fault_world *world)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		char byte = (char)(OBJECT + i);

		if (pwrite(object, &byte, 1, (off_t)(i * world->page)) != 1)
			tap_bail("the object cannot be written");
	}
}

/* Offset 0 is the span's start. fill: every page of it has contents. */
static void object_make(struct fault_world *world, bool fill)
{
	object = memfd_create("t_fault_memory", MFD_CLOEXEC);
	if (object < 0 || ftruncate(object, (off_t)(PAGES * world->page)))
		tap_bail("no object");
	if (fill)
		object_fill(world);
}

static char object_byte(const struct fault_world *world, unsigned int page)
{
	char byte = 1;

	if (pread(object, &byte, 1, (off_t)(page * world->page)) != 1)
		tap_bail("the object cannot be read");
	return byte;
}

static void object_kept(const struct fault_world *world, const char *when)
{
	for (unsigned int i = 0; i < PAGES; i++)
		if (object_byte(world, i) != (char)(OBJECT + i)) {
			ok(false, "%s: page %u of the object lost its contents", when, i);
			return;
		}
}

static void setup_object(struct fault_world *world)
{
	object_make(world, true);
	setup_parts(world);
}

static void setup_empty_object(struct fault_world *world)
{
	object_make(world, false);
	setup_parts(world);
}

static void finish_object(struct fault_world *world)
{
	finish_span(world);
	close(object);
	object = -1;
}

static void prepare_object(struct fault_world *world, uint32_t flags)
{
	world->commit.fd = object;
	world->commit.offset = FIRST * world->page;
	world->commit.flags = flags;
}

static void prepare_shared(struct fault_world *world)
{
	prepare_object(world, VAS_COMMIT_SHARED);
}

static void prepare_private(struct fault_world *world)
{
	prepare_object(world, VAS_COMMIT_PRIVATE);
}

static void prepare_whole(struct fault_world *world)
{
	prepare_object(world, VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE);
}

static void prepare_punch(struct fault_world *world)
{
	prepare_object(world, VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH);
}

static void prepare_populated(struct fault_world *world)
{
	prepare_object(world, VAS_COMMIT_SHARED | VAS_COMMIT_POPULATE);
}

static void prepare_populated_punch(struct fault_world *world)
{
	prepare_object(world, VAS_COMMIT_SHARED | VAS_COMMIT_POPULATE | VAS_COMMIT_PUNCH);
}

/* --- commit --- */

static int call_commit(struct fault_world *world)
{
	int err = vas_commit(page_of(world, FIRST), COUNT * world->page, &world->commit);

	if (object >= 0 && err && object_byte(world, 0) != 0)
		object_kept(world, "a commit that failed");
	return err;
}

/* Contents as they should be; then away with it. */
static void undo_commit(struct fault_world *world)
{
	bool filled = object >= 0 && object_byte(world, 0) != 0;
	enum vas_retired state;

	for (unsigned int i = FIRST; i < FIRST + COUNT; i++) {
		char expected = filled ? (char)(OBJECT + i) : 0;

		if (i == 4 || i == 5)
			expected = 0;
		if (i == 8)
			expected = KEPT;
		if (*page_of(world, i) != expected)
			tap_bail("page %u of what was committed is not as it should be", i);
	}
	if (vas_decommit(page_of(world, FIRST), COUNT * world->page, &state))
		tap_bail("what was committed cannot be decommitted");
	if (world->commit.flags & VAS_COMMIT_PUNCH && state == VAS_RETIRED_GONE &&
	    (object_byte(world, FIRST) || object_byte(world, 6) || object_byte(world, 9)))
		ok(false, "not punched out");
	if (filled)
		object_fill(world);
	commit_or_bail(world, 4, 2);
	commit_or_bail(world, 8, 1);
	memset(page_of(world, 8), KEPT, world->page);
}

static void prepare_populate(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_POPULATE;
}

static void prepare_huge(struct fault_world *world)
{
	world->commit.flags = VAS_COMMIT_HUGE;
}

static struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND,
				    .flags = VAS_POLICY_HOME(0), .nodes = { 1 } };

static void prepare_policy(struct fault_world *world)
{
	world->commit.policy = &policy;
}

/* A kernel before MADV_POPULATE: shared objects are given their memory by fallocate. */
static void without_populate(struct fault_world *world)
{
	world->recorder.no_advices[0] = MADV_POPULATE_WRITE;
	world->recorder.no_advices[1] = MADV_POPULATE_READ;
	vas_probe_reset();
}

static void setup_old_populate(struct fault_world *world)
{
	without_populate(world);
	setup_object(world);
}

static void setup_old_populate_private(struct fault_world *world)
{
	without_populate(world);
	setup_parts(world);
}

static void finish_old_populate(struct fault_world *world)
{
	finish_object(world);
	memset(world->recorder.no_advices, 0, sizeof(world->recorder.no_advices));
	vas_probe_reset();
}

static void finish_old_populate_private(struct fault_world *world)
{
	finish_span(world);
	memset(world->recorder.no_advices, 0, sizeof(world->recorder.no_advices));
	vas_probe_reset();
}

static const struct fault_scenario commit_scenarios[] = {
#define COMMIT(title, ...)                                                                         \
	{ .name = "commit " title, .function = "vas_commit", .call = call_commit,                  \
	  .undo = undo_commit, .twice = true, __VA_ARGS__ }
	COMMIT("anonymous", .setup = setup_parts, .finish = finish_span),
	COMMIT("populated", .setup = setup_parts, .prepare = prepare_populate,
	       .finish = finish_span, .stride = 41),
	COMMIT("with a policy", .setup = setup_parts, .prepare = prepare_policy,
	       .finish = finish_span),
	COMMIT("with huge pages", .setup = setup_parts, .prepare = prepare_huge,
	       .finish = finish_span),
	COMMIT("shared", .setup = setup_object, .prepare = prepare_shared,
	       .finish = finish_object),
	COMMIT("private", .setup = setup_object, .prepare = prepare_private,
	       .finish = finish_object),
	COMMIT("what goes whole", .setup = setup_object, .prepare = prepare_whole,
	       .finish = finish_object),
	COMMIT("what is punched", .setup = setup_object, .prepare = prepare_punch,
	       .finish = finish_object),
	COMMIT("shared, populated", .setup = setup_object, .prepare = prepare_populated,
	       .finish = finish_object, .stride = 41),
	COMMIT("what is punched, populated", .setup = setup_empty_object,
	       .prepare = prepare_populated_punch, .finish = finish_object, .stride = 41),
	COMMIT("what is punched and has contents, populated", .setup = setup_object,
	       .prepare = prepare_populated_punch, .finish = finish_object, .stride = 41),
	COMMIT("shared, populated by an old kernel", .setup = setup_old_populate,
	       .prepare = prepare_populated, .finish = finish_old_populate, .stride = 41),
	COMMIT("populated by an old kernel", .setup = setup_old_populate_private,
	       .prepare = prepare_populate, .finish = finish_old_populate_private,
	       .clean = -EOPNOTSUPP),
};

/* --- decommit --- */

/* Pages 2 to 15 committed: anonymous ones, and in 6, 7 and from 9 on what prepare says. */
static void setup_committed(struct fault_world *world, void (*prepare)(struct fault_world *world))
{
	memset(&world->commit, 0, sizeof(world->commit));
	world->commit.size = sizeof(world->commit);
	setup_parts(world);
	if (prepare)
		prepare(world);
	if (vas_commit(page_of(world, FIRST), COUNT * world->page, &world->commit))
		tap_bail("nothing is committed");
	*page_of(world, FIRST) = 0x11;
	commit_or_bail(world, 20, 1);
	memset(page_of(world, 20), KEPT, world->page);
}

static void setup_anonymous(struct fault_world *world)
{
	setup_committed(world, NULL);
}

static void setup_shared(struct fault_world *world)
{
	object_make(world, true);
	setup_committed(world, prepare_shared);
}

static void setup_private(struct fault_world *world)
{
	object_make(world, true);
	setup_committed(world, prepare_private);
}

static void setup_punch(struct fault_world *world)
{
	object_make(world, true);
	setup_committed(world, prepare_punch);
}

static void setup_whole(struct fault_world *world)
{
	object_make(world, true);
	setup_committed(world, prepare_whole);
}

static void setup_guards(struct fault_world *world)
{
	setup_anonymous(world);
	if (vas_guard(page_of(world, 3), 2 * world->page))
		tap_bail("no guard");
}

static int call_decommit(struct fault_world *world)
{
	enum vas_retired state = (enum vas_retired)77;
	int err = vas_decommit(page_of(world, FIRST), COUNT * world->page, &state);

	if (!err && state > VAS_RETIRED_HELD)
		ok(false, "decommitted into no state");
	if (*page_of(world, 20) != KEPT)
		ok(false, "what lies beside it changed");
	if (err)
		return err;
	if (state == VAS_RETIRED_GONE && world->scenario->setup == setup_punch &&
	    (object_byte(world, FIRST) || object_byte(world, 15)))
		ok(false, "gone, but not punched out");
	return 0;
}

static void recommit(struct fault_world *world, void (*prepare)(struct fault_world *world))
{
	memset(&world->commit, 0, sizeof(world->commit));
	world->commit.size = sizeof(world->commit);
	if (prepare)
		prepare(world);
	if (vas_commit(page_of(world, FIRST), COUNT * world->page, &world->commit))
		tap_bail("nothing is committed again");
}

/* What was decommitted reads as zeroes when it is committed again. */
static void undo_anonymous(struct fault_world *world)
{
	recommit(world, NULL);
	for (unsigned int i = FIRST; i < FIRST + COUNT; i++)
		if (*page_of(world, i) != 0)
			tap_bail("page %u is not zero", i);
	memset(page_of(world, FIRST), 0x66, COUNT * world->page);
}

static void undo_private(struct fault_world *world)
{
	recommit(world, prepare_private);
	for (unsigned int i = FIRST; i < FIRST + COUNT; i++)
		if (*page_of(world, i) != (char)(OBJECT + i))
			tap_bail("page %u is not the object's", i);
	object_kept(world, "decommitted");
	*page_of(world, FIRST) = 0x11;
}

static void undo_shared(struct fault_world *world)
{
	recommit(world, prepare_shared);
	for (unsigned int i = FIRST + 1; i < FIRST + COUNT; i++)
		if (*page_of(world, i) != object_byte(world, i))
			tap_bail("page %u is not the object's", i);
}

/* What the object had there was never the span's. */
static bool was_anonymous(unsigned int page)
{
	return page == 4 || page == 5 || page == 8;
}

static void undo_punch(struct fault_world *world)
{
	recommit(world, prepare_punch);
	for (unsigned int i = FIRST; i < FIRST + COUNT; i++)
		if (*page_of(world, i) != 0 && !was_anonymous(i))
			tap_bail("page %u was not punched out", i);
	object_fill(world);
}

static void undo_whole(struct fault_world *world)
{
	recommit(world, prepare_whole);
}

static void undo_guards(struct fault_world *world)
{
	undo_anonymous(world);
	if (vas_guard(page_of(world, 3), 2 * world->page))
		tap_bail("no guard");
}

/* Of several pieces with protections of their own. */
static void setup_striped(struct fault_world *world)
{
	setup_anonymous(world);
	if (vas_protect(page_of(world, 4), 2 * world->page, PROT_NONE) ||
	    vas_protect(page_of(world, 10), 2 * world->page, PROT_NONE))
		tap_bail("no stripes");
}

/* With a recipe, which what is decommitted gets again. */
static void setup_recipe(struct fault_world *world)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.flags = VAS_RESERVE_NODUMP;
	if (vas_reserve(PAGES * world->page, &opts, &world->more[0]))
		tap_bail("no span");
	commit_or_bail(world, FIRST, COUNT);
	commit_or_bail(world, 20, 1);
	memset(page_of(world, 20), KEPT, world->page);
}

/* Of the middle of a mapping. */
static int call_decommit_part(struct fault_world *world)
{
	int err = vas_decommit(page_of(world, 10), world->page, NULL);

	if (*page_of(world, 9) != 0x66 || *page_of(world, 11) != 0x66)
		ok(false, "what lies beside the part changed");
	return err;
}

static void undo_part(struct fault_world *world)
{
	commit_or_bail(world, 10, 1);
	if (*page_of(world, 10) != 0)
		tap_bail("the part is not zero");
	*page_of(world, 10) = 0x77;
}

static void setup_filled(struct fault_world *world)
{
	setup_anonymous(world);
	memset(page_of(world, FIRST), 0x66, COUNT * world->page);
}

/* A kernel before guards. */
static void setup_unguardable(struct fault_world *world)
{
	world->recorder.no_advices[0] = MADV_GUARD_INSTALL;
	vas_probe_reset();
	setup_anonymous(world);
}

static void finish_unguardable(struct fault_world *world)
{
	finish_span(world);
	memset(world->recorder.no_advices, 0, sizeof(world->recorder.no_advices));
	vas_probe_reset();
}

static const struct fault_scenario decommit_scenarios[] = {
#define DECOMMIT(title, ...)                                                                       \
	{ .name = "decommit " title, .function = "vas_decommit", .call = call_decommit,            \
	  .twice = true, __VA_ARGS__ }
	DECOMMIT("anonymous memory", .setup = setup_anonymous, .undo = undo_anonymous,
		 .finish = finish_span),
	DECOMMIT("where no mapping can be replaced", .setup = setup_anonymous,
		 .undo = undo_anonymous, .finish = finish_span, .also = "map"),
	DECOMMIT("without guards", .setup = setup_unguardable, .undo = undo_anonymous,
		 .finish = finish_unguardable, .also = "map"),
	DECOMMIT("where nothing is protected", .setup = setup_anonymous, .undo = undo_anonymous,
		 .finish = finish_span, .also = "protect"),
	DECOMMIT("where nothing is advised", .setup = setup_anonymous, .undo = undo_anonymous,
		 .finish = finish_span, .also = "advise"),
	DECOMMIT("pieces", .setup = setup_striped, .undo = undo_anonymous, .finish = finish_span),
	DECOMMIT("with a recipe", .setup = setup_recipe, .undo = undo_anonymous,
		 .finish = finish_span),
	DECOMMIT("guards", .setup = setup_guards, .undo = undo_guards, .finish = finish_span),
	DECOMMIT("a shared object", .setup = setup_shared, .undo = undo_shared,
		 .finish = finish_object),
	DECOMMIT("a private object", .setup = setup_private, .undo = undo_private,
		 .finish = finish_object),
	DECOMMIT("a private object where no mapping can be replaced", .setup = setup_private,
		 .undo = undo_private, .finish = finish_object, .also = "map"),
	DECOMMIT("what is punched", .setup = setup_punch, .undo = undo_punch,
		 .finish = finish_object),
	DECOMMIT("what is punched where no mapping can be replaced", .setup = setup_punch,
		 .undo = undo_punch, .finish = finish_object, .also = "map"),
	DECOMMIT("what goes whole", .setup = setup_whole, .undo = undo_whole,
		 .finish = finish_object),
	{ .name = "decommit a part", .function = "vas_decommit", .call = call_decommit_part,
	  .undo = undo_part, .setup = setup_filled, .finish = finish_span, .twice = true },
};

/* --- protect and guard --- */

static int call_protect(struct fault_world *world)
{
	return vas_protect(page_of(world, FIRST), COUNT * world->page, PROT_READ);
}

static void undo_protect(struct fault_world *world)
{
	if (vas_protect(page_of(world, FIRST), COUNT * world->page, PROT_READ | PROT_WRITE))
		tap_bail("protections cannot be changed back");
	*page_of(world, FIRST) = 0x11;
}

static int call_guard(struct fault_world *world)
{
	return vas_guard(page_of(world, 6), 4 * world->page);
}

static void undo_guard(struct fault_world *world)
{
	if (vas_unguard(page_of(world, 6), 4 * world->page))
		tap_bail("the guard stays");
	if (*page_of(world, 2) != 0x11)
		ok(false, "a page beside the guard changed");
}

static void setup_guarded(struct fault_world *world)
{
	setup_anonymous(world);
	if (call_guard(world))
		tap_bail("no guard");
}

/* By mprotect, though the kernel has guards. */
static void setup_closed(struct fault_world *world)
{
	setup_anonymous(world);
	world->fault.operation = "advise";
	vas_sys_fault_arm(&world->fault, 1, true, EINVAL);
	if (call_guard(world))
		tap_bail("no guard");
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	world->fault.operation = NULL;
}

static int call_unguard(struct fault_world *world)
{
	return vas_unguard(page_of(world, 6), 4 * world->page);
}

static void undo_unguard(struct fault_world *world)
{
	*page_of(world, 8) = 0x22;
	if (call_guard(world))
		tap_bail("no guard again");
}

static const struct fault_scenario protect_scenarios[] = {
	{ .name = "protect", .function = "vas_protect", .call = call_protect,
	  .undo = undo_protect, .setup = setup_anonymous, .finish = finish_span, .twice = true },
	{ .name = "protect pieces", .function = "vas_protect", .call = call_protect,
	  .undo = undo_protect, .setup = setup_striped, .finish = finish_span, .twice = true,
	  .partial = true },
	{ .name = "protect an object", .function = "vas_protect", .call = call_protect,
	  .undo = undo_protect, .setup = setup_shared, .finish = finish_object, .twice = true,
	  .partial = true },
	{ .name = "guard", .function = "vas_guard", .call = call_guard, .undo = undo_guard,
	  .setup = setup_anonymous, .finish = finish_span, .twice = true, .partial = true },
	{ .name = "guard without guards", .function = "vas_guard", .call = call_guard,
	  .undo = undo_guard, .setup = setup_unguardable, .finish = finish_unguardable,
	  .twice = true, .partial = true },
	{ .name = "guard where nothing is advised", .function = "vas_guard", .call = call_guard,
	  .undo = undo_guard, .setup = setup_anonymous, .finish = finish_span, .twice = true,
	  .partial = true, .also = "advise" },
	{ .name = "guard a shared object", .function = "vas_guard", .call = call_guard,
	  .undo = undo_guard, .setup = setup_shared, .finish = finish_object, .twice = true,
	  .partial = true },
	{ .name = "guard a private object", .function = "vas_guard", .call = call_guard,
	  .undo = undo_guard, .setup = setup_private, .finish = finish_object, .twice = true,
	  .partial = true },
	{ .name = "unguard", .function = "vas_unguard", .call = call_unguard,
	  .undo = undo_unguard, .setup = setup_guarded, .finish = finish_span, .twice = true,
	  .partial = true },
	{ .name = "unguard what was closed", .function = "vas_unguard", .call = call_unguard,
	  .undo = undo_unguard, .setup = setup_closed, .finish = finish_span, .twice = true,
	  .partial = true },
};

/* --- release --- */

static int call_release(struct fault_world *world)
{
	enum vas_retired state = (enum vas_retired)77;
	int err = vas_release(vas_span_pointer(world->more[0]), &state);

	if (err || state > VAS_RETIRED_HELD)
		ok(false, "released into no state: %d", err);
	return err;
}

static void undo_release(struct fault_world *world)
{
	if (object >= 0)
		close(object);
	world->scenario->setup(world);
}

static const struct fault_scenario release_scenarios[] = {
	{ .name = "release anonymous memory", .function = "vas_release", .call = call_release,
	  .undo = undo_release, .setup = setup_anonymous, .finish = finish_span, .twice = true },
	{ .name = "release with guards", .function = "vas_release", .call = call_release,
	  .undo = undo_release, .setup = setup_guards, .finish = finish_span, .twice = true },
	{ .name = "release what is punched", .function = "vas_release", .call = call_release,
	  .undo = undo_release, .setup = setup_punch, .finish = finish_object,
	  .twice = true },
	{ .name = "release pieces where nothing is unmapped", .function = "vas_release",
	  .call = call_release, .undo = undo_release, .setup = setup_striped,
	  .finish = finish_span, .twice = true, .also = "unmap" },
	{ .name = "release a private object", .function = "vas_release", .call = call_release,
	  .undo = undo_release, .setup = setup_private, .finish = finish_object, .twice = true },
};

static bool of_memory(const char *file)
{
	static const char *const files[] = {
		"backing_anonymous.c", "backing_object.c", "commit.c", "guard.c",   "part.c",
		"policy.c",	       "populate.c",	   "protect.c", "retire.c",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *found = strstr(file, "src/space/");

		if (found && strcmp(found + strlen("src/space/"), files[i]) == 0)
			return true;
	}
	return false;
}

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(commit_scenarios);
	FAULT_LIST_RUN(decommit_scenarios);
	FAULT_LIST_RUN(protect_scenarios);
	FAULT_LIST_RUN(release_scenarios);
	fault_sites_report(of_memory);
	return tap_done();
}
