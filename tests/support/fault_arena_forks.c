/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault scenarios of forks of a process with an arena of policy COPY: every kernel call of the child's handler refused in turn, in a
 * child, which then has a whole copy, or nothing of the arena. The parent's is as it was.
 */
#include "support/fault_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/queue_peers.h"
#include "tap/tap.h"

#define PAGES 8u
#define HOLE  5u /* the page that nobody wrote to */

/* What the calls work on: one case is one process. */
static struct vas_arena *arena;
static struct vas_view *second; /* perhaps a private one, with a page of its own */
static struct vas_queue *queue; /* in the arena's place */
static unsigned char *starts[2];
static unsigned char own; /* what the second view shows of page 2 */

/* False: it cannot be read. */
static bool peek(const unsigned char *at, unsigned char *byte)
{
	struct iovec here = { byte, 1 }, there = { (void *)(uintptr_t)at, 1 };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static bool reads(const unsigned char *at, unsigned char want)
{
	unsigned char byte;

	return peek(at, &byte) && byte == want;
}

static unsigned char *start_of(struct vas_view *view)
{
	struct vas_view_info info = { .size = sizeof(info) };

	must(vas_view_get(view, &info), "no view");
	return vas_span_pointer(info.span);
}

static unsigned char mark(unsigned int page)
{
	return (unsigned char)(page == HOLE ? 0 : page + 1);
}

static void setup(struct fault_world *world, const struct vas_arena_opts *wish, uint32_t flags)
{
	struct vas_arena_opts opts = *wish;

	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_view_opts, view);
	opts.reserve = &reserve;
	opts.initial = PAGES * world->page;
	reserve.fork = VAS_FORK_COPY;
	view.flags = flags;
	must(vas_arena_create(2 * PAGES * world->page, &opts, &arena), "no arena");
	must(vas_view_open(arena, &view, &second), "no view");
	starts[0] = start_of(vas_view_first(arena));
	starts[1] = start_of(second);
	for (unsigned int i = 0; i < PAGES; i++)
		if (i != HOLE)
			starts[0][i * world->page] = mark(i);
	own = flags & VAS_VIEW_PRIVATE ? 100 : mark(2);
	starts[1][2 * world->page] = own;
}

static void setup_memfd(struct fault_world *world)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.tail = VAS_TAIL_NONE;
	setup(world, &opts, VAS_VIEW_PRIVATE);
	must(vas_arena_seal(arena, VAS_SEAL_GROW), "no seal");
}

/* A header beside it, a memory policy, and a seal for which all is mapped once more. */
static void setup_sealed(struct fault_world *world)
{
	struct vas_span all = { 0, 0 };

	VAS_OPTS(vas_policy, policy);
	VAS_OPTS(vas_arena_opts, opts);
	opts.flags = VAS_ARENA_COMPANION;
	setup(world, &opts, 0);
	policy.mode = VAS_POLICY_LOCAL;
	(void)vas_arena_set_policy(arena, all, &policy);
	must(vas_view_protect(second, PROT_READ), "no protection");
	must(vas_view_protect(vas_view_first(arena), PROT_READ), "no protection");
	must(vas_arena_seal(arena, VAS_SEAL_WRITE), "no seal");
}

static void setup_file(struct fault_world *world)
{
	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = VAS_ARENA_FILE;
	opts.fd = memfd_create("object", MFD_CLOEXEC);
	opts.offset = 4 * world->page;
	setup(world, &opts, 0);
	close(opts.fd);
}

static void setup_queue(struct fault_world *world)
{
	struct vas_queue_end end;

	queue = queue_peers_make(world->page, 0, VAS_FORK_COPY);
	must(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &end), "not joined");
	must(vas_queue_put(&end, "x", 1), "no record");
	must(vas_queue_leave(&end), "not left");
}

static void check(struct fault_world *world)
{
	for (unsigned int i = 0; i < PAGES; i++)
		if (!reads(starts[0] + i * world->page, mark(i)))
			fault_wrong("page %u of the arena is not as it was", i);
	if (!reads(starts[1] + 2 * world->page, own))
		fault_wrong("the second view has another page");
	if (vas_arena_size(arena) != PAGES * world->page)
		fault_wrong("the arena has another size");
}

static void look(struct fault_world *world, int answer)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	unsigned char byte;

	if (answer == 0) {
		check(world);
		if (vas_arena_destroy(arena, NULL))
			fault_wrong("the child's arena cannot be destroyed");
		return;
	}
	if (vas_arena_get(arena, &info) != -ESTALE || vas_arena_size(arena) != 0)
		fault_wrong("an arena without a copy is there");
	for (unsigned int i = 0; i < 2; i++)
		if (peek(starts[i], &byte))
			fault_wrong("view %u of an arena without a copy is there", i);
}

static int call(struct fault_world *world)
{
	return fault_fork(world, look);
}

static void check_queue(struct fault_world *world)
{
	struct vas_queue_end end;
	unsigned char byte = 0;
	uint64_t length = 1;

	(void)world;
	if (vas_queue_join(queue, VAS_QUEUE_CONSUMER, &end)) {
		fault_wrong("the queue cannot be joined");
		return;
	}
	if (vas_queue_get(&end, &byte, &length) || byte != 'x')
		fault_wrong("the record is not there");
	must(vas_queue_leave(&end), "not left");
}

static void look_at_queue(struct fault_world *world, int answer)
{
	struct vas_ring_info info = { .size = sizeof(info) };

	if (answer == 0)
		check_queue(world);
	else if (vas_queue_ring(queue, &info) != -ESTALE)
		fault_wrong("a queue without a copy is there");
}

static int call_queue(struct fault_world *world)
{
	return fault_fork(world, look_at_queue);
}

static void finish(struct fault_world *world)
{
	(void)world;
	must(vas_arena_destroy(arena, NULL), "the arena stays");
}

static void finish_queue(struct fault_world *world)
{
	(void)world;
	must(vas_queue_destroy(queue, NULL), "the queue stays");
}

const struct fault_scenario fault_arena_forks[] = {
#define FORK .function = "vas_fork_child", .brief = true, .shed = 1
	{ .name = "fork, copy of a memfd", FORK, .call = call,
	  .setup = setup_memfd, .undo = check, .finish = finish },
	{ .name = "fork, copy of a sealed one", FORK, .call = call,
	  .setup = setup_sealed, .undo = check, .finish = finish },
	{ .name = "fork, copy of a file without /proc", FORK, .call = call,
	  .also = "open", .setup = setup_file, .undo = check, .finish = finish },
	{ .name = "fork, copy of a queue", .function = "vas_fork_child", .brief = true, .shed = 2,
	  .call = call_queue, .setup = setup_queue, .finish = finish_queue },
};
const size_t fault_arena_fork_count = sizeof(fault_arena_forks) / sizeof(fault_arena_forks[0]);
