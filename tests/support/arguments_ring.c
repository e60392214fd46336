/* SPDX-License-Identifier: BSD-2-Clause */
/* Bad arguments of the functions of vaspace/ring.h. */
#include "support/arguments.h"

#include <string.h>

#include "tap/tap.h"

#define ARGUMENT VAS_WHY_ARGUMENT

static struct vas_ring *ring;

static int create_with(const void *options)
{
	struct vas_ring *got = NULL;
	int err = vas_ring_create(arguments_page, options, &got);

	if (!err && vas_ring_destroy(got, NULL))
		tap_bail("the ring stays");
	return err;
}

static int create_of(const void *arena_options)
{
	VAS_OPTS(vas_ring_opts, opts);
	opts.arena = arena_options;
	return create_with(&opts);
}

static int get_into(void *result)
{
	return vas_ring_get(ring, result);
}

void check_ring_create(void)
{
	const char *name = "vas_ring_create";
	uint64_t page = arguments_page;
	const struct {
		const char *what;
		struct vas_arena_opts opts;
	} cases[] = {
#define S .size = sizeof(struct vas_arena_opts)
		{ "of private memory", { S, .kind = VAS_ARENA_ANONYMOUS } },
		{ "a flag of the arena", { S, .flags = VAS_ARENA_LAZY } },
		{ "an initial size", { S, .initial = page } },
		{ "a step", { S, .step = page } },
		{ "a cap", { S, .cap = page } },
		{ "a tail", { S, .tail = VAS_TAIL_NONE } },
#undef S
	};

	VAS_OPTS(vas_ring_opts, opts);
	VAS_OPTS(vas_arena_opts, arena);
	VAS_OPTS(vas_reserve_opts, reserve);
	errno = SENTINEL_ERRNO;
	check_options(name, create_with, &opts, sizeof(opts), ARGUMENT);
	check_options("vas_ring_create", create_of, &arena, sizeof(arena), ARGUMENT);
	answer(name, "nowhere to put it", vas_ring_create(page, NULL, NULL), EINVAL, ARGUMENT);
	answer(name, "of nothing", vas_ring_create(0, NULL, &ring), EINVAL, ARGUMENT);
	answer(name, "of a byte", vas_ring_create(1, NULL, &ring), EINVAL, ARGUMENT);
	answer(name, "of everything", vas_ring_create(UINT64_MAX, NULL, &ring), EINVAL, ARGUMENT);
	answer(name, "twice half of everything", vas_ring_create(UINT64_C(1) << 63, NULL, &ring),
	       ERANGE, VAS_WHY_WIDTH);
	opts.copies = 1;
	answer(name, "one copy", create_with(&opts), EINVAL, ARGUMENT);
	opts.copies = VAS_RING_COPIES + 1;
	answer(name, "too many copies", create_with(&opts), EINVAL, ARGUMENT);
	opts.copies = UINT32_MAX;
	answer(name, "far too many copies", create_with(&opts), EINVAL, ARGUMENT);
	opts.copies = 0;
	opts.reserved = 1;
	answer(name, "something in reserved", create_with(&opts), EINVAL, ARGUMENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name, cases[i].what, create_of(&cases[i].opts), EINVAL, ARGUMENT);
	arena.reserve = &reserve;
	check_shared_reserve(name, create_of, &arena, &reserve, VAS_FORK_WIPE);
	ok(ring == NULL, "vas_ring_create: the handle is untouched");
}

void check_ring_destroy(void)
{
	answer("vas_ring_destroy", "NULL", vas_ring_destroy(NULL, NULL), EINVAL, ARGUMENT);
}

void check_ring_get(void)
{
	struct vas_ring_info info = { .size = sizeof(info) };

	answer("vas_ring_get", "NULL", vas_ring_get(NULL, &info), EINVAL, NO_REPORT);
	if (vas_ring_create(arguments_page, NULL, &ring))
		tap_bail("no ring");
	errno = SENTINEL_ERRNO;
	check_result("vas_ring_get", get_into, sizeof(info));
	if (vas_ring_destroy(ring, NULL))
		tap_bail("the ring stays");
	ring = NULL;
}

/* --- queues --- */

static struct vas_queue *queue;
static struct vas_queue_end producer, consumer;

static void joined_with(uint32_t flags)
{
	VAS_OPTS(vas_queue_opts, opts);
	opts.flags = flags;
	if (vas_queue_create(arguments_page, &opts, &queue) ||
	    vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer) ||
	    vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer))
		tap_bail("no queue");
	errno = SENTINEL_ERRNO;
}

static void joined(void)
{
	joined_with(0);
}

