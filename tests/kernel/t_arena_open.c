/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * Arenas that are opened by their descriptors: in the process that made them and in another one that is handed them over a Unix
 * socket; to read only; with each tail; and headers that somebody spoiled.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "arena/header.h"
#include "support/arena_looks.h"
#include "tap/tap.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t page;

static struct vas_arena *make(uint32_t flags, uint64_t rung, enum vas_tail tail)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.flags = flags;
	opts.initial = 2 * MIB;
	opts.ladder = &rung;
	opts.ladder_count = 1;
	opts.tail = tail;
	return vas_arena_create(64 * MIB, &opts, &arena) ? NULL : arena;
}

static int open_of(struct vas_arena *arena, uint32_t flags, enum vas_tail tail,
		   struct vas_arena **other)
{
	struct vas_arena_info info = arena_look(arena);

	VAS_OPTS(vas_arena_opts, opts);
	opts.flags = flags;
	opts.tail = tail;
	return vas_arena_open(info.fd, info.header, &opts, other);
}

/* --- two handles --- */

static void check_two(struct vas_arena *arena, struct vas_arena *other, const char *name)
{
	unsigned char *start = arena_start(arena), *there = arena_start(other);
	uint64_t generation = vas_arena_generation(other), now = 0;

	ok(there != start && vas_arena_size(other) == 2 * MIB, "%s: elsewhere, as large", name);
	start[2 * MIB - 1] = 7;
	is_u64(there[2 * MIB - 1], 7, "%s: the same bytes", name);
	is_err(vas_arena_grow(arena, 6 * MIB, 0, NULL), 0, "%s: one grows", name);
	ok(vas_arena_generation(other) == generation + 2, "%s: that is counted", name);
	is_err(vas_arena_sync(other), 0, "%s: the other follows", name);
	is_u64(vas_arena_size(other), 6 * MIB, "%s: and is as large", name);
	start[6 * MIB - 1] = 8;
	is_u64(there[6 * MIB - 1], 8, "%s: the new bytes are there, too", name);
	is_err(vas_arena_grow(other, 8 * MIB, 0, &now), 0, "%s: the other grows", name);
	ok(now == 8 * MIB && vas_arena_sync(arena) == 0 && vas_arena_size(arena) == now,
	   "%s: for both", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	is_err(vas_arena_ahead(other, 2 * MIB, 0, NULL), 0, "%s: some ahead", name);
	is_err(vas_arena_grow(arena, 9 * MIB, 0, NULL), 0, "%s: that the first one grows over", name);
	is_u64(arena_look(arena).ahead, MIB, "%s: half of it is left", name);
	is_err(vas_arena_shrink(arena, MIB), 0, "%s: shrunk", name);
	is_u64(vas_arena_size(other), MIB, "%s: for both", name);
	is_u64(arena_length(other), MIB, "%s: and for the kernel", name);
	is_err(vas_arena_punch(other, 0, page), 0, "%s: punched", name);
	is_u64(start[0], 0, "%s: for both", name);
	is_err(vas_arena_sync(arena), 0, "%s: followed", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree still", name);
}

static void test_handles(void *unused)
{
	static const struct {
		const char *name;
		uint32_t flags;
		enum vas_tail tail;
	} cases[] = {
		{ "plain", 0, VAS_TAIL_BARE },
		{ "with a companion", VAS_ARENA_COMPANION, VAS_TAIL_BARE },
		{ "without access beyond", 0, VAS_TAIL_NONE },
	};

	(void)unused;
	arena_baseline();
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vas_arena *arena = make(cases[i].flags, 0, cases[i].tail), *other = NULL;

		if (!arena)
			tap_bail("no arena");
		is_err(open_of(arena, 0, cases[i].tail, &other), 0, "%s: opened", cases[i].name);
		check_two(arena, other, cases[i].name);
		is_err(vas_arena_destroy(arena, NULL), 0, "%s: the maker ends", cases[i].name);
		is_err(vas_arena_grow(other, 3 * MIB, 0, NULL), 0, "%s: the other goes on", cases[i].name);
		arena_start(other)[3 * MIB - 1] = 1;
		is_err(vas_arena_destroy(other, NULL), 0, "%s: and ends", cases[i].name);
	}
}

/* Descriptors that are read-only, or a promise. */
static void test_read_only(void *unused)
{
	struct vas_arena *arena, *other = NULL;
	struct vas_view *view;
	char path[64];
	int fd;

	(void)unused;
	arena_baseline();
	arena = make(0, 0, VAS_TAIL_BARE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", arena_look(arena).fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	VAS_OPTS(vas_arena_opts, opts);
	is_err(vas_arena_open(fd, fd, &opts, &other), EACCES, "read-only, and not said so");
	opts.flags = VAS_ARENA_READ_ONLY;
	opts.prot = PROT_READ | PROT_WRITE;
	is_err(vas_arena_open(fd, fd, &opts, &other), EINVAL, "to read, and to write");
	opts.prot = 0;
	is_err(vas_arena_open(fd, fd, &opts, &other), 0, "said so");
	close(fd);
	arena_start(arena)[0] = 9;
	is_u64(arena_start(other)[0], 9, "it reads");
	is_err(vas_arena_grow(other, 4 * MIB, 0, NULL), EPERM, "and changes nothing");
	is_err(vas_arena_shrink(other, 0), EPERM, "neither smaller");
	is_err(vas_arena_punch(other, 0, page), EPERM, "nor punched");
	is_err(vas_view_protect(vas_view_first(other), PROT_READ | PROT_WRITE), EPERM, "nor writable");
	is_err(vas_arena_grow(arena, 4 * MIB, 0, NULL), 0, "the maker grows");
	is_err(vas_arena_sync(other), 0, "it follows");
	is_u64(vas_arena_size(other), 4 * MIB, "and sees that");
	is_u64(arena_start(other)[4 * MIB - 1], 0, "with its bytes");
	is_err(vas_view_open(other, NULL, &view), 0, "a view");
	is_err(vas_view_close(view, NULL), 0, "and its end");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(other, NULL), 0, "ended");
	is_err(vas_arena_destroy(arena, NULL), 0, "and the maker");
}

/* --- another process --- */

struct handed {
	uint64_t start;
	uint64_t size;
};

static void hand(int socket, struct vas_arena_info info)
{
	struct handed handed = { info.span.start, info.bytes };
	struct iovec data = { &handed, sizeof(handed) };
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	int fds[2] = { info.fd, info.header };

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(rights), fds, sizeof(fds));
	if (sendmsg(socket, &message, 0) != (ssize_t)sizeof(handed))
		tap_bail("nothing is sent");
}

