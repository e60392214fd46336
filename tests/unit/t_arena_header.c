/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * The header of arenas: what of a page from elsewhere is believed, and the lock between processes, also of one that is
 * killed or stopped with it, or executes another program.
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

#include "arena/header.h"
#include "arena/peer.h"
#include "tap/tap.h"

#define PAGE 4096u

static const struct vas_header_facts good = {
	.page_size = PAGE,
	.offset = PAGE,
	.maximum = 64 * PAGE,
	.step = 2 * PAGE,
	.cap = 32 * PAGE,
	.object_page = PAGE,
	.copies = 1,
	.name = "arena",
};

static struct vas_header *page_new(const struct vas_header_facts *facts)
{
	struct vas_header *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		tap_bail("no page");
	vas_header_begin(page, facts);
	return page;
}

/* --- reading --- */

static int reads(const struct vas_header_facts *facts)
{
	struct vas_header *page = page_new(facts);
	struct vas_header_facts got;
	int err = vas_header_read(page, PAGE, &got);

	munmap(page, PAGE);
	return err;
}

static void test_read(void *unused)
{
	struct vas_header *page = page_new(&good);
	struct vas_header_facts got, bad;

	(void)unused;
	is_err(vas_header_read(page, PAGE, &got), 0, "what was written is read");
	ok(memcmp(&got, &good, sizeof(got)) == 0, "as it was");
	is_err(vas_header_read(page, 4 * PAGE, &got), EOPNOTSUPP, "a machine with other pages");
	page->version++;
	is_err(vas_header_read(page, PAGE, &got), EOPNOTSUPP, "another version");
	page->magic++;
	is_err(vas_header_read(page, PAGE, &got), EBADMSG, "no header");
	munmap(page, PAGE);
	memset(bad.name, 'x', sizeof(bad.name));
#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		bad = good;                                                                        \
		bad.field = (value);                                                               \
		is_err(reads(&bad), EBADMSG, #field " = " #value);                                 \
	} while (0)
	REFUSED(offset, PAGE / 2);
	REFUSED(offset, UINT64_MAX - PAGE + 1);
	REFUSED(maximum, 0);
	REFUSED(maximum, 65 * PAGE);
	REFUSED(maximum, UINT64_MAX - 2 * PAGE + 1);
	REFUSED(step, 0);
	REFUSED(step, PAGE / 2);
	REFUSED(step, 3 * PAGE);
	REFUSED(cap, 0);
	REFUSED(cap, 33 * PAGE);
	REFUSED(cap, 66 * PAGE);
	REFUSED(object_page, 0);
	REFUSED(object_page, 3 * PAGE);
	REFUSED(object_page, PAGE / 2);
	REFUSED(collapse, 3 * PAGE);
	REFUSED(collapse, PAGE / 2);
	REFUSED(collapse, UINT64_C(1) << 63);
	REFUSED(copies, 0);
	REFUSED(copies, 1025);
	REFUSED(copies, UINT32_MAX);
	REFUSED(use, VAS_HEADER_USES);
	REFUSED(front, PAGE / 2);
	REFUSED(front, UINT64_C(1) << 63);
#undef REFUSED
	bad = good;
	memset(bad.name, 'x', sizeof(bad.name));
	page = page_new(&bad);
	is_err(vas_header_read(page, PAGE, &got), 0, "a name without an end");
	is_u64(strlen(got.name), sizeof(got.name) - 1, "has one when it was read");
	munmap(page, PAGE);
}

static void test_sizes(void *unused)
{
	(void)unused;
	ok(vas_header_suits(&good, 0, 0), "nothing");
	ok(vas_header_suits(&good, 32 * PAGE, 0), "as much as may be");
	ok(vas_header_suits(&good, 30 * PAGE, 2 * PAGE), "with some ahead");
	ok(!vas_header_suits(&good, 34 * PAGE, 0), "more than may be");
	ok(!vas_header_suits(&good, 3 * PAGE, 0), "half a step");
	ok(!vas_header_suits(&good, 2 * PAGE, PAGE), "half a step ahead");
	ok(!vas_header_suits(&good, 30 * PAGE, 4 * PAGE), "too much ahead");
	ok(!vas_header_suits(&good, 2 * PAGE, UINT64_MAX - 2 * PAGE + 1), "that goes round");
}

