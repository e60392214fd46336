/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * Threads that wait for each other in a sandbox that denies what one waits with: futex, sched_yield, nanosleep, and
 * /proc as well, in which a waiter looks at a thread that forks. The filter is there before the library was ever
 * called; each thread makes spans, changes one that all share, takes blocks of one region and parks one of its own,
 * while one forks. What was denied is counted, so that it is known to have been wanted.
 *
 * The denial is a signal (SECCOMP_RET_TRAP) whose handler counts and answers in the call's place, but once. The main thread,
 * which joins the others, is not denied anything: pthread_join wants futex.
 *
 * Not under AddressSanitizer, whose runtime makes these calls for itself.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "region/region.h"
#include "tap/tap.h"

#define THREADS 3u /* the first one forks */
#define DENIED_MOST 4u
#define FORKS 10u /* at the least */
#define MANY_PAGES (256ull << 20)

struct sandbox {
	const char *name;
	int error;
	int calls[DENIED_MOST]; /* 0 = no more */
	bool blind; /* unpark looks for intruders in /proc */
	bool quick; /* denied by the kernel, not by a signal: waiters go round much faster than a fork goes */
};

static const struct sandbox sandboxes[] = {
	{ "futex answers EPERM", EPERM, { SYS_futex }, false, false },
	{ "futex answers ENOSYS", ENOSYS, { SYS_futex }, false, false },
	{ "futex and sched_yield answer EPERM", EPERM, { SYS_futex, SYS_sched_yield }, false, false },
	{ "nothing to wait with, nothing to see", EPERM,
	  { SYS_futex, SYS_sched_yield, SYS_nanosleep, SYS_openat }, true, false },
	{ "the same, at once", EPERM, { SYS_futex, SYS_sched_yield, SYS_nanosleep, SYS_openat }, true, true },
};

static struct {
	const struct sandbox *sandbox;
	uint64_t page, rounds;
	uint32_t arrived, running, forks, wrong, no_filter; /* atomic */
	uint32_t denied[DENIED_MOST]; /* times, atomic */
	char what[64]; /* the first thing that went wrong */
	struct vas_span shared;
	struct vas_region *region;
	int object; /* of four pages */
} at;

static void wrong(const char *what, int64_t got)
{
	if (__atomic_fetch_add(&at.wrong, 1, __ATOMIC_RELAXED) == 0)
		snprintf(at.what, sizeof(at.what), "%s: %lld", what, (long long)got);
}

static void expect(int got, const char *what)
{
	if (got)
		wrong(what, got);
}

/* --- the sandbox --- */

static void answer(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;

	(void)number;
	for (unsigned int i = 0; i < DENIED_MOST; i++)
		if (at.sandbox->calls[i] == info->si_syscall)
			__atomic_fetch_add(&at.denied[i], 1, __ATOMIC_RELAXED);
#if defined(__x86_64__)
	user->uc_mcontext.gregs[REG_RAX] = -at.sandbox->error;
#elif defined(__aarch64__)
	user->uc_mcontext.regs[0] = (unsigned long long)-at.sandbox->error;
#endif
}

/* This thread only, and its children. */
static bool deny(int number)
{
	unsigned int how = at.sandbox->quick ? SECCOMP_RET_ERRNO | (unsigned int)at.sandbox->error : SECCOMP_RET_TRAP;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, how),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static void meet(void)
{
	uint32_t before = __atomic_fetch_add(&at.arrived, 1, __ATOMIC_ACQ_REL);

	while (__atomic_load_n(&at.arrived, __ATOMIC_ACQUIRE) < before / THREADS * THREADS + THREADS)
		;
}

/* --- what the threads do --- */

static void begin(void)
{
	expect(vas_reserve(THREADS * at.page, NULL, &at.shared), "the shared span");
	expect(vas_commit(vas_span_pointer(at.shared), THREADS * at.page, NULL), "committed");
	expect(vas_region_create(256 * at.page, NULL, &at.region), "the region");
}

static void change_span(unsigned int number, uint64_t round)
{
	char *own = (char *)vas_span_pointer(at.shared) + number * at.page;
	struct vas_span span;

	expect(vas_protect(own, at.page, PROT_READ), "protect");
	expect(vas_protect(own, at.page, PROT_READ | PROT_WRITE), "protect back");
	if (*own && *own != (char)number)
		wrong("another thread's page", *own);
	*own = (char)number;
	if (round % 8)
		return;
	expect(vas_reserve(16 * at.page, NULL, &span), "reserve");
	expect(vas_commit(vas_span_pointer(span), 4 * at.page, NULL), "commit");
	memset(vas_span_pointer(span), (int)number, 4 * at.page);
	expect(vas_release(vas_span_pointer(span), NULL), "release");
}

static void take_block(unsigned int number)
{
	struct vas_block block;
	uint64_t *word;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	expect(vas_region_alloc(at.region, (1 + number) * at.page, &opts, &block), "alloc");
	if (at.wrong)
		return;
	word = block.start;
	if (*word != 0)
		wrong("a new block holds", (int64_t)*word);
	*word = number + 1;
	expect(vas_region_protect(at.region, block.start, at.page, PROT_READ), "protect a block");
	if (*word != number + 1)
		wrong("a block of two threads", (int64_t)*word);
	expect(vas_region_free(at.region, block.start, NULL), "free");
}