static void left(void)
{
	if (vas_queue_leave(&producer) || vas_queue_leave(&consumer) ||
	    vas_queue_destroy(queue, NULL))
		tap_bail("the queue stays");
	queue = NULL;
}

static int queue_with(const void *options)
{
	struct vas_queue *got = NULL;
	int err = vas_queue_create(arguments_page, options, &got);

	if (!err && vas_queue_destroy(got, NULL))
		tap_bail("the queue stays");
	return err;
}

void check_queue_create(void)
{
	const char *name = "vas_queue_create";

	VAS_OPTS(vas_queue_opts, opts);
	VAS_OPTS(vas_ring_opts, of_ring);
	errno = SENTINEL_ERRNO;
	check_options(name, queue_with, &opts, sizeof(opts), ARGUMENT);
	answer(name, "nowhere to put it", vas_queue_create(arguments_page, NULL, NULL), EINVAL,
	       ARGUMENT);
	answer(name, "of a byte", vas_queue_create(1, NULL, &queue), EINVAL, ARGUMENT);
	opts.flags = 0x80000000u;
	answer(name, "an unknown flag", queue_with(&opts), EINVAL, ARGUMENT);
	opts.flags = VAS_QUEUE_MANY;
	answer(name, "many producers", queue_with(&opts), 0, NO_REPORT);
	opts.reserved = 1;
	answer(name, "something in reserved", queue_with(&opts), EINVAL, ARGUMENT);
	opts.reserved = 0;
	opts.flags = 0;
	opts.ring = &of_ring;
	of_ring.copies = 1;
	answer(name, "one copy", queue_with(&opts), EINVAL, ARGUMENT);
	ok(queue == NULL, "vas_queue_create: the handle is untouched");
}

void check_queue_destroy(void)
{
	answer("vas_queue_destroy", "NULL", vas_queue_destroy(NULL, NULL), EINVAL, ARGUMENT);
	joined();
	answer("vas_queue_destroy", "an end is joined", vas_queue_destroy(queue, NULL), EBUSY,
	       VAS_WHY_USED);
	left();
}

void check_queue_join(void)
{
	const char *name = "vas_queue_join";
	struct vas_queue_end end, before;

	memset(&end, 0xa5, sizeof(end));
	before = end;
	joined();
	answer(name, "NULL", vas_queue_join(NULL, VAS_QUEUE_PRODUCER, &end), EINVAL, ARGUMENT);
	answer(name, "nowhere to put it", vas_queue_join(queue, VAS_QUEUE_PRODUCER, NULL), EINVAL,
	       ARGUMENT);
	answer(name, "an unknown role", vas_queue_join(queue, (enum vas_queue_role)2, &end), EINVAL,
	       ARGUMENT);
	answer(name, "a role that is taken", vas_queue_join(queue, VAS_QUEUE_CONSUMER, &end), EBUSY,
	       VAS_WHY_USED);
	ok(memcmp(&end, &before, sizeof(end)) == 0, "vas_queue_join: the end is untouched");
	left();
}

void check_queue_leave(void)
{
	struct vas_queue_end none = { 0 };

	answer("vas_queue_leave", "NULL", vas_queue_leave(NULL), EINVAL, ARGUMENT);
	answer("vas_queue_leave", "an end that has not joined", vas_queue_leave(&none), EINVAL,
	       ARGUMENT);
}

void check_queue_put_begin(void)
{
	const char *name = "vas_queue_put_begin";
	void *data = NULL;

	joined();
	answer(name, "NULL", vas_queue_put_begin(NULL, 1, &data), EINVAL, NO_REPORT);
	answer(name, "a consumer", vas_queue_put_begin(&consumer, 1, &data), EINVAL, NO_REPORT);
	answer(name, "nowhere to put it", vas_queue_put_begin(&producer, 1, NULL), EINVAL,
	       NO_REPORT);
	answer(name, "a byte too much", vas_queue_put_begin(&producer, arguments_page - 7, &data),
	       ERANGE, NO_REPORT);
	answer(name, "everything", vas_queue_put_begin(&producer, UINT64_MAX, &data), ERANGE,
	       NO_REPORT);
	ok(data == NULL, "vas_queue_put_begin: the place is untouched");
	answer(name, "all", vas_queue_put_begin(&producer, arguments_page - 8, &data), 0,
	       NO_REPORT);
	answer(name, "twice", vas_queue_put_begin(&producer, 1, &data), EINVAL, NO_REPORT);
	answer("vas_queue_put", "behind one that is begun", vas_queue_put(&producer, "a", 1),
	       EINVAL, NO_REPORT);
	left();
}

