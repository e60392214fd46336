/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * A fork that nobody announced in the middle of the first call of the process. The child must not
 * wait for a lock whose holder it does not have: every call answers -EOWNERDEAD until vas_fork_child,
 * and then it has books of its own.
 *
 * The fork is made from inside, where the kernel is asked for the first memory.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "sys/sys.h"
#include "tap/tap.h"

static struct vas_sys *real;
static struct vas_sys forking;
static pid_t child;
static uint64_t page;

#define CHECK(number, condition)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(number);                                                             \
	} while (0)

static void in_child(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_span span;
	int status = 0;
	pid_t grandchild;

	alarm(10);
	CHECK(1, vas_reserve(page, NULL, &span) == -EOWNERDEAD);
	CHECK(2, vas_shutdown() == -EOWNERDEAD);
	CHECK(3, vas_stats_get(&stats) == -EOWNERDEAD);
	/* It forks by fork() before it has said what it is: that child has been announced. */
	grandchild = fork();
	if (grandchild == 0)
		_exit(vas_reserve(page, NULL, &span) == 0 ? 0 : 1);
	waitpid(grandchild, &status, 0);
	CHECK(4, status == 0);
	CHECK(5, vas_fork_child() == -EOWNERDEAD);
	CHECK(6, vas_reserve(page, NULL, &span) == 0);
	CHECK(7, vas_sync_check(NULL) == 0);
	CHECK(8, vas_release(vas_span_pointer(span), NULL) == 0);
	CHECK(9, vas_shutdown() == 0);
	_exit(0);
}

static int64_t forking_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot,
			   int flags, int fd, uint64_t offset)
{
	(void)sys;
	if (!child) {
		child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
		if (child == 0)
			in_child();
	}
	return real->map(real, address, size, prot, flags, fd, offset);
}

/* After an announced fork the child may make the space; so may one that forks before any call. */
static int child_answers(bool announced)
{
	struct vas_span span;
	int status = 0;
	pid_t one = announced ? fork() : (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);

	if (one == 0) {
		alarm(10);
		_exit(vas_reserve(page, NULL, &span) == 0 ? 0 : 1);
	}
	waitpid(one, &status, 0);
	return status;
}

int main(void)
{
	struct vas_span span;
	int status = 0;

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	is_i64(child_answers(false), 0, "a child of a process that never called the library");
	real = vas_sys_current();
	forking = *real;
	forking.map = forking_map;
	is_err(vas_space_default_over(real, &forking), 0, "the space is made, and the process forks");
	waitpid(child, &status, 0);
	is_i64(status, 0, "the child was told, and has books of its own then");
	is_err(vas_reserve(page, NULL, &span), 0, "the parent has its own");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "and uses them");
	is_err(vas_shutdown(), 0, "they end");
	is_i64(child_answers(true), 0, "a child of fork() begins with its own first call");
	is_err(vas_reserve(page, NULL, &span), 0, "and so does the parent");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
	return tap_done();
}
