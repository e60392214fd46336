/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded msan valgrind */
/* budget: 10 */
/*
 * The TAP kit itself: a wrong test must fail. Each wrong program below is this program, started again
 * with its name as argument; what it prints and how it exits is what is tested.
 */
#include "tap/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void case_good(void *arg)
{
	(void)arg;
	free(malloc(1000));
	ok(true, "fine");
	tap_figure("speed", 12.5, "ns");
}

static void case_bad_point(void *arg)
{
	(void)arg;
	ok(false, "inner point fails");
}

static void case_no_point(void *arg)
{
	(void)arg;
}

static void case_signal(void *arg)
{
	(void)arg;
	raise(SIGKILL);
}

static void case_exit(void *arg)
{
	(void)arg;
	ok(true, "before an early exit");
	fflush(stdout);
	_exit(0);
}

static void case_sleeps(void *arg)
{
	(void)arg;
	ok(true, "before a long sleep");
	sleep(600);
}

static void case_leaks_fd(void *arg)
{
	(void)arg;
	ok(open("/dev/null", O_RDONLY) >= 0, "opened");
}

static void case_leaks_vma(void *arg)
{
	/* Its own protection keeps it from merging with a neighbour. */
	void *page = mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	ok(page != MAP_FAILED, "mapped");
}

static void *volatile kept;

static void case_leaks_heap(void *arg)
{
	(void)arg;
	kept = malloc(100);
	ok(kept != NULL, "allocated");
}

static void case_ignores_heap(void *arg)
{
	tap_ignore_leaks(TAP_LEAK_HEAP);
	case_leaks_heap(arg);
}

static void case_baseline(void *arg)
{
	case_leaks_fd(arg);
	tap_baseline();
}

static void case_skips(void *arg)
{
	(void)arg;
	tap_skip_all("some-key", "not here");
}

static void run_case(void (*case_fn)(void *))
{
	tap_plan(1);
	tap_case("the case", case_fn, NULL, 1);
}

static void bad_short_plan(void)
{
	tap_plan(3);
	ok(true, "only one");
}

static void bad_long_plan(void)
{
	tap_plan(1);
	ok(true, "one");
	ok(true, "two");
}

static void bad_early_exit(void)
{
	tap_plan(1);
	ok(true, "one");
	exit(0);
}

static void bad_numbers(void)
{
	tap_plan(4);
	is_u64(0x1000, 0x2000, "sizes");
	is_i64(-1, 1, "signed");
	is_str("a", NULL, "strings");
	is_err(-ENOMEM, EINVAL, "errors");
}

static void bad_bail(void)
{
	tap_plan(1);
	tap_bail("no such thing");
}

static void good_points(void)
{
	tap_plan(0);
	ok(true, "a # sign and\na line end");
	is_u64(1, 1, "equal");
	is_i64(-1, -1, "equal");
	is_str(NULL, NULL, "both NULL");
	is_err(0, 0, "success");
	is_err(-EINVAL, EINVAL, "errno, positive");
	is_err(-EINVAL, -EINVAL, "errno, negative");
	tap_figure("figure", 1e6, "operations");
	tap_skip(2, "some-key", "two are missing");
	tap_diag("two\nlines");
}

static void good_skip_all(void)
{
	tap_plan(0);
	tap_skip_all("some-key", "nothing to test");
}

static void late_skip_all(void)
{
	tap_plan(3);
	ok(true, "one");
	tap_skip_all("some-key", "no more");
}

static void late_skip_after_failure(void)
{
	tap_plan(2);
	ok(false, "one");
	tap_skip_all("some-key", "no more");
}

