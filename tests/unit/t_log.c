/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded msan valgrind */
/* The log hook, and the failures that go through it. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/system.h>

#include "record/log.h"
#include "record/report.h"
#include "sys/environment.h"
#include "tap/tap.h"

struct heard {
	unsigned int lines;
	enum vas_log_level level;
	char line[256];
};

static void listen_to(void *context, enum vas_log_level level, const char *line)
{
	struct heard *heard = context;

	heard->lines++;
	heard->level = level;
	snprintf(heard->line, sizeof(heard->line), "%s", line);
}

static void test_levels(void)
{
	struct heard heard = { 0 };

	ok(!vas_log_wanted(VAS_LOG_ERROR), "nobody listens at first");
	vas_log_line(VAS_LOG_ERROR, "into the void");
	vas_log_set(listen_to, &heard, VAS_LOG_WARNING);
	ok(vas_log_wanted(VAS_LOG_ERROR), "errors are wanted");
	ok(vas_log_wanted(VAS_LOG_WARNING), "warnings are wanted");
	ok(!vas_log_wanted(VAS_LOG_INFO), "information is not");
	vas_log_line(VAS_LOG_INFO, "unwanted");
	is_u64(heard.lines, 0, "and does not come");
	vas_log_line(VAS_LOG_WARNING, "a warning");
	is_u64(heard.lines, 1, "a warning comes");
	is_str(heard.line, "a warning", "as it was written");
	is_u64(heard.level, VAS_LOG_WARNING, "with its level");
	vas_log_set(NULL, &heard, VAS_LOG_DEBUG);
	ok(!vas_log_wanted(VAS_LOG_ERROR), "no hook is silence at any level");
	vas_log_line(VAS_LOG_ERROR, "into the void");
	is_u64(heard.lines, 1, "nothing comes any more");
}

static void test_failures(void)
{
	struct vas_failure failure;
	struct heard heard = { 0 };

	vas_failure_begin(&failure, VAS_OPERATION_COMMIT, 4096);
	failure.error = -ENOENT;
	failure.why = VAS_WHY_NOT_OWNED;
	vas_log_set(listen_to, &heard, VAS_LOG_WARNING);
	vas_failure_publish(&failure);
	is_u64(heard.lines, 0, "a failure is no warning");
	vas_log_set(listen_to, &heard, VAS_LOG_INFO);
	vas_failure_publish(&failure);
	is_u64(heard.lines, 1, "a failure is information");
	is_str(heard.line,
	       "commit 4 KiB: the range is not owned here (ENOENT, not-owned); remedy: pass "
	       "addresses inside one span that was reserved and not released",
	       "the line is that of the report");
	vas_log_set(NULL, NULL, VAS_LOG_ERROR);
	is_i64(vas_failure_current()->error, -ENOENT, "the failure is this thread's last one");
	is_u64(vas_failure_current()->asked, 4096, "with what was asked");
}

static void *other_thread(void *argument)
{
	*(unsigned int *)argument = vas_failure_current()->operation;
	return NULL;
}

static void test_threads(void)
{
	unsigned int operation = 99;
	pthread_t thread;

	if (pthread_create(&thread, NULL, other_thread, &operation) != 0)
		tap_bail("no thread");
	pthread_join(thread, NULL);
	is_u64(operation, VAS_OPERATION_NONE, "another thread had no failure");
}

/* Two hooks, each with a context of its own: they must never be mixed. */
static unsigned int mixed, called;

static void hook_one(void *context, enum vas_log_level level, const char *line)
{
	(void)level, (void)line;
	if (context != &mixed)
		__atomic_fetch_add(&mixed, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&called, 1, __ATOMIC_RELAXED);
}

static void hook_two(void *context, enum vas_log_level level, const char *line)
{
	(void)level, (void)line;
	if (context != &called)
		__atomic_fetch_add(&mixed, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&called, 1, __ATOMIC_RELAXED);
}

static bool stop;

static void *writer(void *argument)
{
	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		vas_log_set(hook_one, &mixed, VAS_LOG_DEBUG);
		vas_log_set(hook_two, &called, VAS_LOG_DEBUG);
	}
	return NULL;
}

static void test_races(void)
{
	uint64_t lines = tap_scaled(200000);
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		if (pthread_create(&threads[i], NULL, writer, NULL) != 0)
			tap_bail("no thread");
	}
	while (!vas_log_wanted(VAS_LOG_DEBUG))
		sched_yield();
	for (uint64_t i = 0; i < lines; i++)
		vas_log_line(VAS_LOG_DEBUG, "line");
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	vas_log_set(NULL, NULL, VAS_LOG_ERROR);
	is_u64(mixed, 0, "a hook is called with its own context while hooks change");
	/* A writer that loses its processor inside a change hinders nobody. */
	ok(called > lines / 10, "lines are dropped only now and then");
	tap_diag("%u of %llu lines arrived", called, (unsigned long long)lines);
}

/* VASPACE_LOG: the same lines on standard error. */
static void case_environment(void *argument)
{
	char text[4096] = "";
	char big[3000];
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t count;

	(void)argument;
	tap_ignore_leaks(TAP_LEAK_HEAP); /* setenv keeps memory */
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	if (pipe(pipes) != 0)
		tap_bail("no pipe");
	dup2(pipes[1], STDERR_FILENO);
	setenv("VASPACE_LOG", "warning", 1);
	vas_environment_reload();
	ok(vas_log_wanted(VAS_LOG_WARNING), "warnings are wanted");
	ok(!vas_log_wanted(VAS_LOG_INFO), "information is not");
	vas_log_line(VAS_LOG_WARNING, "first");
	vas_log_line(VAS_LOG_INFO, "second");
	count = read(pipes[0], text, sizeof(text) - 1);
	text[count > 0 ? count : 0] = '\0';
	is_str(text, "vaspace: warning: first\n", "on standard error");
	vas_log_line(VAS_LOG_ERROR, big);
	count = read(pipes[0], text, sizeof(text) - 1);
	ok(count > 1000 && count < 2000 && text[count - 1] == '\n',
	   "a long line is cut and still a line");
	unsetenv("VASPACE_LOG");
	vas_environment_reload();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	tap_plan(0);
	test_levels();
	test_failures();
	test_threads();
	test_races();
	tap_case("VASPACE_LOG prints to standard error", case_environment, NULL, 10);
	return tap_done();
}