static bool take(int socket, struct handed *handed, int fds[2])
{
	struct iovec data = { handed, sizeof(*handed) };
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *rights;

	if (recvmsg(socket, &message, 0) != (ssize_t)sizeof(*handed))
		return false;
	rights = CMSG_FIRSTHDR(&message);
	if (!rights)
		return false;
	memcpy(fds, CMSG_DATA(rights), 2 * sizeof(int));
	return true;
}

/* Which step went wrong; 0 = none. */
static int other_process(int socket)
{
	struct vas_arena *same = NULL, *free = NULL, *none = NULL;
	struct handed handed;
	unsigned char *start;
	uint64_t now;
	int fds[2];

	VAS_OPTS(vas_arena_opts, opts);
	if (!take(socket, &handed, fds))
		return 1;
	opts.flags = VAS_ARENA_SAME_ADDRESS;
	if (vas_arena_open(fds[0], fds[1], &opts, &same) ||
	    arena_look(same).span.start != handed.start)
		return 2;
	if (vas_arena_open(fds[0], fds[1], &opts, &none) != -EEXIST)
		return 3;
	opts.flags = 0;
	if (vas_arena_open(fds[0], fds[1], &opts, &free) ||
	    arena_look(free).span.start == handed.start)
		return 4;
	close(fds[0]);
	close(fds[1]);
	start = arena_start(same);
	if (vas_arena_size(same) != handed.size || start[1] != 0x5a || arena_start(free)[1] != 0x5a)
		return 5;
	if (vas_arena_grow(same, handed.size + MIB, 0, NULL) || vas_arena_size(free) != handed.size + MIB)
		return 6;
	start[handed.size] = 0x5b;
	/* The maker answers with another step. */
	if (vas_arena_wait(same, handed.size + MIB, 10000000000, &now) || now != handed.size + 2 * MIB)
		return 7;
	if (vas_sync_check(NULL))
		return 8;
	return vas_arena_destroy(same, NULL) || vas_arena_destroy(free, NULL) ? 9 : 0;
}