static const struct {
	const char *name;
	void (*program)(void);
	void (*case_fn)(void *); /* instead of program: one case */
	int status; /* wanted exit status */
	const char *prints; /* wanted in its output */
	bool counts_memory; /* not under sanitizers or valgrind */
} programs[] = {
	{ "short plan", bad_short_plan, NULL, 1, "planned 3 points, made 1", false },
	{ "long plan", bad_long_plan, NULL, 1, "planned 1 points, made 2", false },
	{ "early exit", bad_early_exit, NULL, 255, "tap_done() was not reached", false },
	{ "hexadecimal", bad_numbers, NULL, 1, "is 0x1000, wanted 0x2000", false },
	{ "signed", bad_numbers, NULL, 1, "is -1, wanted 1", false },
	{ "string", bad_numbers, NULL, 1, "is \"a\", wanted NULL", false },
	{ "errno name", bad_numbers, NULL, 1, "(ENOMEM), wanted EINVAL", false },
	{ "bail", bad_bail, NULL, 255, "Bail out!  no such thing", false },
	{ "good", good_points, NULL, 0, "\n1..9\n", false },
	{ "escapes", good_points, NULL, 0, "ok 1 - a \\# sign and a line end\n", false },
	{ "skip", good_points, NULL, 0, "ok 9 # SKIP [some-key] two are missing\n", false },
	{ "diag", good_points, NULL, 0, "# two\n# lines\n", false },
	{ "figure", good_points, NULL, 0, "  value: 1000000\n  unit: operations\n  ...\n", false },
	{ "skip all", good_skip_all, NULL, 0, "1..0 # SKIP [some-key] nothing to test\n", false },
	{ "late skip", late_skip_all, NULL, 0, "ok 3 # SKIP [some-key] no more\n", false },
	{ "skip hides no failure", late_skip_after_failure, NULL, 1, "not ok 1", false },
	{ "case", NULL, case_good, 0, "ok 1 - the case\n", false },
	{ "case: figure", NULL, case_good, 0, "\n  ---\n  figure: speed\n", false },
	{ "case: bad point", NULL, case_bad_point, 1, "#   not ok 1 - inner point fails", false },
	{ "case: no point", NULL, case_no_point, 1, "the case made no point", false },
	{ "case: signal", NULL, case_signal, 1, "the case died of signal 9 (KILL)", false },
	{ "case: exits", NULL, case_exit, 1, "the case did not return", false },
	{ "case: too long", NULL, case_sleeps, 1, "and was killed", false },
	{ "case: descriptor", NULL, case_leaks_fd, 1, "leaked: 1 descriptors", false },
	{ "case: baseline", NULL, case_baseline, 0, "ok 1 - the case\n", false },
	{ "case: mapping", NULL, case_leaks_vma, 1, "leaked: 1 mappings", true },
	{ "case: heap", NULL, case_leaks_heap, 1, "bytes of heap", true },
	{ "case: heap ignored", NULL, case_ignores_heap, 0, "ok 1 - the case\n", false },
	{ "case: skipped", NULL, case_skips, 0, "ok 1 - the case # SKIP [some-key] not here\n",
	  false },
};
enum { PROGRAMS = sizeof(programs) / sizeof(programs[0]) };

static int run_named(const char *name)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		if (strcmp(programs[i].name, name) != 0)
			continue;
		if (programs[i].case_fn)
			run_case(programs[i].case_fn);
		else
			programs[i].program();
		return tap_done();
	}
	return 99;
}

static void try_program(const char *self, size_t i)
{
	static char output[65536];
	char command[4096];
	size_t length;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "'%s' '%s' 2>&1", self, programs[i].name);
	pipe = popen(command, "r");
	if (!pipe)
		tap_bail("popen: %m");
	length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	status = pclose(pipe);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == programs[i].status,
	   "%s: exit status %d, is %d", programs[i].name, programs[i].status, WEXITSTATUS(status));
	if (!ok(strstr(output, programs[i].prints) != NULL, "%s: output", programs[i].name))
		tap_diag("%s", output);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return run_named(argv[1]);
	tap_plan(2 * PROGRAMS + 3);
	setenv("VASPACE_TEST_SLOWDOWN", "1", 1);
	for (size_t i = 0; i < PROGRAMS; i++) {
		if (programs[i].counts_memory && (tap_under_sanitizer() || tap_under_valgrind()))
			tap_skip(2, "checker-memory",
				 "%s: the checker's own memory is in the counts", programs[i].name);
		else
			try_program(argv[0], i);
	}
	unsetenv("VASPACE_TEST_SCALE");
	is_u64(tap_scaled(1000), 1000, "unscaled");
	setenv("VASPACE_TEST_SCALE", "10", 1);
	is_u64(tap_scaled(1234567), 123456, "a tenth");
	is_u64(tap_scaled(3), 1, "never nothing");
	return tap_done();
}