void check_queue_put_end(void)
{
	const char *name = "vas_queue_put_end";
	void *data;

	joined();
	answer(name, "NULL", vas_queue_put_end(NULL, 1), EINVAL, NO_REPORT);
	answer(name, "a consumer", vas_queue_put_end(&consumer, 0), EINVAL, NO_REPORT);
	answer(name, "none begun", vas_queue_put_end(&producer, 0), EINVAL, NO_REPORT);
	answer(name, "begun", vas_queue_put_begin(&producer, 8, &data), 0, NO_REPORT);
	answer(name, "more than was taken", vas_queue_put_end(&producer, 9), EINVAL, NO_REPORT);
	answer(name, "far more", vas_queue_put_end(&producer, UINT64_MAX), EINVAL, NO_REPORT);
	answer(name, "less", vas_queue_put_end(&producer, 3), 0, NO_REPORT);
	left();
}

void check_queue_get_begin(void)
{
	const char *name = "vas_queue_get_begin";
	const void *data = NULL;
	uint64_t length = 5;

	joined();
	answer(name, "NULL", vas_queue_get_begin(NULL, &data, &length), EINVAL, NO_REPORT);
	answer(name, "a producer", vas_queue_get_begin(&producer, &data, &length), EINVAL,
	       NO_REPORT);
	answer(name, "nowhere to put it", vas_queue_get_begin(&consumer, NULL, &length), EINVAL,
	       NO_REPORT);
	answer(name, "no length", vas_queue_get_begin(&consumer, &data, NULL), EINVAL, NO_REPORT);
	answer(name, "nothing there", vas_queue_get_begin(&consumer, &data, &length), EAGAIN,
	       NO_REPORT);
	ok(data == NULL && length == 5, "vas_queue_get_begin: the outputs are untouched");
	answer("vas_queue_put", "one", vas_queue_put(&producer, "a", 1), 0, NO_REPORT);
	answer(name, "one", vas_queue_get_begin(&consumer, &data, &length), 0, NO_REPORT);
	answer(name, "twice", vas_queue_get_begin(&consumer, &data, &length), EINVAL, NO_REPORT);
	left();
}

void check_queue_get_end(void)
{
	joined();
	answer("vas_queue_get_end", "NULL", vas_queue_get_end(NULL), EINVAL, NO_REPORT);
	answer("vas_queue_get_end", "a producer", vas_queue_get_end(&producer), EINVAL, NO_REPORT);
	answer("vas_queue_get_end", "none begun", vas_queue_get_end(&consumer), EINVAL, NO_REPORT);
	left();
}

void check_queue_put(void)
{
	const char *name = "vas_queue_put";

	joined();
	answer(name, "NULL", vas_queue_put(NULL, "a", 1), EINVAL, NO_REPORT);
	answer(name, "a consumer", vas_queue_put(&consumer, "a", 1), EINVAL, NO_REPORT);
	answer(name, "of nowhere", vas_queue_put(&producer, NULL, 1), EINVAL, NO_REPORT);
	answer(name, "nothing", vas_queue_put(&producer, NULL, 0), 0, NO_REPORT);
	answer(name, "everything", vas_queue_put(&producer, "a", UINT64_MAX), ERANGE, NO_REPORT);
	left();
}

void check_queue_wait(void)
{
	const char *name = "vas_queue_wait";
	void *data;

	joined();
	answer(name, "a queue without", vas_queue_wait(&consumer, 0, 0), EINVAL, NO_REPORT);
	left();
	answer(name, "an end that has left", vas_queue_wait(&consumer, 0, 0), EINVAL, NO_REPORT);
	joined_with(VAS_QUEUE_WAITS);
	answer(name, "NULL", vas_queue_wait(NULL, 0, 0), EINVAL, NO_REPORT);
	answer(name, "nothing there", vas_queue_wait(&consumer, 0, 1), EAGAIN, NO_REPORT);
	answer(name, "room", vas_queue_wait(&producer, arguments_page - 8, UINT64_MAX), 0,
	       NO_REPORT);
	answer(name, "a byte too much", vas_queue_wait(&producer, arguments_page - 7, UINT64_MAX),
	       ERANGE, NO_REPORT);
	answer(name, "everything", vas_queue_wait(&producer, UINT64_MAX, UINT64_MAX), ERANGE,
	       NO_REPORT);
	answer("vas_queue_put_begin", "one", vas_queue_put_begin(&producer, 1, &data), 0,
	       NO_REPORT);
	answer(name, "with one begun", vas_queue_wait(&producer, 1, UINT64_MAX), EINVAL, NO_REPORT);
	left();
}

