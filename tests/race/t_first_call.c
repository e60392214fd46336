/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 10 */
/*
 * The process's very first call of the library, made by eight threads at the
 * same moment, each another function; again and again, in a new process each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "space/space.h"
#include "support/crew.h"
#include "tap/tap.h"

#define THREADS	  8u
#define PROCESSES 50u
#define SECONDS	  60u /* a child that hangs ends itself */

static struct {
	uint64_t page, turn;
	unsigned int begun; /* atomic */
	struct vas_span spans[THREADS];
	unsigned int lines; /* atomic */
} first;

static void listen_to(void *context, enum vas_log_level level, const char *line)
{
	(void)context;
	(void)level;
	(void)line;
	__atomic_fetch_add(&first.lines, 1, __ATOMIC_RELAXED);
}

static void expect(int err, int wanted, const char *what)
{
	if (err != wanted)
		crew_fault("%s answers %d, not %d", what, err, wanted);
}

static void call_reserve(struct vas_span *span)
{
	expect(vas_reserve(4 * first.page, NULL, span), 0, "the first reserve");
}

/* Those that look must say that nothing is there, or find what another thread made just now. */
static void call_one(uint64_t which, struct vas_span *span)
{
	struct vas_probe_info probe = { .size = sizeof(probe) };
	struct vas_report report = { .size = sizeof(report) };
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_owner owner;

	switch (which) {
	case 0:
		expect(vas_owner_at(&first, &owner), -ENOENT, "a look-up of what is not ours");
		break;
	case 1:
		expect(vas_stats_get(&stats), 0, "the first statistics");
		break;
	case 2:
		expect(vas_commit(&first, first.page, NULL), -EINVAL, "an unaligned commit");
		expect(vas_report_get(&report), 0, "its report");
		break;
	case 3:
		expect(vas_release(&first, NULL), -ENOENT, "a release of nothing");
		break;
	case 4:
		expect(vas_probe_get(0, &probe), 0, "the first probe");
		break;
	case 5:
		vas_log_set(listen_to, NULL, VAS_LOG_DEBUG);
		break;
	default:
		call_reserve(span);
	}
}

/* All threads leave here nearer to each other than a barrier lets them. */
static void meet_closely(void)
{
	__atomic_fetch_add(&first.begun, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 100000; i++)
		if (__atomic_load_n(&first.begun, __ATOMIC_RELAXED) == THREADS)
			break;
}

static void thread_work(void *argument, unsigned int number)
{
	struct vas_span *span = &first.spans[number];
	struct vas_owner owner;

	(void)argument;
	meet_closely();
	call_one((number + first.turn) % THREADS, span);
	if (!span->size)
		call_reserve(span);
	expect(vas_commit(vas_span_pointer(*span), first.page, NULL), 0, "the first commit");
	*(volatile uint64_t *)vas_span_pointer(*span) = number;
	if (vas_owner_at(vas_span_pointer(*span), &owner) || owner.span.start != span->start)
		crew_fault("an own span is not found");
	crew_meet();
	if (*(volatile uint64_t *)vas_span_pointer(*span) != number)
		crew_fault("two threads got the same span");
	expect(vas_release(vas_span_pointer(*span), NULL), 0, "the first release");
}

static void check_after(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	unsigned int lines = first.lines;
	struct vas_span span;
	uint64_t where;

	expect(vas_stats_get(&stats), 0, "statistics");
	if (stats.spans || stats.committed || stats.vmas || stats.reserves != THREADS ||
	    stats.releases != THREADS || stats.commits != THREADS)
		crew_fault("statistics that do not add up");
	expect(vas_sync_check(&where), 0, "the comparison with the maps");
	call_reserve(&span);
	expect(vas_release(vas_span_pointer(span), NULL), 0, "a release");
	if (first.lines < lines + 2)
		crew_fault("the hook that was set during the first calls hears nothing");
}

static void child(uint64_t turn)
{
	alarm(SECONDS);
	first.turn = turn;
	crew_run(THREADS, thread_work, NULL);
	check_after();
	fflush(stdout);
	exit(crew_faults() ? 1 : 0); /* not _exit: checkers report at exit */
}

/* How a child ended: 0, its exit status, or the negative number of a signal. */
static int run_child(uint64_t turn)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		tap_bail("fork: %m");
	if (pid == 0)
		child(turn);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			tap_bail("waitpid: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(void)
{
	int ended = 0;
	uint64_t turn;

	tap_plan(2);
	first.page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (turn = 0; turn < PROCESSES && !ended; turn++)
		ended = run_child(turn);
	is_i64(ended, 0, "%u processes began with eight calls at once", PROCESSES);
	ok(!vas_space_if_made(), "and this one made no call");
	return tap_done();
}