/* --- the lock --- */

static struct vas_header_map map_of(struct vas_header *page)
{
	struct vas_sys *sys = vas_sys_real();

	return (struct vas_header_map){
		.page = page,
		.shared = true,
		.writable = true,
		.self = vas_peer_self(sys, page->facts.namespace),
		.namespace = page->facts.namespace,
	};
}

static struct vas_header *page_locked(void)
{
	struct vas_header_facts facts = good;

	facts.namespace = vas_peer_namespace(vas_sys_real());
	return page_new(&facts);
}

/* The words behind the constants: a count that only the lock protects. */
static uint64_t *count_of(struct vas_header *page)
{
	return &page->places[0].pins;
}

static void add(struct vas_header *page, uint64_t rounds)
{
	struct vas_header_map map = map_of(page);
	volatile uint64_t *count = count_of(page);

	for (uint64_t i = 0; i < rounds; i++) {
		if (vas_header_lock(&map, vas_sys_real()))
			_exit(1);
		*count = *count + 1;
		vas_header_unlock(&map, vas_sys_real());
	}
}

static void reap(pid_t child, const char *what)
{
	int status = 0;

	is_i64(waitpid(child, &status, 0), child, "%s: waited for", what);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: it ended well", what);
}

static void test_exclusion(void *unused)
{
	struct vas_header *page = page_locked();
	uint64_t rounds = tap_scaled(20000);
	pid_t child[2];

	(void)unused;
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			add(page, rounds);
			_exit(0);
		}
	}
	add(page, rounds);
	reap(child[0], "one process");
	reap(child[1], "the other");
	is_u64(*count_of(page), 3 * rounds, "no step of three processes is lost");
	is_u64(page->owner, 0, "nobody has it");
	munmap(page, PAGE);
}

/* This program again, with a stack that begins elsewhere also where addresses are not random. */
static _Noreturn void execute_this(void)
{
	static char wide[8192];

	memset(wide, 'x', sizeof(wide) - 1);
	execl("/proc/self/exe", "waits", wide, (char *)NULL);
	_exit(1);
}

/* A child that has the lock and says so; then it waits, as another program or as it is. */
static pid_t owner_start_as(struct vas_header *page, bool another)
{
	int ready[2];
	char byte;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC))
		tap_bail("no pipe");
	child = fork();
	if (child == 0) {
		struct vas_header_map map = map_of(page);

		if (vas_header_lock(&map, vas_sys_real()) || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (another)
			execute_this();
		for (;;)
			pause();
	}
	close(ready[1]);
	/* What is executed has not got the pipe. */
	if (read(ready[0], &byte, 1) != 1 || (another && read(ready[0], &byte, 1) != 0))
		tap_bail("the child does not have it");
	close(ready[0]);
	return child;
}

static pid_t owner_start(struct vas_header *page)
{
	return owner_start_as(page, false);
}

static void test_dead(void *unused)
{
	struct vas_header *page = page_locked();
	struct vas_header_map map = map_of(page);
	pid_t child = owner_start(page);

	(void)unused;
	page->state = VAS_HEADER_CHANGING;
	kill(child, SIGKILL);
	is_err(vas_header_lock(&map, vas_sys_real()), 0, "taken from one that is dead, not waited for");
	is_u64(page->owner, map.self, "it is ours");
	is_u64(page->state, VAS_HEADER_CHANGING, "what it was about stands there");
	vas_header_unlock(&map, vas_sys_real());
	waitpid(child, NULL, 0);
	munmap(page, PAGE);
}