void check_queue_get(void)
{
	const char *name = "vas_queue_get";
	uint64_t length = 2;
	char data[4] = "";

	joined();
	answer(name, "NULL", vas_queue_get(NULL, data, &length), EINVAL, NO_REPORT);
	answer(name, "a producer", vas_queue_get(&producer, data, &length), EINVAL, NO_REPORT);
	answer(name, "no length", vas_queue_get(&consumer, data, NULL), EINVAL, NO_REPORT);
	answer(name, "to nowhere", vas_queue_get(&consumer, NULL, &length), EINVAL, NO_REPORT);
	answer(name, "nothing there", vas_queue_get(&consumer, data, &length), EAGAIN, NO_REPORT);
	answer("vas_queue_put", "three", vas_queue_put(&producer, "abc", 3), 0, NO_REPORT);
	answer(name, "too little room", vas_queue_get(&consumer, data, &length), ENOSPC, NO_REPORT);
	ok(length == 3 && data[0] == 0, "vas_queue_get: the room that it needs");
	answer(name, "enough", vas_queue_get(&consumer, data, &length), 0, NO_REPORT);
	is_str(data, "abc", "vas_queue_get: the record");
	left();
}

void check_queue_open(void)
{
	const char *name = "vas_queue_open";
	struct vas_ring_info info = { .size = sizeof(info) };
	struct vas_queue *made = NULL, *got = NULL;
	struct vas_ring *refused = NULL;

	VAS_OPTS(vas_queue_opts, opts);
	VAS_OPTS(vas_ring_opts, of_ring);
	VAS_OPTS(vas_arena_opts, arena);
	if (vas_queue_create(arguments_page, NULL, &made) || vas_queue_ring(made, &info))
		tap_bail("no queue");
	errno = SENTINEL_ERRNO;
	answer(name, "nowhere to put it", vas_queue_open(info.fd, info.header, NULL, NULL), EINVAL,
	       ARGUMENT);
	opts.flags = VAS_QUEUE_MANY;
	answer(name, "flags", vas_queue_open(info.fd, info.header, &opts, &got), EINVAL, ARGUMENT);
	opts.flags = 0;
	opts.reserved = 1;
	answer(name, "reserved", vas_queue_open(info.fd, info.header, &opts, &got), EINVAL,
	       ARGUMENT);
	opts.reserved = 0;
	opts.ring = &of_ring;
	of_ring.arena = &arena;
	arena.flags = VAS_ARENA_READ_ONLY;
	answer(name, "only to read", vas_queue_open(info.fd, info.header, &opts, &got), EINVAL,
	       ARGUMENT);
	answer(name, "no descriptor", vas_queue_open(-1, -1, NULL, &got), EBADF, VAS_WHY_OBJECT);
	answer("vas_ring_open", "a queue's", vas_ring_open(info.fd, info.header, NULL, &refused),
	       EBADMSG, VAS_WHY_HEADER);
	ok(got == NULL && refused == NULL, "vas_queue_open: nothing is made");
	if (vas_queue_destroy(made, NULL))
		tap_bail("the queue stays");
}

void check_queue_ring(void)
{
	const char *name = "vas_queue_ring";
	struct vas_ring_info info = { .size = sizeof(info) }, small = { .size = 1 };
	struct vas_queue *made = NULL;

	if (vas_queue_create(arguments_page, NULL, &made))
		tap_bail("no queue");
	errno = SENTINEL_ERRNO;
	answer(name, "NULL", vas_queue_ring(NULL, &info), EINVAL, NO_REPORT);
	answer(name, "nowhere to put it", vas_queue_ring(made, NULL), EINVAL, NO_REPORT);
	answer(name, "a small one", vas_queue_ring(made, &small), EINVAL, NO_REPORT);
	if (vas_queue_destroy(made, NULL))
		tap_bail("the queue stays");
}

void check_ring_open(void)
{
	const char *name = "vas_ring_open";
	struct vas_ring_info info = { .size = sizeof(info) };
	struct vas_ring *made = NULL, *got = NULL;

	VAS_OPTS(vas_ring_opts, opts);
	if (vas_ring_create(arguments_page, NULL, &made) || vas_ring_get(made, &info))
		tap_bail("no ring");
	errno = SENTINEL_ERRNO;
	answer(name, "nowhere to put it", vas_ring_open(info.fd, info.header, NULL, NULL), EINVAL,
	       ARGUMENT);
	opts.copies = 2;
	answer(name, "copies", vas_ring_open(info.fd, info.header, &opts, &got), EINVAL, ARGUMENT);
	answer(name, "no descriptor", vas_ring_open(-1, -1, NULL, &got), EBADF, VAS_WHY_OBJECT);
	ok(got == NULL, "vas_ring_open: nothing is made");
	if (vas_ring_destroy(made, NULL))
		tap_bail("the ring stays");
}
