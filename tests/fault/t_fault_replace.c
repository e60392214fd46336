/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Replacing live pages with every kernel call that it makes failing in turn: what is answered is a row of its table, and a
 * failure leaves all parts with their old bytes. support/fault_loop.h has the loop and what is compared.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/fault_loop.h"
#include "support/huge_pool.h"
#include "tap/tap.h"

#define PARTS 3u
#define PAGES 4u /* of a part */

/* What the calls work on: one case is one process. */
static unsigned char *private, *shared;
static struct vas_replace_part parts[PARTS];
static struct vas_replace *batch;
static uint64_t size;
static uint32_t count;
static bool fresh; /* the last call was a success */
static uint64_t struck; /* faults in it */

static int make_memfd(unsigned char fill)
{
	int fd = memfd_create("replaced", MFD_CLOEXEC);
	unsigned char *memory;

	must(fd < 0 || ftruncate(fd, (off_t)size) ? -1 : 0, "no memfd");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(memory == MAP_FAILED ? -1 : 0, "nothing can be mapped");
	memset(memory, fill, size);
	munmap(memory, size);
	return fd;
}

static void make_span(uint64_t bytes, const struct vas_commit_opts *opts, unsigned char **start)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.flags = VAS_RESERVE_NODUMP;
	reserve.alignment = HUGE_PAGE;
	must(vas_reserve(bytes, &reserve, &span), "no span");
	*start = vas_span_pointer(span);
	must(vas_commit(*start, bytes, opts), "no memory");
}

/* Two parts of private memory, and one that is an object's and is given others of another one. */
static void setup(struct fault_world *world)
{
	VAS_OPTS(vas_commit_opts, opts);
	size = PAGES * world->page;
	opts.flags = VAS_COMMIT_HUGE;
	make_span(2 * size, &opts, &private);
	opts.flags = VAS_COMMIT_SHARED;
	opts.fd = make_memfd(1);
	make_span(size, &opts, &shared);
	close(opts.fd);
	memset(private, 1, 2 * size);
	must(vas_protect(private, size, PROT_READ), "not protected");
	memset(parts, 0, sizeof(parts));
	parts[0] = (struct vas_replace_part){ .start = private, .size = size };
	parts[1] = (struct vas_replace_part){ .start = shared, .size = size };
	parts[1].flags = VAS_REPLACE_SHARED;
	parts[1].fd = make_memfd(0);
	parts[2] = (struct vas_replace_part){ .start = private + size, .size = size };
	count = PARTS;
}

static void setup_one(struct fault_world *world)
{
	setup(world);
	parts[0].prot = PROT_READ | PROT_WRITE;
	parts[0].flags = VAS_REPLACE_COPY;
	count = 1;
}

/* Pages of the pool for private memory. */
static void setup_huge(struct fault_world *world)
{
	(void)world;
	size = HUGE_PAGE;
	make_span(size, NULL, &private);
	memset(private, 1, size);
	memset(parts, 0, sizeof(parts));
	parts[0] = (struct vas_replace_part){ .start = private, .size = size };
	parts[0].flags = VAS_REPLACE_SHARED;
	parts[0].fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	must(parts[0].fd < 0 || ftruncate(parts[0].fd, (off_t)size) ? -1 : 0, "no memfd");
	count = 1;
}

static void finish_huge(struct fault_world *world)
{
	(void)world;
	must(vas_release(private, NULL), "the span stays");
	close(parts[0].fd);
}

static void undo_huge(struct fault_world *world)
{
	struct vas_replace *made;

	memcpy(&made, &world->out, sizeof(made));
	must(vas_replace_cancel(made), "what was prepared cannot be cancelled");
}

static void setup_watched(struct fault_world *world)
{
	setup(world);
	fault_watch();
}

static bool all_are(const unsigned char *memory, unsigned char value)
{
	for (uint64_t i = 0; i < size; i++)
		if (memory[i] != value)
			return false;
	return true;
}

/*
 * Where every call is refused from one on the old pages cannot come back. What may not be written, or is an object's, shows new bytes then,
 * all of them.
 */
static void mend(uint32_t i)
{
	struct vas_replace_part back = parts[i];
	struct vas_replace *made;

	if (struck < 2 || !all_are(parts[i].start, 0))
		return;
	if (back.flags & VAS_REPLACE_SHARED)
		back.fd = make_memfd(1);
	must(vas_replace_prepare(&back, 1, &made), "not prepared");
	if (back.flags & VAS_REPLACE_SHARED)
		close(back.fd);
	else
		memset(back.aside, 1, size);
	must(vas_replace_commit(made), "not put back");
}

static void check_old(void)
{
	mend(0);
	mend(1);
	for (uint32_t i = 0; i < PARTS; i++)
		if (!all_are(parts[i].start, 1))
			fault_wrong("part %u has not its old bytes", i);
}