/* Under an emulator nobody is told where programs begin: then it counts as one that lives. */
static bool programs_are_told(void)
{
	char text[1024] = "";
	unsigned long code = 0;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at = got > 0 ? strrchr(text, ')') : NULL;

	if (fd >= 0)
		close(fd);
	/* The state, and 22 more. */
	for (int i = 0; at && i < 24; i++)
		at = strchr(at + 1, ' ');
	if (at)
		code = strtoul(at, NULL, 10);
	return code > 1;
}

static void test_executes(void *unused)
{
	struct vas_header *page = page_locked();
	struct vas_header_map map = map_of(page);
	pid_t child = owner_start_as(page, true);
	int told = programs_are_told() ? 0 : EBUSY;

	(void)unused;
	is_err(vas_header_lock(&map, vas_sys_real()), told,
	       "of one that is another program by now");
	is_i64(waitpid(child, NULL, WNOHANG), 0, "which lives");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(page, PAGE);
}

static void test_stopped(void *unused)
{
	struct vas_header *page = page_locked();
	struct vas_header_map map = map_of(page);
	pid_t child = owner_start(page);
	uint64_t owner = page->owner;

	(void)unused;
	is_err(vas_header_lock(&map, vas_sys_real()), EBUSY, "of one that lives and does nothing");
	is_u64(page->owner, owner, "it stays that one's");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	page->owner = VAS_PEER_UNKNOWN;
	is_err(vas_header_lock(&map, vas_sys_real()), EBUSY, "of one of whom nothing can be told");
	munmap(page, PAGE);
}

static void *beat(void *argument)
{
	struct vas_header *page = argument;

	/* Longer than anybody waits for one that does nothing. */
	for (int i = 0; i < 15; i++) {
		usleep(100000);
		__atomic_add_fetch(&page->pulse, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&page->owner, 0, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *nothing(void *unused)
{
	return unused;
}

static void test_slow(void *unused)
{
	struct vas_header_map map;
	struct vas_header *page;
	pthread_t thread;

	(void)unused;
	/* What libc keeps of threads is made by the first one. */
	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		tap_bail("no thread");
	tap_baseline();
	page = page_locked();
	map = map_of(page);
	page->owner = VAS_PEER_UNKNOWN;
	if (pthread_create(&thread, NULL, beat, page))
		tap_bail("no thread");
	is_err(vas_header_lock(&map, vas_sys_real()), 0, "one that goes on is waited for");
	vas_header_unlock(&map, vas_sys_real());
	pthread_join(thread, NULL);
	munmap(page, PAGE);
}

static void test_change(void *unused)
{
	struct vas_header *page = page_new(&good);

	(void)unused;
	vas_header_change(page);
	is_u64(page->generation, 1, "odd within a change");
	vas_header_settle(page, 0, false);
	is_u64(page->generation, 0, "what was refused was none");
	vas_header_change(page);
	vas_header_settle(page, 2 * PAGE, true);
	is_u64(page->generation, 2, "what was done is counted");
	is_u64(page->size, 2 * PAGE, "with its size");
	/* Somebody died. */
	vas_header_change(page);
	vas_header_change(page);
	vas_header_settle(page, 2 * PAGE, true);
	is_u64(page->generation, 4, "also what was taken back for one that died");
	is_u64(page->state, VAS_HEADER_AT_REST, "at rest");
	munmap(page, PAGE);
}

int main(int argc, char **argv)
{
	/* What a child executes. */
	if (argc == 2 && strcmp(argv[0], "waits") == 0)
		for (;;)
			pause();
	tap_plan(0);
	tap_case("read", test_read, NULL, 10);
	tap_case("sizes", test_sizes, NULL, 10);
	tap_case("change", test_change, NULL, 10);
	tap_case("exclusion", test_exclusion, NULL, 30);
	tap_case("dead", test_dead, NULL, 10);
	tap_case("executes another program", test_executes, NULL, 10);
	tap_case("stopped", test_stopped, NULL, 20);
	tap_case("slow", test_slow, NULL, 20);
	return tap_done();
}