static void test_process(void *unused)
{
	struct vas_arena *arena;
	int sockets[2], status;
	uint64_t now = 0;
	pid_t child;

	(void)unused;
	arena_baseline();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets))
		tap_bail("no socket");
	child = fork();
	if (child == 0)
		_exit(other_process(sockets[1]));
	arena = make(0, 0, VAS_TAIL_BARE);
	arena_start(arena)[1] = 0x5a;
	hand(sockets[0], arena_look(arena));
	is_err(vas_arena_wait(arena, 2 * MIB, 10000000000, &now), 0, "the other process grows it");
	is_u64(now, 3 * MIB, "which is told");
	/* The byte is written after that. */
	while (__atomic_load_n(&arena_start(arena)[2 * MIB], __ATOMIC_RELAXED) == 0)
		usleep(1000);
	is_u64(arena_start(arena)[2 * MIB], 0x5b, "its bytes are there");
	is_err(vas_arena_grow(arena, 4 * MIB, 0, NULL), 0, "grown again");
	is_i64(waitpid(child, &status, 0), child, "the other process ends");
	is_i64(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, "every step of it was right");
	is_err(vas_arena_wait(arena, 4 * MIB, 2000000, &now), EAGAIN, "nobody changes it any more");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
	close(sockets[0]);
	close(sockets[1]);
}

/* --- headers that are spoiled --- */

static void spoil(int fd, uint64_t at, uint64_t value)
{
	if (pwrite(fd, &value, sizeof(value), (off_t)at) != (ssize_t)sizeof(value))
		tap_bail("cannot write the header");
}

#define AT(field) offsetof(struct vas_header, field)

