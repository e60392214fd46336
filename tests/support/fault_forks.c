/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault scenarios of forks: a span of each policy whose child's handler asks the kernel for
 * something, with every such call refused in turn, in a child.
 *
 * Whatever is refused, a child has all of a span, or owns it with nothing in it, or does not own it; shared it is only
 * where the kernel took no access away either.
 */
#include "support/fault_loop.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap/tap.h"

#define PAGES 12u
#define NONE  0xdeadu /* of a page that faults */

static int object;

/* --- pages that may fault --- */

static sigjmp_buf fault_back;

static void on_fault(int signal)
{
	siglongjmp(fault_back, signal);
}

static unsigned int peek(const struct fault_world *world, unsigned int page)
{
	volatile unsigned int *word = (void *)((char *)vas_span_pointer(world->more[0]) +
					       page * world->page);

	return sigsetjmp(fault_back, 1) ? NONE : *word;
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* --- spans --- */

static char *page_of(const struct fault_world *world, unsigned int page)
{
	return (char *)vas_span_pointer(world->more[0]) + page * world->page;
}

static void make_span(struct fault_world *world, enum vas_fork policy)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = policy;
	must(vas_reserve(PAGES * world->page, &opts, &world->more[0]), "no span");
	catch_faults();
}

/* Pages 0 to 9 with memory, but 5, which was given back, and 7, which is guarded; 3 is read-only. */
static void fill_span(struct fault_world *world, const struct vas_commit_opts *commit)
{
	must(vas_commit(page_of(world, 0), 10 * world->page, commit), "no memory");
	for (unsigned int i = 0; i < 10; i++)
		*(volatile unsigned int *)(void *)page_of(world, i) = 100 + i;
	must(vas_protect(page_of(world, 3), world->page, PROT_READ), "no protection");
	must(vas_decommit(page_of(world, 5), world->page, NULL), "not given back");
	must(vas_guard(page_of(world, 7), world->page), "no guard");
}

static void setup_copy_flags(struct fault_world *world, uint32_t flags)
{
	object = memfd_create("object", MFD_CLOEXEC);
	if (object < 0 || ftruncate(object, (off_t)(PAGES * world->page)))
		tap_bail("no object: %m");
	make_span(world, VAS_FORK_COPY);
	VAS_OPTS(vas_commit_opts, commit);
	commit.fd = object;
	commit.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH | flags;
	fill_span(world, &commit);
}

static void setup_copy(struct fault_world *world)
{
	setup_copy_flags(world, VAS_COMMIT_HUGE);
}

static unsigned int stopped;

static void on_pause(void *context, int pausing)
{
	(void)context;
	stopped += pausing ? 1 : -1u;
}

static void setup_paused(struct fault_world *world)
{
	setup_copy_flags(world, 0);
	vas_fork_pause_set(on_pause, NULL, 100);
}

static void setup_wipe(struct fault_world *world)
{
	make_span(world, VAS_FORK_WIPE);
	fill_span(world, NULL);
}

static void setup_trap(struct fault_world *world)
{
	make_span(world, VAS_FORK_TRAP);
	fill_span(world, NULL);
}

static void finish_span(struct fault_world *world)
{
	must(vas_release(vas_span_pointer(world->more[0]), NULL), "the span stays");
	if (object > 0)
		close(object);
	object = 0;
}

static void finish_paused(struct fault_world *world)
{
	vas_fork_pause_set(NULL, NULL, 0);
	if (stopped)
		fault_wrong("writers are stopped still");
	finish_span(world);
}

/* The parent's is as it was. */
static void check_span(struct fault_world *world)
{
	for (unsigned int i = 0; i < PAGES; i++)
		if (peek(world, i) != (i == 5 || i == 7 || i > 9 ? NONE : 100 + i))
			fault_wrong("the parent's page %u is not as it was", i);
}

static bool owned(const struct fault_world *world)
{
	struct vas_owner owner;

	return vas_owner_at(vas_span_pointer(world->more[0]), &owner) == 0;
}