static void park_own(struct vas_region *own, struct vas_block block)
{
	expect(vas_region_park(own, NULL), "park");
	expect(vas_region_unpark(own, NULL), "unpark");
	if (!at.wrong && *(char *)block.start != 0)
		wrong("a page after unpark", *(char *)block.start);
}

/* Rounds, forks, and waiting. */
static bool enough(uint64_t rounds)
{
	bool wanted = true;

	for (unsigned int i = 0; !at.sandbox->quick && i < DENIED_MOST && at.sandbox->calls[i]; i++)
		wanted &= __atomic_load_n(&at.denied[i], __ATOMIC_RELAXED) > 0;
	return rounds >= 100 * at.rounds ||
	       (rounds >= at.rounds && wanted && __atomic_load_n(&at.forks, __ATOMIC_RELAXED) >= FORKS);
}

static void work(unsigned int number)
{
	struct vas_region *own;
	struct vas_block block;

	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED;
	opts.fd = at.object;
	expect(vas_region_create(64 * at.page, NULL, &own), "a region of its own");
	expect(vas_region_alloc(own, 4 * at.page, NULL, &block), "a block of it");
	expect(vas_region_commit(own, block.start, 4 * at.page, &opts), "with memory that can be parked");
	for (uint64_t i = 0; !enough(i) && !at.wrong; i++) {
		change_span(number, i);
		take_block(number);
		if (i % 16 == 0 && !at.sandbox->blind)
			park_own(own, block);
	}
	expect(vas_region_destroy(own, NULL), "its region goes");
}

/* The books of a child are whole: no lock was lent while it was forked. */
static int child(void)
{
	char *memory = vas_span_pointer(at.shared);
	struct vas_block block;

	if (vas_fork_child() || vas_protect(memory, at.page, PROT_READ) ||
	    vas_region_alloc(at.region, at.page, NULL, &block) ||
	    vas_region_free(at.region, block.start, NULL))
		return 1;
	return vas_release(memory, NULL) ? 2 : 0;
}

static void fork_beside(void)
{
	int status = -1;
	pid_t pid;

	do {
		vas_fork_prepare();
		pid = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
		if (pid == 0)
			_exit(child());
		vas_fork_parent();
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			wrong("a child ended with", status);
		__atomic_fetch_add(&at.forks, 1, __ATOMIC_RELAXED);
	} while (__atomic_load_n(&at.running, __ATOMIC_ACQUIRE) && !at.wrong);
}

static void *thread_main(void *argument)
{
	unsigned int number = *(unsigned int *)argument;
	bool filtered = true;

	for (unsigned int i = 0; i < DENIED_MOST && at.sandbox->calls[i]; i++)
		filtered &= deny(at.sandbox->calls[i]);
	if (!filtered)
		__atomic_fetch_add(&at.no_filter, 1, __ATOMIC_RELAXED);
	meet();
	if (number == 0 && !at.no_filter)
		begin();
	meet();
	if (at.no_filter || at.wrong)
		return NULL;
	if (number == 0) {
		fork_beside();
		return NULL;
	}
	work(number);
	__atomic_fetch_sub(&at.running, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* --- the cases --- */

static void run_threads(void)
{
	struct sigaction action = { .sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER };
	unsigned int numbers[THREADS], started = 0;
	pthread_t threads[THREADS];

	sigaction(SIGSYS, &action, NULL);
	at.running = THREADS - 1;
	for (; started < THREADS; started++) {
		numbers[started] = started;
		if (pthread_create(&threads[started], NULL, thread_main, &numbers[started]))
			tap_bail("no thread");
	}
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

/* By page tables that a fork copies. */
static void make_forks_slow(void)
{
	char *memory = mmap(NULL, MANY_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, MANY_PAGES, MADV_NOHUGEPAGE))
		tap_bail("no memory: %m");
	memset(memory, 1, MANY_PAGES);
}

static void sandbox_case(void *arg)
{
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP | TAP_LEAK_FDS);
	at.sandbox = arg;
	at.page = (uint64_t)sysconf(_SC_PAGESIZE);
	at.rounds = tap_scaled(100);
	at.object = memfd_create("waiting", MFD_CLOEXEC);
	if (at.object < 0 || ftruncate(at.object, (off_t)(4 * at.page)))
		tap_bail("no object: %m");
	if (at.sandbox->quick)
		make_forks_slow();
	run_threads();
	if (at.no_filter)
		tap_skip_all("no-seccomp", "this kernel has no seccomp filters");
	is_u64(at.wrong, 0, "every call did what it should%s%s", at.wrong ? "; first, " : "", at.what);
	for (unsigned int i = 0; !at.sandbox->quick && i < DENIED_MOST && at.sandbox->calls[i]; i++)
		ok(at.denied[i] > 0, "call %d was wanted %u times", at.sandbox->calls[i], at.denied[i]);
	ok(vas_region_check(at.region), "the region's books are whole");
	is_err(vas_sync_check(NULL), 0, "books and kernel agree");
	is_err(vas_region_destroy(at.region, NULL), 0, "the region goes");
	is_err(vas_release(vas_span_pointer(at.shared), NULL), 0, "and the span");
}

int main(void)
{
	tap_plan(0);
	for (size_t i = 0; i < sizeof(sandboxes) / sizeof(sandboxes[0]); i++)
		tap_case(sandboxes[i].name, sandbox_case, (void *)(uintptr_t)&sandboxes[i], 60);
	return tap_done();
}
