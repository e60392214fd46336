/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 6 */
/*
 * Mirrors with every kernel call that they make failing in turn: what is answered is a row of its table, and a
 * failure leaves the memory as it was, and nothing behind. support/fault_loop.h has the loop and what is compared.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/fault_loop.h"
#include "support/huge_pool.h"
#include "support/view_looks.h"

#define PAGES 4u

/* What the calls work on: one case is one process. */
static unsigned char *memory;
static uint64_t size;
static struct vas_view *view;

static void setup(struct fault_world *world)
{
	size = PAGES * world->page;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		tap_bail("nothing can be mapped");
	memory[0] = 0x5a;
	memory[size - 1] = 0x5b;
}

/* Not touched, so that the pool need not have any. */
static void setup_huge(struct fault_world *world)
{
	(void)world;
	size = HUGE_PAGE;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		tap_bail("nothing can be mapped");
}

static void setup_mirror(struct fault_world *world)
{
	setup(world);
	must(vas_mirror_open(memory, size, NULL, NULL, &view), "no mirror");
}

static void setup_watched(struct fault_world *world)
{
	setup(world);
	fault_watch();
}

static void finish_memory(struct fault_world *world)
{
	(void)world;
	if (size != HUGE_PAGE && (memory[0] != 0x5a || memory[size - 1] != 0x5b))
		fault_wrong("the memory is not as it was");
	if (munmap(memory, size))
		tap_bail("it stays mapped");
}

static void finish_watched(struct fault_world *world)
{
	fault_unwatch();
	finish_memory(world);
}

static void finish_mirror(struct fault_world *world)
{
	must(vas_view_close(view, NULL), "the mirror stays");
	finish_memory(world);
}

static int call_open(struct fault_world *world)
{
	struct vas_view *made;
	int err;

	VAS_OPTS(vas_view_opts, opts);
	opts.reserve = &world->opts;
	memcpy(&made, &world->out, sizeof(made));
	err = vas_mirror_open(memory, size, &opts, NULL, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_open(struct fault_world *world)
{
	struct vas_view *made;

	memcpy(&made, &world->out, sizeof(made));
	if (size != HUGE_PAGE && (view_start(made)[0] != 0x5a || view_start(made)[size - 1] != 0x5b))
		fault_wrong("it shows something else");
	must(vas_view_close(made, NULL), "what was opened cannot be closed");
}

static void prepare_recipe(struct fault_world *world)
{
	world->opts.flags = VAS_RESERVE_NODUMP;
	world->opts.fork = VAS_FORK_ABSENT;
}

static int call_protect(struct fault_world *world)
{
	(void)world;
	return vas_view_protect(view, PROT_READ);
}

static void undo_protect(struct fault_world *world)
{
	(void)world;
	must(vas_view_protect(view, PROT_READ | PROT_WRITE), "it stays as it is");
	view_start(view)[1] = 1;
}

static int call_close(struct fault_world *world)
{
	(void)world;
	return vas_view_close(view, NULL);
}

static const struct fault_scenario scenarios[] = {
	{ .name = "open", .function = "vas_mirror_open", .setup = setup, .call = call_open,
	  .undo = undo_open, .finish = finish_memory },
	{ .name = "open: with a recipe", .function = "vas_mirror_open", .setup = setup,
	  .prepare = prepare_recipe, .call = call_open, .undo = undo_open,
	  .finish = finish_memory },
	{ .name = "open: watched", .function = "vas_mirror_open", .setup = setup_watched,
	  .call = call_open, .undo = undo_open, .finish = finish_watched },
	{ .name = "protect", .function = "vas_view_protect", .setup = setup_mirror,
	  .call = call_protect, .undo = undo_protect, .finish = finish_mirror },
	{ .name = "close", .function = "vas_view_close", .prepare = setup_mirror,
	  .call = call_close, .undo = finish_memory },
};

static const struct fault_scenario huge_scenarios[] = {
	{ .name = "open: of the pool", .function = "vas_mirror_open", .setup = setup_huge,
	  .call = call_open, .undo = undo_open, .finish = finish_memory },
};

/* The way by map_files is not everybody's. */
static bool may_open(void)
{
	return geteuid() == 0 && access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) == 0;
}

static bool is_of_mirrors(const char *file)
{
	if (strstr(file, "src/space/move.c"))
		return true;
	return may_open() && strstr(file, "src/arena/mirror");
}

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(scenarios);
	if (may_open())
		FAULT_LIST_RUN(huge_scenarios);
	else
		tap_skip(1, "no-huge-pages", "no pool of huge pages, or not for everybody");
	fault_sites_report(is_of_mirrors);
	return tap_done();
}