/* Something can be done with it, to its end. */
static void check_usable(struct fault_world *world)
{
	if (vas_commit(page_of(world, 11), world->page, NULL) || peek(world, 11) != 0)
		fault_wrong("a page of the child's span cannot be committed");
	if (vas_release(vas_span_pointer(world->more[0]), NULL))
		fault_wrong("the child's span cannot be released");
}

static void look_at_copy(struct fault_world *world, int answer)
{
	bool whole = answer == 0;

	if (!owned(world)) {
		if (whole)
			fault_wrong("a copy was made, and the child does not own it");
		return;
	}
	if (vas_commit(page_of(world, 10), world->page, NULL) == -EPERM) {
		if (whole)
			fault_wrong("the copy is shared");
		return;
	}
	for (unsigned int i = 0; i < 10; i++)
		if (peek(world, i) != (i == 5 || i == 7 || !whole ? NONE : 100 + i))
			fault_wrong("page %u of the copy: %u", i, peek(world, i));
	if (whole)
		*(volatile unsigned int *)(void *)page_of(world, 0) = 1;
	check_usable(world);
}

static int call_copy(struct fault_world *world)
{
	return fault_fork(world, look_at_copy);
}

static void look_at_wiped(struct fault_world *world, int answer)
{
	/* A guard that could not be put back is closed by another means; where that fails too, nothing is kept. */
	for (unsigned int i = 0; i < 10; i++) {
		unsigned int got = peek(world, i);

		if (answer == 0 && got != (i == 5 || i == 7 ? NONE : 0))
			fault_wrong("page %u is not wiped, or open: %u", i, got);
		if (answer && got != NONE && got != 0)
			fault_wrong("page %u has the parent's contents", i);
	}
	if (owned(world) && vas_commit(page_of(world, 10), world->page, NULL) != -EPERM)
		check_usable(world);
}

static int call_wipe(struct fault_world *world)
{
	return fault_fork(world, look_at_wiped);
}

static void look_at_trap(struct fault_world *world, int answer)
{
	if (owned(world) != (answer == 0))
		fault_wrong("the trap is %s, and the answer %d", owned(world) ? "owned" : "nobody's", answer);
	for (unsigned int i = 0; answer == 0 && i < PAGES; i++)
		if (peek(world, i) != NONE)
			fault_wrong("page %u of the trap can be read", i);
	if (owned(world))
		check_usable(world);
}

static int call_trap(struct fault_world *world)
{
	return fault_fork(world, look_at_trap);
}

const struct fault_scenario fault_forks[] = {
#define FORK .function = "vas_fork_child", .brief = true
	{ .name = "fork, copy", FORK, .call = call_copy,
	  .setup = setup_copy, .undo = check_span, .finish = finish_span },
	{ .name = "fork, copy without /proc", FORK, .call = call_copy,
	  .also = "open", .setup = setup_copy, .undo = check_span, .finish = finish_span },
	{ .name = "fork, wipe", FORK, .call = call_wipe,
	  .setup = setup_wipe, .undo = check_span, .finish = finish_span },
	/* With every map refused as well, nothing can be replaced: access is taken away. */
	{ .name = "fork, copy without unmapping", FORK, .call = call_copy,
	  .also = "unmap", .setup = setup_copy, .undo = check_span, .finish = finish_span },
	{ .name = "fork, wipe without unmapping", FORK, .call = call_wipe,
	  .also = "unmap", .setup = setup_wipe, .undo = check_span, .finish = finish_span },
	{ .name = "fork, copy with writers stopped", FORK, .call = call_copy, .late = true,
	  .setup = setup_paused, .undo = check_span, .finish = finish_paused },
	{ .name = "fork, trap", FORK, .call = call_trap,
	  .setup = setup_trap, .undo = check_span, .finish = finish_span },
};
const size_t fault_fork_count = sizeof(fault_forks) / sizeof(fault_forks[0]);
