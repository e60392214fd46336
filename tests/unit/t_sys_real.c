/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* The real table: conventions of results and errno, every route, and what it costs. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/environment.h"
#include "sys/sys.h"
#include "tap/tap.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static struct vas_sys *sys;

static void memory(const char *route)
{
	uint64_t page = sys->page_size;
	int64_t at;
	uint8_t *bytes;

	setenv("VASPACE_ROUTE", route, 1);
	vas_environment_reload();
	errno = 4711;
	at = sys->map(sys, 0, 4 * page, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	if (!ok(at > 0, "%s: a claim succeeds", route))
		return;
	is_i64(sys->protect(sys, (uint64_t)at, 2 * page, PROT_READ | PROT_WRITE), 0, "protect");
	bytes = (uint8_t *)(uintptr_t)at;
	bytes[page] = 7;
	is_i64(sys->map(sys, (uint64_t)at, 2 * page, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1,
			0),
	       at, "replacing");
	is_i64(bytes[page], 0, "fresh memory is zero, and known to be to whoever watches");
	bytes[page] = 8;
	is_i64(sys->advise(sys, (uint64_t)at, 2 * page, MADV_DONTNEED), 0, "advise");
	is_i64(bytes[page], 0, "has emptied it");
	/* Valgrind reports a call on memory that may not be touched. */
	if (!tap_under_valgrind())
		is_i64(sys->sync(sys, (uint64_t)at, 4 * page, MS_ASYNC), 0,
		       "sync over what is whole");
	is_i64(sys->unmap(sys, (uint64_t)at + page, page), 0, "unmap");
	if (!tap_under_valgrind())
		is_i64(sys->sync(sys, (uint64_t)at, 4 * page, MS_ASYNC), -ENOMEM,
		       "sync over a hole");
	is_i64(sys->unmap(sys, (uint64_t)at, 4 * page), 0, "unmap, the hole included");
	is_i64(sys->map(sys, 0, 0, PROT_NONE, ANON, -1, 0), -EINVAL, "nothing is EINVAL");
	is_i64(sys->unmap(sys, 1, page), -EINVAL, "half a page is EINVAL");
	is_i64(sys->protect(sys, (uint64_t)at, page, PROT_READ), -ENOMEM, "a hole is ENOMEM");
	is_i64(sys->advise(sys, (uint64_t)at, page, 4711), -EINVAL, "an unknown advice is EINVAL");
	is_i64(errno, 4711, "errno was left alone by all of them");
	unsetenv("VASPACE_ROUTE");
	vas_environment_reload();
}

/* The runtimes' own, where there is one. */
void __asan_poison_memory_region(const volatile void *memory, size_t size) __attribute__((weak));
void __msan_poison(const volatile void *memory, size_t size) __attribute__((weak));

static void poison(void *memory, size_t size)
{
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(memory, size);
	if (__msan_poison)
		__msan_poison(memory, size);
}

/* What a former owner of the addresses left in the shadow does not reach the next one. */
static void poisoned(void)
{
	uint64_t page = sys->page_size;
	int64_t at = sys->map(sys, 0, 2 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	volatile uint8_t *byte = (volatile uint8_t *)(uintptr_t)at;

	if (!ok(at > 0, "memory is there"))
		return;
	poison((void *)(uintptr_t)at, 2 * page);
	sys->map(sys, (uint64_t)at, 2 * page, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
	ok(*byte == 0, "replaced memory may be touched");
	poison((void *)(uintptr_t)at, 2 * page);
	sys->unmap(sys, (uint64_t)at, 2 * page);
	is_i64(sys->map(sys, (uint64_t)at, 2 * page, PROT_READ | PROT_WRITE, ANON, -1, 0), at,
	       "the same place is claimed again");
	ok(*byte == 0, "and may be touched");
	sys->unmap(sys, (uint64_t)at, 2 * page);
}

static void files(void)
{
	struct vas_sys_query query = { .name = NULL };
	char text[64];
	int64_t fd;

	errno = 4711;
	fd = sys->open(sys, "/proc/self/maps", O_RDONLY);
	if (!ok(fd >= 0, "a file opens"))
		return;
	ok(fcntl((int)fd, F_GETFD) & FD_CLOEXEC, "and closes on exec");
	is_i64(sys->read(sys, (int)fd, text, sizeof(text)), sizeof(text), "it can be read");
	ok(memchr(text, '-', sizeof(text)) != NULL, "and the bytes are there");
	is_i64(sys->seek(sys, (int)fd, 0), 0, "it can be rewound");
	is_i64(sys->query(sys, (int)fd, 0, 0, &query) < 0, 1, "nothing covers address zero");
	is_i64(sys->close(sys, (int)fd), 0, "it closes");
	is_i64(sys->close(sys, (int)fd), -EBADF, "once");
	is_i64(sys->open(sys, "/nowhere", O_RDONLY), -ENOENT, "a missing file is ENOENT");
	is_i64(errno, 4711, "errno was left alone");
}

static void facts(void)
{
	struct vas_sys_limit limit;
	struct rlimit want;

	ok(vas_sys_real() == sys, "there is one real table");
	is_u64(sys->page_size, (uint64_t)sysconf(_SC_PAGESIZE), "its page size is the system's");
	is_i64(sys->get_brk(sys) & ~(int64_t)4095, (intptr_t)sbrk(0) & ~(int64_t)4095, "the break");
	getrlimit(RLIMIT_STACK, &want);
	is_i64(sys->get_limit(sys, RLIMIT_STACK, &limit), 0, "limits");
	is_u64(limit.current, want.rlim_cur == RLIM_INFINITY ? UINT64_MAX : want.rlim_cur,
	       "as they are");
	is_i64(sys->get_limit(sys, 4711, &limit), -EINVAL, "an unknown one is EINVAL");
}

static int pipes[2];

static void on_signal(int number)
{
	(void)number;
}

static void *interrupt(void *arg)
{
	struct timespec step = { 0, 5000000 };

	for (int i = 0; i < 10; i++) {
		nanosleep(&step, NULL);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	nanosleep(&step, NULL);
	(void)!write(pipes[1], "x", 1);
	return NULL;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = on_signal }; /* without SA_RESTART */
	pthread_t self = pthread_self(), thread;
	char byte;

	sigaction(SIGUSR1, &action, NULL);
	if (pipe(pipes) != 0 || pthread_create(&thread, NULL, interrupt, &self) != 0)
		tap_bail("no pipe or no thread");
	errno = 4711;
	is_i64(sys->read(sys, pipes[0], &byte, 1), 1, "a read goes on after signals");
	is_i64(errno, 4711, "and leaves errno alone");
	pthread_join(thread, NULL);
}

static void *cancelled(void *arg)
{
	char byte;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_cancel(pthread_self()); /* deferred: acts at the next cancellation point */
	(void)sys->close(sys, (int)sys->open(sys, "/proc/self/maps", O_RDONLY));
	(void)sys->read(sys, -1, &byte, 1);
	(void)sys->sync(sys, 0, 0, MS_ASYNC);
	*(int *)arg = 1;
	pthread_testcancel();
	*(int *)arg = 2;
	return NULL;
}

static void cancellation(void)
{
	pthread_t thread;
	int reached = 0;

	if (pthread_create(&thread, NULL, cancelled, &reached) != 0)
		tap_bail("no thread");
	pthread_join(thread, NULL);
	is_i64(reached, 1, "no operation is a cancellation point");
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The shortest of several runs, in nanoseconds a call. */
static void cost(void)
{
	uint64_t calls = tap_scaled(20000);
	double best[2] = { 1e18, 1e18 };

	for (int run = 0; run < 20; run++) {
		double start = now();

		for (uint64_t i = 0; i < calls; i++)
			(void)syscall(SYS_brk, 0L);
		best[0] = now() - start < best[0] ? now() - start : best[0];
		start = now();
		for (uint64_t i = 0; i < calls; i++)
			(void)sys->get_brk(sys);
		best[1] = now() - start < best[1] ? now() - start : best[1];
	}
	ok(1, "the cost of the table was measured");
	tap_figure("brk(0) by system call", best[0] / (double)calls, "ns");
	tap_figure("the same through the table, on top", (best[1] - best[0]) / (double)calls, "ns");
}

int main(void)
{
	tap_plan(0);
	sys = vas_sys_real();
	memory("auto");
	memory("raw");
	memory("libc");
	poisoned();
	files();
	facts();
	interrupted();
	cancellation();
	cost();
	return tap_done();
}
