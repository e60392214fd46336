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

#include "sys/definitions.h"

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
	is_i64(sys->seek(sys, (int)fd, 0, SEEK_SET), 0, "it can be rewound");
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

static void objects(void)
{
	uint64_t page = sys->page_size;
	struct vas_sys_stat first, second;
	char buffer[8] = "";
	int fd, copy, other, only_read;

	errno = 4711;
	fd = (int)sys->create(sys, "object", 0);
	other = (int)sys->create(sys, "object", 0);
	if (!ok(fd >= 0 && other >= 0, "objects can be created"))
		return;
	is_i64(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "close on exec");
	is_i64(sys->truncate(sys, fd, 4 * page), 0, "truncate");
	is_i64(sys->allocate(sys, fd, 0, 4 * page, page), 0, "allocate");
	is_i64(sys->stat(sys, fd, VAS_STAT_KIND, &first), 0, "stat");
	is_u64(first.size, 5 * page, "size");
	is_u64(first.held, page, "what it holds");
	is_i64(first.kind, VAS_SYS_KIND_SHMEM, "kind");
	is_u64(first.page_size, page, "page size");
	ok(first.readable && first.writable, "access");
	is_i64(sys->allocate(sys, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8 * page), 0,
	       "punch");
	is_i64(sys->write_at(sys, fd, "bytes", 5, page - 2), 5, "write");
	is_i64(sys->read_at(sys, fd, buffer, sizeof(buffer), page - 2), 8, "read");
	is_str(buffer, "bytes", "what was written");
	is_i64(sys->read_at(sys, fd, buffer, 8, 5 * page), 0, "nothing behind the end");
	is_i64(sys->stat(sys, fd, 0, &second), 0, "stat again, without the kind");
	ok(second.inode == first.inode && second.device == first.device, "the same object");
	is_u64(second.held, 2 * page, "holds what was written");
	is_u64(second.page_size, 0, "and the rest was not asked for");
	copy = (int)sys->duplicate(sys, fd);
	is_i64(sys->stat(sys, copy, 0, &second), 0, "stat of another descriptor");
	ok(copy != fd && second.inode == first.inode, "of the same object");
	is_i64(fcntl(copy, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "closed on exec, too");
	close(copy);
	is_i64(sys->duplicate(sys, 0x7fff), -EBADF, "of no descriptor there is none");
	is_i64(sys->stat(sys, other, 0, &second), 0, "stat of another");
	ok(second.inode != first.inode || second.device != first.device, "another object");
	only_read = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	is_i64(sys->stat(sys, only_read, VAS_STAT_KIND, &second), 0, "stat of a file");
	ok(second.readable && !second.writable, "that is only read");
	is_i64(sys->truncate(sys, only_read, 0), -EINVAL, "and cannot be truncated");
	is_i64(sys->stat(sys, 0x7fff, VAS_STAT_KIND, &second), -EBADF, "no descriptor");
	is_i64(sys->allocate(sys, fd, 0, 0, 0), -EINVAL, "nothing to allocate");
	is_i64(errno, 4711, "errno was left alone");
	close(fd);
	close(other);
	close(only_read);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	is_i64(sys->stat(sys, fd, VAS_STAT_KIND, &second), 0, "stat of a device");
	ok(second.kind == VAS_SYS_KIND_OTHER && second.size == 0, "which is no object of bytes");
	close(fd);
}

static int pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGXFSZ);
}

/* Each of the calls that can meet the limit, in a state of the signal. */
static void meet_limit(int fd, const char *state)
{
	uint64_t page = sys->page_size;
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	is_i64(sys->truncate(sys, fd, 9 * page), -EFBIG, "%s: truncate says EFBIG", state);
	is_i64(sys->allocate(sys, fd, 0, 0, 9 * page), -EFBIG, "%s: allocate", state);
	is_i64(sys->write_at(sys, fd, "x", 1, 9 * page), -EFBIG, "%s: write", state);
	is_i64(sys->truncate(sys, fd, 4 * page), 0, "%s: what fits works", state);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	is_i64(sigismember(&after, SIGXFSZ), sigismember(&before, SIGXFSZ),
	       "%s: the mask is as it was", state);
}

