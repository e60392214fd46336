/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * A forked child's own copy of an arena with an object (VAS_FORK_COPY), over the real kernel: all of its bytes, in all of its views, rings
 * and queues, and the parent's and the child's apart from then on; holes stay holes; seals, tails, page sizes and files; children of
 * children; forks while other threads grow; and what cannot be copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "support/queue_peers.h"
#include "support/view_looks.h"

#define PAGES 32u

static uint64_t page, size;

static unsigned char at(const unsigned char *where)
{
	return *(const volatile unsigned char *)where;
}

static void put(unsigned char *where, unsigned char byte)
{
	*(volatile unsigned char *)where = byte;
}

/* --- children --- */

/* Points are the parent's to make: a child says what was wrong. */
#define child_must(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			tap_diag("in the child: %s (line %d)", #condition, __LINE__);              \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static struct {
	int go[2], done[2];
} meet;

/* The child looks once, then the parent writes, then it looks again. */
static void child_meet(void)
{
	char byte = 0;

	child_must(write(meet.done[1], &byte, 1) == 1 && read(meet.go[0], &byte, 1) == 1);
}

static pid_t fork_child(void)
{
	pid_t child;

	fflush(stdout);
	if (pipe(meet.go) || pipe(meet.done) || (child = fork()) < 0)
		tap_bail("no child: %m");
	if (child == 0)
		alarm(60);
	return child;
}

static void parent_await(void)
{
	char byte;

	close(meet.done[1]);
	if (read(meet.done[0], &byte, 1) != 1)
		tap_diag("the child does not come so far");
}

static void parent_end(pid_t child, const char *name)
{
	int status = -1;

	(void)!write(meet.go[1], "", 1);
	if (waitpid(child, &status, 0) != child)
		tap_bail("no child: %m");
	ok(status == 0, "%s: status 0x%x", name, (unsigned int)status);
	close(meet.go[0]), close(meet.go[1]), close(meet.done[0]);
}

static int descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* --- arenas --- */

static struct vas_arena *make(const struct vas_arena_opts *wish)
{
	struct vas_arena_opts opts = *wish;
	struct vas_arena *arena = NULL;
	int err;

	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.fork = VAS_FORK_COPY;
	opts.size = sizeof(opts);
	opts.reserve = &reserve;
	opts.initial = size;
	err = vas_arena_create(4 * size, &opts, &arena);
	if (err)
		tap_bail("no arena: %d, %s", err, arena_reason());
	return arena;
}

/* Of page i, which is not 0. */
static unsigned char mark(unsigned int i)
{
	return (unsigned char)(i + 1);
}

/* All pages but 2 and 3, which nobody wrote to, and 5 to 8, which were given back. */
static bool is_written(unsigned int i)
{
	return i != 2 && i != 3 && (i < 5 || i > 8);
}

static void fill(struct vas_arena *arena)
{
	unsigned char *start = arena_start(arena);

	for (unsigned int i = 0; i < PAGES; i++)
		if (i != 2 && i != 3)
			memset(start + i * page, mark(i), page);
	is_err(vas_arena_punch(arena, 5 * page, 4 * page), 0, "punched");
}

static bool is_filled(const unsigned char *start)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		unsigned char want = is_written(i) ? mark(i) : 0;

		if (at(start + i * page) != want || at(start + (i + 1) * page - 1) != want)
			return false;
	}
	return true;
}

/* A copy, with nothing of the parent's in it, and all that an arena can do. */
static void check_child(struct vas_arena *arena, bool holes)
{
	unsigned char *start = arena_start(arena);
	enum vas_retired state;

	child_must(vas_arena_size(arena) == size);
	child_must(vas_arena_check(arena) && arena->header.self != 0);
	/* Looking takes memory. */
	child_must(!holes || arena_held(arena) == (PAGES - 6) * page);
	child_must(is_filled(start));
	child_must(vas_sync_check(NULL) == 0);
	put(start, 100);
	child_meet();
	child_must(at(start) == 100 && at(start + page) == mark(1));
	child_must(vas_arena_grow(arena, 2 * size, 0, NULL) == 0);
	put(start + 2 * size - 1, 7);
	child_must(vas_arena_shrink(arena, page) == 0);
	child_must(vas_arena_size(arena) == page && arena_length(arena) == page);
	child_must(vas_sync_check(NULL) == 0);
	child_must(vas_arena_destroy(arena, &state) == 0 && state == VAS_RETIRED_GONE);
	child_must(vas_sync_check(NULL) == 0);
	_exit(0);
}

