/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 20 */
/*
 * Every call on an arena with every kernel call that it makes failing in turn: what it answers is a row
 * of its table, and a failure leaves size, contents, object and mappings as they were. support/fault_loop.h has
 * the loop and what is compared.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "support/fault_loop.h"
#include "tap/tap.h"

#define PAGES 2048u
#define BEGIN 4u /* pages that it begins with */

/* What the calls work on: one case is one process. */
static struct vas_arena *arena;
static enum vas_arena_kind kind;
static uint64_t rung; /* VAS_PAGES_ */
static int given = -1; /* descriptor of a FILE or ADOPTED */
static uint64_t exceeded; /* pages that the object has beyond */
static uint32_t companion; /* VAS_ARENA_COMPANION */
static uint64_t ahead; /* pages that it begins with beyond its size */
static unsigned char *start;

/* The arena has a descriptor of its own. */
static void close_given(struct fault_world *world)
{
	(void)world;
	if (given >= 0)
		close(given);
	given = -1;
}

static int arena_fd(void)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	return vas_arena_get(arena, &info) ? -1 : info.fd;
}

static void setup(struct fault_world *world)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.initial = BEGIN * world->page;
	if (given < 0) {
		opts.ladder = &rung;
		opts.ladder_count = 1;
	}
	opts.fd = given;
	opts.flags = (rung ? VAS_ARENA_STRICT : 0) | companion;
	must(vas_arena_create(PAGES * world->page, &opts, &arena), "no arena");
	must(vas_arena_get(arena, &info), "it tells nothing");
	start = vas_span_pointer(info.span);
	close_given(world);
	if (ahead)
		must(vas_arena_ahead(arena, ahead * world->page, 0, NULL), "nothing ahead");
	start[0] = 0x5a;
	start[BEGIN * world->page - 1] = 0x5b;
}

static void setup_memfd(struct fault_world *world)
{
	kind = VAS_ARENA_MEMFD;
	setup(world);
}

static void setup_ahead(struct fault_world *world)
{
	ahead = 6;
	setup_memfd(world);
}

static void open_given(struct fault_world *world)
{
	given = memfd_create("given", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (given < 0 || ftruncate(given, (off_t)world->page))
		tap_bail("no object");
}

static void setup_file(struct fault_world *world)
{
	open_given(world);
	kind = VAS_ARENA_FILE;
	setup(world);
}

static void setup_adopted(struct fault_world *world)
{
	open_given(world);
	kind = VAS_ARENA_ADOPTED;
	setup(world);
}

/* Others have made it larger. */
static void setup_exceeded(struct fault_world *world)
{
	setup_adopted(world);
	exceeded = 3;
	if (ftruncate(arena_fd(), (off_t)((BEGIN + exceeded) * world->page)))
		tap_bail("the object stays as it is");
}

static void setup_private(struct fault_world *world)
{
	kind = VAS_ARENA_ANONYMOUS;
	setup(world);
}

static void setup_strict(struct fault_world *world)
{
	rung = VAS_PAGES_TRANSPARENT;
	setup_memfd(world);
}

static void setup_strict_private(struct fault_world *world)
{
	rung = VAS_PAGES_TRANSPARENT;
	setup_private(world);
}

/* Whether it is as it began: after a failure, and after what undid a success. */
static void check(struct fault_world *world)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	uint64_t bytes = BEGIN * world->page;
	struct stat status;
	uint64_t header;

	must(vas_arena_get(arena, &info), "it tells nothing");
	header = info.header == info.fd ? world->page : 0;
	if (!vas_arena_check(arena) || info.bytes != bytes || start[0] != 0x5a ||
	    start[bytes - 1] != 0x5b)
		fault_wrong("the arena is not as it was");
	/* More only when the kernel does not even take back what it gave. */
	if (info.ahead < ahead * world->page)
		fault_wrong("less is ahead than was");
	if (info.fd >= 0 && (fstat(info.fd, &status) ||
			     (uint64_t)status.st_size !=
				     info.offset + bytes + exceeded * world->page ||
			     (uint64_t)status.st_blocks * 512 != header + bytes + info.ahead))
		fault_wrong("its object is not as it was");
}

