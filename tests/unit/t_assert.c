/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/* budget: 5 */
/* A broken assertion hands its line to the hook and ends the process by a trap. */
#define VASPACE_DEBUG_ASSERTS 1
#include "base/assert.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap/tap.h"

static int hook_pipe;

static void hook(const char *line)
{
	if (write(hook_pipe, line, strlen(line)) < 0)
		_exit(1);
}

static void breaks_assert(void)
{
	int one = 1;

	VAS_ASSERT(one + 1 == 3);
}

static void breaks_always(void)
{
	int one = 1;

	if (!VAS_ALWAYS(one == 2))
		_exit(3);
}

static void breaks_never(void)
{
	int one = 1;

	if (VAS_NEVER(one == 1))
		_exit(3);
}

static void breaks_nothing(void)
{
	int one = 1;

	VAS_ASSERT(one == 1);
	VAS_ASSERT_DEBUG(one == 1);
	if (!VAS_ALWAYS(one == 1) || VAS_NEVER(one == 2))
		_exit(3);
	_exit(0);
}

/* Runs broken in a child; gives its wait status and what reached the hook. */
static int run(void (*broken)(void), bool with_hook, char *line, size_t capacity)
{
	static const struct rlimit no_core = { 0, 0 };
	int ends[2];
	int status = 0;
	ssize_t length;
	pid_t child;

	if (pipe(ends) != 0 || (child = fork()) < 0)
		tap_bail("no child");
	if (child == 0) {
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		setrlimit(RLIMIT_CORE, &no_core);
		close(ends[0]);
		hook_pipe = ends[1];
		vas_assert_set_hook(with_hook ? hook : NULL);
		broken();
		_exit(4);
	}
	close(ends[1]);
	length = read(ends[0], line, capacity - 1);
	line[length > 0 ? length : 0] = '\0';
	close(ends[0]);
	if (waitpid(child, &status, 0) != child)
		tap_bail("waitpid");
	return status;
}

static bool trapped(int status)
{
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

int main(void)
{
	char line[512];

	tap_plan(9);
	ok(trapped(run(breaks_assert, true, line, sizeof(line))), "VAS_ASSERT traps");
	ok(strstr(line, "vaspace: ") == line && strstr(line, "t_assert.c:") &&
		   strstr(line, "broken assertion: one + 1 == 3"),
	   "its line tells file and expression");
	ok(trapped(run(breaks_assert, false, line, sizeof(line))), "without a hook too");
	is_str(line, "", "in silence");
	ok(trapped(run(breaks_always, true, line, sizeof(line))),
	   "VAS_ALWAYS traps in a debug build");
	ok(strstr(line, "one == 2") != NULL, "with its line");
	ok(trapped(run(breaks_never, true, line, sizeof(line))), "VAS_NEVER likewise");
	ok(strstr(line, "never: one == 1") != NULL, "with its line");
	is_i64(run(breaks_nothing, true, line, sizeof(line)), 0, "what holds goes on");
	return tap_done();
}
