/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 35 */
/*
 * Forks under an allocator above us: it calls vas_ functions with its own lock held, from several
 * threads, and its fork handlers hold that lock over each fork.
 *
 * Registered after this library's handlers, its lock is taken first, in the order in which calls take
 * them. Registered before (by a constructor that runs earlier), ours are: then a thread in the
 * allocator waits for us while the forking thread waits for the allocator, and only lending
 * our locks ends that (src/sys/lock_fork.c). With and without vas_fork_prepare in the allocator's own
 * handlers. No fork hangs, and each child can use the allocator and has whole books.
 */
#include "tap/tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"

#define THREADS 3u
#define KEPT	16u

static uint64_t page;

/* --- the allocator --- */

static struct {
	pthread_mutex_t lock;
	bool announces; /* its handlers call ours */
	struct vas_span kept[KEPT]; /* freed, for the next */
	unsigned count;
	uint64_t calls;
} allocator = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *allocate(void)
{
	struct vas_span span = { 0, 0 };

	pthread_mutex_lock(&allocator.lock);
	allocator.calls++;
	if (allocator.count && allocator.calls % 3)
		span = allocator.kept[--allocator.count];
	else if (vas_reserve(16 * page, NULL, &span) ||
		 vas_commit(vas_span_pointer(span), 4 * page, NULL))
		span.size = 0;
	pthread_mutex_unlock(&allocator.lock);
	return span.size ? vas_span_pointer(span) : NULL;
}

static void deallocate(void *memory)
{
	pthread_mutex_lock(&allocator.lock);
	if (allocator.count < KEPT && allocator.calls % 2)
		allocator.kept[allocator.count++] = (struct vas_span){ (uintptr_t)memory, 16 * page };
	else
		vas_release(memory, NULL);
	pthread_mutex_unlock(&allocator.lock);
}

static void allocator_prepare(void)
{
	pthread_mutex_lock(&allocator.lock);
	if (allocator.announces)
		vas_fork_prepare();
}

static void allocator_parent(void)
{
	if (allocator.announces)
		vas_fork_parent();
	pthread_mutex_unlock(&allocator.lock);
}

static void allocator_child(void)
{
	if (allocator.announces)
		vas_fork_child();
	pthread_mutex_unlock(&allocator.lock);
}

static void allocator_register(void)
{
	pthread_atfork(allocator_prepare, allocator_parent, allocator_child);
}

/* Another library's handlers, which allocate; they run between ours and the allocator's. */
static void other_handler(void)
{
	void *memory = allocate();

	if (memory)
		deallocate(memory);
}

/* Constructors with a priority run before those without, which ours are, in one static program. */
__attribute__((constructor(101))) static void early(void)
{
	const char *order = getenv("FORK_ALLOCATOR_ORDER");

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (order && strncmp(order, "before", 6) == 0)
		allocator_register();
	if (order && strcmp(order, "before, with others") == 0)
		pthread_atfork(other_handler, other_handler, other_handler);
}

/* --- its users --- */

static bool work_stop; /* atomic */

static void *work_main(void *arg)
{
	uint64_t random = vas_mix64((uint64_t)(uintptr_t)arg);
	void *mine[4] = { NULL };

	while (!__atomic_load_n(&work_stop, __ATOMIC_RELAXED)) {
		void **slot = &mine[vas_random_below(&random, 4)];

		if (*slot) {
			deallocate(*slot);
			*slot = NULL;
		} else {
			*slot = allocate();
			if (*slot)
				*(volatile uint64_t *)*slot = random;
		}
		if (vas_random_below(&random, 8) == 0)
			usleep(100);
	}
	for (unsigned i = 0; i < 4; i++)
		if (mine[i])
			deallocate(mine[i]);
	return NULL;
}

static int child_main(void)
{
	uint64_t where;

	for (unsigned i = 0; i < 20; i++) {
		void *memory = allocate();

		if (!memory)
			return 1;
		*(volatile uint64_t *)memory = i;
		deallocate(memory);
	}
	return vas_sync_check(&where) ? 2 : 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int fork_once(double *longest)
{
	double begin = now(), took;
	pid_t child = fork();
	int status;

	if (child == 0) {
		alarm(30);
		_exit(child_main());
	}
	took = now() - begin;
	*longest = took > *longest ? took : *longest;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 97;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int run(const char *order, uint64_t forks)
{
	bool before = strncmp(order, "before", 6) == 0;
	pthread_t threads[THREADS];
	double longest = 0;
	uint64_t where, i;
	int bad = 0;

	if (!before)
		allocator_register();
	for (unsigned t = 0; t < THREADS; t++)
		if (pthread_create(&threads[t], NULL, work_main, (void *)(uintptr_t)(t + 1)))
			return 90;
	for (i = 0; i < forks && !bad; i++)
		bad = fork_once(&longest);
	__atomic_store_n(&work_stop, true, __ATOMIC_RELAXED);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	printf("# %s: the longest fork took %.1f ms, beside %llu calls\n", order, longest * 1000,
	       (unsigned long long)allocator.calls);
	fflush(stdout);
	if (bad)
		return bad;
	return vas_sync_check(&where) ? 91 : 0;
}

static int main_again(int argc, char **argv)
{
	allocator.announces = argc > 3 && strcmp(argv[3], "announces") == 0;
	alarm(100);
	return run(argv[1], strtoull(argv[2], NULL, 10));
}

/* The program again, with the order in its environment, which its constructor reads. */
static int run_again(const char *order, uint64_t forks, const char *how)
{
	char count[24];
	pid_t child;
	int status;

	snprintf(count, sizeof(count), "%llu", (unsigned long long)forks);
	setenv("FORK_ALLOCATOR_ORDER", order, 1);
	child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "fork_allocator", order, count, how, NULL);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 97;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	uint64_t forks = tap_scaled(200);

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (argc > 2)
		return main_again(argc, argv);
	tap_plan(5);
	is_i64(run_again("after", forks, "plain"), 0, "%llu forks, registered after us", (unsigned long long)forks);
	is_i64(run_again("before", forks, "plain"), 0, "%llu forks, registered before us", (unsigned long long)forks);
	is_i64(run_again("after", forks, "announces"), 0, "registered after us, and calls our handlers");
	is_i64(run_again("before", forks, "announces"), 0, "registered before us, and calls our handlers");
	is_i64(run_again("before, with others", forks, "plain"), 0,
	       "the same, and handlers of others allocate while our locks are held");
	return tap_done();
}