static void finish(struct fault_world *world)
{
	check(world);
	must(vas_arena_destroy(arena, NULL), "the arena stays");
}

static int call_create_given(struct fault_world *world)
{
	struct vas_arena *made;
	int err;

	VAS_OPTS(vas_arena_opts, opts);
	opts.reserve = &world->opts;
	opts.kind = VAS_ARENA_ADOPTED;
	opts.fd = given;
	opts.initial = 2 * world->page;
	memcpy(&made, &world->out, sizeof(made));
	err = vas_arena_create(PAGES * world->page, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

/* The second rung is there, unless it is made to fail. */
static const uint64_t ladder[] = { VAS_PAGES_TRANSPARENT, VAS_PAGES_BASE };

static int create(struct fault_world *world, enum vas_arena_kind made_kind)
{
	struct vas_arena *made;
	int err;

	VAS_OPTS(vas_arena_opts, opts);
	opts.reserve = &world->opts;
	opts.kind = made_kind;
	opts.initial = world->page;
	opts.ladder = ladder;
	opts.ladder_count = 2;
	memcpy(&made, &world->out, sizeof(made));
	err = vas_arena_create(PAGES * world->page, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static int call_create_memfd(struct fault_world *world)
{
	return create(world, VAS_ARENA_MEMFD);
}

static int call_create_private(struct fault_world *world)
{
	return create(world, VAS_ARENA_ANONYMOUS);
}

static void undo_create(struct fault_world *world)
{
	struct vas_arena *made;

	memcpy(&made, &world->out, sizeof(made));
	must(vas_arena_destroy(made, NULL), "what was made cannot be ended");
}

static void prepare_recipe(struct fault_world *world)
{
	world->opts.flags = VAS_RESERVE_NODUMP;
}

static int call_grow(struct fault_world *world)
{
	return vas_arena_grow(arena, 16 * world->page, 0, &world->out.number);
}

static void undo_grow(struct fault_world *world)
{
	if (world->out.number != 16 * world->page || start[16 * world->page - 1] != 0)
		fault_wrong("it did not grow");
	must(vas_arena_shrink(arena, BEGIN * world->page), "it cannot be shrunk");
	check(world);
}

/* Beyond a whole huge page, where there are such of 2 MiB. */
static int call_grow_strict(struct fault_world *world)
{
	return vas_arena_grow(arena, 513 * world->page, 0, &world->out.number);
}

static void undo_grow_strict(struct fault_world *world)
{
	if (world->out.number != 513 * world->page || start[513 * world->page - 1] != 0)
		fault_wrong("it did not grow");
	must(vas_arena_shrink(arena, BEGIN * world->page), "it cannot be shrunk");
	check(world);
}

static int call_grow_least(struct fault_world *world)
{
	return vas_arena_grow(arena, 16 * world->page, 6 * world->page, &world->out.number);
}

static void undo_grow_least(struct fault_world *world)
{
	uint64_t now = world->out.number;

	if (now < 6 * world->page || now > 16 * world->page || start[now - 1] != 0 ||
	    now != vas_arena_size(arena))
		fault_wrong("it grew to something else");
	must(vas_arena_shrink(arena, BEGIN * world->page), "it cannot be shrunk");
	check(world);
}

static void undo_grow_ahead(struct fault_world *world)
{
	if (world->out.number != 16 * world->page || start[16 * world->page - 1] != 0)
		fault_wrong("it did not grow");
	must(vas_arena_shrink(arena, BEGIN * world->page), "it cannot be shrunk");
	must(vas_arena_ahead(arena, ahead * world->page, 0, NULL), "nothing ahead");
	check(world);
}

/* A process that died while it changed the arena, and others that wait. */
static void prepare_died(struct fault_world *world)
{
	static uint32_t number;
	struct vas_header *page = arena->header.page;

	if (!number) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		number = (uint32_t)child;
		if (child < 0 || waitpid(child, NULL, 0) != child)
			tap_bail("no child");
	}
	page->owner = (uint64_t)number << 32 | 1;
	page->state = VAS_HEADER_CHANGING;
	page->end = BEGIN * world->page;
	page->watched = 1;
}

static void finish_died(struct fault_world *world)
{
	arena->header.page->owner = 0;
	finish(world);
}

static int call_punch(struct fault_world *world)
{
	return vas_arena_punch(arena, world->page, world->page);
}

static int call_fill(struct fault_world *world)
{
	return vas_arena_fill(arena, 0, 3 * world->page);
}

static void undo_punch(struct fault_world *world)
{
	must(vas_arena_fill(arena, 0, 3 * world->page), "it cannot be filled");
	check(world);
}

static int call_ahead(struct fault_world *world)
{
	return vas_arena_ahead(arena, 9 * world->page, 0, &world->out.number);
}

static void undo_ahead(struct fault_world *world)
{
	if (world->out.number < 9 * world->page)
		fault_wrong("less is ahead than was told");
	must(vas_arena_trim(arena, NULL), "it cannot be trimmed");
	must(vas_arena_ahead(arena, ahead * world->page, 0, NULL), "nothing ahead");
	check(world);
}

static int call_trim(struct fault_world *world)
{
	return vas_arena_trim(arena, &world->out.number);
}

static void undo_trim(struct fault_world *world)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	must(vas_arena_get(arena, &info), "it tells nothing");
	if (world->out.number != ahead * world->page || info.ahead)
		fault_wrong("something else was trimmed");
	must(vas_arena_ahead(arena, ahead * world->page, 0, NULL), "nothing ahead");
	check(world);
}

static int call_shrink(struct fault_world *world)
{
	return vas_arena_shrink(arena, world->page);
}

static void undo_shrink(struct fault_world *world)
{
	if (vas_arena_size(arena) != world->page || start[0] != 0x5a)
		fault_wrong("it is not as small");
	must(vas_arena_grow(arena, BEGIN * world->page, 0, NULL), "it cannot grow again");
	if (start[BEGIN * world->page - 1] != 0)
		fault_wrong("what was given back is there still");
	start[BEGIN * world->page - 1] = 0x5b;
	check(world);
}

static int call_seal(struct fault_world *world)
{
	(void)world;
	return vas_arena_seal(arena, VAS_SEAL_SHRINK);
}

static void setup_final(struct fault_world *world)
{
	companion = VAS_ARENA_COMPANION;
	setup_memfd(world);
	must(vas_view_protect(vas_view_first(arena), PROT_READ), "the view stays writable");
}

static int call_seal_final(struct fault_world *world)
{
	(void)world;
	return vas_arena_seal(arena, VAS_SEAL_WRITE);
}

static void undo_seal_final(struct fault_world *world)
{
	finish(world);
	setup_final(world);
}

/* It cannot be taken back, so it is another's from now on. */
static void undo_seal(struct fault_world *world)
{
	if (vas_arena_shrink(arena, 0) != -EPERM)
		fault_wrong("it is not sealed");
	finish(world);
	setup_memfd(world);
}

/* No growth can be cut off again. */
static void setup_sealed(struct fault_world *world)
{
	setup_memfd(world);
	must(vas_arena_seal(arena, VAS_SEAL_SHRINK), "no seal");
}

static void undo_grow_sealed(struct fault_world *world)
{
	if (world->out.number != 16 * world->page || start[16 * world->page - 1] != 0)
		fault_wrong("it did not grow");
	must(vas_arena_destroy(arena, NULL), "the arena stays");
	setup_sealed(world);
}

static int call_get(struct fault_world *world)
{
	struct vas_arena_info info = { .size = sizeof(info) };

	(void)world;
	return vas_arena_get(arena, &info) || info.bytes != vas_arena_size(arena);
}

static int open_with(struct fault_world *world, uint32_t flags)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	struct vas_arena *made;
	int err;

	VAS_OPTS(vas_arena_opts, opts);
	opts.reserve = &world->opts;
	opts.flags = flags;
	must(vas_arena_get(arena, &info), "it tells nothing");
	memcpy(&made, &world->out, sizeof(made));
	err = vas_arena_open(info.fd, info.header, &opts, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static int call_open(struct fault_world *world)
{
	return open_with(world, 0);
}

static int call_open_same(struct fault_world *world)
{
	return open_with(world, VAS_ARENA_SAME_ADDRESS);
}

static void setup_companion(struct fault_world *world)
{
	companion = VAS_ARENA_COMPANION;
	setup_memfd(world);
}

/* Another handle has grown it, and this one is to follow. */
static void prepare_sync(struct fault_world *world)
{
	struct vas_header *page = arena->header.page;

	(void)world;
	page->generation += 2;
}

static int call_sync(struct fault_world *world)
{
	(void)world;
	return vas_arena_sync(arena);
}

/* Somebody of whom nothing can be told has a pin. */
static void prepare_pinned(struct fault_world *world)
{
	struct vas_header_place *place = &arena->header.page->places[9];

	(void)world;
	place->peer = 1;
	place->pins = UINT64_C(4) << VAS_PINS_COUNT_BITS | 1;
}

static int call_shrink_within(struct fault_world *world)
{
	return vas_arena_shrink_within(arena, world->page, 2000000);
}

static int call_pin(struct fault_world *world)
{
	return vas_arena_pin(arena, &world->out.number);
}

static void undo_pin(struct fault_world *world)
{
	(void)world;
	must(vas_arena_unpin(arena), "it is not pinned");
}

static void prepare_unpin(struct fault_world *world)
{
	uint64_t size;

	(void)world;
	must(vas_arena_pin(arena, &size), "no pin");
	arena->header.page->pin_wanted = 1;
}

static int call_unpin(struct fault_world *world)
{
	(void)world;
	return vas_arena_unpin(arena);
}

static int call_wait(struct fault_world *world)
{
	return vas_arena_wait(arena, BEGIN * world->page, 1000, &world->out.number);
}

static int call_destroy(struct fault_world *world)
{
	(void)world;
	return vas_arena_destroy(arena, NULL);
}

static int call_extent(struct fault_world *world)
{
	struct vas_arena_extent extent = { .size = sizeof(extent), .bytes = 4711 };
	int err = vas_arena_extent_at(arena, 0, &extent);

	(void)world;
	if (err && extent.bytes != 4711)
		ok(false, "the output was touched");
	return err;
}

static struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_BIND, .nodes = { 1 } };

static int call_policy(struct fault_world *world)
{
	return vas_arena_set_policy(arena, (struct vas_span){ 0, 2 * world->page }, &policy);
}

static int call_migrate(struct fault_world *world)
{
	uint64_t moved = 4711;
	int err =
		vas_arena_migrate(arena, (struct vas_span){ 0, 2 * world->page }, &policy, &moved);

	if (err && moved != 4711)
		ok(false, "the output was touched");
	return err;
}

static const struct fault_scenario scenarios[] = {
	{ .name = "migrate",
	  .function = "vas_arena_migrate",
	  .setup = setup_memfd,
	  .call = call_migrate,
	  .finish = finish },
	{ .name = "policy",
	  .function = "vas_arena_set_policy",
	  .setup = setup_memfd,
	  .call = call_policy,
	  .finish = finish },
	{ .name = "extent: a memfd",
	  .function = "vas_arena_extent_at",
	  .setup = setup_memfd,
	  .call = call_extent,
	  .finish = finish },
	{ .name = "extent: an object with holes",
	  .function = "vas_arena_extent_at",
	  .setup = setup_exceeded,
	  .call = call_extent,
	  .finish = finish },
	{ .name = "create: a memfd",
	  .function = "vas_arena_create",
	  .call = call_create_memfd,
	  .undo = undo_create },
	{ .name = "create: a memfd with a recipe",
	  .function = "vas_arena_create",
	  .prepare = prepare_recipe,
	  .call = call_create_memfd,
	  .undo = undo_create },
	{ .name = "create: private memory",
	  .function = "vas_arena_create",
	  .call = call_create_private,
	  .undo = undo_create },
	{ .name = "create: an object of others",
	  .function = "vas_arena_create",
	  .setup = open_given,
	  .call = call_create_given,
	  .undo = undo_create,
	  .finish = close_given },
	{ .name = "grow: a file",
	  .function = "vas_arena_grow",
	  .setup = setup_file,
	  .call = call_grow,
	  .undo = undo_grow,
	  .finish = finish },
	{ .name = "grow: an object of others",
	  .function = "vas_arena_grow",
	  .setup = setup_adopted,
	  .call = call_grow,
	  .undo = undo_grow,
	  .finish = finish },
	{ .name = "grow: an object of others, at least",
	  .function = "vas_arena_grow",
	  .setup = setup_adopted,
	  .call = call_grow_least,
	  .undo = undo_grow_least,
	  .finish = finish },
	{ .name = "shrink: an object that others have made larger",
	  .function = "vas_arena_shrink",
	  .setup = setup_exceeded,
	  .call = call_shrink,
	  .undo = undo_shrink,
	  .finish = finish },
	{ .name = "grow: a memfd",
	  .function = "vas_arena_grow",
	  .setup = setup_memfd,
	  .call = call_grow,
	  .undo = undo_grow,
	  .finish = finish },
	{ .name = "grow: private memory",
	  .function = "vas_arena_grow",
	  .setup = setup_private,
	  .call = call_grow,
	  .undo = undo_grow,
	  .finish = finish },
	{ .name = "grow: a strict memfd",
	  .function = "vas_arena_grow",
	  .setup = setup_strict,
	  .call = call_grow_strict,
	  .undo = undo_grow_strict,
	  .finish = finish },
	{ .name = "grow: strict private memory",
	  .function = "vas_arena_grow",
	  .setup = setup_strict_private,
	  .call = call_grow_strict,
	  .undo = undo_grow_strict,
	  .finish = finish },
	{ .name = "grow: a memfd, at least",
	  .function = "vas_arena_grow",
	  .setup = setup_memfd,
	  .call = call_grow_least,
	  .undo = undo_grow_least,
	  .finish = finish },
	{ .name = "grow: private memory, at least",
	  .function = "vas_arena_grow",
	  .setup = setup_private,
	  .call = call_grow_least,
	  .undo = undo_grow_least,
	  .finish = finish },
	{ .name = "grow: over what is ahead",
	  .function = "vas_arena_grow",
	  .setup = setup_ahead,
	  .call = call_grow,
	  .undo = undo_grow_ahead,
	  .finish = finish },
	{ .name = "grow: after one that died",
	  .function = "vas_arena_grow",
	  .setup = setup_memfd,
	  .prepare = prepare_died,
	  .call = call_grow,
	  .undo = undo_grow,
	  .finish = finish_died,
	  .brief = true },
	{ .name = "ahead",
	  .function = "vas_arena_ahead",
	  .setup = setup_ahead,
	  .call = call_ahead,
	  .undo = undo_ahead,
	  .finish = finish },
	{ .name = "trim",
	  .function = "vas_arena_trim",
	  .setup = setup_ahead,
	  .call = call_trim,
	  .undo = undo_trim,
	  .finish = finish },
	{ .name = "punch",
	  .function = "vas_arena_punch",
	  .setup = setup_memfd,
	  .call = call_punch,
	  .undo = undo_punch,
	  .finish = finish },
	{ .name = "fill",
	  .function = "vas_arena_fill",
	  .setup = setup_memfd,
	  .call = call_fill,
	  .finish = finish },
	{ .name = "shrink: a memfd",
	  .function = "vas_arena_shrink",
	  .setup = setup_memfd,
	  .call = call_shrink,
	  .undo = undo_shrink,
	  .finish = finish },
	{ .name = "shrink: private memory",
	  .function = "vas_arena_shrink",
	  .setup = setup_private,
	  .call = call_shrink,
	  .undo = undo_shrink,
	  .finish = finish },
	{ .name = "seal",
	  .function = "vas_arena_seal",
	  .setup = setup_memfd,
	  .call = call_seal,
	  .undo = undo_seal,
	  .finish = finish },
	{ .name = "seal: all writing",
	  .function = "vas_arena_seal",
	  .setup = setup_final,
	  .call = call_seal_final,
	  .undo = undo_seal_final,
	  .finish = finish },
	{ .name = "grow: sealed against shrinking",
	  .function = "vas_arena_grow",
	  .setup = setup_sealed,
	  .call = call_grow,
	  .undo = undo_grow_sealed,
	  .finish = finish },
	{ .name = "get",
	  .function = "vas_arena_get",
	  .setup = setup_memfd,
	  .call = call_get,
	  .finish = finish },
	{ .name = "open",
	  .function = "vas_arena_open",
	  .setup = setup_memfd,
	  .call = call_open,
	  .undo = undo_create,
	  .finish = finish },
	{ .name = "open: with a companion",
	  .function = "vas_arena_open",
	  .setup = setup_companion,
	  .call = call_open,
	  .undo = undo_create,
	  .finish = finish,
	  .brief = true },
	{ .name = "open: at its own address",
	  .function = "vas_arena_open",
	  .setup = setup_memfd,
	  .call = call_open_same,
	  .clean = -EEXIST,
	  .finish = finish,
	  .brief = true },
	{ .name = "sync",
	  .function = "vas_arena_sync",
	  .setup = setup_memfd,
	  .prepare = prepare_sync,
	  .call = call_sync,
	  .finish = finish },
	{ .name = "pin",
	  .function = "vas_arena_pin",
	  .setup = setup_memfd,
	  .call = call_pin,
	  .undo = undo_pin,
	  .finish = finish },
	{ .name = "unpin",
	  .function = "vas_arena_unpin",
	  .setup = setup_memfd,
	  .prepare = prepare_unpin,
	  .call = call_unpin,
	  .finish = finish },
	{ .name = "shrink: what is pinned",
	  .function = "vas_arena_shrink_within",
	  .setup = setup_memfd,
	  .prepare = prepare_pinned,
	  .call = call_shrink_within,
	  .clean = -EBUSY,
	  .finish = finish,
	  .brief = true },
	{ .name = "wait",
	  .function = "vas_arena_wait",
	  .setup = setup_memfd,
	  .call = call_wait,
	  .clean = -EAGAIN,
	  .finish = finish },
	{ .name = "destroy: a memfd",
	  .function = "vas_arena_destroy",
	  .prepare = setup_memfd,
	  .call = call_destroy },
	{ .name = "destroy: private memory",
	  .function = "vas_arena_destroy",
	  .prepare = setup_private,
	  .call = call_destroy },
};

/* Tails, mirrors, replacing and waiting have tests of their own. */
static bool is_of_arenas(const char *file)
{
	if (strstr(file, "src/space/again.c"))
		return true;
	return strstr(file, "src/arena/") && !strstr(file, "tail.c") && !strstr(file, "mirror") &&
	       !strstr(file, "replace") && !strstr(file, "aside.c") &&
	       !strstr(file, "queue_wait.c");
}

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(scenarios);
	fault_list_run(fault_arena_forks, fault_arena_fork_count);
	fault_sites_report(is_of_arenas);
	return tap_done();
}