static void finish(struct fault_world *world)
{
	(void)world;
	check_old();
	must(vas_release(private, NULL), "the span stays");
	must(vas_release(shared, NULL), "the span stays");
	close(parts[1].fd);
}

static void finish_watched(struct fault_world *world)
{
	fault_unwatch();
	finish(world);
}

static int call_prepare(struct fault_world *world)
{
	struct vas_replace *made;
	int err;

	memcpy(&made, &world->out, sizeof(made));
	err = vas_replace_prepare(parts, count, &made);
	memcpy(&world->out, &made, sizeof(made));
	return err;
}

static void undo_prepare(struct fault_world *world)
{
	struct vas_replace *made;

	memcpy(&made, &world->out, sizeof(made));
	for (uint32_t i = 0; i < count; i++)
		if (!all_are(parts[i].aside, parts[i].flags & VAS_REPLACE_COPY ? 1 : 0))
			fault_wrong("the new pages are not new");
	must(vas_replace_cancel(made), "what was prepared cannot be cancelled");
	check_old();
}

/* A refused batch may have been spent: each call has one of its own. */
static void prepare_commit(struct fault_world *world)
{
	(void)world;
	if (batch && !fresh) {
		check_old();
		must(vas_replace_cancel(batch), "a batch that was refused cannot be cancelled");
	}
	must(vas_replace_prepare(parts, count, &batch), "not prepared");
	fresh = false;
}

static int call_commit(struct fault_world *world)
{
	int err = vas_replace_commit(batch);

	fresh = err == 0;
	struck = world->fault.faults;
	return err;
}

/* The old pages come back by a batch of the same kind. */
static void undo_commit(struct fault_world *world)
{
	struct vas_replace_part back[PARTS];
	struct vas_replace *made;

	(void)world;
	memcpy(back, parts, sizeof(back));
	for (uint32_t i = 0; i < count; i++) {
		if (!all_are(parts[i].start, parts[i].flags & VAS_REPLACE_COPY ? 1 : 0))
			fault_wrong("part %u has not its new bytes", i);
		back[i].flags = 0;
		back[i].prot = i == 0 ? PROT_READ : PROT_READ | PROT_WRITE;
		if (parts[i].flags & VAS_REPLACE_SHARED) {
			back[i].flags = VAS_REPLACE_SHARED;
			back[i].fd = make_memfd(1);
		}
	}
	must(vas_replace_prepare(back, count, &made), "not prepared");
	for (uint32_t i = 0; i < count; i++) {
		memset(back[i].aside, 1, size);
		if (parts[i].flags & VAS_REPLACE_SHARED)
			close(back[i].fd);
	}
	must(vas_replace_commit(made), "not put back");
}

static void drop(struct fault_world *world)
{
	if (batch && !fresh)
		must(vas_replace_cancel(batch), "a batch cannot be cancelled");
	batch = NULL;
	finish_watched(world);
}

static int call_cancel(struct fault_world *world)
{
	(void)world;
	return vas_replace_cancel(batch);
}

static void prepare_cancel(struct fault_world *world)
{
	setup(world);
	must(vas_replace_prepare(parts, count, &batch), "not prepared");
}

static const struct fault_scenario scenarios[] = {
	{ .name = "prepare", .function = "vas_replace_prepare", .setup = setup, .call = call_prepare,
	  .undo = undo_prepare, .finish = finish },
	{ .name = "prepare: one", .function = "vas_replace_prepare", .setup = setup_one,
	  .call = call_prepare, .undo = undo_prepare, .finish = finish },
	{ .name = "commit: one", .function = "vas_replace_commit", .setup = setup_one,
	  .prepare = prepare_commit, .call = call_commit, .undo = undo_commit, .finish = drop },
	{ .name = "commit", .function = "vas_replace_commit", .setup = setup,
	  .prepare = prepare_commit, .call = call_commit, .undo = undo_commit, .finish = drop },
	{ .name = "commit: watched", .function = "vas_replace_commit", .setup = setup_watched,
	  .prepare = prepare_commit, .call = call_commit, .undo = undo_commit, .finish = drop },
	{ .name = "cancel", .function = "vas_replace_cancel", .prepare = prepare_cancel,
	  .call = call_cancel, .undo = finish },
};

static const struct fault_scenario huge_scenarios[] = {
	{ .name = "prepare: of the pool", .function = "vas_replace_prepare", .setup = setup_huge,
	  .call = call_prepare, .undo = undo_huge, .finish = finish_huge, .brief = true },
};

static bool with_pool;

static bool is_of_replace(const char *file)
{
	return strstr(file, "src/arena/replace") || (with_pool && strstr(file, "src/arena/aside.c"));
}

int main(void)
{
	tap_plan(0);
	FAULT_LIST_RUN(scenarios);
	with_pool = huge_pool_take(2);
	if (with_pool)
		FAULT_LIST_RUN(huge_scenarios);
	else
		tap_skip(1, "no-huge-pages", "no pool of huge pages");
	fault_sites_report(is_of_replace);
	return tap_done();
}