static void test_spoiled(void *unused)
{
	struct vas_arena *arena, *other = NULL;
	struct vas_arena_info info;
	uint64_t now = 0;

	(void)unused;
	arena_baseline();
	arena = make(VAS_ARENA_COMPANION, 0, VAS_TAIL_BARE);
	info = arena_look(arena);
	is_err(open_of(arena, 0, VAS_TAIL_BARE, &other), 0, "opened");
	spoil(info.header, AT(size), 2 * MIB + 1);
	is_u64(vas_arena_size(other), 2 * MIB, "half a byte more is not believed");
	is_err(vas_arena_grow(other, 4 * MIB, 0, NULL), EBADMSG, "nor grown from");
	is_err(vas_arena_shrink(arena, MIB), EBADMSG, "nor shrunk");
	is_err(vas_arena_wait(arena, 0, 0, &now), EBADMSG, "nor waited for");
	spoil(info.header, AT(size), UINT64_C(1) << 50);
	is_u64(vas_arena_size(arena), 2 * MIB, "nor more than may be");
	spoil(info.header, AT(size), 2 * MIB);
	spoil(info.header, AT(ahead), UINT64_MAX - 4095);
	is_err(vas_arena_grow(other, 4 * MIB, 0, NULL), EBADMSG, "nor so much ahead");
	spoil(info.header, AT(ahead), 0);
	is_err(vas_arena_grow(other, 4 * MIB, 0, NULL), 0, "as it was: it grows");
	is_err(vas_arena_destroy(other, NULL), 0, "ended");

	is_err(vas_arena_open(info.header, info.header, NULL, &other), EBADMSG, "the header's object");
	is_err(vas_arena_open(info.fd, info.fd, NULL, &other), EBADMSG, "one without a header");
	spoil(info.header, AT(facts.inode), 1);
	is_err(open_of(arena, 0, VAS_TAIL_BARE, &other), EBADMSG, "another object's");
	spoil(info.header, AT(version), 99);
	is_err(open_of(arena, 0, VAS_TAIL_BARE, &other), EOPNOTSUPP, "of another version");
	spoil(info.header, AT(magic), 0);
	is_err(open_of(arena, 0, VAS_TAIL_BARE, &other), EBADMSG, "none");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* Who waits for the end of a long growth sees that it goes on. */
static void test_pulse(void *unused)
{
	struct vas_arena *arena = NULL;
	uint32_t before = 0, after = 0;

	(void)unused;
	arena_baseline();
	if (vas_arena_create(256 * MIB, NULL, &arena))
		tap_bail("no arena");
	if (pread(arena_look(arena).fd, &before, sizeof(before), AT(pulse)) < 0)
		tap_bail("no header");
	is_err(vas_arena_grow(arena, 130 * MIB, 0, NULL), 0, "grown in three steps");
	if (pread(arena_look(arena).fd, &after, sizeof(after), AT(pulse)) < 0)
		tap_bail("no header");
	is_u64(after - before, 3, "which others could count");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* --- what is told --- */

static struct {
	unsigned int count;
	struct vas_notice last[4];
} heard;

static int hear(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (notice->phase == VAS_NOTICE_AFTER && heard.count < 4)
		heard.last[heard.count++] = *notice;
	return -1;
}

static void test_told(void *unused)
{
	struct vas_arena *arena, *other = NULL;
	struct vas_span span;
	uint64_t id;

	(void)unused;
	arena_baseline();
	arena = make(0, 0, VAS_TAIL_NONE);
	is_err(open_of(arena, 0, VAS_TAIL_NONE, &other), 0, "opened");
	span = arena_look(other).span;
	is_err(vas_arena_grow(arena, 4 * MIB, 0, NULL), 0, "grown elsewhere");
	if (vas_notice_subscribe(&span, hear, NULL, &id))
		tap_bail("no subscription");
	is_err(vas_arena_sync(other), 0, "followed, which no veto stops");
	ok(heard.count == 1 && heard.last[0].change == VAS_CHANGE_GROW && heard.last[0].final &&
		   heard.last[0].span.start == span.start + 2 * MIB && heard.last[0].span.size == 2 * MIB,
	   "the growth is told");
	heard.count = 0;
	is_err(vas_arena_sync(other), 0, "followed again");
	is_u64(heard.count, 0, "nothing is told twice");
	is_err(vas_arena_punch(arena, 0, page), 0, "punched elsewhere");
	is_err(vas_arena_shrink(arena, MIB), 0, "and shrunk");
	is_err(vas_arena_grow(other, 2 * MIB, 0, NULL), EBUSY, "a veto to its own growth");
	ok(heard.count == 2 && heard.last[0].change == VAS_CHANGE_PUNCH &&
		   heard.last[0].span.size == MIB && heard.last[1].change == VAS_CHANGE_SHRINK &&
		   heard.last[1].span.size == 3 * MIB,
	   "before it the others' changes are told");
	is_err(vas_notice_cancel(id), 0, "no more");
	is_err(vas_arena_destroy(other, NULL), 0, "ended");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("two handles", test_handles, NULL, 20);
	tap_case("to read only", test_read_only, NULL, 20);
	tap_case("two processes", test_process, NULL, 30);
	tap_case("spoiled headers", test_spoiled, NULL, 20);
	tap_case("a long growth", test_pulse, NULL, 20);
	tap_case("what is told", test_told, NULL, 20);
	return tap_done();
}