static void file_limit_case(void *arg)
{
	struct rlimit limit = { .rlim_cur = 4 * sys->page_size, .rlim_max = RLIM_INFINITY };
	int fd = (int)sys->create(sys, "limited", 0);
	sigset_t set;

	(void)arg;
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_DFL);
	meet_limit(fd, "deadly");
	signal(SIGXFSZ, SIG_IGN);
	meet_limit(fd, "ignored");
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGXFSZ, SIG_DFL);
	meet_limit(fd, "blocked");
	is_i64(pending(), 0, "none of them is left pending");
	raise(SIGXFSZ);
	meet_limit(fd, "pending");
	is_i64(pending(), 1, "one that was there before stays");
	close(fd);
}

static void policies(void)
{
	uint64_t page = sys->page_size;
	uint64_t nodes[16] = { 1 };
	int64_t at = sys->map(sys, 0, 2 * page, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	int64_t got = sys->set_policy(sys, (uint64_t)at, page, VAS_MPOL_DEFAULT, NULL, 0, 0);

	if (got == -ENOSYS || got == -EPERM) {
		ok(1, "memory policies are denied here, which is told");
	} else {
		is_i64(got, 0, "the default policy");
		is_i64(sys->set_policy(sys, (uint64_t)at, page, VAS_MPOL_PREFERRED, nodes, 1024, 0),
		       0, "the first node of 1024");
		is_i64(sys->set_policy(sys, (uint64_t)at, page, VAS_MPOL_BIND, NULL, 0, 0), -EINVAL,
		       "no node at all");
	}
	sys->unmap(sys, (uint64_t)at, 2 * page);
}

static void moves(void)
{
	uint64_t page = sys->page_size;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	int64_t at = sys->map(sys, 0, 4 * page, PROT_READ | PROT_WRITE, ANON, -1, 0);
	int64_t to = sys->map(sys, 0, 2 * page, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	*(volatile char *)(uintptr_t)at = 7;
	poison((void *)(uintptr_t)to, 2 * page);
	is_i64(sys->move(sys, (uint64_t)at, 2 * page, 2 * page, flags, (uint64_t)to), to, "move");
	is_i64(*(volatile char *)(uintptr_t)to, 7, "with what was there");
	is_i64(sys->protect(sys, (uint64_t)at, page, PROT_READ), -ENOMEM, "leaving a hole");
	is_i64(sys->move(sys, (uint64_t)at, page, page, flags, (uint64_t)to), -EFAULT,
	       "a hole cannot be moved");
	sys->unmap(sys, (uint64_t)at + 2 * page, 2 * page);
	sys->unmap(sys, (uint64_t)to, 2 * page);
}

static void *thread_number(void *arg)
{
	*(int64_t *)arg = sys->thread_id(sys);
	return NULL;
}

static void threads(void)
{
	int64_t number = 0;
	pthread_t thread;

	is_i64(sys->process_id(sys), getpid(), "the process");
	is_i64(sys->thread_alive(sys, (uint32_t)sys->thread_id(sys)), 1, "this thread lives");
	pthread_create(&thread, NULL, thread_number, &number);
	pthread_join(thread, NULL);
	ok(number > 0 && number != sys->thread_id(sys), "another one has another number");
	/* It clears its place in memory, which join waits for, a moment before it is gone. */
	for (int i = 0; i < 1000 && sys->thread_alive(sys, (uint32_t)number) == 1; i++)
		usleep(1000);
	is_i64(sys->thread_alive(sys, (uint32_t)number), 0, "and is gone when it has ended");
	is_i64(sys->process_alive(sys, (uint32_t)getpid()), 1, "this process lives");
	is_i64(sys->process_alive(sys, 0x7fffffff), 0, "and none of a number that there is not");
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
	objects();
	tap_case("no signal at RLIMIT_FSIZE", file_limit_case, NULL, 10);
	policies();
	moves();
	threads();
	cost();
	return tap_done();
}