static void check_kind(const char *name, const struct vas_arena_opts *opts, bool holes)
{
	struct vas_arena *arena = make(opts);
	unsigned char *start = arena_start(arena);
	int before;
	pid_t child;

	fill(arena);
	before = descriptors();
	child = fork_child();
	if (child == 0) {
		child_must(descriptors() == before + 4);
		check_child(arena, holes);
	}
	parent_await();
	put(start + page, 101);
	ok(at(start) == mark(0), "%s: what the child writes is its own", name);
	parent_end(child, name);
	is_u64(vas_arena_size(arena), size, "%s: the parent's is as large as before", name);
	is_err(vas_arena_grow(arena, 2 * size, 0, NULL), 0, "%s: and grows", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
	is_err(vas_sync_check(NULL), 0, "%s: nothing is left", name);
}

static void test_kinds(void *unused)
{
	static const uint64_t transparent = VAS_PAGES_TRANSPARENT;
	struct vas_arena_opts opts = { .flags = 0 };

	(void)unused;
	arena_baseline();
	check_kind("memfd", &opts, true);
	opts.flags = VAS_ARENA_COMPANION;
	check_kind("companion", &opts, true);
	opts.flags = 0;
	opts.tail = VAS_TAIL_NONE;
	check_kind("no tail", &opts, true);
	opts.tail = VAS_TAIL_BARE;
	opts.ladder = &transparent;
	opts.ladder_count = 1;
	check_kind("transparent", &opts, false);
}

/* --- files --- */

static void check_file(const char *name, int fd, enum vas_arena_kind kind)
{
	struct vas_arena_opts opts = { .kind = kind, .offset = 4 * page, .fd = fd };

	if (fd < 0)
		tap_bail("no file: %m");
	if (lseek(fd, 77, SEEK_SET) != 77)
		tap_bail("no position: %m");
	check_kind(name, &opts, false);
	is_u64((uint64_t)lseek(fd, 0, SEEK_CUR), 77, "%s: its position is as it was", name);
	close(fd);
}

static void test_files(void *unused)
{
	char path[] = "/var/tmp/vaspace-copy-XXXXXX";
	int fd;

	(void)unused;
	arena_baseline();
	check_file("file", memfd_create("file", MFD_CLOEXEC), VAS_ARENA_FILE);
	check_file("adopted", memfd_create("adopted", MFD_CLOEXEC), VAS_ARENA_ADOPTED);
	fd = mkostemp(path, O_CLOEXEC);
	unlink(path);
	check_file("disk", fd, VAS_ARENA_FILE);
}

/* --- views --- */

static struct vas_view *open_view(struct vas_arena *arena, uint32_t flags, uint64_t offset)
{
	struct vas_view *view = NULL;

	VAS_OPTS(vas_view_opts, opts);
	opts.flags = flags;
	opts.offset = offset;
	if (vas_view_open(arena, &opts, &view))
		tap_bail("no view: %s", arena_reason());
	return view;
}

static void check_views(enum vas_tail tail, const char *name)
{
	struct vas_arena_opts opts = { .tail = tail };
	struct vas_arena *arena = make(&opts);
	unsigned char *start = arena_start(arena), *second, *own, *read_only;
	struct vas_arena_extent extent = { .size = sizeof(extent) };
	struct vas_view *views[3];
	bool told;
	pid_t child;

	fill(arena);
	/* Before Linux 6.7 nobody tells which pages are a private view's own: the child has nothing then. */
	told = vas_arena_extent_at(arena, 0, &extent) != -EOPNOTSUPP;
	views[0] = open_view(arena, 0, 4 * page);
	views[1] = open_view(arena, VAS_VIEW_PRIVATE, 0);
	views[2] = open_view(arena, 0, 0);
	second = view_start(views[0]), own = view_start(views[1]), read_only = view_start(views[2]);
	put(own + 9 * page, 200), put(own + 2 * page, 201);
	is_err(vas_view_protect(views[2], PROT_READ), 0, "%s: only read", name);
	child = fork_child();
	if (child == 0 && !told) {
		child_must(vas_arena_extent_at(arena, 0, &extent) == -ESTALE);
		child_meet();
		_exit(0);
	}
	if (child == 0) {
		child_must(is_filled(start) && is_filled(read_only));
		child_must(at(own + 9 * page) == 200 && at(own + 9 * page + 1) == mark(9));
		child_must(at(own + 2 * page) == 201 && at(own) == mark(0));
		put(start + 10 * page, 50);
		child_must(at(second + 6 * page) == 50 && at(read_only + 10 * page) == 50);
		child_must(at(own + 10 * page) == 50);
		child_meet();
		child_must(at(own + 11 * page) == mark(11) && at(start + 12 * page) == mark(12));
		child_must(touch(read_only, true) == SIGSEGV);
		child_must(vas_arena_grow(arena, 2 * size, 0, NULL) == 0);
		put(start + size, 51);
		child_must(at(second + size - 4 * page) == 51 && at(own + size) == 51);
		child_must(touch(start + 2 * size, false) ==
			   (tail == VAS_TAIL_BARE ? SIGBUS : SIGSEGV));
		child_must(vas_sync_check(NULL) == 0);
		child_must(vas_view_close(views[1], NULL) == 0);
		child_must(vas_arena_destroy(arena, NULL) == 0 && vas_sync_check(NULL) == 0);
		_exit(0);
	}
	parent_await();
	put(start + 11 * page, 60), put(second + 8 * page, 61);
	ok(at(own + 11 * page) == 60 && at(start + 10 * page) == mark(10),
	   "%s: the parent's are apart", name);
	parent_end(child, name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static bool has_guards(void)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.tail = VAS_TAIL_GUARD;
	if (vas_arena_create(size, &opts, &arena))
		return false;
	return vas_arena_destroy(arena, NULL) == 0;
}

static void test_views(void *unused)
{
	(void)unused;
	arena_baseline();
	check_views(VAS_TAIL_BARE, "bare");
	check_views(VAS_TAIL_NONE, "none");
	if (has_guards())
		check_views(VAS_TAIL_GUARD, "guard");
}

/* --- seals --- */

static void check_sealed(uint32_t flags, uint32_t seals, const char *name)
{
	struct vas_arena_opts opts = { .flags = flags };
	struct vas_arena *arena = make(&opts);
	pid_t child;

	fill(arena);
	if (seals & VAS_SEAL_WRITE)
		is_err(vas_view_protect(vas_view_first(arena), PROT_READ), 0, "%s: only read",
		       name);
	is_err(vas_arena_seal(arena, seals), 0, "%s: sealed", name);
	child = fork_child();
	if (child == 0) {
		bool written = seals & (VAS_SEAL_WRITE | VAS_SEAL_FUTURE_WRITE);

		child_must(is_filled(arena_start(arena)));
		child_must(vas_arena_grow(arena, 2 * size, 0, NULL) ==
			   (seals & VAS_SEAL_GROW ? -EPERM : 0));
		child_must(vas_arena_shrink(arena, page) == (seals & VAS_SEAL_SHRINK ? -EPERM : 0));
		child_must(vas_arena_punch(arena, 0, page) == (written ? -EPERM : 0));
		child_meet();
		_exit(0);
	}
	parent_await();
	parent_end(child, name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static void test_seals(void *unused)
{
	(void)unused;
	arena_baseline();
	check_sealed(0, VAS_SEAL_GROW, "growing");
	check_sealed(0, VAS_SEAL_SHRINK | VAS_SEAL_SEAL, "shrinking");
	check_sealed(0, VAS_SEAL_FUTURE_WRITE | VAS_SEAL_GROW, "future writing");
	check_sealed(VAS_ARENA_COMPANION, VAS_SEAL_WRITE, "writing");
}

/* --- rings and queues --- */

static void queue_put(struct vas_queue_end *end, unsigned char byte)
{
	if (vas_queue_put(end, &byte, 1))
		tap_bail("no room");
}

/* 0: there is none. */
static unsigned char queue_get(struct vas_queue_end *end)
{
	unsigned char byte = 0;
	uint64_t length = 1;

	return vas_queue_get(end, &byte, &length) ? 0 : byte;
}

static void check_queue(uint32_t flags, const char *name)
{
	unsigned char *start;
	struct vas_queue_end in, out;
	struct vas_ring_info info = { .size = sizeof(info) };
	struct vas_queue *queue = NULL;
	pid_t child;

	queue = queue_peers_make(4 * page, flags, VAS_FORK_COPY);
	if (vas_queue_ring(queue, &info) || vas_queue_join(queue, VAS_QUEUE_PRODUCER, &in))
		tap_bail("no queue: %s", arena_reason());
	start = vas_span_pointer(info.span);
	queue_put(&in, 1), queue_put(&in, 2);
	child = fork_child();
	if (child == 0) {
		child_must(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &out) == 0);
		child_must(queue_get(&out) == 1);
		child_must(vas_queue_join(queue, VAS_QUEUE_PRODUCER, &in) == 0);
		queue_put(&in, 3);
		child_meet();
		child_must(queue_get(&out) == 2);
		child_must(queue_get(&out) == 3);
		child_must(queue_get(&out) == 0);
		put(start + 3 * page, 9);
		child_must(at(start + 7 * page) == 9);
		child_must(vas_queue_leave(&in) == 0 && vas_queue_leave(&out) == 0);
		child_must(vas_queue_destroy(queue, NULL) == 0 && vas_sync_check(NULL) == 0);
		_exit(0);
	}
	parent_await();
	queue_put(&in, 4);
	is_err(vas_queue_join(queue, VAS_QUEUE_CONSUMER, &out), 0, "%s: the parent joins", name);
	for (unsigned char want = 1; want <= 4; want += want == 2 ? 2 : 1)
		ok(queue_get(&out) == want, "%s: the parent's record %u", name, want);
	parent_end(child, name);
	is_err(vas_queue_leave(&in), 0, "%s: left", name);
	is_err(vas_queue_leave(&out), 0, "%s: left", name);
	is_err(vas_queue_destroy(queue, NULL), 0, "%s: destroyed", name);
}

static void test_queues(void *unused)
{
	(void)unused;
	arena_baseline();
	check_queue(0, "queue");
	check_queue(VAS_QUEUE_MANY | VAS_QUEUE_WAITS, "many");
}

/* --- others' arenas, and children of children --- */

static void test_opened(void *unused)
{
	struct vas_arena_opts wish = { .flags = 0 };
	struct vas_arena *maker, *arena = NULL;
	struct vas_arena_info info;
	unsigned char *start;
	pid_t child;

	(void)unused;
	arena_baseline();
	maker = make(&wish);
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_arena_opts, opts);
	fill(maker);
	info = arena_look(maker);
	reserve.fork = VAS_FORK_COPY;
	opts.reserve = &reserve;
	opts.flags = VAS_ARENA_READ_ONLY;
	if (vas_arena_open(info.fd, info.header, &opts, &arena))
		tap_bail("not opened: %s", arena_reason());
	start = arena_start(arena);
	child = fork_child();
	if (child == 0) {
		child_must(is_filled(start) && touch(start, true) == SIGSEGV);
		child_must(!(arena_look(arena).flags & VAS_ARENA_READ_ONLY));
		child_must(vas_view_protect(vas_view_first(arena), PROT_READ | PROT_WRITE) == 0);
		put(start, 3);
		child_must(at(arena_start(maker)) == mark(0));
		child_must(vas_arena_grow(arena, 2 * size, 0, NULL) == 0);
		child_meet();
		child_must(vas_arena_size(maker) == size && vas_arena_size(arena) == 2 * size);
		_exit(0);
	}
	parent_await();
	ok(at(start) == mark(0) && vas_arena_size(arena) == size, "the parent's is as it was");
	parent_end(child, "opened");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	is_err(vas_arena_destroy(maker, NULL), 0, "destroyed");
}

static void test_grandchild(void *unused)
{
	struct vas_arena_opts opts = { .flags = 0 };
	struct vas_arena *arena;
	unsigned char *start;
	int status = -1;
	pid_t child;

	(void)unused;
	arena_baseline();
	arena = make(&opts);
	start = arena_start(arena);
	fill(arena);
	child = fork_child();
	if (child == 0) {
		pid_t grandchild;

		put(start, 20);
		grandchild = fork();
		if (grandchild == 0) {
			child_must(at(start) == 20 && at(start + page) == mark(1));
			put(start, 21);
			child_must(vas_arena_grow(arena, 2 * size, 0, NULL) == 0);
			_exit(0);
		}
		child_must(waitpid(grandchild, &status, 0) == grandchild && status == 0);
		child_must(at(start) == 20 && vas_arena_size(arena) == size);
		child_meet();
		_exit(0);
	}
	parent_await();
	ok(at(start) == mark(0), "the parent's is as it was");
	parent_end(child, "a child and its child");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* --- forks while others grow --- */

static struct {
	struct vas_arena *arena;
	bool stop; /* atomic */
} busy;

static void *grow_busily(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&busy.stop, __ATOMIC_RELAXED)) {
		(void)vas_arena_grow(busy.arena, 3 * size, 0, NULL);
		(void)vas_arena_shrink(busy.arena, size);
	}
	return NULL;
}

static void *view_busily(void *unused)
{
	struct vas_view *view;

	(void)unused;
	while (!__atomic_load_n(&busy.stop, __ATOMIC_RELAXED)) {
		VAS_OPTS(vas_view_opts, opts);
		if (vas_view_open(busy.arena, &opts, &view) == 0)
			(void)vas_view_close(view, NULL);
	}
	return NULL;
}

static void test_busy(void *unused)
{
	struct vas_arena_opts opts = { .flags = 0 };
	unsigned int wrong = 0, rounds = tap_under_sanitizer() ? 5 : 30;
	unsigned char *start;
	pthread_t threads[2];

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	busy.arena = make(&opts);
	fill(busy.arena);
	start = arena_start(busy.arena);
	if (pthread_create(&threads[0], NULL, grow_busily, NULL) ||
	    pthread_create(&threads[1], NULL, view_busily, NULL))
		tap_bail("no threads");
	for (unsigned int i = 0; i < rounds; i++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0) {
			uint64_t bytes = vas_arena_size(busy.arena);

			alarm(60);
			child_must(bytes == size || bytes == 3 * size);
			child_must(is_filled(start) && vas_sync_check(NULL) == 0);
			child_must(vas_arena_grow(busy.arena, 2 * size, 0, NULL) == 0);
			child_must(vas_arena_destroy(busy.arena, NULL) == 0);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			wrong++;
	}
	__atomic_store_n(&busy.stop, true, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	is_u64(wrong, 0, "children of a busy process have copies");
	is_err(vas_arena_destroy(busy.arena, NULL), 0, "destroyed");
}

/* --- what cannot be --- */

/* Whoever has the object cuts it off: the child's copy is not whole, so there is none. */
static void test_cut(void *unused)
{
	struct vas_arena_opts opts = { .flags = 0 };
	struct vas_arena *arena;
	struct vas_view *view;
	unsigned char *start, *second;
	struct vas_arena_info info;
	int before;
	pid_t child;

	(void)unused;
	arena_baseline();
	arena = make(&opts);
	view = open_view(arena, 0, 0);
	start = arena_start(arena), second = view_start(view);
	info = arena_look(arena);
	before = descriptors();
	fill(arena);
	if (ftruncate(info.fd, (off_t)(info.offset + 20 * page + 100)))
		tap_bail("not cut: %m");
	child = fork_child();
	if (child == 0) {
		struct vas_owner owner;
		struct vas_span span;

		child_must(strcmp(arena_reason(), "object") == 0);
		child_must(vas_arena_size(arena) == 0 && vas_arena_get(arena, &info) == -ESTALE);
		child_must(vas_arena_grow(arena, size, 0, NULL) == -ESTALE);
		child_must(vas_view_get(view,
					&(struct vas_view_info){
						.size = sizeof(struct vas_view_info) }) == -ESTALE);
		child_must(vas_owner_at(start, &owner) && vas_owner_at(second, &owner));
		child_must(touch(start, false) == SIGSEGV && touch(second, false) == SIGSEGV);
		child_must(descriptors() == before + 4 - 1);
		child_must(vas_reserve(page, NULL, &span) == 0 && vas_sync_check(NULL) == 0);
		child_meet();
		_exit(0);
	}
	parent_await();
	ok(at(start) == mark(0) && at(second + page) == mark(1), "the parent's is there");
	parent_end(child, "cut off");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_pool(void *unused)
{
	uint64_t rungs[] = { 2u << 20, VAS_PAGES_BASE };
	struct vas_arena *arena = NULL;
	int fd;

	(void)unused;
	arena_baseline();
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_arena_opts, opts);
	reserve.fork = VAS_FORK_COPY;
	opts.reserve = &reserve;
	opts.ladder = rungs;
	opts.ladder_count = 2;
	is_err(vas_arena_create(64u << 20, &opts, &arena), EOPNOTSUPP, "a ladder with the pool");
	is_str(arena_reason(), "fork-policy", "says why");
	fd = memfd_create("pool", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0) {
		tap_skip(1, "no-object", "an adopted one of the pool");
		return;
	}
	opts.ladder = NULL;
	opts.ladder_count = 0;
	opts.kind = VAS_ARENA_ADOPTED;
	opts.fd = fd;
	is_err(vas_arena_create(64u << 20, &opts, &arena), EOPNOTSUPP,
	       "an adopted one of the pool");
	close(fd);
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	tap_plan(0);
	tap_case("kinds", test_kinds, NULL, 30);
	tap_case("files", test_files, NULL, 30);
	tap_case("views", test_views, NULL, 30);
	tap_case("seals", test_seals, NULL, 30);
	tap_case("queues", test_queues, NULL, 30);
	tap_case("opened", test_opened, NULL, 30);
	tap_case("grandchild", test_grandchild, NULL, 30);
	tap_case("busy", test_busy, NULL, 60);
	tap_case("cut", test_cut, NULL, 30);
	tap_case("pool", test_pool, NULL, 30);
	return tap_done();
}
