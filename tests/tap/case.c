/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forked cases and their leak checks.
 *
 * A case runs in a child with its output on a pipe. The parent prints those lines as comments, because
 * TAP 13 has no subtests, and folds them into one point; the child tells its result through a page that
 * both share.
 *
 * Leaks are counted in the child, from its start (or tap_baseline()) to the end of the case. Under
 * sanitizers and valgrind, mappings and heap are theirs and are not compared.
 */
#include "tap/tap.h"
#include "tap/points.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct tap_leaks {
	long fds;
	long vmas;
	long heap; /* bytes */
};

static struct tap_leaks tap_before;
static unsigned tap_ignored;

/* Reads with plain system calls: stdio would change the very counts that are taken. */
long tap_count_vmas(void)
{
	char buffer[4096];
	long lines = 0;
	ssize_t length;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((length = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < length; i++)
			lines += buffer[i] == '\n';
	}
	close(fd);
	return length < 0 ? -1 : lines;
}

long tap_count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	long count = -3; /* `.`, `..` and the folder itself */

	if (!folder)
		return -1;
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/*
 * Bytes of heap in use. mallinfo2 counts the chunks that wait in this thread's free cache as used: a
 * request that leaves its number unchanged was served from there, so those are taken out again.
 */
static long tap_count_heap(void)
{
	void *held[7 * 64];
	unsigned count = 0;
	size_t cached = 0, used = mallinfo2().uordblks;

	for (size_t size = 24; size <= 1032; size += 16) {
		for (unsigned i = 0; i < 7; i++) {
			size_t before = mallinfo2().uordblks;
			void *chunk = malloc(size);

			if (chunk && mallinfo2().uordblks != before) {
				free(chunk);
				break;
			}
			held[count++] = chunk;
			cached += malloc_usable_size(chunk) + sizeof(size_t);
		}
	}
	while (count)
		free(held[--count]);
	return (long)(used - cached);
}

static struct tap_leaks tap_count(void)
{
	struct tap_leaks now = { .fds = tap_count_fds(), .vmas = -1, .heap = -1 };

	if (!tap_under_sanitizer() && !tap_under_valgrind()) {
		now.heap = tap_count_heap();
		now.vmas = tap_count_vmas();
	}
	return now;
}

void tap_baseline(void)
{
	tap_count(); /* what the counting itself allocates once is there from now on */
	tap_before = tap_count();
}

void tap_ignore_leaks(unsigned leaks)
{
	tap_ignored |= leaks;
}

static void tap_check_leak(enum tap_leak kind, const char *what, long before, long after)
{
	if ((tap_ignored & kind) || before < 0 || after < 0 || after <= before)
		return;
	printf("# leaked: %ld %s (%ld before, %ld after)\n", after - before, what, before, after);
	tap.outcome->failed++;
}

static _Noreturn void tap_run_child(struct tap_outcome *outcome, int out, void (*case_fn)(void *),
				    void *arg)
{
	struct tap_leaks after;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close(out);
	tap.outcome = outcome;
	tap.points = 0;
	tap.failed = 0;
	tap_ignored = 0;
	tap_baseline();
	case_fn(arg);
	after = tap_count();
	tap_check_leak(TAP_LEAK_FDS, "descriptors", tap_before.fds, after.fds);
	tap_check_leak(TAP_LEAK_VMAS, "mappings", tap_before.vmas, after.vmas);
	tap_check_leak(TAP_LEAK_HEAP, "bytes of heap", tap_before.heap, after.heap);
	outcome->points = tap.points;
	outcome->failed += tap.failed;
	outcome->finished = true;
	fflush(stdout);
	/* exit, not _exit: checkers report at exit what they found. */
	exit(outcome->failed ? 1 : 0);
}

static int64_t tap_milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Prints one line of a case: its figures stay YAML blocks, all else becomes a comment. */
static void tap_relay_line(const char *line)
{
	static bool in_figure;

	in_figure = in_figure || strcmp(line, "  ---") == 0;
	printf("%s%s\n", in_figure ? "" : "#   ", line);
	if (strcmp(line, "  ...") == 0)
		in_figure = false;
}

/* Relays until the child closes its end. Returns false when the time ran out before. */
static bool tap_relay(int in, int64_t deadline)
{
	char line[1024];
	size_t used = 0;
	struct pollfd wait = { .fd = in, .events = POLLIN };

	for (;;) {
		int64_t left = deadline - tap_milliseconds();
		char byte[256];
		ssize_t length;

		if (left <= 0)
			return false;
		if (poll(&wait, 1, (int)(left > 1000 ? 1000 : left)) <= 0)
			continue;
		length = read(in, byte, sizeof(byte));
		if (length < 0 && errno == EINTR)
			continue;
		for (ssize_t i = 0; i < length; i++) {
			if (byte[i] != '\n' && used < sizeof(line) - 1) {
				line[used++] = byte[i];
				continue;
			}
			line[used] = '\0';
			tap_relay_line(line);
			used = 0;
		}
		if (length > 0)
			continue;
		line[used] = '\0';
		if (used)
			tap_relay_line(line);
		return true;
	}
}

static unsigned tap_time_factor(void)
{
	const char *factor = getenv("VASPACE_TEST_SLOWDOWN");
	unsigned value = factor ? (unsigned)strtoul(factor, NULL, 10) : 1;

	return value ? value : 1;
}

static void tap_report_case(const char *name, const struct tap_outcome *outcome, int status,
			    bool in_time, unsigned seconds)
{
	bool exited = WIFEXITED(status);
	bool held = in_time && exited && WEXITSTATUS(status) == 0 && outcome->finished &&
		    outcome->points && !outcome->failed;

	if (in_time && exited && WEXITSTATUS(status) == TAP_EXIT_SKIPPED && outcome->skip[0]) {
		printf("ok %u - %s # SKIP %s\n", ++tap.points, name, outcome->skip);
		return;
	}
	tap_point_locked(held, name);
	if (!in_time)
		printf("#   the case ran longer than %u s and was killed\n", seconds);
	else if (!exited)
		printf("#   the case died of signal %d (%s)\n", WTERMSIG(status),
		       sigabbrev_np(WTERMSIG(status)));
	else if (!outcome->finished)
		printf("#   the case did not return: exit status %d\n", WEXITSTATUS(status));
	else if (outcome->failed)
		printf("#   %u of %u points failed or leaks were found\n", outcome->failed,
		       outcome->points);
	else if (!outcome->points)
		printf("#   the case made no point\n");
	else if (!held)
		printf("#   exit status %d after the case had returned\n", WEXITSTATUS(status));
	funlockfile(stdout);
}

void tap_case(const char *name, void (*case_fn)(void *arg), void *arg, unsigned seconds)
{
	struct tap_outcome *outcome;
	int ends[2], status = 0;
	bool in_time;
	pid_t child;

	tap_start();
	seconds = (seconds ? seconds : 60) * tap_time_factor();
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (outcome == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
		tap_bail("no page or pipe for the case %s: %m", name);
	fflush(stdout);
	child = fork();
	if (child < 0)
		tap_bail("fork for the case %s: %m", name);
	if (child == 0) {
		close(ends[0]);
		tap_run_child(outcome, ends[1], case_fn, arg);
	}
	close(ends[1]);
	in_time = tap_relay(ends[0], tap_milliseconds() + (int64_t)seconds * 1000);
	close(ends[0]);
	if (!in_time && kill(-child, SIGKILL) != 0)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	tap_report_case(name, outcome, status, in_time, seconds);
	munmap(outcome, sizeof(*outcome));
}
